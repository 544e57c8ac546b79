"""One answer of a model: commands shown while it comes, then all its commands, checked."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias, cast

from cmdai_shell.core import Completion, Hint, Notice, Partial
from cmdai_shell.errors import BadCompletion, NoBackendAvailable
from cmdai_shell.safety import parse
from cmdai_shell.suggest import candidates
from cmdai_shell.suggest import prompt as prompts
from cmdai_shell.suggest.context import restore
from cmdai_shell.suggest.english import is_sentence
from cmdai_shell.suggest.extract import extract, repeats_itself
from cmdai_shell.suggest.mend import UNKNOWN, is_cure
from cmdai_shell.suggest.mend.line import tokens
from cmdai_shell.suggest.offers import Offer, same, staying
from cmdai_shell.suggest.verify import runs

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Hashable, Mapping

    from cmdai_shell.core import Clock, Completer, Prompt, Shell, SuggestRequest, Target
    from cmdai_shell.suggest.context import Here
    from cmdai_shell.suggest.mend import Failure
    from cmdai_shell.suggest.offers import Judge

OTHER_WORDS = "say it in other words"

_SAMPLES = 2
"""Answers asked for when the first one fails a check."""

ANSWER_S = 5.0
"""From the key to an answer, whatever servers do (DESIGN, section 15)."""

_PARTIAL_S = 0.04
"""Seconds before the first partial command and between two: an eye follows no faster, and each is
judged and drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What one press wants of the model."""

    request: SuggestRequest
    prompt: Prompt
    secrets: Mapping[str, str]
    start: float
    deadline: float
    names: tuple[str, ...]
    """What is in the folder, if a large model may be told."""
    key: Hashable
    here: Here
    failure: Failure = UNKNOWN
    """Of the command that is to be put right."""


Step: TypeAlias = "Partial | Notice | Hint | list[Offer]"
"""A list of offers, or a hint, is the end of an answer."""


class Sampler:
    def __init__(self, *, completer: Completer, judge: Judge, clock: Clock) -> None:
        self._completer = completer
        self._judge = judge
        self._clock = clock

    async def best(self, ask: Ask) -> AsyncGenerator[Step, None]:
        """The model's answer; one that fails a check gets a second chance if there is time for it.
        Of two failing ones the earlier is kept: it was not made at a temperature. The person's own
        line is no answer to it. Of several commands that the model gave the first has to be right;
        it may also ask back, if it has not given any."""
        best: list[Offer] = []
        prompt = ask.prompt
        repeated = False
        for _ in range(_SAMPLES):
            asked = self._clock()
            offers: list[Offer] = []
            try:
                async with aclosing(self.sample(ask, prompt, show=not best)) as steps:
                    async for step in steps:
                        if isinstance(step, list):
                            offers = step
                            repeated = repeated or not step
                        elif not isinstance(step, Hint):
                            yield step
                        elif not best:
                            yield step
                            return
            except BadCompletion:
                pass
            except NoBackendAvailable:
                if not best:
                    raise
                break
            if offers and (not best or len(offers[0].findings) < len(best[0].findings)):
                best = offers
            if best:
                until = second_until(ask, best[0], asked, self._clock())
                if until is None:
                    break
                ask = replace(ask, deadline=until)
            prompt = _again(ask.prompt, best[0] if best else None, repeated=repeated)
        yield best or _nothing(ask, repeated=repeated)

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
                            and _is_answer(partial, ask)
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
        request, text = ask.request, completion.text
        if completion.is_cut and not candidates.is_begun(
            text
        ):  # JSON tells by itself what is whole
            text = text.rpartition("\n")[0]
        if "large" in completion.abilities:
            answer = candidates.read(text, request.shell)
        else:
            command = extract(text, request.shell)
            answer = candidates.Answer(candidates=(candidates.Candidate(command=command),))
        if answer.question:
            return Hint(text=answer.question)
        offers: list[Offer] = []
        commands = [
            found
            for found in answer.candidates
            if _is_answer(found.command, ask) and not _is_open(found.command, request.shell)
        ]
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


def second_until(ask: Ask, first: Offer, asked: float, now: float) -> float | None:
    """When a second try has to be over; None if nothing is wrong with the first, or there is no
    time for one that takes as long as the first did, from ``asked`` to ``now``. The seconds of a
    cold start are paid once: they count for neither."""
    if not first.findings:
        return None
    cold = first.answer.cold
    until = min(ask.start + cold + ANSWER_S, ask.deadline)
    return until if now + (now - asked - cold) <= until else None


def _again(prompt: Prompt, best: Offer | None, *, repeated: bool) -> Prompt:
    """For a second try."""
    if repeated and not best:
        return prompts.varied(prompt, 1)
    return prompts.repaired(prompt, [finding.advice for finding in best.findings] if best else [])


def _nothing(ask: Ask, *, repeated: bool) -> Hint:
    """What is said instead. Raises BadCompletion."""
    if ask.failure.hint:
        return Hint(text=ask.failure.hint)
    if not ask.request.line:
        raise BadCompletion("no sure repair", hint="say in words what it should do")
    if repeated:
        raise BadCompletion("nothing to add to the line", hint="say in words what it should do")
    raise BadCompletion("the model gave no command", hint=OTHER_WORDS)


def _is_open(command: str, shell: Shell) -> bool:
    """A quote in it is never closed: at the end of the line the shell would ask for the rest."""
    return tokens(command) is None and parse(command, shell).broken


def _is_answer(command: str, ask: Ask) -> bool:
    """Whether it is a command at all, as far as it goes, and may cure what failed."""
    request = ask.request
    if not request.line and not is_cure(command, request, ask.failure):
        return False
    asked = request.line or request.last_command
    return not is_sentence(
        command, ask.prompt.near, asked, lambda program: runs(program, request, ask.here)
    )
