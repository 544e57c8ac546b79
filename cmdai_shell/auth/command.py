"""What a program of the person's prints: a secret, that is seen by nobody on the way."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cmdai_shell.auth.blocking import within
from cmdai_shell.errors import BackendDenied

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMEOUT_S = 10.0
LARGEST = 64 << 10


def output(command: Sequence[str], timeout: float = TIMEOUT_S) -> str:
    """Its first line. No shell, no terminal; what it says on stderr is dropped. Blocks; it and all
    it began are ended after ``timeout`` s. Raises BackendDenied, which names the program alone."""
    if not command:
        raise BackendDenied("no command is given")
    program = Path(command[0]).name
    try:
        running = subprocess.Popen(
            [os.path.expanduser(command[0]), *command[1:]],  # noqa: PTH111  may be a bare name
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
