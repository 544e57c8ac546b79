"""Carries one record to the socket and the reply back: ``python -I -S relay.py SOCKET``.

The relay of last resort: it imports only what is built in, because it starts at every press.
"""

import _socket
import posix
import sys

CHUNK = 65536
RECORD_END = b"\x1e"


def main(path):
    daemon = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    daemon.connect(path)
    while chunk := posix.read(0, CHUNK):
        daemon.sendall(chunk)
        if chunk.endswith(RECORD_END):
            break
    while chunk := daemon.recv(CHUNK):
        while chunk:
            chunk = chunk[posix.write(1, chunk) :]


try:
    main(sys.argv[1])
except OSError:  # no daemon, or the shell stopped listening: the hook sees the end of the reply
    sys.exit(1)
