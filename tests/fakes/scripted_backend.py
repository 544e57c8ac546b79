"""A backend that answers from a script: what the person typed decides what it does.

Deterministic and instant, so that tests of hooks, daemon and suggester can say in advance what must
appear on the line. The words are found in ``prompt.user``; ``prompt.seed`` picks the alternative.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from cmdai_shell.core import Abilities, Notice, Prompt
from cmdai_shell.errors import BackendUnavailable, ModelUnavailable
from cmdai_shell.observe.traces import prompt_written

Step = str | float | Notice | Exception | Callable[[], object]
"""Text to send; seconds to wait (inf: for ever); a notice; an error to raise; something to do."""

Script = Mapping[str, Sequence[Step] | Sequence[Sequence[Step]]]
"""Words -> the steps of the answer, or one list of steps for each alternative."""


def _crash() -> None:
    os._exit(70)


ANSWERS: Script = {
    "list files": [["ls -la"], ["ls -1A"], ["find . -maxdepth 1"]],
    "show two lines": ["for f in *; do\n", '  echo "$f"\n', "done"],
    "show two fish lines": ["for f in *\n", '  echo "$f"\n', "end"],
    "wipe the root": ["rm -rf /"],
    "delete build": ["rm -rf ./build"],
    "slowly": ["find", 0.3, " .", 0.3, " -name '*.py'", 0.3, " -mtime -1"],
    "hang": [math.inf],
    "fail": [BackendUnavailable("the scripted backend is down", hint="ask for something else")],
    "crash": [_crash],
    "talk": [
        "<think>They want the date. `rm -rf /` would be wrong.</think>\n",
        "Sure! Here is the command:\n\n```bash\n$ date -u\n```\n\nIt prints the date in UTC.",
    ],
    "escape": ["echo \x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x00\x9b2J", "\u202egreen\u202c"],
    "gti status": ["git status"],
}
"""What every scenario uses (anything else: ``echo '<the words>'``)."""


class ScriptedBackend:
    """``core.Backend`` from a script; ``script`` adds to ANSWERS or replaces entries of it.

    ``prompts`` holds what it was asked, ``cancelled`` counts streams closed before their end.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        name: str = "scripted",
        abilities: Abilities = frozenset(),
    ) -> None:
        self._script: dict[str, Sequence[Step] | Sequence[Sequence[Step]]] = {**ANSWERS}
        self._script.update(script or {})
        self.name = name
        self.title = name
        self.abilities = abilities
        self.model = "scripted-model"
        self.prompts: list[Prompt] = []
        self.cancelled = 0
        self.closed = False

    async def stream(self, prompt: Prompt, timeout: float) -> AsyncIterator[str | Notice]:
        self.prompts.append(prompt)
        finished = False
        steps = self._steps(prompt)
        if not any(isinstance(step, ModelUnavailable) for step in steps):
            prompt_written()
        try:
            for step in steps:
                if isinstance(step, str | Notice):
                    yield step
                elif isinstance(step, Exception):
                    finished = True
                    raise step
                elif isinstance(step, float | int):
                    await _pause(step)
                else:
                    step()
            finished = True
        finally:
            self.cancelled += not finished

    async def aclose(self) -> None:
        self.closed = True

    def _steps(self, prompt: Prompt) -> Sequence[Step]:
        words = said(prompt)
        if " fish " in prompt.system:
            words = words.replace("two lines", "two fish lines")
        for key, steps in self._script.items():
            if re.search(rf"(?<!\w){re.escape(key)}(?!\w)", words, re.IGNORECASE):
                if isinstance(steps[0], list):
                    return steps[prompt.seed % len(steps)]  # type: ignore[return-value]
                return steps  # type: ignore[return-value]
        quoted = words.replace("'", "'\\''")
        return [f"echo '{quoted}'"]


def said(prompt: Prompt) -> str:
    """The person's words out of the user turn: context comes after them, on lines with a "#"."""
    return re.sub(r"(\n# .*)+\Z", "", prompt.user).strip()


async def _pause(seconds: float) -> None:
    if math.isinf(seconds):
        await asyncio.Event().wait()
    await asyncio.sleep(seconds)
