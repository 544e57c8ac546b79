"""A failed command that our own rules put right, through a press."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from cmdai_shell.core import Hint, Notice, Suggestion
from cmdai_shell.errors import BadCompletion
from tests.fakes.dict_look import DictLook
from tests.suggest.test_service import Desk

GTI = {"last_command": "gti status", "last_status": 127}


async def test_nobody_is_asked():
    desk = Desk({"gti status": ["git log"]})
    found = await desk.last("", **GTI)
    assert (found.command, found.action, found.backend) == ("git status", "insert", "own rules")
    assert (found.index, found.count, desk.asked) == (1, 1, 0)


async def test_the_models_own_answer_comes_after_it():
    desk = Desk({"gti status": [["git status"], ["git status -s"], ["git log"]]})
    await desk.press("", **GTI)
    found = await desk.last("", "next", alternative=1, **GTI)
    assert (found.command, found.backend) == ("git status -s", "scripted")
    again = await desk.last("", "next", alternative=2, **GTI)
    assert (again.command, again.count) == ("git log", 3)


async def test_alternatives_of_our_own_come_first():
    desk = Desk(look=DictLook({"ls", "less"}))
    asked = {"last_command": "les a", "last_status": 127}
    first = await desk.last("", **asked)
    second = await desk.last("", "next", alternative=1, **asked)
    assert (first.command, second.command, desk.asked) == ("ls a", "less a", 0)


async def test_what_it_does_is_judged_as_ever():
    found = await Desk().last("", last_command="mr -rf /", last_status=127)
    assert (found.command, found.action) == ("rm -rf /", "arm")


async def test_the_model_is_asked_when_we_are_not_sure():
    desk = Desk({"frobnicate": ["git status"]})
    found = await desk.last("", last_command="frobnicate", last_status=127)
    assert (found.command, found.backend) == ("git status", "scripted")


async def test_what_nobody_can_put_right_is_said_and_nobody_is_asked():
    look = DictLook(files={"/work/b": ""})
    for command, hint in (
        ("cat a", "there is no a here"),
        ("make", "there is no Makefile in this folder"),
    ):
        desk = Desk({"make": ["sudo make"], "cat": ["cat -n a"]}, look)
        found = await desk.last("", last_command=command, last_status=2, cwd="/work")
        assert (found, desk.asked) == (Hint(text=hint), 0)


async def test_a_repair_that_repairs_nothing_is_not_offered():
    look = DictLook(["make"], files={"/work/Makefile": "all:"})
    asked = {"last_command": "make", "last_status": 2, "cwd": "/work"}
    desk = Desk({"make": [["sudo make"], ["make -v"]]}, look)
    with pytest.raises(BadCompletion, match="no sure repair"):
        await desk.last("", **asked)
    assert desk.asked == 2
    desk = Desk({"make": [["sudo make"], ["make all"]]}, look)
    assert (await desk.last("", **asked)).command == "make all"


async def test_words_on_the_line_are_not_mended():
    desk = Desk({"gti status": ["git log"]})
    assert (await desk.last("gti status")).command == "git log"


async def test_a_disk_that_hangs_holds_nobody_up():
    hangs = threading.Event()

    class Hanging(DictLook):
        def which(self, program, path):
            if threading.current_thread() is not threading.main_thread():
                hangs.wait(30)
            return super().which(program, path)

    desk = Desk({"gti status": ["git log"]}, look=Hanging())
    start = time.monotonic()
    found = await asyncio.wait_for(desk.last("", **GTI), 10)
    assert found.command == "git log"
    assert time.monotonic() - start < 5
    hangs.set()


async def test_the_names_in_a_folder_are_told_to_nobody():
    look = DictLook(files={"/w/secret-plan.txt": ""})
    desk = Desk({"cat": ["cat x"]}, look=look)
    asked = {"last_command": "cat secert-plan.txt", "last_status": 1, "cwd": "/w"}
    for update in await desk.press("", **asked):
        assert isinstance(update, Suggestion | Notice)
    await desk.press("", "next", alternative=3, **asked)
    assert desk.asked
    assert not any("secret-plan" in prompt.user for prompt in desk.backend.prompts)
