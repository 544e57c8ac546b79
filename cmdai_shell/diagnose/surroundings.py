"""All that checks may see. Tests make a healthy one and vary one thing in it."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cmdai_shell.backends.embedded import memory
from cmdai_shell.config import paths
from cmdai_shell.config.loading import load
from cmdai_shell.config.schema import Config
from cmdai_shell.errors import ConfigError
from cmdai_shell.hooks.install import shells_here
from cmdai_shell.hooks.render import find_relay

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cmdai_shell.core import Shell
    from cmdai_shell.hooks.render import Relay

T = TypeVar("T")

LLAMA_S = 60.0
"""Seconds for loading llama.cpp's library: long on a cold disk and a busy machine."""
_LLAMA = "import llama_cpp; print(llama_cpp.llama_print_system_info().decode())"


@dataclass(frozen=True, slots=True)
class Said:
    """What a program printed. ``code`` is negative for a signal, None when it did not end."""

    code: int | None
    out: str = ""
    err: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    environ: Mapping[str, str]
    system: str
    """``Linux`` or ``Darwin``, as uname says."""
    machine: str
    """``x86_64``, ``aarch64`` ..."""
    uid: int
    python: str
    """The interpreter that the hooks and the daemon use."""
    home: Path
    runtime_dir: Path
    config_dir: Path
    data_dir: Path
    cache_dir: Path
    log_dir: Path
    shells: tuple[Shell, ...]
    """Those on this machine."""
    config: Callable[[], Config]
    """Raises ConfigError."""
    daemon: Callable[[], Mapping[str, Any]]
    """Its status; raises DaemonUnavailable."""
    relay: Callable[[], Relay]
    llama: Callable[[], Said]
    """llama.cpp's own account of how it was built, or why it cannot be loaded."""
    ask: Callable[[Sequence[str], float], Said]
    """Run a program for so many seconds at most."""
    which: Callable[[str], str]
    """Absolute path of a program on PATH, or empty."""
    writable: Callable[[Path], bool]
    """Whether we may write there; of a folder that does not exist yet: whether we may make it."""
    available_memory: int
    """Bytes."""
    free_disk: Callable[[Path], int]
    """Bytes."""
    cpu_flags: frozenset[str]
    """As the kernel names them; empty where it does not."""

    def settings(self) -> Config:
        """The configuration, or the defaults while it is wrong: one check says so, not all."""
        try:
            return self.config()
        except ConfigError:
            return Config()


def here(daemon: Callable[[], Mapping[str, Any]]) -> Surroundings:
    """This machine, for this process."""
    return Surroundings(
        environ=dict(os.environ),
        system=platform.system(),
        machine=platform.machine(),
        uid=os.getuid(),
        python=sys.executable,
        home=Path.home(),
        runtime_dir=paths.runtime_dir(),
        config_dir=paths.config_dir(),
        data_dir=paths.data_dir(),
        cache_dir=paths.cache_dir(),
        log_dir=paths.log_dir(),
        shells=shells_here(),
        config=once(load),
        daemon=once(daemon),
        relay=once(find_relay),
        llama=once(lambda: ask([sys.executable, "-I", "-c", _LLAMA], LLAMA_S)),
        ask=ask,
        which=lambda program: shutil.which(program) or "",
        writable=writable,
        available_memory=memory.available(),
        free_disk=lambda path: shutil.disk_usage(existing(path)).free,
        cpu_flags=_cpu_flags(),
    )


def once(question: Callable[[], T]) -> Callable[[], T]:
    """The same question, asked by many checks at once and answered once; an error is kept too."""
    lock = threading.Lock()
    answer: Future[T] = Future()

    def asked() -> T:
        with lock:
            if not answer.done():
                try:
                    answer.set_result(question())
                except Exception as error:
                    answer.set_exception(error)
        return answer.result()

    return asked


def ask(command: Sequence[str], seconds: float) -> Said:
    """In a session of its own and without a terminal: an interactive shell must not take ours."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        return Said(127, err=(error.strerror or "failed").lower())
    with process:
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # what it started, too
            return Said(None, err=f"no end within {seconds:.0f} s")
    return Said(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next(place for place in (path, *path.parents) if place.exists())


def writable(path: Path) -> bool:
    place = existing(path)
    return os.access(place, os.W_OK | (os.X_OK if place.is_dir() else 0))


def _cpu_flags() -> frozenset[str]:
    """``flags`` of x86, ``Features`` of ARM (proc_cpuinfo(5)); macOS has no such file."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    named = (line.partition(":") for line in lines)
    found = (text for name, _, text in named if name.strip() in {"flags", "Features"})
    return frozenset(next(found, "").split())
