"""A real-time endpoint of Amazon SageMaker, which passes on what its container says.

Source: the service's own description, botocore/data/sagemaker-runtime/2017-05-13. There is no
health path and no list of models. Containers are asked with OpenAI's messages, which vLLM's, LMI's
and TGI's (from 2.3 on, router/src/sagemaker.rs) take; one that refuses them, or for which a
``chat_template`` is configured, with TGI's older ``inputs``.
"""

from __future__ import annotations

import re
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cmdai_shell.backends import templates, tgi_shapes
from cmdai_shell.backends.dialects import response_format, schema_of
from cmdai_shell.backends.models import Model
from cmdai_shell.backends.sagemaker_replies import Parts, refusal
from cmdai_shell.backends.schema import keeps_to
from cmdai_shell.backends.server import RemoteServer, Usage
from cmdai_shell.backends.stops import Stops
from cmdai_shell.backends.thinking import Thinking
from cmdai_shell.core import Notice, Probe
from cmdai_shell.errors import BackendRejected, ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from cmdai_shell.backends.http import Settings
    from cmdai_shell.backends.identify import Found
    from cmdai_shell.core import Abilities, Endpoint, Prompt

MESSAGES, INPUTS = "messages", "inputs"
_MOST_STOPS = 4
_PATH = re.compile(r"(?P<root>.*?)/endpoints/(?P<name>[^/]+)(?:/.*)?")


class SageMakerServer(RemoteServer):
    """``core.Server`` over ``/endpoints/NAME/invocations-response-stream``.

    The URL is ``https://runtime.sagemaker.REGION.amazonaws.com/endpoints/NAME``; without the path,
    ``model`` is the endpoint's name.
    """

    health_path = "/ping"
    metrics_path = ""

    def __init__(self, endpoint: Endpoint, settings: Settings) -> None:
        super().__init__(endpoint, settings)
        found = _PATH.fullmatch(endpoint.url)
        self._name = found["name"] if found else endpoint.model
        if not self._name:
            raise ConfigError(
                f"{endpoint.id}: SageMaker needs an endpoint's name",
                "https://runtime.sagemaker.REGION.amazonaws.com/endpoints/NAME",
            )
        self._model = Model(id=endpoint.model or self._name)
        self._asks_model = bool(found and endpoint.model)
        self._family = endpoint.labels.get("chat_template", "")
        templates.choose("", self._family)
        self._forms: tuple[str, ...] = (INPUTS,) if self._family else (MESSAGES, INPUTS)
        self._holds_schema = True

    def _root(self, url: str) -> str:
        found = _PATH.fullmatch(url)
        return found["root"] if found else url

    def learn(self, found: Found) -> None:
        """Nothing: it cannot be found by asking."""

    @property
    def abilities(self) -> Abilities:
        return super().abilities | ({"schema"} if self._holds_schema else set())

    async def identify(self, timeout: float) -> Probe:
        """Whether it can be reached. All else only an invocation tells."""
        await self.settings.auth.headers()
        reply = await self.client.get(self.health_path, timeout, is_anonymous=True, any_status=True)
        self.probe = Probe(kind="sagemaker", models=(self.model,), latency=reply.seconds)
        return self.probe

    async def answer(
        self, prompt: Prompt, timeout: float
    ) -> AsyncGenerator[str | Notice | Usage, None]:
        clock = self.settings.clock
        deadline = clock() + timeout
        ways = [*self._ways(prompt)]
        for at, (form, holds) in enumerate(ways):
            said, end = "", Usage()
            try:
                async with aclosing(
                    self._attempt(prompt, form, holds, deadline - clock())
                ) as pieces:
                    async for piece in pieces:
                        said += piece if isinstance(piece, str) else ""
                        end = piece if isinstance(piece, Usage) else end
                        yield piece
            except BackendRejected:
                if said or at + 1 == len(ways):
                    raise
                continue
            self._forms = self._forms[self._forms.index(form) :]
            if prompt.schema and self._holds_schema and not end.is_cut:
                self._holds_schema = holds and keeps_to(said, prompt.schema)
            return

    def _ways(self, prompt: Prompt) -> Iterator[tuple[str, bool]]:
        """Forms of the request, and whether each holds the answer to a schema."""
        for form in self._forms:
            if prompt.schema and self._holds_schema:
                yield form, True
            yield form, False

    async def _attempt(
        self, prompt: Prompt, form: str, holds: bool, timeout: float
    ) -> AsyncGenerator[str | Notice | Usage, None]:
        path = f"/endpoints/{quote(self._name, safe='')}/invocations-response-stream"
        body, stop = self._body(prompt, form, holds)
        async with self.client.open(
            "POST", path, timeout, body=body, any_status=True, has_prompt=True
        ) as answer:
            if answer.status != 200:
                raise refusal(answer, await answer.read())
            parts = Parts(answer, self.title)
            thinking, stops, noticed = Thinking(), Stops(stop), False
            async for chunk in answer.chunks():
                was_met, pieces = stops.met, [*parts.feed(chunk)]
                if was_met and any(pieces):
                    break  # the container does not know this one; closing makes it stop
                for piece in pieces:
                    if found := stops.feed(thinking.feed(piece)):
                        yield found
                if (parts.has_thought or thinking.is_thinking) and not noticed:
                    noticed = True
                    yield Notice(text=f"{self.title} thinks")
            else:
                rest = "".join(thinking.feed(piece) for piece in parts.end()) + thinking.end()
                if found := stops.feed(rest, final=True):
                    yield found
            yield replace(parts.usage, ending="stop") if stops.met else parts.usage

    def _body(
        self, prompt: Prompt, form: str, holds: bool
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        """What the container gets, and what ends the answer."""
        if form == INPUTS:
            template = templates.choose(self.model, self._family)
            stop = tuple(dict.fromkeys((template.stop[0], *prompt.stop, *template.stop)))
            guide = tgi_shapes.GRAMMAR if holds else ""
            sent = tgi_shapes.body(prompt, template.render(prompt), stop[:_MOST_STOPS], guide)
            return {**sent, "stream": True}, stop
        sent = {
            "messages": self.turns(prompt),
            "stream": True,
            "max_tokens": prompt.max_tokens,
            "temperature": prompt.temperature,
        }
        if prompt.temperature:
            sent["seed"] = prompt.seed
        if prompt.stop:
            sent["stop"] = list(prompt.stop[:_MOST_STOPS])
        if self._asks_model:
            sent["model"] = self._endpoint.model
        if holds:
            sent |= response_format(schema_of(prompt.schema))
        return sent, prompt.stop
