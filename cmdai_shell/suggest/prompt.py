"""Facts and the person's words -> ``core.Prompt``. The prefix never changes; words come last."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cmdai_shell.core import Prompt
from cmdai_shell.suggest.context import redact, shortened
from cmdai_shell.suggest.examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cmdai_shell.core import RichForm, Shell, SuggestRequest
    from cmdai_shell.suggest.context import Facts

MOST_TOKENS = 128
"""A command longer than this is not one a person would read at the prompt."""

NOTE = "\n# "
"""Opens a line of context after the person's words."""

_PREFIX_TOKENS = 240
"""What system text and examples take at most (measured with Qwen2.5's tokenizer: 194 in fish)."""

_NEAR_TOKENS = 240
"""What the recipes near a request take at most: ``recall.LONGEST`` characters each, and frames."""

_TAKEN = _PREFIX_TOKENS + _NEAR_TOKENS + MOST_TOKENS

_BYTES_PER_TOKEN = 1.5
"""Of text that is hard on a tokenizer; plain words take four."""


def prefix(shell: Shell, facts: Facts) -> Prompt:
    """All of a prompt but the words: byte-identical for one shell on one machine."""
    return Prompt(
        system=(
            f"You write one {shell} command for {facts.system} ({facts.userland} tools) that does "
            "what the user asks. Reply with the command alone: no explanation, no Markdown, no "
            "placeholders. Use the names the user gives. If the user gives the beginning of a "
            "command, complete it."
        ),
        examples=examples(shell, facts),
        stop=("\n\n", "\n```"),
        max_tokens=MOST_TOKENS,
        for_command=True,
    )


def build(
    request: SuggestRequest, facts: Facts, *, share_cwd: bool, context_tokens: int
) -> tuple[Prompt, Mapping[str, str]]:
    """The prompt, and the credentials that were taken out of it (placeholder -> text).

    An empty line asks for the last command to be put right.
    """
    words, secrets = redact(request.line or request.last_command)
    words = shortened(words, room(context_tokens))
    fields = ["line"]
    notes = []
    if not request.line:
        # not the exit status: a small model answers with it, "exit 127"
        fields = ["last_command"]
        words = f"correct this command, it failed: {words}"
    if share_cwd and request.cwd:
        fields.append("cwd")
        cwd, secrets = redact(request.cwd, secrets)
        notes.append(f"in {shortened(cwd, 120)}")
    user = NOTE.join((words, *notes))
    return replace(prefix(request.shell, facts), user=user, fields=tuple(fields)), secrets


def with_near(prompt: Prompt, near: tuple[tuple[str, str], ...], *, own: int) -> Prompt:
    """With these examples, of which the last ``own`` are the person's own."""
    fields = (*prompt.fields, "history") if own else prompt.fields
    return replace(prompt, near=near, own=own, fields=fields)


def without_own(prompt: Prompt) -> Prompt:
    """The same, without what the person did before: for who may not be told."""
    if not prompt.own:
        return prompt
    return replace(
        prompt,
        near=prompt.near[: -prompt.own],
        own=0,
        fields=tuple(name for name in prompt.fields if name != "history"),
    )


def room(context_tokens: int) -> int:
    """Bytes of the person's words that are sure to fit the model's context."""
    return max(200, int((context_tokens - _TAKEN) * _BYTES_PER_TOKEN))


def repaired(prompt: Prompt, advice: Sequence[str]) -> Prompt:
    """Ask once more, with advice that follows from what was wrong with the first answer. Without
    any, the first was no command at all: then it may talk itself to the end."""
    rich = _afterwards(prompt, lambda form: repaired(form, advice))
    again = replace(prompt, temperature=0.3, seed=prompt.seed + 1, rich=rich)
    if not advice:
        return replace(again, stop=())
    words, note, notes = prompt.user.partition(NOTE)
    return replace(again, user=", ".join((words, *advice)) + note + notes)


def varied(prompt: Prompt, seed: int) -> Prompt:
    """Ask for another answer; the further from the first, the freer."""
    rich = _afterwards(prompt, lambda form: varied(form, seed))
    return replace(prompt, temperature=min(0.4 + 0.2 * seed, 1.0), seed=seed, rich=rich)


def _afterwards(prompt: Prompt, change: Callable[[Prompt], Prompt]) -> RichForm | None:
    """The rich form of ``prompt``, changed when it is made."""
    form = prompt.rich
    return None if form is None else lambda abilities: change(form(abilities))


def explaining(line: str, context_tokens: int) -> tuple[Prompt, Mapping[str, str]]:
    """Ask what ``line`` does; with the credentials that were taken out of it."""
    words, secrets = redact(line)
    return (
        Prompt(
            system=(
                "Explain what a shell command does. Write one short line for each part, as the "
                "part, a colon, and its meaning. Nothing else."
            ),
            examples=(
                (
                    "tar -xzf a.tgz -C src",
                    "tar: works with archives\n-x: extracts\n-z: through gzip\n"
                    "-f a.tgz: from the file a.tgz\n-C src: into the folder src",
                ),
            ),
            user=shortened(words, room(context_tokens)),
            fields=("line",),
            stop=("\n\n",),
            max_tokens=160,
        ),
        secrets,
    )
