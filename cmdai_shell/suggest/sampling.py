"""One answer of a model: commands shown while it comes, then all its commands, checked."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

from cmdai_shell.core import Completion, Hint, Notice, Partial
from cmdai_shell.errors import BadCompletion, NoBackendAvailable
from cmdai_shell.suggest import candidates
from cmdai_shell.suggest.context import restore
from cmdai_shell.suggest.english import is_sentence
from cmdai_shell.suggest.extract import extract, repeats_itself
from cmdai_shell.suggest.offers import Offer, same, staying
from cmdai_shell.suggest.verify import runs

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Hashable, Mapping

    from cmdai_shell.core import Clock, Completer, Prompt, SuggestRequest, Target
    from cmdai_shell.suggest.context import Here
    from cmdai_shell.suggest.offers import Judge

OTHER_WORDS = "say it in other words"

_PARTIAL_S = 0.04
"""Seconds before the first partial command and between two: an eye follows no faster, and each is
judged and drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What one press wants of the model."""

    request: SuggestRequest
    prompt: Prompt
    secrets: Mapping[str, str]
    deadline: float
    names: tuple[str, ...]
    """What is in the folder, if a large model may be told."""
    key: Hashable
    here: Here


Step: TypeAlias = "Partial | Notice | Hint | list[Offer]"
"""A list of offers, or a hint, is the end of an answer."""


class Sampler:
    def __init__(self, *, completer: Completer, judge: Judge, clock: Clock) -> None:
        self._completer = completer
        self._judge = judge
        self._clock = clock

    async def sample(self, ask: Ask, prompt: Prompt, *, show: bool) -> AsyncGenerator[Step, None]:
        """Partial commands if ``show``, then the offers: the fewer findings the earlier, else as
        the model had them, and without the person's own line; or what the model asks back. Raises
        BadCompletion when there is no command in the answer, NoBackendAvailable."""
        text = shown = ""
        last = self._clock()
        async with aclosing(self.complete(prompt, ask.deadline, ask.request.target)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Completion):
                    yield self._ending(ask, piece)
                elif isinstance(piece, Notice):
                    yield piece
                else:
                    text += piece
                    if repeats_itself(text) and not candidates.is_begun(text):
                        raise BadCompletion("the model repeats itself", hint=OTHER_WORDS)
                    if show and self._clock() - last >= _PARTIAL_S:
                        last = self._clock()
                        partial = restore(candidates.read_partial(text), ask.secrets)
                        partial = staying(partial, ask.request)
                        if (
                            partial != shown
                            and self._judge.is_harmless(partial, ask.request.shell)
                            and not _is_sentence(partial, ask)
                        ):
                            shown = partial
                            yield Partial(text=partial)

    async def complete(
        self, prompt: Prompt, deadline: float, target: Target
    ) -> AsyncGenerator[str | Notice | Completion, None]:
        left = deadline - self._clock()
        if left <= 0:
            raise NoBackendAvailable(
                "the deadline has passed", hint="raise [suggest] deadline_ms in the configuration"
            )
        pieces = cast(
            "AsyncGenerator[str | Notice | Completion, None]",
            self._completer.complete(prompt, left, target),
        )
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    def _ending(self, ask: Ask, completion: Completion) -> Hint | list[Offer]:
        request = ask.request
        if "large" in completion.abilities:
            answer = candidates.read(completion.text, request.shell)
        else:
            command = extract(completion.text, request.shell)
            answer = candidates.Answer(candidates=(candidates.Candidate(command=command),))
        if answer.question:
            return Hint(text=answer.question)
        offers: list[Offer] = []
        commands = [found for found in answer.candidates if not _is_sentence(found.command, ask)]
        if not commands:
            raise BadCompletion("the model gave no command", hint=OTHER_WORDS)
        for found in commands:
            command = restore(found.command, ask.secrets)
            offer = self._judge.offer(
                command, request, ask.here, ask.prompt.near, completion, found.explanation
            )
            if not any(same(offer.command, known.command) for known in offers):
                offers.append(offer)
        own = request.line or request.last_command
        return sorted(
            (offer for offer in offers if not same(offer.command, own)),
            key=lambda offer: len(offer.findings),
        )


def _is_sentence(command: str, ask: Ask) -> bool:
    request = ask.request
    asked = request.line or request.last_command
    return is_sentence(
        command, ask.prompt.near, asked, lambda program: runs(program, request, ask.here)
    )
