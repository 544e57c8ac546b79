"""What the person made of earlier suggestions, in a press."""

from __future__ import annotations

import pytest

from cmdai_shell.history.entry import Entry
from cmdai_shell.history.nearest import Nearest
from tests.fakes.dict_look import EVERYDAY, DictLook
from tests.suggest.test_service import Desk

SECRET = "hunter2-hunter2"


def kept(*pairs, shell="bash", status=0):
    """A history of words and commands, each accepted."""
    return Nearest(
        (
            Entry(
                time=1.0,
                shell=shell,
                words=words,
                suggested=command,
                outcome="accepted",
                status=status,
            )
            for words, command in pairs
        ),
        100,
    )


class Recipes:
    def near(self, words, shell, userland, most, has):
        return tuple((f"recipe {n}", f"echo {n}") for n in range(most))


async def test_the_same_words_ask_nobody():
    desk = Desk(history=kept(("list files", "ls -lt")))
    found = await desk.last("List  files?")
    assert (found.command, found.backend, found.action) == ("ls -lt", "your history", "insert")
    assert desk.asked == 0


async def test_the_models_answers_come_after_it():
    desk = Desk({"list files": [["ls -lt"], ["ls -la"]]}, history=kept(("list files", "ls -lt")))
    await desk.press("list files")
    found = await desk.last("list files", "next", alternative=1)
    assert (found.command, found.backend, found.index) == ("ls -la", "scripted", 2)


async def test_a_function_of_theirs_is_no_finding():
    found = await Desk(history=kept(("list files", "mine -x"))).last("list files")
    assert (found.command, found.explanation) == ("mine -x", "")


async def test_what_it_does_is_judged_as_ever():
    found = await Desk(history=kept(("clean all up", "rm -rf /"))).last("clean all up")
    assert (found.command, found.action) == ("rm -rf /", "arm")


async def test_a_credential_is_put_back():
    history = kept(("log in with password: SECRET_1", "mysql -pSECRET_1"))
    desk = Desk(history=history)
    found = await desk.last(f"log in with password: {SECRET}")
    assert (found.command, desk.asked) == (f"mysql -p{SECRET}", 0)


@pytest.mark.parametrize(
    "history",
    [
        kept(
            (
                "list files",
                "ls",
            ),
            shell="zsh",
        ),
        kept(),
        None,
    ],
)
async def test_of_no_use(history):
    desk = Desk(history=history)
    assert (await desk.last("list files")).backend == "scripted"
    assert (desk.backend.prompts[0].own, desk.backend.prompts[0].near) == (0, ())


async def test_what_failed_is_not_offered():
    desk = Desk(history=kept(("list files", "ls --mad"), status=2))
    assert (await desk.last("list files")).command == "ls -la"


async def test_words_alike_are_examples_after_the_recipes():
    desk = Desk(recipes=Recipes(), history=kept(("list old files", "ls -lt")))
    await desk.press("list my files old enough")
    (prompt,) = desk.backend.prompts
    assert prompt.near == (
        ("recipe 0", "echo 0"),
        ("list old files", "ls -lt"),
    )
    assert (prompt.own, prompt.fields) == (1, ("line", "history"))


async def test_only_of_programs_that_are_here():
    desk = Desk(
        look=DictLook(EVERYDAY - {"ls"}), history=kept(("list old files", "sudo ls -lt | wc"))
    )
    await desk.press("list my files old enough")
    assert desk.backend.prompts[0].own == 0


@pytest.mark.parametrize("share", [False, True])
async def test_a_large_model_is_told_only_if_it_may_be(share):
    desk = Desk(
        recipes=Recipes(),
        history=kept(("list old files", "ls -lt")),
        suggest={"share_history": share},
    )
    desk.backend.abilities = frozenset({"large"})
    await desk.press("list my files old enough")
    (prompt,) = desk.backend.prompts
    told = "the same person before: list old files => ls -lt"
    assert (told in prompt.user, "history" in prompt.fields) == (share, share)
    assert (prompt.near, prompt.own) == ((), 0)
