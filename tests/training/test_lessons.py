"""Lessons are what a press sends, and nothing of the bench is among them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import pytest

from benchmarks.quality.repeats import Example, repeats
from benchmarks.quality.tasks import load
from cmdai_shell.backends.embedded.llama import Llama
from cmdai_shell.suggest.context import Facts
from cmdai_shell.suggest.prompt import prefix
from tests.models import model_path
from training.lessons import PLACES, lessons, opening, written

if TYPE_CHECKING:
    from training.lessons import Lesson


@pytest.fixture(scope="module")
def some() -> list[Lesson]:
    return [*islice(lessons(seed=3, epochs=1), 2000)]


def test_no_lesson_repeats_a_task_of_the_bench(some: list[Lesson]) -> None:
    asked = [
        Example(command, words, "lesson")
        for lesson in some
        for words, command in lesson.turns
        if not words.startswith("correct this command")
    ]
    assert not [found for found in repeats(load(), asked) if found.exact]


def test_a_lesson_does_not_show_what_it_asks_for(some: list[Lesson]) -> None:
    for lesson in some:
        *near, (_, command) = lesson.turns
        assert command not in [shown for _, shown in near]
    assert {len(lesson.turns) for lesson in some} == {1, 2, 3}
    assert {lesson.place for lesson in some} == {*range(len(PLACES))}


@pytest.mark.model
def test_a_lesson_is_what_a_press_sends() -> None:
    llama = Llama(str(model_path("smollm2-135m")), threads=1, context_tokens=512, template="chatml")
    shell, system, userland, _ = PLACES[0]
    prompt = prefix(shell, Facts(system=system, userland=userland))
    near, asked = ("show the date", "date"), ("disk use here", "du -sh .")
    messages = [("system", prompt.system)]
    for words, command in (*prompt.examples, near):
        messages += [("user", words), ("assistant", command)]
    opened, own = llama.chat([*messages, ("user", asked[0])], 1 + 2 * len(prompt.examples))
    tokens, counts = written(llama, (near, asked))
    assert opening(llama, 0) == opened
    assert tokens[: len(own)] == own
    assert b"".join(map(llama.piece, tokens[len(own) :])) == asked[1].encode()
    assert llama.ends(tokens[-1])
    assert counts == [*counts[: len(own)], *[100] * len(tokens[len(own) :])]
    of_near = [token for token, count in zip(tokens, counts, strict=True) if count == 25]
    assert b"".join(map(llama.piece, of_near)) == b"date"
