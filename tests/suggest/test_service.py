"""A press, from request to updates, with a scripted model and a host out of a dictionary."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import threading
import time

import msgspec
import pytest

from cmdai_shell.config import Config
from cmdai_shell.core import Explanation, Hint, Notice, Partial, Risk, Suggestion, SuggestRequest
from cmdai_shell.errors import (
    BackendUnavailable,
    BadCompletion,
    ModelUnavailable,
    NoBackendAvailable,
)
from cmdai_shell.history.entry import Entry
from cmdai_shell.history.nearest import Nearest
from cmdai_shell.routing import Pool, Router
from cmdai_shell.suggest import Suggester
from tests.fakes.dict_look import EVERYDAY, DictLook
from tests.fakes.dict_manual import EVERYDAY as MANUAL
from tests.fakes.scripted_backend import ScriptedBackend

DOWN = BackendUnavailable("refused", hint="try later")


class Desk:
    """A suggester with its scripted model; ``settings`` are sections of the configuration."""

    def __init__(
        self,
        script=None,
        look=None,
        clock=time.monotonic,
        recipes=None,
        manual=None,
        history=None,
        **settings,
    ):
        self.backend = ScriptedBackend(script)
        self.suggester = Suggester(
            completer=Router(Pool(), self.backend, clock=clock),
            look=look or DictLook(),
            config=msgspec.convert(settings, Config),
            clock=clock,
            recipes=recipes,
            manual=manual,
            history=history,
        )

    async def press(self, line="", op="suggest", **fields):
        request = SuggestRequest(op=op, line=line, path="/usr/bin", **fields)
        return [update async for update in self.suggester.suggest(request)]

    async def last(self, line="", op="suggest", **fields):
        return (await self.press(line, op, **fields))[-1]

    @property
    def asked(self):
        return len(self.backend.prompts)


async def test_words_to_a_command():
    *before, last = await Desk().press("list files")
    assert isinstance(last, Suggestion)
    assert (last.command, last.action, last.verdict.risk) == ("ls -la", "insert", Risk.SAFE)
    assert (last.backend, last.index, last.count) == ("scripted", 1, 1)
    assert last.explanation == ""
    assert all(isinstance(update, Partial) for update in before)


@pytest.mark.parametrize("line", ["show two lines", "talk", "escape"])
async def test_raw_text_is_made_a_command(line):
    wanted = {
        "show two lines": 'for f in *; do\n  echo "$f"\ndone',
        "talk": "date -u",
        "escape": "echo redgreen",
    }
    assert (await Desk().last(line)).command == wanted[line]


async def test_partials_grow_and_end_as_the_command():
    clock = iter(range(10_000))
    script = {"py": ["find", " .", " -name", " '*.p", "y'", " -mtime", " -1"]}
    updates = await Desk(script, clock=lambda: next(clock) / 4).press("py")
    partials = [update.text for update in updates if isinstance(update, Partial)]
    assert len(partials) > 2
    for shorter, longer in itertools.pairwise(partials):
        assert longer.startswith(shorter)
    assert partials[-1] == updates[-1].command == "find . -name '*.py' -mtime -1"


async def test_nothing_harmful_is_ever_half_way_on_the_line():
    clock = iter(range(10_000))
    script = {"clean": ["find .", " -type f", " -exec rm", " -rf", " {} +", " ; rm -rf", " /"]}
    updates = await Desk(script, clock=lambda: next(clock) / 4).press("clean")
    partials = [update.text for update in updates if isinstance(update, Partial)]
    assert partials
    assert not any("rm -rf {}" in text for text in partials)
    assert updates[-1].action == "arm"


async def test_critical_is_armed_and_strict_refuses():
    armed = await Desk().last("wipe the root")
    assert (armed.command, armed.action, armed.verdict.risk) == ("rm -rf /", "arm", Risk.CRITICAL)
    assert armed.verdict.reasons
    assert (await Desk(safety_level="strict").last("wipe the root")).action == "refuse"
    assert (await Desk(safety_level="permissive").last("wipe the root")).action == "insert"


@pytest.mark.parametrize(
    ("level", "action"),
    [
        ("strict", "refuse"),
        ("moderate", "arm"),
        ("permissive", "insert"),
        ("", "refuse"),
        ("lax", "refuse"),
        ("STRICT", "refuse"),
    ],
)
async def test_the_shells_own_level_outranks_the_configured_one(level, action):
    """Also for an answer that another shell has already had, and for its alternatives."""
    desk = Desk(safety_level="strict")
    assert (await desk.last("wipe the root", safety_level="permissive")).action == "insert"
    assert (await desk.last("wipe the root", safety_level=level)).action == action
    assert desk.asked == 1


async def test_the_persons_own_rules_count():
    rules = [{"match": "ls", "risk": "critical", "reason": "ls is forbidden here"}]
    found = await Desk(safety={"rules": rules}).last("list files")
    assert found.action == "arm"
    assert "ls is forbidden here" in found.verdict.reasons


async def test_alternatives_then_the_own_text():
    desk = Desk()
    commands = [(await desk.last("list files")).command]
    for number in (1, 2):
        found = await desk.last("list files", "next", alternative=number)
        commands.append(found.command)
        assert (found.index, found.count) == (number + 1, number + 1)
        assert set(found.alternatives) == set(commands) - {found.command}
    assert commands == ["ls -la", "ls -1A", "find . -maxdepth 1"]
    back = await desk.last("list files", "next", alternative=3)
    assert (back.action, back.index, back.count, back.command) == ("restore", 0, 3, "list files")


async def test_alternatives_end_at_the_configured_number():
    desk = Desk(suggest={"max_alternatives": 1})
    assert (await desk.last("list files", "next", alternative=1)).index == 2
    assert (await desk.last("list files", "next", alternative=2)).action == "restore"


async def test_a_known_alternative_costs_nothing():
    desk = Desk()
    first = await desk.last("list files", "next", alternative=1)
    asked = desk.asked
    again = await desk.last("list files", "next", alternative=1)
    assert again.command == first.command
    assert desk.asked == asked


async def test_alternatives_belong_to_their_line_and_shell():
    desk = Desk()
    await desk.last("list files", "next", alternative=2)
    other = await desk.last("list files", "next", alternative=1, shell="zsh")
    assert other.count == 2


async def test_a_model_with_one_answer_only():
    desk = Desk()
    await desk.last("delete build")
    back = await desk.last("delete build", "next", alternative=1)
    assert (back.action, back.count) == ("restore", 1)


async def test_that_there_is_no_other_costs_two_answers_and_is_announced():
    desk = Desk()
    await desk.last("delete build")
    asked = desk.asked
    first, *_ = await desk.press("delete build", "next", alternative=1)
    assert first == Notice(text="looking for another")
    assert desk.asked - asked == 2


@pytest.mark.parametrize(
    ("line", "answer"), [("find . -name", "find  . -name "), ("ls -la", "ls -la")]
)
async def test_the_line_unchanged_is_no_answer(line, answer):
    desk = Desk({line: [answer]})
    with pytest.raises(BadCompletion, match="nothing to add to the line") as caught:
        await desk.press(line)
    assert "in words" in caught.value.hint
    assert desk.asked == 2


async def test_the_line_unchanged_gets_a_second_try():
    script = {"find . -name": [["find . -name"], ["find . -name '*.py'"]]}
    assert (await Desk(script).last("find . -name")).command == "find . -name '*.py'"


async def test_the_line_unchanged_is_no_alternative():
    desk = Desk({"ls": [["ls -la"], ["ls"]]})
    await desk.last("ls")
    found = await desk.last("ls", "next", alternative=1)
    assert (found.action, found.count) == ("restore", 1)


async def test_an_empty_line_after_a_failure_is_fixed():
    found = await Desk().last("", last_command="gti status", last_status=127)
    assert (found.command, found.action) == ("git status", "insert")


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("", {}),
        ("  \t ", {}),
        ("\x1b[31m\x00", {}),
        ("", {"last_command": "ls", "last_status": 0}),
        ("", {"last_status": 130}),
        ("", {"op": "explain", "last_command": "x", "last_status": 1}),
        ("", {"op": "next"}),
    ],
)
async def test_nothing_to_do_is_a_hint(line, fields):
    desk = Desk()
    updates = await desk.press(line, **fields)
    assert [type(update) for update in updates] == [Hint]
    assert "press the key again" in updates[0].text
    assert desk.asked == 0


async def test_explain():
    script = {"ls": ["- ls: lists files\n", "- -l: \x1b[31mlong\n"]}
    found = await Desk(script).last("ls -l", "explain")
    assert isinstance(found, Explanation)
    assert found.text == "ls: lists files\n-l: long"
    assert found.verdict.risk is Risk.SAFE
    assert (await Desk({"rm": ["rm: removes"]}).last("rm -rf /", "explain")).verdict.reasons


async def test_what_the_manual_has_is_explained_without_a_model():
    desk = Desk({"ls": ["ls: wrong"]}, manual=MANUAL)
    assert (await desk.last("ls -l", "explain")).text == (
        "ls: list a folder\n-l: one name a line, with its details"
    )
    assert desk.asked == 0
    assert (await desk.last("sort -n | sudo tee /etc/passwd", "explain")).verdict.reasons


async def test_the_model_explains_what_the_manual_does_not_have():
    look = DictLook([*EVERYDAY, "frob"])
    desk = Desk({"frob": ["ls: wrong\nfrob: frobs\n"]}, look, manual=MANUAL)
    assert (await desk.last("ls | frob", "explain")).text == "ls: list a folder\n| frob: frobs"
    assert (await desk.last("frob", "explain")).text == "ls: wrong\nfrob: frobs"


async def test_an_explanation_of_what_is_not_here_is_called_a_guess():
    desk = Desk({"frob": ["frob: frobs"], "kubectl": ["kubectl: clusters"]}, manual=MANUAL)
    found = await desk.last("ls | frob", "explain")
    assert found.text.split("\n") == [
        "frob: not here, and in no manual; a guess:",
        "ls: list a folder",
        "| frob: frobs",
    ]
    found = await desk.last("kubectl get pods", "explain")
    assert found.text == "kubectl: not here, and in no manual; a guess:\nkubectl: clusters"
    assert "guess" not in (await desk.last("./frob", "explain")).text


async def test_without_a_model_the_rest_is_said_to_be_unknown():
    desk = Desk({"ls": [DOWN]}, manual=MANUAL)
    found = await desk.last("ls | frob", "explain")
    assert found.text == "ls: list a folder\n| frob: not in this machine's manual"
    with pytest.raises(NoBackendAvailable):
        await Desk({"frob": [DOWN]}, manual=MANUAL).last("frob", "explain")


async def test_an_option_that_does_not_exist_gets_a_second_try():
    desk = Desk({"without --frob": ["ls -a"], "list": ["ls --frob"]}, manual=MANUAL)
    assert (await desk.last("list")).command == "ls -a"
    assert desk.asked == 2


async def test_the_same_words_are_answered_from_the_cache():
    desk = Desk()
    first = await desk.last("list files")
    assert (await desk.last("list files")).command == first.command
    assert desk.asked == 1
    for fields in ({"shell": "zsh"}, {"environment": "lab"}):
        await desk.last("list files", **fields)
    assert desk.asked == 3


@pytest.mark.parametrize("switch", ["enabled", "cache_identical_requests"])
async def test_the_cache_can_be_switched_off(switch):
    desk = Desk(caching={switch: False})
    await desk.last("list files")
    await desk.last("list files")
    assert desk.asked == 2


async def test_the_same_words_with_another_credential_are_another_request():
    desk = Desk({"token": ["curl -H 'X-Token: SECRET_1' example.com"]}, DictLook(["curl"]))
    for token in ("abc123", "xyz789"):
        found = await desk.last(f"get example.com with token={token}")
        assert token in found.command
    assert not any("abc123" in p.user or "xyz789" in p.user for p in desk.backend.prompts)


async def test_a_missing_program_gets_a_second_try():
    script = {"sum": [["md5 a.txt"], ["md5sum a.txt"]]}
    desk = Desk(script, DictLook([*EVERYDAY, "md5sum"]))
    found = await desk.last("sum of a.txt")
    assert (found.command, found.explanation) == ("md5sum a.txt", "")
    assert "without md5" in desk.backend.prompts[1].user


async def test_what_stays_wrong_is_said():
    found = await Desk({"sum": ["md5 a.txt"]}).last("sum of a.txt")
    assert (found.command, found.explanation) == ("md5 a.txt", "md5 is not installed here")


async def test_an_answer_with_something_wrong_is_not_kept():
    desk = Desk({"sum": ["md5 a.txt"]})
    await desk.press("sum of a.txt")
    asked = desk.asked
    await desk.press("sum of a.txt")
    assert desk.asked > asked


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_a_quote_that_is_never_closed_is_no_answer(shell):
    desk = Desk({"greet": [['echo "hello'], ["echo hello"]]})
    assert (await desk.last("greet me", shell=shell)).command == "echo hello"
    desk = Desk({"greet": [['echo "hello'], ["echo $(date"]]})
    with pytest.raises(BadCompletion):
        await desk.last("greet me", shell=shell)
    desk = Desk({"greet": ["cat <<EOF\nit's me\nEOF"]})
    if shell != "fish":
        assert (await desk.last("greet me", shell=shell)).command.endswith("EOF")


async def test_talk_instead_of_a_command_is_asked_again():
    script = {"greet me": [["I'm happy to help you with that!"], ["echo hello"]]}
    assert (await Desk(script).last("greet me")).command == "echo hello"


async def test_nothing_but_talk_is_an_error():
    desk = Desk({"greet me": ["I'm happy to help you with that!"]})
    with pytest.raises(BadCompletion, match="gave no command"):
        await desk.press("greet me")
    assert desk.asked == 2


async def test_what_leaves_open_what_is_meant_is_asked_back():
    desk = Desk()
    last = await desk.last("compress it")
    assert isinstance(last, Hint)
    assert "it" in last.text
    assert desk.asked == 0


async def test_a_model_in_a_loop_is_stopped_and_asked_again():
    loop = ["cat a", *[" | grep -v x"] * 3, "never heard"]
    desk = Desk({"greet me": [loop, ["echo hello"]]})
    assert (await desk.last("greet me")).command == "echo hello"
    assert desk.backend.cancelled == 1


async def test_the_deadline_is_an_error_with_a_hint():
    desk = Desk(suggest={"deadline_ms": 500})
    with pytest.raises(NoBackendAvailable, match="no answer within") as caught:
        await desk.press("hang")
    assert "deadline_ms" in caught.value.hint
    assert desk.backend.cancelled == 1


async def test_a_dead_backend_is_an_error():
    with pytest.raises(NoBackendAvailable, match="is down"):
        await Desk().press("fail")


async def test_without_a_model_the_cure_is_named():
    error = ModelUnavailable("no model on this machine", hint="cmdai-shell model pull")
    with pytest.raises(ModelUnavailable) as caught:
        await Desk({"anything": [error]}).press("anything")
    assert caught.value.hint == "cmdai-shell model pull"


async def test_notices_pass():
    updates = await Desk({"slow": [Notice(text="loading the model, 1 s"), "ls"]}).press("slow")
    assert updates[0] == Notice(text="loading the model, 1 s")


async def test_closing_the_press_cancels_the_model():
    desk = Desk({"go": ["ls", 0.06, " -la", float("inf")]})
    updates = desk.suggester.suggest(SuggestRequest(line="go"))
    assert await anext(updates) == Partial(text="ls -la")
    await updates.aclose()
    assert desk.backend.cancelled == 1


async def test_a_64_kib_line_is_answered_and_says_what_is_used():
    desk = Desk({"list": ["ls -la"]})
    first, *_, last = await desk.press("list files " + "x" * 65_536)
    assert isinstance(first, Notice)
    assert "long" in first.text
    assert last.command == "ls -la"
    assert len(desk.backend.prompts[0].user) < 4000


@pytest.mark.parametrize(
    "line", ["\udc80\udcff list files", "a\x1fb\x1ec list files", "list files\nx"]
)
async def test_odd_bytes_are_answered(line):
    assert (await Desk().last(line)).command == "ls -la"


async def test_the_prefix_for_warming_is_that_of_a_press():
    desk = Desk()
    await desk.press("list files", shell="fish")
    prompt = desk.backend.prompts[0]
    prefix = desk.suggester.prefix("fish")
    assert (prefix.system, prefix.examples, prefix.user) == (prompt.system, prompt.examples, "")


async def test_a_suggestion_does_not_close_the_terminal_unless_asked_to():
    desk = Desk({"commit": ["git commit -m x", " && exit 0"]})
    updates = await desk.press("commit as x")
    assert not any("exit" in update.text for update in updates if isinstance(update, Partial))
    assert updates[-1].command == "git commit -m x"
    assert (await desk.last("commit as x, then exit")).command == "git commit -m x && exit 0"


class Shelf:
    """Recipes that notes what it is asked for."""

    def __init__(self):
        self.asked = []

    def near(self, words, shell, userland, most, has):
        self.asked.append((words, shell, userland, most))
        return (("size of lib", "du -sh lib"),)[:most]


async def test_recipes_near_the_request_stand_before_it():
    shelf = Shelf()
    desk = Desk(recipes=shelf, suggest={"recipes": 2})
    await desk.last("list files", shell="zsh")
    assert shelf.asked == [("list files", "zsh", "GNU", 2)]
    assert desk.backend.prompts[0].near == (("size of lib", "du -sh lib"),)
    assert desk.backend.prompts[0].examples == desk.suggester.prefix("zsh").examples


async def test_the_persons_own_name_takes_the_place_of_a_recipes():
    desk = Desk({"how big": ["du -sh lib"]}, recipes=Shelf())
    assert (await desk.last("how big is src/app")).command == "du -sh src/app"
    assert desk.asked == 1


async def test_recipes_that_fail_fail_no_press(caplog):
    class Torn:
        def near(self, *_):
            raise sqlite3.DatabaseError("database disk image is malformed")

    desk = Desk({"two": ["ls -a"]}, recipes=Torn())
    assert (await desk.last("list files")).command == "ls -la"
    assert (await desk.last("list two files")).command == "ls -a"
    assert [record.message for record in caplog.records] == ["recipes failed"]


async def test_no_recipes_for_a_command_to_fix_or_to_explain():
    shelf = Shelf()
    desk = Desk(recipes=shelf)
    await desk.last("", last_command="gti status", last_status=127)
    await desk.last("ls -la", op="explain")
    assert shelf.asked == []


@pytest.mark.parametrize("status", [130, 146, 148])
async def test_what_the_person_ended_has_not_failed(status):
    desk = Desk()
    assert isinstance(await desk.last("", last_command="sleep 9", last_status=status), Hint)
    assert desk.asked == 0


async def test_the_failed_command_unchanged_is_no_fix():
    desk = Desk({"gti": [["gti status"], ["git status"]]})
    last = await desk.last("", last_command="gti status", last_status=127)
    assert last.command == "git status"


class HangingPath(DictLook):
    """A folder on the PATH is on a server that is gone; the daemon's own is not."""

    def __init__(self):
        super().__init__(["ls"])
        self.back = threading.Event()

    def which(self, program, path):
        return self._hang() if path else super().which(program, path)

    def programs(self, path):
        return self._hang()

    def _hang(self):
        self.back.wait(30)
        return frozenset()


class AnyRecipe:
    def near(self, words, shell, userland, most, has):
        return (("x", "xyz"),) if has("xyz") else ()


async def test_a_path_that_hangs_holds_up_nobody_else():
    look = HangingPath()
    history = Nearest(
        [
            Entry(
                time=1.0, shell="bash", words="sum all", suggested="q", outcome="accepted", status=0
            )
        ],
        9,
    )
    desk = Desk({"sum": [["xyz a.txt | sort"]]}, look=look, recipes=AnyRecipe(), history=history)
    longest = 0.0
    async with asyncio.TaskGroup() as tasks:
        pressed = tasks.create_task(desk.last("sum of all a.txt"))
        while not pressed.done():
            began = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - began)
    look.back.set()
    found = pressed.result()
    assert (found.command, found.explanation) == ("xyz a.txt | sort", "")
    assert desk.backend.prompts[0].near[0] == ("x", "xyz")
    assert longest < 5
