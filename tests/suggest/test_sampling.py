"""Answers of a large model, from request to updates: several commands at once, or a question."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import msgspec
import pytest

from cmdai_shell.config import Config
from cmdai_shell.core import (
    Cold,
    Completion,
    Cut,
    Hint,
    Notice,
    Partial,
    Prompt,
    Risk,
    SuggestRequest,
    Verdict,
)
from cmdai_shell.errors import BackendUnavailable, BadCompletion, NoBackendAvailable
from cmdai_shell.routing import Pool, Router
from cmdai_shell.suggest import Suggester
from cmdai_shell.suggest import prompt as prompts
from cmdai_shell.suggest.context import Here, facts
from cmdai_shell.suggest.offers import Offer
from cmdai_shell.suggest.sampling import Ask, second_until
from tests.fakes.dict_look import EVERYDAY, DictLook
from tests.fakes.scripted_backend import ScriptedBackend
from tests.fakes.served import Served

LARGE = frozenset({"large", "schema"})


def said(*commands, question=""):
    listed = [{"command": command, "explanation": f"is {command[:2]}"} for command in commands]
    return json.dumps({"commands": listed, "question": question})


class Desk:
    """A suggester with a large model, and behind it a small one if it has a script."""

    def __init__(self, script, small=None, look=None, clock=time.monotonic, recipes=None, **config):
        self.large = ScriptedBackend(script, name="large", abilities=LARGE)
        self.small = ScriptedBackend(small or {}, name="small")
        self.suggester = Suggester(
            completer=Router(
                Pool([Served(self.large)]), self.small if small else None, clock=clock
            ),
            look=look or DictLook(),
            config=msgspec.convert(config, Config),
            clock=clock,
            recipes=recipes,
        )

    async def press(self, line="", op="suggest", **fields):
        request = SuggestRequest(op=op, line=line, path="/usr/bin", **fields)
        return [update async for update in self.suggester.suggest(request)]

    async def last(self, line="", op="suggest", **fields):
        return (await self.press(line, op, **fields))[-1]

    @property
    def asked(self):
        return self.large.prompts


class Shelf:
    def near(self, words, shell, userland, most, has):
        return tuple((f"size of lib{number}", f"du -sh lib{number}") for number in range(most))


async def test_half_a_command_is_no_answer():
    """The first try ran out of tokens, and the second, too."""
    cut = Cut()
    desk = Desk({"remove build": ["rm -rf ./", cut]})
    with pytest.raises(BadCompletion):
        await desk.press("remove build")
    assert len(desk.asked) == 2


async def test_what_is_whole_of_a_cut_answer_counts():
    cut = Cut()
    whole = said("rm -r build", "rm -rf ./build")
    desk = Desk({"one": ["rm -r build\nThis rem", cut], "two": [whole[:-12], cut]})
    assert (await desk.last("one")).command == "rm -r build"
    assert (await desk.last("two")).command == "rm -r build"


async def test_one_request_gives_the_suggestion_and_its_alternatives():
    desk = Desk({"files": [said("ls -la", "ls -1A", "find . -maxdepth 1")]})
    first = await desk.last("files")
    assert (first.command, first.index, first.count) == ("ls -la", 1, 3)
    assert first.alternatives == ("ls -1A", "find . -maxdepth 1")
    assert first.explanation == "is ls"
    assert desk.asked[0].n == 4
    found = [await desk.last("files", "next", alternative=number) for number in (1, 2)]
    assert [suggestion.command for suggestion in found] == ["ls -1A", "find . -maxdepth 1"]
    assert len(desk.asked) == 1


async def test_known_alternatives_are_not_announced_as_looked_for():
    desk = Desk({"files": [said("ls -la", "ls -1A")]})
    await desk.press("files")
    assert len(await desk.press("files", "next", alternative=1)) == 1


async def test_after_the_known_ones_it_is_asked_again_and_freer():
    desk = Desk({"files": [[said("ls -la", "ls -1A")], [said("ls -la", "ls", "find .")]]})
    await desk.last("files")
    notice, *_, found = await desk.press("files", "next", alternative=2)
    assert notice == Notice(text="looking for another")
    assert (found.command, found.count) == ("ls", 4)
    assert (await desk.last("files", "next", alternative=3)).command == "find ."
    assert desk.asked[-1].temperature > 0
    assert desk.asked[-1].schema == desk.asked[0].schema


async def test_the_one_with_fewer_faults_comes_first():
    desk = Desk({"sum": [said("md5 a.txt", "md5sum b.txt", "md5sum a.txt", "md5sum < a.txt")]},
                look=DictLook([*EVERYDAY, "md5sum"]))  # fmt: skip
    found = await desk.last("sum of a.txt")
    assert (found.command, found.explanation) == ("md5sum a.txt", "is md")
    assert found.alternatives == ("md5sum < a.txt", "md5 a.txt", "md5sum b.txt")
    assert len(desk.asked) == 1
    faulty = await desk.last("sum of a.txt", "next", alternative=2)
    assert faulty.explanation == "md5 is not installed here"


async def test_a_repair_only_if_all_are_faulty():
    desk = Desk({"sum": [[said("md5 a.txt", "md6 a.txt")], [said("md5sum a.txt")]]},
                look=DictLook([*EVERYDAY, "md5sum"]))  # fmt: skip
    found = await desk.last("sum of a.txt")
    assert (found.command, found.count) == ("md5sum a.txt", 1)
    assert [prompt.user.split("\n")[0] for prompt in desk.asked] == [
        "sum of a.txt",
        "sum of a.txt, without md5",
    ]


async def test_the_repair_lies_within_the_deadline():
    desk = Desk({"sum": [[said("md5 a.txt")], [float("inf")]]}, suggest={"deadline_ms": 500})
    began = time.monotonic()
    found = await desk.last("sum of a.txt")
    assert time.monotonic() - began < 2
    assert (found.command, found.explanation) == ("md5 a.txt", "md5 is not installed here")


class Passing:
    """A clock that can be set forward: a step that costs seconds takes none."""

    def __init__(self):
        self._ahead = 0.0

    def __call__(self):
        return time.monotonic() + self._ahead

    def by(self, seconds):
        def step():
            self._ahead += seconds

        return step


BAD, GOOD = said("md5 a.txt"), said("md5sum a.txt")
HANGS = float("inf")


async def pressed(first, second, own=False, **config):
    """What comes of an answer that fails a check, and whether there was a second try. Steps are as
    a backend's, or (seconds,) that pass at once; ``own``: of the model on this CPU, alone."""
    clock = Passing()
    steps = [
        [clock.by(*step) if isinstance(step, tuple) else step for step in answer]
        for answer in (first, second)
    ]
    desk = Desk({"sum": steps}, look=DictLook([*EVERYDAY, "md5sum"]), clock=clock, **config)
    if own:
        desk.suggester = Suggester(
            completer=Router(Pool(), desk.large, clock=clock),
            look=DictLook([*EVERYDAY, "md5sum"]),
            config=msgspec.convert(config, Config),
            clock=clock,
        )
    began = clock()
    *others, found = await desk.press("sum of a.txt")
    assert not any(isinstance(update, Cold) for update in others)
    return found.command, found.explanation, len(desk.asked), clock() - began


AS_IT_WAS = ("md5 a.txt", "md5 is not installed here")
REPAIRED = ("md5sum a.txt", "is md")


async def test_a_slow_servers_bad_answer_is_given_with_what_was_found():
    assert (await pressed([(3.3,), BAD], [GOOD]))[:3] == (*AS_IT_WAS, 1)


async def test_a_quick_servers_bad_answer_is_repaired():
    assert (await pressed([(1.0,), BAD], [(1.0,), GOOD]))[:3] == (*REPAIRED, 2)


@pytest.mark.parametrize("seconds", [3.9, 20.0])
async def test_a_second_try_that_hangs_is_cut_and_the_first_answer_stands(seconds):
    *found, elapsed = await pressed([(1.0,), BAD], [(seconds,), "", HANGS])
    assert found == [*AS_IT_WAS, 2]
    assert elapsed >= 5


@pytest.mark.parametrize(
    ("cold", "asked"), [([Cold(seconds=9.0)], 2), ([], 1)], ids=["cold", "warm"]
)
async def test_loading_and_reading_are_no_reason_against_a_second_try(cold, asked):
    """README's first command: nothing is loaded yet, and the first answer may fail a check."""
    first = [Notice(text="loading"), (9.0,), (1.0,), BAD, *cold]
    wanted = REPAIRED if cold else AS_IT_WAS
    assert (await pressed(first, [(1.0,), GOOD], own=True))[:3] == (*wanted, asked)


async def test_after_a_cold_start_it_is_cut_as_well():
    first = [(9.0,), (1.0,), BAD, Cold(seconds=9.0)]
    *found, elapsed = await pressed(first, [(4.0,), "", HANGS], own=True)
    assert found == [*AS_IT_WAS, 2]
    assert elapsed >= 14


async def test_loading_does_not_excuse_a_slow_answer():
    first = [(9.0,), (3.3,), BAD, Cold(seconds=9.0)]
    assert (await pressed(first, [GOOD], own=True))[:3] == (*AS_IT_WAS, 1)


async def test_where_the_first_gave_nothing_a_late_answer_is_better_than_none():
    assert (await pressed([(3.3,), "{}"], [(3.3,), GOOD]))[:3] == (*REPAIRED, 2)


def test_a_second_try_has_to_fit():
    def until(asked, now, cold=0.0, deadline=130.0, findings=("it is not here",)):
        ask = Ask(request=SuggestRequest(), prompt=Prompt(system="", user=""), secrets={},
                  start=100.0, deadline=deadline, names=(), key=(), here=Here())  # fmt: skip
        answer = Completion(text="md5", backend="x", cold=cold)
        first = Offer(command="md5", verdict=Verdict(risk=Risk.SAFE),
                      findings=findings, answer=answer)  # fmt: skip
        return second_until(ask, first, asked, now)

    assert until(100.0, 102.5) == 105.0
    assert until(100.0, 102.6) is None
    assert until(101.0, 103.0) == 105.0
    assert until(101.0, 103.1) is None
    assert until(100.0, 112.5, cold=10.0) == 115.0
    assert until(100.0, 112.6, cold=10.0) is None
    assert until(100.0, 102.0, deadline=104.0) == 104.0
    assert until(100.0, 102.1, deadline=104.0) is None
    assert until(100.0, 100.1, findings=()) is None


async def test_every_candidate_is_judged():
    found = await Desk({"clean": [said("rm -rf /", "ls")]}).last("clean my disk")
    assert (found.command, found.action) == ("rm -rf /", "arm")
    desk = Desk({"show": [said("rm -rf /", "ls -la")]})
    assert (await desk.last("show files")).command == "ls -la"
    assert (await desk.last("show files", "next", alternative=1)).action == "arm"


async def test_a_question_is_the_one_line_on_the_screen():
    desk = Desk({"faster": [said(question="make what faster?\x1b[2J")]})
    assert await desk.press("faster please") == [Hint(text="make what faster?")]
    assert await desk.press("faster please", "next", alternative=1) == [
        Hint(text="make what faster?")
    ]


async def test_a_question_to_a_repair_is_not_asked():
    desk = Desk({"sum": [[said("md5 a.txt")], [said(question="which sum?")]]})
    assert (await desk.last("sum of a.txt")).command == "md5 a.txt"


async def test_a_question_instead_of_another_is_not_asked():
    desk = Desk({"files": [[said("ls -la")], [said(question="which?")]]})
    await desk.last("files")
    found = await desk.last("files", "next", alternative=1)
    assert found.action == "restore"


async def test_the_persons_own_line_is_no_candidate():
    desk = Desk({"ls": [said("ls  -l", "ls -la")]})
    found = await desk.last("ls -l")
    assert (found.command, found.count) == ("ls -la", 1)


async def test_no_more_than_can_be_reached():
    desk = Desk({"files": [said("ls", "ls -a", "ls -l", "ls -A")]}, suggest={"max_alternatives": 1})
    assert (await desk.last("files")).count == 2
    assert desk.asked[0].n == 2


async def test_partials_are_of_the_first_command_and_harmless():
    clock = iter(range(10_000))
    text = said("find . -name '*.py' -mtime -1", "rm -rf /")
    pieces = [text[at : at + 7] for at in range(0, len(text), 7)]
    updates = await Desk({"py": pieces}, clock=lambda: next(clock) / 4).press("py")
    shown = [update.text for update in updates if isinstance(update, Partial)]
    assert len(shown) == 3
    assert all(updates[-1].command.startswith(text) for text in shown)
    text = said("rm -rf / ", "ls")
    pieces = [text[at : at + 3] for at in range(0, len(text), 3)]
    updates = await Desk({"all": pieces}, clock=lambda: next(clock) / 4).press("remove all")
    assert not [update for update in updates if isinstance(update, Partial)]


async def test_a_server_that_knows_no_schema_and_a_model_that_ignores_it():
    desk = Desk({"files": ["```bash\n", "ls -la\n", "```"]})
    assert (await desk.last("files")).command == "ls -la"


async def test_an_answer_cut_off_gives_what_is_whole():
    text = said("ls -la", "find . -maxdepth 1")
    assert (await Desk({"files": [text[:-60]]}).last("files")).count == 1


async def test_json_without_a_command_is_asked_again():
    desk = Desk({"files": [['{"commands": [{"comm'], [said("ls")]]})
    assert (await desk.last("files")).command == "ls"
    assert len(desk.asked) == 2
    with pytest.raises(BadCompletion):
        await Desk({"files": ["{}"]}).last("files")


async def test_like_objects_are_no_repetition():
    alike = [f"sed -n {number}p a.txt" for number in range(1, 5)]
    text = json.dumps(
        {"commands": [{"command": command, "explanation": "x y " * 30} for command in alike]}
    )
    assert (await Desk({"lines": [text]}).last("lines of a.txt")).count == 4


async def test_credentials_stay_here_and_come_back():
    desk = Desk({"get": [said("curl -H 'X: SECRET_1' a.example", "curl -u SECRET_1 a.example")]},
                look=DictLook(["curl"]), recipes=Shelf())  # fmt: skip
    found = await desk.last("get a.example with token=abc123xyz")
    assert "abc123xyz" in found.command
    assert "abc123xyz" in found.alternatives[0]
    assert "abc123xyz" not in repr(desk.asked)


async def test_after_a_failover_the_small_model_is_asked_as_ever():
    request = {"line": "files", "shell": "zsh", "shell_version": "5.9", "cwd": "/home/ada"}
    alone = Desk({}, small={"files": ["ls"]}, recipes=Shelf())
    alone.suggester = Suggester(
        completer=Router(Pool(), alone.small, clock=time.monotonic),
        look=DictLook(),
        config=Config(),
        clock=time.monotonic,
        recipes=Shelf(),
    )
    await alone.press(**request)
    desk = Desk({"files": [BackendUnavailable("refused")]}, small={"files": ["ls"]},
                recipes=Shelf())  # fmt: skip
    found = await desk.last(**request)
    assert (found.command, found.is_fallback, found.attempts) == ("ls", True, ("large: refused",))
    assert desk.small.prompts == alone.small.prompts
    plain, _ = prompts.build(
        SuggestRequest(**request), facts(DictLook()), share_cwd=False, context_tokens=2048
    )
    assert desk.small.prompts == [replace(plain, near=Shelf().near("", "", "", 2, bool))]
    assert desk.small.prompts[0].rich is None
    assert desk.small.prompts[0].fields == ("line",)
    assert len(desk.small.prompts[0].near) == 2
    assert "zsh 5.9" in desk.large.prompts[0].system


async def test_a_small_models_braces_are_its_own():
    desk = Desk({"files": [BackendUnavailable("x")]}, small={"files": ['{ date; ls "$HOME"; }']})
    assert (await desk.last("files")).command == '{ date; ls "$HOME"; }'


async def test_a_large_model_is_shown_more_recipes_unless_there_are_to_be_none():
    for recipes, shown in ((3, 8), (0, 0)):
        desk = Desk({"files": [said("ls")]}, recipes=Shelf(), suggest={"recipes": recipes})
        await desk.press("files")
        assert desk.asked[0].user.count("# similar: ") == shown
        assert ("recipes" in desk.asked[0].fields) is bool(shown)


FOLDER = {"/home/ada/src/main.c": "", "/home/ada/src/.env": ""}


async def test_the_listing_only_if_allowed():
    desk = Desk({"c": [said("ls")]}, look=DictLook(files=FOLDER))
    await desk.press("c", cwd="/home/ada/src")
    assert "main.c" not in repr(desk.asked)
    desk = Desk({"c": [said("ls")]}, look=DictLook(files=FOLDER), suggest={"share_listing": True})
    await desk.press("c", cwd="/home/ada/src")
    assert desk.asked[0].user == "c\n# here: main.c, .env"
    assert "listing" in desk.asked[0].fields
    assert "cwd" not in desk.asked[0].fields


async def test_the_listing_is_for_a_large_model_alone():
    desk = Desk({"c": [BackendUnavailable("x")]}, small={"c": ["ls"]},
                look=DictLook(files=FOLDER), suggest={"share_listing": True})  # fmt: skip
    await desk.press("c", cwd="/home/ada/src")
    assert "main.c" not in repr(desk.small.prompts)


async def test_another_listing_is_another_request():
    look = DictLook(files=FOLDER)
    desk = Desk({"c": [said("ls")]}, look=look, suggest={"share_listing": True})
    await desk.press("c", cwd="/home/ada/src")
    await desk.press("c", cwd="/home/ada/src")
    assert len(desk.asked) == 1
    await desk.press("c", cwd="/home/ada")
    assert len(desk.asked) == 2


async def test_a_folder_that_hangs_holds_nobody_up():
    class Hanging(DictLook):
        def entries(self, folder):
            time.sleep(3)
            return ()

    desk = Desk({"c": [said("ls")]}, look=Hanging(), suggest={"share_listing": True})
    began = time.monotonic()
    assert (await desk.last("c", cwd="/net")).command == "ls"
    assert time.monotonic() - began < 2


async def test_a_dead_server_alone_is_an_error():
    with pytest.raises(NoBackendAvailable, match="refused"):
        await Desk({"files": [BackendUnavailable("refused")]}).press("files")
