"""The recipes as lessons: each a conversation like those of a press, and which tokens are answers.

A lesson is what the product would send for one phrase of a recipe: the fixed prefix, up to two
recipes near the phrase (never one with the command that is asked for), the phrase; then the
command. Recipes that repeat a task of ``benchmarks/quality`` are left out, of both halves.
"""

from __future__ import annotations

import random
import sqlite3
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

from benchmarks.quality.repeats import RECIPES, known_examples, shown, withheld
from benchmarks.quality.tasks import load
from cmdai_shell.suggest.context import Facts
from cmdai_shell.suggest.prompt import prefix
from cmdai_shell.suggest.recall import Recall, fill

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cmdai_shell.backends.embedded.llama import Llama
    from cmdai_shell.core import Shell

Turn = tuple[str, str]
"""A person's words and the command."""
PLACES: tuple[tuple[Shell, str, str, float], ...] = (
    ("bash", "Linux", "GNU", 0.5),
    ("zsh", "Linux", "GNU", 0.15),
    ("fish", "Linux", "GNU", 0.15),
    ("zsh", "macOS", "BSD", 0.15),
    ("fish", "macOS", "BSD", 0.05),
)
"""(shell, system, userland, how often)."""
_TABLES = {"bash": "sh", "zsh": "sh", "fish": "fish"}
_NEAR = (0.5, 0.2, 0.3)
"""How often a lesson shows none, one and two recipes."""
_TYPO = 0.08
_FAILED = 0.05
"""How many lessons are a command with a slip in it, to be put right."""


@dataclass(frozen=True)
class Lesson:
    """``place`` is a number in PLACES; the last of ``turns`` is the one that is asked."""

    place: int
    turns: tuple[Turn, ...]


def recipes() -> list[tuple[str, str, list[str]]]:
    """(table, command, phrases) of all that repeat no task."""
    hidden = withheld(load(), known_examples())
    texts = (path.read_text("utf-8") for path in sorted(RECIPES.glob("*.toml")))
    return [
        (table, command, phrases)
        for text in shown(texts, hidden)
        for table, content in tomllib.loads(text).items()
        for command, *phrases in content["recipes"]
    ]


def lessons(seed: int, epochs: int) -> Iterator[Lesson]:
    """Each recipe once an epoch, by another of its phrases, in a place where it works."""
    chance = random.Random(seed)
    known = recipes()
    base = sqlite3.connect(":memory:")
    hidden = withheld(load(), known_examples())
    fill(base, shown((path.read_text("utf-8") for path in sorted(RECIPES.glob("*.toml"))), hidden))
    recall = Recall(base)
    for epoch in range(epochs):
        for table, command, phrases in chance.sample(known, len(known)):
            place = _place(chance, table)
            if chance.random() < _FAILED:
                yield Lesson(
                    place,
                    ((f"correct this command, it failed: {_slip(chance, command)}", command),),
                )
                continue
            words = phrases[(crc32(command.encode()) + epoch) % len(phrases)]
            shell, _, userland, _ = PLACES[place]
            count = chance.choices(range(3), _NEAR)[0]
            near = recall.near(words, shell, userland, count + 2, lambda _: True)
            others = [turn for turn in near if turn[1] != command]
            shown_turns = tuple(others[-count:]) if count else ()
            if chance.random() < _TYPO:
                words = _slip(chance, words)
            yield Lesson(place, (*shown_turns, (words, command)))


def _place(chance: random.Random, table: str) -> int:
    fit = [
        number
        for number, (shell, _, userland, _) in enumerate(PLACES)
        if table in {"any", userland.lower(), _TABLES[shell]}
    ]
    return chance.choices(fit, [PLACES[number][3] for number in fit])[0]


def _slip(chance: random.Random, text: str) -> str:
    """``text`` with two letters of one word swapped, or one left out."""
    words = text.split(" ")
    long = [number for number, word in enumerate(words) if len(word) > 3 and word.isalpha()]
    if not long:
        return text
    number = chance.choice(long)
    word = words[number]
    place = chance.randrange(1, len(word) - 1)
    tail = (
        word[place + 1] + word[place] + word[place + 2 :]
        if chance.random() < 0.6
        else word[place + 1 :]
    )
    return " ".join([*words[:number], word[:place] + tail, *words[number + 1 :]])


def opening(llama: Llama, place: int) -> list[int]:
    """The tokens of a place's prefix, as a press sends them."""
    shell, system, userland, _ = PLACES[place]
    prompt = prefix(shell, Facts(system=system, userland=userland))
    messages = [("system", prompt.system)]
    for asked, reply in prompt.examples:
        messages += [("user", asked), ("assistant", reply)]
    return llama.chat([*messages, ("user", "")], 1 + 2 * len(prompt.examples))[0]


def written(llama: Llama, turns: Sequence[Turn]) -> tuple[list[int], list[int]]:
    """(tokens behind the prefix, for each how much it counts as an answer, in hundredths)."""
    frames = llama._frames(["user", "assistant"] * len(turns))  # the last opens one more answer
    tokens: list[int] = []
    counts: list[int] = []
    for number, (asked, reply) in enumerate(turns):
        frame = llama.tokens(frames[2 * number], special=True)[1:] if number else []
        question = frame + llama.tokens(asked, special=False)
        question += llama.tokens(frames[2 * number + 1], special=True)
        end = llama.tokens(frames[2 * number + 2], special=True)[:1]
        answer = llama.tokens(reply, special=False) + end
        tokens += question + answer
        counts += [0] * len(question) + [100 if number == len(turns) - 1 else 25] * len(answer)
    return tokens, counts
