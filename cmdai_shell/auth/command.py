"""What a program of the person's prints: a secret, that is seen by nobody on the way."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cmdai_shell.auth.blocking import within
from cmdai_shell.errors import BackendDenied, ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMEOUT_S = 10.0
PATIENT_S = 25.0
"""That a program has which asks the person: less than the store has."""
LARGEST = 64 << 10


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
    stdout = running.stdout
    assert stdout is not None  # noqa: S101
    try:
        data, status = within(timeout, lambda: (stdout.read(LARGEST + 1), running.wait()))
    except TimeoutError:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        raise BackendDenied(f"{program} took more than {timeout:g} s", "run it yourself") from None
    finally:
        stdout.close()
    if status != 0:
        raise BackendDenied(f"{program} failed with status {status}", "run it yourself") from None
    line = data[:LARGEST].decode(errors="replace").strip().partition("\n")[0].strip()
    if not line or len(data) > LARGEST:
        raise BackendDenied(f"{program} printed no secret", "run it yourself") from None
    return line


def passphrase(command: str | Sequence[str]) -> str:
    """For a store that is opened with it. Raises ConfigError."""
    try:
        return output(command, timeout=PATIENT_S)
    except BackendDenied as error:
        raise ConfigError(
            f"no passphrase: {error.message}", "see auth.passphrase_command"
        ) from None
