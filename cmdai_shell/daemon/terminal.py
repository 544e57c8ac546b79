"""Whether somebody typed: counted from outside, for a shell that cannot look without reading."""

from __future__ import annotations

import array
import fcntl
import os
import re
import stat
import termios

_DEVICE = re.compile(r"/dev/(?:pts/\d+|tty\w*)")


def waiting(path: str) -> int | None:
    """How many bytes wait to be read at the terminal ``path`` (FIONREAD, ioctl_tty(2)).

    Nothing is read, and the terminal does not become ours. None when it is not this user's terminal
    or cannot be asked: then the shell has to look for itself.
    """
    if not _DEVICE.fullmatch(path):
        return None
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = os.fstat(fd)
        if not stat.S_ISCHR(found.st_mode) or found.st_uid != os.getuid():
            return None
        count = array.array("i", [0])
        fcntl.ioctl(fd, termios.FIONREAD, count)
        return count[0]
    except OSError:
        return None
    finally:
        os.close(fd)
