"""Raw model text -> one command. The text is hostile: it is cut, cleaned and never evaluated.

Models wrap a command in prose, fences, prompts, thoughts and turn markers, and a bad one may send
terminal escapes or bidirectional overrides. What cannot be read as a command is BadCompletion.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cmdai_shell.errors import BadCompletion
from cmdai_shell.safety import parse
from cmdai_shell.text import visible

if TYPE_CHECKING:
    from cmdai_shell.core import Shell

MOST = 16_384
"""Characters of any text that are looked at."""

_MOST_ANSWER = 4_096
"""Characters of an answer: a command is shorter, and some patterns below backtrack."""

_MOST_LINES = 40
"""Lines one compound command may have."""

_SHORTEST_LOOP = 6
_LONGEST_LOOP = 60
"""Characters of what comes again and again."""

_OPEN_ESCAPE = re.compile(r"(?:\x1b\[?|\x9b)[0-?]*[ -/]*\Z")
_THOUGHT = re.compile(r"<(think(?:ing)?)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_END_OF_THOUGHT = re.compile(r".*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_START_OF_TURN = re.compile(
    r"\s*(?:(?:<\|\w+\|>|<start_of_turn>|\[/?INST\]|</?s>)\s*(?:(?:assistant|model)\b:?)?\s*)+",
    re.IGNORECASE,
)
_END_OF_TURN = re.compile(r"<\|\w+\|>|<(?:start|end)_of_turn>|\[/?INST\]|</s>\s*\Z", re.IGNORECASE)
_OPEN_TAG = re.compile(r"(?:<[|/]?[a-z_]*\|?|\[/?[A-Z]*)\Z", re.IGNORECASE)

_FENCE = re.compile(r"(?:```|~~~).*")
_CODE_SPAN = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_LABEL = re.compile(r"(?:command|answer|output|result)\s*:\s*(?=\S)", re.IGNORECASE)
_SHELL_PROMPT = re.compile(
    r"(?:[\w.-]+@[\w.-]+[:\s]?\S*\s?[$%#]|(?:ba|z|fi)sh[\d.-]*[$%#>]|[$%\u276f])\s+(?=\S)"
)
_QUOTED_PROMPT = re.compile(r">\s+(?=[a-z][\w.-]*\s+\S)")
"""``> ls -la`` is a prompt, ``> app.log`` empties a file: only the first has words after a name."""

_EXIT = re.compile(
    r"(?<![\\;])(?:&&|\|\||;)\s*(?:(?:and|or)\s+)?exit(?:\s+(?:\d+|\$\?))?\s*;?\s*\Z"
)
_COMMENT = re.compile(r"\s+#(?:\s.*)?\Z")
_BULLET = re.compile(r"(?:[-*\u2022]|\d+[.)])\s+")
_CAPITALISED = re.compile(r"[A-Z][a-z']*[,.!:]?\Z")
_PLAIN_WORD = re.compile(r"`?[A-Za-z][A-Za-z']*`?[,.!:]?\Z")
_OPENER = re.compile(
    r"(?:sure|here(?:'?s)?|th(?:is|at|e|ere)|to|you|i|i'm|it|note|yes|no|okay|ok|sorry|certainly"
    r"|please|us(?:e|ing)|run|try|explanation|and|answer|command|output)[,.!:]?\Z",
    re.IGNORECASE,
)


def clean(text: str) -> str:
    """The beginning of the text, as a terminal can be shown it."""
    return visible(text[:MOST])


def repeats_itself(text: str) -> bool:
    """Whether ``text`` ends in the same words three times running: a small model that does will not
    stop before its last token."""
    most = min(len(text) // 3, _LONGEST_LOOP)
    return any(
        text[-size:] == text[-2 * size : -size] == text[-3 * size : -2 * size]
        and " " in text[-size:].strip()
        for size in range(_SHORTEST_LOOP, most + 1)
    )


def extract(text: str, shell: Shell = "bash") -> str:
    """The first command in a model's whole answer. Raises BadCompletion when there is none."""
    lines = unmarked(clean(text[:_MOST_ANSWER])).split("\n")
    span = ""
    for index, line in enumerate(lines):
        words = line.strip()
        if not words or _is_frame(words):
            continue
        if not is_prose(words):
            command = _polish(_grown(_until_fence(lines[index:]), shell))
            if command and not _is_frame(command):
                return command
        elif not span:
            span = _code_span(words)
    if span:
        return span
    raise BadCompletion("the model gave no command", hint="say it in other words, and try again")


def without_exit(command: str, shell: Shell = "bash") -> str:
    """Without the ``&& exit 0`` that small models end a command with, as a script would: at the
    prompt it closes the person's terminal. Not in quotes, a loop or a function."""
    while found := _EXIT.search(command):
        head = command[: found.start()].rstrip()
        if not head or parse(head, shell).broken:
            break
        command = head
    return command


def extract_partial(text: str) -> str:
    """What of a command can be shown while the answer still grows; empty until that is sure.

    Only grows, for an answer that is nothing but a command (fenced or not); the text is as clean
    as ``extract``'s.
    """
    text = unmarked(clean(_OPEN_ESCAPE.sub("", text[:_MOST_ANSWER])))
    *whole, last = _OPEN_TAG.sub("", text).split("\n")
    lines = [*whole, last]
    for index, line in enumerate(lines):
        words = line.strip()
        if not words or _is_frame(words):
            continue
        if index == len(whole) and not _is_surely_command(line.lstrip()):
            return ""
        if not is_prose(words):
            command = _polish("\n".join(_until_fence(lines[index:]))).rstrip("\\ \n`~")
            return "" if _FENCE.match(command) else command
    return ""


def _is_frame(line: str) -> bool:
    """A comment, or the line that opens or closes a fence."""
    return line.startswith("#") or bool(_FENCE.match(line) and not _CODE_SPAN.fullmatch(line))


def _is_surely_command(line: str) -> bool:
    """Of a line whose end is not here yet: its first word is whole, and opens no prose, fence,
    prompt or quotation."""
    first, space, _ = line.partition(" ")
    odd = (
        first[0] in "`~>$%\u276f'\""
        or _CAPITALISED.match(first)
        or first.endswith((":", "$", "%", "#"))
    )
    return bool(space) and not odd and not _OPENER.match(first)


def is_prose(line: str) -> bool:
    """Whether a line talks about a command instead of being one."""
    line = _LABEL.sub("", line, count=1)
    first, *rest = line.split()
    opener = bool(_OPENER.match(first))
    if not opener and not _CAPITALISED.match(first):
        return False
    if not rest:
        return opener or first[-1] in ",.!:"
    if opener or first[-1] in ",.!:":
        return bool(_PLAIN_WORD.match(rest[0])) or line.endswith(":")
    return len(rest) > 1 and all(_PLAIN_WORD.match(word) for word in rest[:2])


def unmarked(text: str) -> str:
    """Without thoughts and turn markers; what comes after the model's turn is not its."""
    text = _END_OF_THOUGHT.sub("", _THOUGHT.sub("", text))
    if start := _START_OF_TURN.match(text):
        text = text[start.end() :]
    return _END_OF_TURN.split(text, maxsplit=1)[0]


def _until_fence(lines: list[str]) -> list[str]:
    for index, line in enumerate(lines):
        if line.lstrip().startswith(("```", "~~~")) and index:
            return lines[:index]
    return lines


def _grown(lines: list[str], shell: Shell) -> str:
    """The first line, with as many more as it takes to make a whole command of it."""
    first = _without_prompt(lines[0].strip())
    command = first
    for line in lines[1:_MOST_LINES]:
        if not parse(command, shell).broken:
            return command
        command += "\n" + line.rstrip()
    return first if parse(command, shell).broken else command


def _polish(command: str) -> str:
    """Without what surrounds a command: label, prompt, back quotes, quotes, comment at the end."""
    before = ""
    while command != before:
        before = command
        command = _without_prompt(_LABEL.sub("", command.strip(), count=1))
        if span := _CODE_SPAN.fullmatch(command):
            command = span[2]
        elif command.endswith("```"):
            command = command.rstrip("`")
        if "\n" not in command and (comment := _COMMENT.search(command)):
            head = command[: comment.start()]
            if head.count("'") % 2 == 0 and head.count('"') % 2 == 0:
                command = head
    return command


def _without_prompt(line: str) -> str:
    found = _SHELL_PROMPT.match(line) or _QUOTED_PROMPT.match(line)
    return line[found.end() :] if found else line


def _code_span(prose: str) -> str:
    """The first command quoted in a sentence: "Use `ls -la` to see them"."""
    spans = (_polish(found[2]) for found in _CODE_SPAN.finditer(prose))
    return next((span for span in spans if span and not is_prose(span)), "")


def spoken_lines(text: str, most: int = 8) -> list[str]:
    """An explanation's lines, cleaned of markers, fences, bullets and blank lines."""
    lines = (line.strip() for line in unmarked(clean(text[:_MOST_ANSWER])).split("\n"))
    spoken = (_BULLET.sub("", line).strip(" `*") for line in lines if not _is_frame(line))
    return [line for line in spoken if line][:most]
