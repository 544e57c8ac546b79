"""The box: bubblewrap without network, this machine's programs read-only, a home of its own."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cmdai_shell.core import Shell

HOME = "/home/u"
WORK = f"{HOME}/work"
STUBS = "/opt/stubs"
TOOLS = "/opt/bin"
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
OUTPUT_LIMIT = 256 << 10

Cut = Literal["", "time", "output"]

_LIMITS = ("--as=3000000000", "--fsize=1200000000", "--core=0", "--nofile=512")
_NICE = 10
_SECRETS = ("shadow", "shadow-", "gshadow", "gshadow-", "sudoers")
_SHELLS: dict[Shell, tuple[str, ...]] = {
    "bash": ("bash", "--norc", "--noprofile"),
    "zsh": ("zsh", "-f"),
    "fish": ("env", "XDG_CONFIG_HOME=/tmp/config", "fish", "--no-config"),
}
_STATUS: dict[Shell, str] = {
    "bash": "__status=$?",
    "zsh": "__status=$?",
    "fish": "set __status $status",
}
_SURVIVORS = "sleep 0.2; ps -eo ni=,stat=,args= >>/run/end 2>/dev/null"
"""In every shell's grammar, like what is before and after it."""


class Unusable(Exception):
    """The box does not work here, or a fixture cannot be built."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one run, but for the files. ``cut``: it was ended, for it took too long or wrote
    too much. ``cwd``: where the shell was at the end. ``processes``: the fixture's own that lived
    then, with their nice value and state."""

    stdout: str
    stderr: str
    status: int
    cut: Cut
    cwd: str
    processes: str = ""


@dataclass(frozen=True)
class Box:
    """``data`` may have ``stubs``, and ``etc``, whose files stand in for the machine's; ``tools``
    has the links to the stubs (see ``link_stubs``) and stands first on PATH. ``day`` dates the
    commits that are made in it."""

    data: Path
    tools: Path
    day: str

    def run(
        self,
        home: Path,
        command: str,
        shell: Shell,
        timeout: float,
        *,
        syntax_only: bool = False,
        start: Sequence[str] = (),
    ) -> Outcome:
        """The command in ``home``/work, after the lines of ``start``, which leave programs running;
        beside ``home`` must be room for two files. Raises Unusable."""
        # The command is in a file: its text is in no process list, and ends no argument early.
        script, end = home.parent / "command", home.parent / "end"
        text = command if syntax_only else _script(command, shell, start)
        script.write_text(text, "utf-8")
        end.write_bytes(b"")
        words = [
            *_niceness(0 if start else _NICE),
            *self._walls(home, script, end),
            *("prlimit", *_LIMITS, "--"),
            *_SHELLS[shell],
            *(["-n"] if syntax_only else []),
            "/run/command",
        ]
        with _stdin(command) as stdin:
            process = subprocess.Popen(
                words,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            stdout, stderr, cut = _listen(process, timeout)
        if stderr.startswith(b"bwrap:"):
            raise Unusable(stderr.decode(errors="replace").strip())
        cwd, _, processes = end.read_text("utf-8", "replace").partition("\n")
        return Outcome(
            stdout=stdout.decode(errors="replace"),
            stderr=_ends(stderr.decode(errors="replace")),
            status=process.returncode,
            cut=cut,
            cwd=cwd or WORK,
            processes=_own(processes),
        )

    def _walls(self, home: Path, script: Path, end: Path) -> list[str]:
        stubs, etc = self.data / "stubs", self.data / "etc"
        stand_ins = [path for path in etc.glob("*") if Path("/etc", path.name).exists()]
        masked = [f"/etc/{name}" for name in _SECRETS if Path("/etc", name).exists()]
        return [
            *("bwrap", "--unshare-all", "--uid", "1000", "--gid", "1000", "--hostname", "box"),
            *("--die-with-parent", "--as-pid-1", "--cap-drop", "ALL", "--clearenv"),
            *("--ro-bind", "/usr", "/usr", "--ro-bind", "/etc", "/etc"),
            *(x for name in masked for x in ("--ro-bind", "/dev/null", name)),
            *(x for path in stand_ins for x in ("--ro-bind", str(path), f"/etc/{path.name}")),
            *(x for name in ("bin", "sbin", "lib", "lib64") for x in _root_folder(name)),
            *("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/var/tmp"),
            *("--ro-bind", str(script), "/run/command", "--bind", str(end), "/run/end"),
            *(("--ro-bind", str(etc), "/run/etc") if etc.is_dir() else ()),
            *(("--ro-bind", str(stubs), STUBS) if stubs.is_dir() else ()),
            *(("--ro-bind", str(self.tools), TOOLS) if self.tools.is_dir() else ()),
            *("--bind", str(home), HOME, "--chdir", WORK),
            *(x for pair in self._environment().items() for x in ("--setenv", *pair)),
            "--",
        ]

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{TOOLS}:{SYSTEM_PATH}",
            "HOME": HOME,
            "USER": "u",
            "LOGNAME": "u",
            "SHELL": "/bin/bash",
            "TERM": "dumb",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "PAGER": "cat",
            "EDITOR": "true",
            "CALLS": f"{HOME}/.calls",
            "GIT_CONFIG_SYSTEM": "/run/etc/gitconfig",
            "GIT_AUTHOR_DATE": f"{self.day}T00:00:00Z",
            "GIT_COMMITTER_DATE": f"{self.day}T00:00:00Z",
            "GIT_TERMINAL_PROMPT": "0",
        }


def _niceness(wanted: int) -> list[str]:
    """The same wherever the bench itself runs: fixtures' programs show theirs."""
    own = os.getpriority(os.PRIO_PROCESS, 0)
    if wanted < own and os.geteuid():
        raise Unusable("this fixture's programs cannot run at nice 0: start the bench without nice")
    return ["nice", "-n", str(wanted - own)]


def link_stubs(stubs: Path, place: Path) -> Path:
    """A folder of links to ``stubs/stub`` by the names of ``tools.toml``, and to other programs
    there. They hold in the box and, so that a suggester finds those programs too, outside."""
    folder = place / "bin"
    if folder.is_dir() or not stubs.is_dir():
        return folder
    new = place / f"new.{os.getpid()}"
    new.mkdir(parents=True, exist_ok=True)
    tools = stubs / "tools.toml"
    tables = tomllib.loads(tools.read_text("utf-8")) if tools.is_file() else {}
    names = {name: "stub" for name in (*tables, *tables.get("same", ())) if name != "same"}
    others = (path for path in stubs.iterdir() if path.is_file() and os.access(path, os.X_OK))
    names |= {path.name: path.name for path in others if path.name != "stub"}
    for name, target in names.items():
        (new / name).symlink_to(f"../stubs/{target}")
    with contextlib.suppress(FileExistsError):
        (place / "stubs").symlink_to(stubs.resolve())
    with contextlib.suppress(OSError):  # somebody else was as quick
        new.rename(folder)
    return folder


def _ends(text: str, most: int = 2000) -> str:
    """Its beginning and its end: a complaint may be followed by pages of usage."""
    return text if len(text) <= most else f"{text[: most // 2]}\n{text[-most // 2 :]}"


def _script(command: str, shell: Shell, start: Sequence[str]) -> str:
    before = [f"{line} </dev/null >/dev/null 2>&1" for line in start]
    after = ["pwd -P >/run/end 2>/dev/null", *([_SURVIVORS] if start else []), "exit $__status"]
    return "\n".join([*before, command, _STATUS[shell], *after, ""])


def _own(processes: str) -> str:
    rows = (line.split(None, 2) for line in processes.splitlines() if "bin/" in line)
    return "\n".join(sorted(f"{nice} {state[0]} {words}" for nice, state, words in rows))


@contextlib.contextmanager
def _stdin(command: str) -> Iterator[int]:
    """Nothing to read; for ``git shortlog``, which would read it instead of the log, a terminal."""
    if "shortlog" not in command:
        yield subprocess.DEVNULL
        return
    ours, theirs = os.openpty()
    try:
        yield theirs
    finally:
        os.close(ours)
        os.close(theirs)


def _listen(process: subprocess.Popen[bytes], timeout: float) -> tuple[bytes, bytes, Cut]:
    """All it says, until it ends, is late, or says too much: then it is killed."""
    deadline = time.monotonic() + timeout
    assert process.stdout
    assert process.stderr
    said = {process.stdout: bytearray(), process.stderr: bytearray()}
    cut: Cut = ""
    with selectors.DefaultSelector() as ears, process:
        for pipe in said:
            ears.register(pipe, selectors.EVENT_READ)
        while ears.get_map() and not cut:
            left = deadline - time.monotonic()
            ready = ears.select(max(left, 0))
            if not ready:
                cut = "time"
            for key, _ in ready:
                chunk = os.read(key.fd, 65536)
                if not chunk:
                    ears.unregister(key.fileobj)
                said[key.fileobj] += chunk  # type: ignore[index]
                if len(said[process.stdout]) > OUTPUT_LIMIT:
                    cut = "output"
            if left <= 0:
                cut = "time"
        if not cut:
            try:
                process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                cut = "time"
        if cut:
            process.kill()
    return bytes(said[process.stdout]), bytes(said[process.stderr]), cut


def _root_folder(name: str) -> tuple[str, ...]:
    path = Path("/", name)
    if path.is_symlink():
        return ("--symlink", f"usr/{name}", f"/{name}")
    return ("--ro-bind", f"/{name}", f"/{name}") if path.is_dir() else ()
