"""What the daemon and the worker say to each other, and how it is framed on their pipe.

A frame is a length (four bytes, big-endian) and that many bytes of msgpack. The worker answers one
``Ask`` at a time, in order; ``Cancel`` and ``Ping`` are heard at once, also in mid-calculation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Literal, TypeVar

import msgspec

from cmdai_shell.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Iterator

FRAME_LIMIT = 4 << 20
"""Bytes. A 64 KiB line and a long prefix fit many times over; anything above is noise."""
_HEADER = 4

Ending = Literal["done", "stop", "length", "loop", "cancelled"]
"""Why an answer ended: the model's own end, a stop string, ``max_tokens`` or the context was full,
the model repeated itself, it was cancelled."""
Trouble = Literal["engine", "model", "memory", "too-long"]
"""llama.cpp cannot be used, the file is no good, memory ran out, the request does not fit."""


class Load(msgspec.Struct, frozen=True, kw_only=True, tag="load"):
    path: str
    sha256: str
    template: str
    """Name of the chat template; empty: the one in the model file."""
    lora: str
    """Path of the low-rank matrices that belong to the model; empty: none."""
    threads: int
    """0: as many as suit the machine."""
    context_tokens: int
    cache_dir: str
    """Where evaluated prefixes are kept; empty: nowhere."""


class Ask(msgspec.Struct, frozen=True, kw_only=True, tag="ask"):
    id: int
    system: str
    examples: tuple[tuple[str, str], ...] = ()
    near: tuple[tuple[str, str], ...] = ()
    """Examples that are this request's own, not part of the prefix."""
    lora: bool = False
    """With the model's low-rank matrices."""
    user: str | None = None
    """None: only evaluate the prefix."""
    stop: tuple[str, ...] = ()
    max_tokens: int = 0
    temperature: float = 0.0
    seed: int = 0


class Cancel(msgspec.Struct, frozen=True, kw_only=True, tag="cancel"):
    id: int


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    pass


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    pass


class Loaded(msgspec.Struct, frozen=True, kw_only=True, tag="loaded"):
    threads: int
    lacks: str = ""
    """What is missing though the model answers."""


class Reading(msgspec.Struct, frozen=True, kw_only=True, tag="reading"):
    """The prefix is being evaluated: so many of its tokens are in."""

    id: int
    done: int
    total: int


class Text(msgspec.Struct, frozen=True, kw_only=True, tag="text"):
    id: int
    text: str


class Finished(msgspec.Struct, frozen=True, kw_only=True, tag="finished"):
    id: int
    ending: Ending
    evaluated: int = 0
    """Prompt tokens that had to be evaluated; the rest was kept from before."""
    prefix_s: float = 0.0
    """Seconds for those of the prefix."""
    generated: int = 0
    """Tokens drawn, the one that says "done" among them: it takes as long as any."""
    decode_s: float = 0.0
    """Seconds from the first token to the last."""


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    id: int
    """0: the loading failed."""
    trouble: Trouble
    message: str


Order = Load | Ask | Cancel | Ping
Reply = Loaded | Reading | Text | Finished | Failed | Pong
M = TypeVar("M", Order, Reply)

_encoder = msgspec.msgpack.Encoder()


def frame(message: Order | Reply) -> bytes:
    body = _encoder.encode(message)
    return len(body).to_bytes(_HEADER, "big") + body


class Frames(Generic[M]):
    """Bytes in, messages out. It owns the buffer, so a reader may be cancelled at any await."""

    def __init__(self, decoder: msgspec.msgpack.Decoder[M]) -> None:
        self._decoder: msgspec.msgpack.Decoder[M] = decoder
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[M]:
        """Yield each message that is now whole. Raises WireError: the stream cannot be trusted."""
        self._buffer += data
        while len(self._buffer) >= _HEADER:
            size = int.from_bytes(self._buffer[:_HEADER], "big")
            if size > FRAME_LIMIT:
                raise WireError(f"a frame of {size} bytes")
            if len(self._buffer) < _HEADER + size:
                return
            body = bytes(self._buffer[_HEADER : _HEADER + size])
            del self._buffer[: _HEADER + size]
            try:
                yield self._decoder.decode(body)
            except msgspec.MsgspecError as error:
                raise WireError(f"an unreadable frame: {error}") from error


def orders() -> Frames[Order]:
    return Frames(msgspec.msgpack.Decoder(Order))


def replies() -> Frames[Reply]:
    return Frames(msgspec.msgpack.Decoder(Reply))


def speaks_of_memory(text: str) -> bool:
    """Whether a message of llama.cpp, Python or the kernel is about want of memory."""
    return any(word in text.lower() for word in ("memory", "alloc", "mmap", "mem_buffer"))
