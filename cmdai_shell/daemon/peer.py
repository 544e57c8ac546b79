"""Whether the process at the other end of a Unix socket is this user's."""

from __future__ import annotations

import os
import socket
import struct

_SOL_LOCAL, _LOCAL_PEERCRED = 0, 1  # <sys/un.h> of macOS and the BSDs


def is_us(client: socket.socket) -> bool:
    """File modes already keep others out; this holds where somebody has loosened them."""
    return uid(client) == os.getuid()


def uid(client: socket.socket) -> int:
    """User id of the peer when it connected: unix(7), or struct xucred."""
    if hasattr(socket, "SO_PEERCRED"):
        size = struct.calcsize("3i")
        found = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        return int(struct.unpack("3i", found)[1])
    size = struct.calcsize("2Ih16I")
    found = client.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, size)
    return int(struct.unpack_from("2I", found)[1])
