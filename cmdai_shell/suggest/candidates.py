"""The JSON that a large model was asked for -> candidates, best first, or one question.

``{"commands": [{"command": "ls -la", "explanation": "..."}], "question": ""}``. A server that knows
schemas sends just that; others put a fence or words around it, forget the outer object, or run out
of tokens half way: what is whole counts. The text is hostile: only strings are ever decoded, each
on its own, and each command then goes the way of every other (``extract``). An answer without any
such JSON is read as a plain one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from cmdai_shell.errors import BadCompletion
from cmdai_shell.suggest.extract import MOST, clean, extract, extract_partial, unmarked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.core import Shell

_MOST_CANDIDATES = 10
_MOST_OBJECTS = 8
"""Places in a text that are tried as the beginning of an answer."""
_MOST_WORDS = 160
"""Characters of an explanation or a question: one line is shown."""

_OBJECT = re.compile(r'\{\s*"')
_OPENED = re.compile(r'^ *(?:\[\s*)?\{\s*(?:["}]|\Z)', re.MULTILINE)
"""A line that begins as JSON does and no command."""
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_SCALAR = re.compile(r"[^\s,:\[\]{}\"]+")
_KEY = re.compile(r'[\s,]*"(\w{1,40})"\s*:\s*')
_GAP = re.compile(r"[\s,]*")
_HALF_ESCAPE = re.compile(
    r"(?<!\\)((?:\\\\)*)\\(?:u(?:[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?"
    r"|[0-9a-fA-F]{0,3}))?\Z"
)
"""The beginning of an escape or of a pair of surrogates, at the end of a string that grows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    command: str
    explanation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """``question``: what the model wants to know, or says against it; only without candidates."""

    candidates: tuple[Candidate, ...] = ()
    question: str = ""


def read(text: str, shell: Shell = "bash") -> Answer:
    """What a large model answered. Raises BadCompletion when there is neither command nor question
    in it."""
    body = unmarked(clean(text[:MOST]))
    found = _answer(body)
    if found is None:
        if _OPENED.search(body):
            raise _nothing()
        return Answer(candidates=(Candidate(command=extract(text, shell)),))
    commands, question = found
    candidates: dict[str, Candidate] = {}
    for command, explanation in commands:
        try:
            command = extract(command, shell)
        except BadCompletion:
            continue
        key = " ".join(command.split())
        candidates.setdefault(key, Candidate(command=command, explanation=explanation))
    if candidates:
        return Answer(candidates=tuple(candidates.values()))
    if not question:
        raise _nothing()
    return Answer(question=question)


def read_partial(text: str) -> str:
    """What can be shown of the first candidate while the answer grows, or of a plain answer."""
    body = unmarked(clean(text[:MOST]))
    for start in _objects(body):
        for key, at, end in _members(body, start):
            if key in ("commands", "command"):
                return extract_partial(_first_string(body, at, end))
    return "" if _OPENED.search(body) else extract_partial(text)


def is_begun(text: str) -> bool:
    """Whether there is some of the JSON in an answer that grows."""
    return bool(_OPENED.search(text[:MOST]))


def _nothing() -> BadCompletion:
    return BadCompletion("the model gave no command", hint="say it in other words, and try again")


def _answer(text: str) -> tuple[list[tuple[str, str]], str] | None:
    """(command, explanation) pairs and the question, of the first object that has any of them."""
    for start in _objects(text):
        spans: dict[str, tuple[int, int]] = {}
        for key, at, end in _members(text, start):
            spans.setdefault(key, (at, end))
        if not spans.keys() & {"commands", "command", "question"}:
            continue
        pairs = [_pair(text, start)] if "command" in spans else []
        if "commands" in spans:
            pairs += _pairs(text, *spans["commands"])
        question = _line(text, *spans["question"]) if "question" in spans else ""
        return [pair for pair in pairs if pair[0]][:_MOST_CANDIDATES], question
    return None


def _objects(text: str) -> Iterator[int]:
    return (found.start() for found in islice(_OBJECT.finditer(text), _MOST_OBJECTS))


def _pairs(text: str, at: int, end: int) -> Iterator[tuple[str, str]]:
    """Of the value of "commands": a list of objects or strings, or only one of them."""
    spans = _elements(text, at) if text[at : at + 1] == "[" else iter([(at, end)])
    for start, stop in islice(spans, _MOST_CANDIDATES):
        if text[start : start + 1] == "{":
            yield _pair(text, start)
        else:
            yield _string(text, start, stop), ""


def _pair(text: str, start: int) -> tuple[str, str]:
    """An object's command and explanation, as far as they are whole strings."""
    spans: dict[str, tuple[int, int]] = {}
    for key, at, end in _members(text, start):
        spans.setdefault(key, (at, end))
    command = _string(text, *spans["command"]) if "command" in spans else ""
    explanation = _line(text, *spans["explanation"]) if "explanation" in spans else ""
    return command, explanation


def _first_string(text: str, at: int, end: int) -> str:
    """The first command in the value at ``at``, as much of it as there is."""
    if text[at : at + 1] == "[":
        at, end = next(_elements(text, at), (len(text), -1))
    if text[at : at + 1] == "{":
        members = _members(text, at)
        at, end = next(((a, e) for key, a, e in members if key == "command"), (len(text), -1))
    if end >= 0 or text[at : at + 1] != '"':
        return _string(text, at, end)
    grown = _HALF_ESCAPE.sub(r"\1", text[at:])
    return _string(grown + '"', 0, len(grown) + 1)


def _line(text: str, at: int, end: int) -> str:
    """A string for the status line."""
    words = " ".join(clean(_string(text, at, end)).split())
    return words if len(words) <= _MOST_WORDS else f"{words[: _MOST_WORDS - 1].rstrip()}…"


def _string(text: str, at: int, end: int) -> str:
    """The string at that place, decoded; empty if it is none, or cut off."""
    if end < 0 or text[at : at + 1] != '"':
        return ""
    try:
        return msgspec.json.decode(text[at:end].replace("\n", "\\n"), type=str)
    except (msgspec.MsgspecError, ValueError):
        return ""


def _members(text: str, at: int) -> Iterator[tuple[str, int, int]]:
    """Keys of the object at ``at``, each with its value's place; the end is -1 if it is cut off."""
    place = at + 1
    while found := _KEY.match(text, place):
        place = _end(text, found.end())
        yield found[1], found.end(), place
        if place < 0:
            return


def _elements(text: str, at: int) -> Iterator[tuple[int, int]]:
    """Places of the values in the list at ``at``; the last end is -1 if that is cut off."""
    place = at + 1
    while place >= 0:
        gap = _GAP.match(text, place)
        start = gap.end() if gap else place
        if start >= len(text) or text[start] in "]}:":
            return
        place = _end(text, start)
        yield start, place


def _end(text: str, at: int) -> int:
    """Where the value at ``at`` ends; -1 if it is cut off, or no value."""
    if text[at : at + 1] not in ("{", "["):
        found = _STRING.match(text, at) or _SCALAR.match(text, at)
        return found.end() if found else -1
    depth = 0
    for token in _TOKEN.finditer(text, at):
        if token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
        elif not _STRING.fullmatch(token[0]):
            return -1
        if not depth:
            return token.end()
    return -1
