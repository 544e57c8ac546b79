"""One press: request -> prompt -> answer -> command -> checks -> verdict, inside one deadline."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from cmdai_shell.core import (
    Completion,
    Explanation,
    Hint,
    Notice,
    Partial,
)
from cmdai_shell.errors import BadCompletion, ModelUnavailable, NoBackendAvailable
from cmdai_shell.suggest import explain, large, verify
from cmdai_shell.suggest import prompt as prompts
from cmdai_shell.suggest.aside import Aside
from cmdai_shell.suggest.cache import Cache
from cmdai_shell.suggest.clarify import question
from cmdai_shell.suggest.context import Here, facts, restore
from cmdai_shell.suggest.cookbook import Cookbook
from cmdai_shell.suggest.extract import (
    clean,
    spoken_lines,
)
from cmdai_shell.suggest.history import YOUR_HISTORY, Recollection
from cmdai_shell.suggest.mend import OWN_RULES, UNKNOWN, failure, mend
from cmdai_shell.suggest.offers import Judge, Offer, Series, own_text
from cmdai_shell.suggest.sampling import Ask, Sampler

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from cmdai_shell.config import Config
    from cmdai_shell.core import (
        Abilities,
        Clock,
        Completer,
        History,
        Look,
        Manual,
        Prompt,
        Recipes,
        Shell,
        SuggestRequest,
        Update,
    )
    from cmdai_shell.suggest.mend import Failure

_TRIES = 2
"""Samples that may repeat a known alternative before there are no others: on a slow machine each
costs seconds."""

_SERIES = 64
"""Lines whose alternatives are remembered."""

_MEND_S = 0.5
"""Seconds our own rules get: they read folders, which takes milliseconds unless a disk hangs."""


_WITHOUT_MODEL = (OWN_RULES, YOUR_HISTORY)

_NO_FAILURES = (0, 130, 146, 148)
"""Exit statuses of a command that did not fail: the person ended it, or the line, by Ctrl-C (128
and SIGINT), or stopped it by Ctrl-Z (SIGTSTP of Linux and of macOS)."""


class Suggester:
    """Answers presses. One for each configuration: make a new one when that changes, and with it
    go the cached answers."""

    def __init__(
        self,
        *,
        completer: Completer,
        look: Look,
        config: Config,
        clock: Clock,
        recipes: Recipes | None = None,
        manual: Manual | None = None,
        history: History | None = None,
    ) -> None:
        self._completer = completer
        self._history = Recollection(history)
        self._manual = manual
        self._look = look
        self._config = config
        self._clock = clock
        self._facts = facts(look)
        self._cookbook = Cookbook(recipes)
        self._judge = Judge(config=config, manual=manual)
        self._sampler = Sampler(completer=completer, judge=self._judge, clock=clock)
        self._aside = Aside(_MEND_S)
        caching = config.caching
        on = caching.enabled and caching.cache_identical_requests
        self._answers = Cache[Offer](
            entries=caching.cache_max_entries if on else 0, ttl=caching.cache_ttl_s, clock=clock
        )
        self._series = Cache[Series](entries=_SERIES, ttl=float("inf"), clock=clock)

    def prefix(self, shell: Shell) -> Prompt:
        """The part of every prompt for ``shell`` that stays: for warming a model."""
        return prompts.prefix(shell, self._facts)

    async def suggest(self, request: SuggestRequest) -> AsyncGenerator[Update, None]:
        """Yield what the press leads to (see ``core.Update``); closing it cancels the work.

        Raises NoBackendAvailable (also when the deadline passes), ModelUnavailable, and
        BadCompletion when the model gave no command twice.
        """
        start = self._clock()
        request = replace(
            request,
            line=clean(request.line).strip(),
            last_command=clean(request.last_command).strip(),
        )
        if request.op == "explain":
            flow = self._explain(request, start)
        elif request.op == "next":
            flow = self._next(request, start)
        else:
            flow = self._first(request, start)
        if hint := _nothing_to_do(request):
            yield Hint(text=hint)
            return
        if notice := self._too_long(request):
            yield notice
        async with aclosing(flow):
            async for update in flow:
                yield update

    async def _first(self, request: SuggestRequest, start: float) -> AsyncGenerator[Update, None]:
        ask = await self._ask(request, start)
        series = Series(await self._mended(ask) or self._recalled(ask))
        if series.offers:
            pass  # and nobody need be asked
        elif ask.failure.is_sure:
            yield Hint(text=ask.failure.hint)
            return
        elif (cached := self._answers.get(ask.key)) and not self._is_outdone(cached, request):
            series = self._series.get(ask.key) or Series([cached])
        else:
            ask = await self._in_all_forms(ask)
            async with aclosing(self._sampler.best(ask)) as steps:
                async for step in steps:
                    if isinstance(step, list):
                        series.offers += step[: self._config.suggest.max_alternatives + 1]
                        if not step[0].findings:  # what is wrong today may be cured in a minute
                            self._answers.put(ask.key, step[0])
                    else:
                        yield step
        if not series.offers:
            return  # the model has asked back
        self._series.put(ask.key, series)
        yield self._judge.suggestion(request, series, 0, self._clock() - start)

    def _is_outdone(self, offer: Offer, request: SuggestRequest) -> bool:
        """It stood in for servers, of which one is well again."""
        return offer.answer.is_fallback and self._completer.could_ask(request.target)

    async def _mended(self, ask: Ask) -> list[Offer]:
        """The failed command, put right by our own rules; nothing where they are not sure."""
        request = ask.request
        if request.line:
            return []
        end = self._clock() + _MEND_S
        found = await self._aside.do(lambda: mend(request, self._look, lambda: self._clock() > end))
        here = await self._here(request) if found else ask.here
        return [
            self._judge.offer(
                command, request, here, (), Completion(text=command, backend=OWN_RULES)
            )
            for command in found or ()
        ]

    def _recalled(self, ask: Ask) -> list[Offer]:
        """What the person made of these words before. It ran and did not fail: the checks, which
        do not know their aliases and functions, have nothing to say of it; safety has. Who names a
        server wants to hear that."""
        if ask.request.backend:
            return []
        command = restore(self._history.own(ask.request), ask.secrets)
        if not command:
            return []
        answer = Completion(text=command, backend=YOUR_HISTORY)
        offer = self._judge.offer(command, ask.request, ask.here, (), answer)
        return [replace(offer, findings=())]

    async def _next(self, request: SuggestRequest, start: float) -> AsyncGenerator[Update, None]:
        """The alternative that was asked for; after the last, the person's own text."""
        ask = await self._ask(request, start)
        series = self._series.get(ask.key) or Series()
        self._series.put(ask.key, series)
        wanted = max(request.alternative, 1)
        if wanted <= self._config.suggest.max_alternatives:
            while len(series.offers) <= wanted and not series.exhausted:
                async with aclosing(self._another(ask, series)) as steps:
                    async for step in steps:
                        yield step
                        if isinstance(step, Hint):
                            return
        if wanted < len(series.offers):
            yield self._judge.suggestion(request, series, wanted, self._clock() - start)
        else:
            yield own_text(request, series, self._clock() - start)

    async def _explain(self, request: SuggestRequest, start: float) -> AsyncGenerator[Update, None]:
        """From the manual; the model is asked for what is not in it."""
        known = explain.read(request.line, self._manual) if self._manual else explain.Explained()
        text = known.text(request.width)
        if not known.is_whole:
            guess = await self._guess(request)
            try:
                async with aclosing(self._told(request, start)) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, Notice):
                            yield piece
                            continue
                        lines = [known.text(request.width, piece)] if known.is_of_use else piece
                        text = "\n".join([*filter(None, [guess]), *lines])
            except (NoBackendAvailable, ModelUnavailable):
                if not known.is_of_use:
                    raise
        verdict = self._judge.assess(request.line, request.shell)
        yield Explanation(text=text, verdict=verdict, elapsed=self._clock() - start)

    async def _guess(self, request: SuggestRequest) -> str:
        """What the person has to know of a model's explanation: to a model, a program that is not
        here and in no manual is a word like any other."""
        here = await self._here(request)
        names = verify.missing(request.line, request, here)
        return explain.guessed(n for n in names if not (self._manual and self._manual.page(n)))

    async def _told(
        self, request: SuggestRequest, start: float
    ) -> AsyncGenerator[Notice | list[str], None]:
        """The model's explanation, line by line."""
        context = self._config.embedded.context_tokens
        prompt, secrets = prompts.explaining(request.line, context)
        async with aclosing(
            self._sampler.complete(prompt, self._deadline(request, start), request.target)
        ) as pieces:
            async for piece in pieces:
                if isinstance(piece, Notice):
                    yield piece
                elif isinstance(piece, Completion):
                    yield spoken_lines(restore(piece.text, secrets))

    async def _another(
        self, ask: Ask, series: Series
    ) -> AsyncGenerator[Partial | Notice | Hint, None]:
        """Add at least one more offer to ``series``, or find that there are no others."""
        ask = await self._in_all_forms(ask)
        if series.offers:
            yield Notice(text="looking for another")
        is_first = all(offer.answer.backend in _WITHOUT_MODEL for offer in series.offers)
        for _ in range(_TRIES if series.offers else 1):
            seed, series.seed = series.seed, series.seed + 1
            if is_first and not seed:
                steps = self._sampler.best(ask)
            else:
                steps = self._sampler.sample(ask, prompts.varied(ask.prompt, seed), show=False)
            try:
                async with aclosing(steps):
                    async for step in steps:
                        if not isinstance(step, list):
                            if not isinstance(step, Hint) or not series.offers:
                                yield step
                        elif others := [o for o in step if not series.knows(o.command)]:
                            series.offers += others
                            return
            except BadCompletion:
                continue
        series.exhausted = True

    async def _ask(self, request: SuggestRequest, start: float) -> Ask:
        settings = self._config.suggest
        prompt, secrets = prompts.build(
            request,
            self._facts,
            share_cwd=settings.share_cwd,
            context_tokens=self._config.embedded.context_tokens,
        )
        failed = ("", 0) if request.line else (request.last_command, request.last_status)
        cwd = request.cwd if settings.share_cwd or not request.line else ""
        names = await self._names(request)
        key = (request.shell, request.target, request.line, failed, cwd, request.path, names)
        return Ask(
            request=request,
            prompt=prompt,
            secrets=secrets,
            start=start,
            deadline=self._deadline(request, start),
            names=names,
            key=key,
            here=Here(),
            failure=await self._failure(request),
        )

    async def _failure(self, request: SuggestRequest) -> Failure:
        if request.line:
            return UNKNOWN
        end = self._clock() + _MEND_S
        look = self._look
        seen = await self._aside.do(lambda: failure(request, look, lambda: self._clock() > end))
        return seen or UNKNOWN

    async def _names(self, request: SuggestRequest) -> tuple[str, ...]:
        """Those in the folder, if they may be told."""
        if not self._config.suggest.share_listing or not request.cwd:
            return ()
        return tuple(await self._aside.do(lambda: self._look.entries(request.cwd)) or ())

    async def _here(self, request: SuggestRequest) -> Here:
        programs = await self._aside.do(lambda: self._look.programs(request.path))
        return Here(programs=programs, userland=self._facts.userland)

    async def _in_all_forms(self, ask: Ask) -> Ask:
        """The same, with recipes near the words, and with the form for a large model: only for what
        a model is really asked, because to find recipes takes up to a millisecond."""
        request, plain, settings = ask.request, ask.prompt, self._config.suggest
        if plain.rich:
            return ask
        here = await self._here(request)
        own = self._history.near(request, here)
        shared = own if settings.share_history else ()

        most = large.MOST_RECIPES if settings.recipes else 0

        def rich(abilities: Abilities) -> Prompt:
            return large.build(
                plain,
                request.shell,
                request.shell_version,
                self._facts,
                abilities,
                most=settings.max_alternatives + 1,
                recipes=self._cookbook.near(request, here, most),
                own=shared,
                names=ask.names,
            )

        near = (*self._cookbook.near(request, here, settings.recipes - len(own)), *own)
        prompt = prompts.with_near(plain, near, own=len(own))
        return replace(ask, prompt=replace(prompt, rich=rich), here=here)

    def _deadline(self, request: SuggestRequest, start: float) -> float:
        return start + (request.timeout or self._config.suggest.deadline_ms / 1000)

    def _too_long(self, request: SuggestRequest) -> Notice | None:
        room = prompts.room(self._config.embedded.context_tokens)
        if len((request.line or request.last_command).encode()) <= room:
            return None
        return Notice(
            text=f"the line is long: only its first and last parts are used ({room} bytes)"
        )


def _nothing_to_do(request: SuggestRequest) -> str:
    """The hint for a press that has nothing to work on, or empty."""
    if request.line:
        return question(request.line) if request.op == "suggest" else ""
    if request.op == "explain":
        return "type a command, then press the key again to have it explained"
    if request.last_command and request.last_status not in _NO_FAILURES:
        return ""
    return "type what you want in plain words, then press the key again"
