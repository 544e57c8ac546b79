"""The system's look-up of names, in threads of its own.

A name server that is silent holds a thread for 5 to 30 s, and nothing can end that: in the event
loop's own executor such look-ups would keep files and all else from being read.
"""

from __future__ import annotations

import asyncio
import queue
import socket
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeAlias

THREADS = 64
"""Names that are looked up at a time; others wait for one of them. More than anybody has servers:
those that hang are not to keep one that would be found from being looked up."""
MOST_KNOWN = 1_000

Infos: TypeAlias = "list[tuple[Any, ...]]"
_Key: TypeAlias = "tuple[str, int]"


class Names:
    """One look-up for all who ask for a name at the same time, whatever loop they run in.

    Threads are started when they are needed, and are daemons: the program's end waits for none.
    """

    def __init__(self, threads: int = THREADS) -> None:
        self._most = threads
        self._threads = 0
        self._lock = threading.Lock()
        self._waiting: queue.SimpleQueue[tuple[_Key, Future[Infos]]] = queue.SimpleQueue()
        self._in_flight: dict[_Key, Future[Infos]] = {}
        self._known: dict[_Key, Infos] = {}

    def known(self, host: str, family: int = socket.AF_UNSPEC) -> Infos | None:
        """What was last found, though nobody may have waited for it."""
        return self._known.get((host, int(family)))

    async def lookup(self, host: str, family: int = socket.AF_UNSPEC) -> Infos:
        """As ``socket.getaddrinfo`` has it, for streams; raises what it raises. It goes on for
        the others when one of them gives up."""
        if _is_localhost(host):
            return _loopback(family)
        found = self._asked((host, int(family)))
        loop = asyncio.get_running_loop()
        told = asyncio.Event()

        def tell(_: object) -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(told.set)

        found.add_done_callback(tell)
        await told.wait()
        return found.result()

    def _asked(self, key: _Key) -> Future[Infos]:
        with self._lock:
            if key in self._in_flight:
                return self._in_flight[key]
            found = self._in_flight[key] = Future()
            self._waiting.put((key, found))
            if len(self._in_flight) > self._threads < self._most:
                self._threads += 1
                threading.Thread(target=self._work, name="names", daemon=True).start()
        return found

    def _work(self) -> None:
        while True:
            key, found = self._waiting.get()
            result: Infos | Exception
            try:
                # Without AI_ADDRCONFIG, which aiohttp sets: localhost has to work off line.
                result = list(socket.getaddrinfo(key[0], None, key[1], socket.SOCK_STREAM))
            except Exception as error:
                result = error
            with self._lock:
                del self._in_flight[key]
                self._note(key, result)
            if isinstance(result, Exception):
                found.set_exception(result)
            else:
                found.set_result(result)

    def _note(self, key: _Key, result: Infos | Exception) -> None:
        if isinstance(result, socket.gaierror) and result.errno == socket.EAI_AGAIN:
            return  # nobody has said that it has gone
        self._known.pop(key, None)
        if not isinstance(result, Exception):
            self._known[key] = result
        if len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]


def _is_localhost(host: str) -> bool:
    """No name server has a say in it (RFC 6761 6.3)."""
    name = host.lower().rstrip(".")
    return name == "localhost" or name.endswith(".localhost")


def _loopback(family: int) -> Infos:
    both = [(socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET6, ("::1", 0, 0, 0))]
    wanted = [(own, at) for own, at in both if family in (socket.AF_UNSPEC, own)]
    return [(own, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", at) for own, at in wanted]
