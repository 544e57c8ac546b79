"""What a program of the person's prints: a secret, that is seen by nobody on the way."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cmdai_shell.errors import BackendDenied, ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMEOUT_S = 10.0
PATIENT_S = 25.0
"""That a program has which asks the person: less than the store has."""
LARGEST = 64 << 10
_LOOK_S = 0.05


def words(command: str | Sequence[str]) -> tuple[str, ...]:
    """A text is split as a shell would. Raises ConfigError for half a quotation, and for none."""
    try:
        found = tuple(shlex.split(command) if isinstance(command, str) else command)
    except ValueError:
        raise ConfigError("a quotation mark of a command has no pair", "or write a list") from None
    if not found:
        raise ConfigError("no command is given", "a program and its arguments")
    return found


def is_there(program: str) -> bool:
    return shutil.which(_expanded(program)) is not None


def _expanded(program: str) -> str:
    return os.path.expanduser(program)  # noqa: PTH111  it may be a bare name


def output(command: str | Sequence[str], timeout: float = TIMEOUT_S) -> str:
    """Its first line. No shell, no terminal; what it says on stderr is dropped. Blocks; it and all
    it began are ended after ``timeout`` s. Raises ConfigError for no command, else BackendDenied,
    which names the program alone."""
    command = words(command)
    program = Path(command[0]).name
    try:
        running = subprocess.Popen(
            [_expanded(command[0]), *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError):
        raise BackendDenied(f"{program} cannot be run", "see what command is set") from None
    try:
        data = _printed(running, time.monotonic() + timeout)
    except TimeoutError:
        raise BackendDenied(f"{program} took more than {timeout:g} s", "run it yourself") from None
    finally:
        status = _ended(running)
    if len(data) > LARGEST:
        raise BackendDenied(f"{program} printed too much for a secret", "run it yourself")
    if status != 0:
        raise BackendDenied(f"{program} failed with status {status}", "run it yourself")
    line = data.decode(errors="replace").strip().partition("\n")[0].strip()
    if not line:
        raise BackendDenied(f"{program} printed no secret", "run it yourself")
    return line


def _printed(running: subprocess.Popen[bytes], until: float) -> bytes:
    """All of it by its end, or more than LARGEST. Who was left behind may keep the pipe open, and
    is not waited for. Raises TimeoutError."""
    assert running.stdout is not None  # noqa: S101
    pipe = running.stdout.fileno()
    os.set_blocking(pipe, False)
    data = b""
    while len(data) <= LARGEST:
        has_ended = running.poll() is not None  # looked at first: then all is in the pipe
        piece = b""
        with suppress(BlockingIOError):
            piece = os.read(pipe, LARGEST + 1)
        data += piece
        if piece:
            continue
        if has_ended:
            break
        if (left := until - time.monotonic()) <= 0:
            raise TimeoutError
        with suppress(subprocess.TimeoutExpired):
            running.wait(min(_LOOK_S, left))
    return data


def _ended(running: subprocess.Popen[bytes]) -> int:
    """Its status; whatever else is of its session goes with it, if it had not ended by itself."""
    if running.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
    with running:  # closes the pipe
        return running.wait()


def passphrase(command: str | Sequence[str]) -> str:
    """For a store that is opened with it. Raises ConfigError."""
    try:
        return output(command, timeout=PATIENT_S)
    except BackendDenied as error:
        raise ConfigError(
            f"no passphrase: {error.message}", "see auth.passphrase_command"
        ) from None
