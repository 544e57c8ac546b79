"""A server that is somebody else's program, for as long as a test takes."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path


@contextmanager
def running(
    command: Sequence[str],
    *,
    folder: Path,
    environ: Mapping[str, str],
    is_up: Callable[[], object],
    seconds: float,
) -> Iterator[None]:
    """From when ``is_up``, for which it has so many seconds; ``folder/log`` is what it says."""
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, env=environ, cwd=folder, stdout=log, stderr=log)
    try:
        until = time.monotonic() + seconds
        while not is_up():
            said = (folder / "log").read_text(errors="replace")[-3000:]
            assert server.poll() is None, said
            assert time.monotonic() < until, said
            time.sleep(0.2)
        yield
    finally:
        server.terminate()
        server.wait(30)
