"""One request after another against one model, each paying only for the tokens that are its own.

There is one sequence in the context. A request keeps of it whatever its prompt begins with; when
that is not even the prefix (another shell's, or ``explain``'s), the prefix's saved state is read
from disk, some 10 ms for 10 MB. A sequence per prefix would save those and cost as much memory
again for each; and prefixes that begin alike would no longer share what they share.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cmdai_shell.backends.embedded import pipe
from cmdai_shell.backends.embedded.llama import BATCH, KV_TYPE, Llama
from cmdai_shell.backends.embedded.output import Output, looping
from cmdai_shell.backends.embedded.prefix import PrefixStore, key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LEAST_ANSWER = 16
"""Tokens of the context that a prompt must leave free."""
_LONGEST_TOKEN = 128
"""Bytes. What could not fit even so is refused before it is split."""


class TooLong(Exception):
    """The prompt leaves no room for an answer in the context."""


class Answerer:
    """Raises what ``Llama`` raises."""

    def __init__(self, load: pipe.Load) -> None:
        self._llama = Llama(
            load.path,
            threads=load.threads,
            context_tokens=load.context_tokens,
            template=load.template,
            lora=load.lora,
        )
        self._store = PrefixStore(Path(load.cache_dir)) if load.cache_dir else None
        used = load.lora and not self._llama.lacks
        self._lora = hashlib.sha256(Path(load.lora).read_bytes()).hexdigest() if used else ""
        self._facts = (load.sha256, self._llama.version, str(self.context_tokens), KV_TYPE)

    @property
    def context_tokens(self) -> int:
        return self._llama.context_tokens

    @property
    def lacks(self) -> str:
        return self._llama.lacks

    def answer(
        self, ask: pipe.Ask, send: Callable[[pipe.Reply], None], cancelled: Callable[[], bool]
    ) -> pipe.Finished:
        """Send the text as it comes. Raises TooLong, Aborted, MemoryError."""
        prefix, own = self._prompt(ask)
        self._llama.use_lora(ask.lora)
        self._recall(prefix, own)
        before, prefix_s = len(self._llama.held), 0.0
        if before < len(prefix):
            prefix_s = self._read(ask.id, prefix, send, cancelled)
        if ask.user is not None:
            self._llama.evaluate((prefix + own)[len(self._llama.held) :], cancelled)
        read = pipe.Finished(
            id=ask.id,
            ending="length",
            evaluated=len(self._llama.held) - before,
            prefix_s=prefix_s,
        )
        if ask.user is None or ask.max_tokens < 1:
            return read
        return self._write(ask, read, send, cancelled)

    def close(self) -> None:
        """Nothing: all of it goes with the process."""

    def _prompt(self, ask: pipe.Ask) -> tuple[list[int], list[int]]:
        messages = [("system", ask.system)]
        for question, reply in (*ask.examples, *ask.near):
            messages += [("user", question), ("assistant", reply)]
        messages.append(("user", ask.user or ""))
        fixed = 1 + 2 * len(ask.examples)
        room = self.context_tokens - LEAST_ANSWER
        if sum(len(text) for _, text in messages) > room * _LONGEST_TOKEN:
            raise TooLong(f"the line is too long for a context of {self.context_tokens} tokens")
        prefix, own = self._llama.chat(messages, fixed)
        if (size := len(prefix) + len(own)) > room:
            raise TooLong(
                f"the line makes a prompt of {size} tokens, the context holds {self.context_tokens}"
            )
        return prefix, own if ask.user is not None else []

    def _recall(self, prefix: list[int], own: list[int]) -> None:
        """Keep of the context what this prompt begins with, or fetch its prefix from disk."""
        kept = _common(self._llama.held, prefix + own)
        if kept < len(prefix) and self._store:
            state = self._store.read(self._key(prefix))
            if state and self._llama.restore(state, prefix):
                kept = len(prefix)
        self._llama.rewind(_reusable(min(kept, len(self._llama.held)), len(prefix), len(own)))

    def _read(
        self,
        request: int,
        prefix: Sequence[int],
        send: Callable[[pipe.Reply], None],
        cancelled: Callable[[], bool],
    ) -> float:
        """The seconds it took."""
        started = time.perf_counter()
        while (done := len(self._llama.held)) < len(prefix):
            send(pipe.Reading(id=request, done=done, total=len(prefix)))
            self._llama.evaluate(prefix[done : done + BATCH], cancelled)
        if self._store:
            self._store.write(self._key(prefix), self._llama.state())
        return time.perf_counter() - started

    def _key(self, prefix: Sequence[int]) -> str:
        return key(*self._facts, self._lora if self._llama.with_lora else "", tokens=prefix)

    def _write(
        self,
        ask: pipe.Ask,
        read: pipe.Finished,
        send: Callable[[pipe.Reply], None],
        cancelled: Callable[[], bool],
    ) -> pipe.Finished:
        output = Output(ask.stop)
        drawn: list[int] = []
        sampler = self._llama.sampler(ask.temperature, ask.seed)
        room = min(ask.max_tokens, self.context_tokens - len(self._llama.held))
        started = time.perf_counter()
        ending: pipe.Ending = "length"
        try:
            while len(drawn) < room:
                token = sampler.next()
                if self._llama.ends(token):
                    ending = "done"
                    break
                drawn.append(token)
                if text := output.feed(self._llama.piece(token)):
                    send(pipe.Text(id=ask.id, text=text))
                if output.stopped or looping(drawn) or cancelled():
                    ending = "stop" if output.stopped else "cancelled" if cancelled() else "loop"
                    break
                if len(drawn) < room:
                    self._llama.append(token)
        finally:
            sampler.close()
        if text := output.feed(b"", final=True):
            send(pipe.Text(id=ask.id, text=text))
        return msgspec.structs.replace(
            read,
            ending=ending,
            generated=len(drawn) + (ending == "done"),
            decode_s=time.perf_counter() - started,
        )


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens both begin with."""
    pairs = enumerate(zip(a, b, strict=False))
    return next((i for i, (x, y) in pairs if x != y), min(len(a), len(b)))


def _reusable(kept: int, prefix: int, own: int) -> int:
    """How many of ``kept`` tokens to build on.

    Whole batches only, counted from the start and from the end of the prefix: sums of floats
    depend on how tokens are batched, and the same question must get the same answer whatever came
    before. And never the last token: sampling needs what comes out of it.
    """
    if kept < prefix:
        return kept - kept % BATCH
    kept = min(kept, prefix + max(own - 1, 0))
    return kept - (kept - prefix) % BATCH
