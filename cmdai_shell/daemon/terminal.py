"""Whether somebody typed: counted from outside, for a shell that cannot look without reading."""

from __future__ import annotations

import array
import fcntl
import os
import re
import stat
import termios
from pathlib import Path

_DEVICE = re.compile(r"/dev/(?:pts/[0-9]+|tty[A-Za-z]*[0-9]+)")


def waiting(path: str, shell: int) -> int | None:
    """How many bytes wait to be read at the terminal ``path`` (FIONREAD, ioctl_tty(2)).

    Nothing is read, and the terminal does not become ours. None unless it is this user's, and the
    very one that process ``shell`` has as its standard input: a container has devices of its own
    under the same names. Then the shell looks for itself.
    """
    if not _DEVICE.fullmatch(path):
        return None
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found, theirs = os.fstat(fd), Path(f"/proc/{shell}/fd/0").stat()
        ours = stat.S_ISCHR(found.st_mode) and found.st_uid == os.getuid()
        same = (found.st_dev, found.st_ino) == (theirs.st_dev, theirs.st_ino)
        if not (ours and same):
            return None
        count = array.array("i", [0])
        fcntl.ioctl(fd, termios.FIONREAD, count)
        return count[0]
    except OSError:
        return None
    finally:
        os.close(fd)
