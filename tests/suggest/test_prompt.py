"""The prompt: a prefix that never changes, the person's words last."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from cmdai_shell.core import SuggestRequest
from cmdai_shell.safety import parse
from cmdai_shell.suggest import prompt as prompts
from cmdai_shell.suggest.context import Facts, facts
from cmdai_shell.suggest.examples import examples
from tests.fakes.dict_look import DictLook

FACTS = Facts(system="Debian GNU/Linux 12", userland="GNU", tools=frozenset({"ss"}))
SHELLS = ("bash", "zsh", "fish")


def build(request, **settings):
    chosen = {"share_cwd": True, "context_tokens": 2048} | settings
    return prompts.build(request, FACTS, **chosen)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_prefix_is_the_same_at_every_press(shell):
    presses = [
        SuggestRequest(shell=shell, line="list files", cwd="/a", path="/bin", last_status=1),
        SuggestRequest(shell=shell, line="x" * 9000, cwd="/b", width=20),
        SuggestRequest(shell=shell, last_command="gti", last_status=127),
    ]
    built = [build(press)[0] for press in presses]
    assert {replace(prompt, user="", fields=()) for prompt in built} == {
        prompts.prefix(shell, FACTS)
    }
    assert len({prompt.user for prompt in built}) == len(presses)


def test_facts_are_looked_up_in_any_order_and_come_out_the_same():
    tools = ["ss", "git", "jq", "lsof"]
    prefixes = {
        prompts.prefix("bash", facts(DictLook(order))) for order in itertools.permutations(tools)
    }
    assert len(prefixes) == 1


def test_the_words_are_the_users_turn():
    prompt, _ = build(SuggestRequest(line="list files"))
    assert prompt.user == "list files"


def test_the_folder_only_if_allowed():
    request = SuggestRequest(line="list files", cwd="/home/me/secret-project")
    assert build(request)[0].user == "list files\n# in /home/me/secret-project"
    assert "secret-project" not in build(request, share_cwd=False)[0].user


def test_an_empty_line_asks_for_a_fix():
    prompt, _ = build(SuggestRequest(last_command="gti status", last_status=127))
    assert prompt.user == "correct this command, it failed: gti status"


def test_credentials_stay_here():
    prompt, secrets = build(SuggestRequest(line="call it with token=abc123"))
    assert "abc123" not in prompt.user
    assert secrets == {"SECRET_1": "abc123"}


def test_a_huge_line_is_cut_to_the_context():
    prompt, _ = build(SuggestRequest(line="first " + "x" * 65_536 + " last"), context_tokens=2048)
    assert len(prompt.user) <= prompts.room(2048) + 5
    assert prompt.user.startswith("first ")
    assert prompt.user.endswith(" last")


def test_repair_adds_advice_to_the_words_and_keeps_the_prefix():
    prompt, _ = build(SuggestRequest(line="hash a.txt", cwd="/tmp"))
    again = prompts.repaired(prompt, ["without md5", "use a.txt"])
    assert again.user == "hash a.txt, without md5, use a.txt\n# in /tmp"
    assert (again.system, again.examples) == (prompt.system, prompt.examples)


def test_an_answer_that_was_all_talk_may_talk_to_its_end():
    prompt, _ = build(SuggestRequest(line="list files"))
    assert prompt.stop
    assert prompts.repaired(prompt, []).stop == ()


def test_variations_differ_in_seed_and_are_warm():
    prompt, _ = build(SuggestRequest(line="list files"))
    warm = [prompts.varied(prompt, seed) for seed in range(1, 6)]
    assert len({p.seed for p in warm}) == 5
    assert all(0 < p.temperature <= 1 for p in warm)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("userland", ["GNU", "BSD", "busybox"])
def test_every_example_is_a_command_of_its_shell(shell, userland):
    pairs = examples(shell, Facts(userland=userland))
    assert len(pairs) >= 4
    for words, command in pairs:
        assert not parse(command, shell).broken, (words, command)


def test_examples_speak_the_userlands_dialect():
    told = {u: str(examples("bash", Facts(userland=u))) for u in ("GNU", "BSD", "busybox")}
    assert "stat -c" in told["GNU"]
    assert "stat -c" in told["busybox"]
    assert "stat -f" in told["BSD"]
    assert "sed -i ''" in told["BSD"]
    assert "sed -i ''" not in told["GNU"]
