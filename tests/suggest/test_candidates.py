"""A large model's JSON to candidates: whole, wrapped, cut off, and hostile."""

from __future__ import annotations

import json
import time
import unicodedata
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cmdai_shell.errors import BadCompletion
from cmdai_shell.suggest.candidates import Answer, Candidate, read, read_partial


def said(*commands, question="", **more):
    listed = [{"command": command, "explanation": ""} for command in commands]
    return json.dumps({"commands": listed, "question": question, **more})


def commands(text, shell="bash"):
    return [candidate.command for candidate in read(text, shell).candidates]


TWO = said("ls -la", "find . -maxdepth 1")
WANTED = ["ls -la", "find . -maxdepth 1"]


@pytest.mark.parametrize(
    "text",
    [
        TWO,
        json.dumps(json.loads(TWO), indent=2),
        f"```json\n{TWO}\n```",
        f"~~~\n{TWO}\n~~~",
        f"```json\n{TWO}",
        f"Here are the commands:\n\n{TWO}\n\nThe first is the usual one.",
        f'<think>Which one? {{"commands": []}}</think>\n{TWO}',
        f"<|im_start|>assistant\n{TWO}<|im_end|>",
        '{"commands": ["ls -la", "find . -maxdepth 1"]}',
        '{"result": {"commands": ["ls -la", {"command": "find . -maxdepth 1"}]}}',
        f'{{"note": NaN, "commands": {json.loads(TWO)["commands"]}}}'.replace("'", '"'),
        said("ls -la", "ls  -la", "find . -maxdepth 1", "ls -la"),
        said("ls -la", "", "I'm sorry, I cannot do that.", "```", "find . -maxdepth 1"),
        said("`ls -la`", "$ find . -maxdepth 1"),
        said(*WANTED, question="which files?"),
        '{"commands": [{"command": 5}, {"command": "ls -la"}, null, 1e999, [[]], {"command": '
        '"find . -maxdepth 1", "explanation": {"a": []}}, {"explanation": "x"}]}',
        TWO[:-1] + ', "commands": ["rm -rf /"]}',
    ],
)
def test_the_commands_are_found_in_their_order(text):
    assert commands(text) == WANTED


def test_explanations_are_one_clean_line():
    text = json.dumps(
        {"commands": [{"command": "ls", "explanation": "lists\n\x1b[31mfiles\u202e"}]}
    )
    assert read(text).candidates == (Candidate(command="ls", explanation="lists files"),)
    text = json.dumps({"commands": [{"command": "ls", "explanation": "x " * 1000}]})
    assert len(read(text).candidates[0].explanation) <= 160


def test_a_single_object_is_a_single_candidate():
    assert commands('{"command": "ls -la", "explanation": "lists"}') == ["ls -la"]
    assert commands('[\n {"command": "ls -la"}\n]') == ["ls -la"]
    assert commands('{"commands": {"command": "ls -la"}}') == ["ls -la"]


@pytest.mark.parametrize("end", range(len(TWO)))
def test_of_an_answer_that_is_cut_off_the_whole_candidates_count(end):
    first = TWO.index("ls -la") + len('ls -la"')
    second = TWO.index("find") + len('find . -maxdepth 1"')
    wanted = WANTED[: (end >= first) + (end >= second)]
    if wanted:
        assert commands(TWO[:end]) == wanted
    else:
        with pytest.raises(BadCompletion):
            read(TWO[:end])


def test_a_question_is_asked_only_without_a_command():
    assert read(said(question="which\nfolder?\x07")) == Answer(question="which folder?")
    assert read('{"question": "which folder?"}') == Answer(question="which folder?")
    assert read(said("ls", question="which folder?")).question == ""
    assert len(read(said(question="why " * 1000)).question) <= 160


@pytest.mark.parametrize(
    "text",
    [
        said(),
        said(""),
        "{",
        "{}",
        '{"',
        '{"comm',
        '{"commands": "',
        '```json\n{"commands": [',
        '{"commands": 7, "question": false}',
        '{"commands": [{"command": ["rm", "-rf"]}]}',
        '{"commands": [{"command": "\\ud800"}]}',
        '{"commands": [{"command": "\\x"}]}',
        '{"commands":' + "[" * 16_000,
        '{"commands":' + '[{"command":' * 1_000,
    ],
)
def test_without_command_or_question_it_is_an_error(text):
    with pytest.raises(BadCompletion, match="gave no command"):
        read(text)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("ls -la", "ls -la"),
        ("```bash\nls -la\n```", "ls -la"),
        ("{ date; ls; }", "{ date; ls; }"),
        ("awk '{ \"date\" | getline d; print d }' x", "awk '{ \"date\" | getline d; print d }' x"),
        ('[ "$x" = 1 ] && ls', '[ "$x" = 1 ] && ls'),
        ("echo '{\"a\": 1}' | jq .a", "echo '{\"a\": 1}' | jq .a"),
    ],
)
def test_a_plain_answer_is_read_as_one(text, command):
    assert commands(text) == [command]


def test_a_command_of_several_lines_and_any_quotes_comes_through():
    loop = 'for f in *; do\n  echo "$f\\n" \'{"command": "x"}\'\ndone'
    assert commands(said(loop)) == [loop]
    raw = said(loop).replace("\\n", "\n", 1)  # no valid JSON, and often seen
    assert commands(raw)[0].startswith("for f in *; do\n")


def test_terminal_sequences_and_overrides_are_taken_out_after_decoding():
    text = '{"commands": ["echo \\u001b[31mred\\u001b[0m \\u202egreen\\u0000\\u0007"]}'
    assert commands(text) == ["echo red green"]


def test_at_most_ten_candidates():
    assert len(commands(said(*(f"echo {number}" for number in range(50))))) == 10


@pytest.mark.parametrize(
    "text",
    [
        '{"' * 100_000,
        '{"commands":[' * 50_000,
        '{"a":' * 50_000 + '"commands"',
        '{"commands":["' + "\\" * 100_000,
        '{"commands":["' + '\\"' * 50_000,
        "[ " * 50_000,
        " \n" * 50_000 + "{",
        '{"commands": [' + '{"command": "ls"},' * 20_000,
    ],
)
def test_a_huge_answer_is_read_at_once(text):
    began = time.process_time()
    for reader in (read, read_partial):
        with suppress(BadCompletion):
            reader(text)
    assert time.process_time() - began < 3


def test_partials_are_the_first_command():
    seen = [read_partial(TWO[:end]) for end in range(len(TWO))]
    assert list(dict.fromkeys(seen)) == ["", "ls", "ls -", "ls -l", "ls -la"]
    assert read_partial("ls -la") == "ls -la"
    assert read_partial('Here you are:\n{\n "comm') == ""


def test_a_partial_of_an_escape_waits_for_its_end():
    text = '{"commands": [{"command": "echo \\ud83d\\ude00 \\\\ \\u00e9 \\"x\\""}]}'
    seen = [read_partial(text[:end]) for end in range(len(text) + 1)]
    assert seen[-1] == 'echo \U0001f600 \\ é "x"'
    assert all(seen[-1].startswith(partial) for partial in seen)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20) | st.sampled_from(WANTED),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["commands", "command", "question", "explanation", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)
PIECES = st.lists(
    st.sampled_from(
        ['{"commands":', "[", "]", "{", "}", '"', "\\", '"command":', '"ls -la"', ",", ":", "NaN",
         '"question":', '"why?"', "```", "\n", "\x1b[2J", "\\u001b", "\\ud83d", "\u202e", "x y"]
    ),
    max_size=30,
).map("".join)  # fmt: skip
TEXTS = JSON.map(json.dumps) | PIECES | st.text()


def is_clean(text):
    return all(c == "\n" or unicodedata.category(c)[0] != "C" for c in text)


@given(TEXTS, st.integers(min_value=0, max_value=400))
@example('{"commands":["ls -la"]}', 400)
def test_whatever_comes_is_clean_candidates_or_an_error(text, end):
    partial = read_partial(text[:end])
    assert is_clean(partial)
    try:
        answer = read(text[:end])
    except BadCompletion:
        return
    assert bool(answer.candidates) != bool(answer.question)
    for candidate in answer.candidates:
        assert candidate.command.strip()
        assert is_clean(candidate.command)
        assert is_clean(candidate.explanation)
        assert "\n" not in candidate.explanation
    assert is_clean(answer.question)
    assert "\n" not in answer.question


@given(st.lists(st.sampled_from(WANTED), min_size=1, unique=True), st.integers(0, 3))
def test_what_was_asked_for_is_read_as_it_was_meant(listed, indent):
    text = json.dumps(json.loads(said(*listed)), indent=indent or None)
    assert commands(text) == listed
    longest = ""
    for end in range(len(text) + 1):
        partial = read_partial(text[:end])
        assert listed[0].startswith(partial)
        longest = max(longest, partial, key=len)
    assert longest == listed[0]
