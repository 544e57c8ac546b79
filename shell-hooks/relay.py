"""Carries one record to the socket and the reply back: ``python -I -S relay.py SOCKET [SECONDS]``.

The relay of last resort: it imports only what is built in, because it starts at every press.
After SECONDS of silence it ends as if the reply had (fish cannot time a reply out itself).
"""

import _socket
import posix
import sys

CHUNK = 65536
RECORD_END = b"\x1e"


def main(path, patience=None):
    daemon = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    daemon.connect(path)
    while chunk := posix.read(0, CHUNK):
        daemon.sendall(chunk)
        if chunk.endswith(RECORD_END):
            break
    daemon.settimeout(patience)
    while chunk := receive(daemon):
        while chunk:
            chunk = chunk[posix.write(1, chunk) :]


def receive(daemon):
    try:
        return daemon.recv(CHUNK)
    except TimeoutError:
        return b""


try:
    main(sys.argv[1], *map(float, sys.argv[2:]))
except OSError:  # no daemon, or the shell stopped listening: the hook sees the end of the reply
    sys.exit(1)
