"""Text before and beside the grammar: cleaning, shell dialects, and the fallback when it fails."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cmdai_shell.core import Risk
from cmdai_shell.safety.dialects import without_groups, zsh_words
from cmdai_shell.safety.fish import from_fish
from cmdai_shell.safety.rules.rule import Finding
from cmdai_shell.safety.script import HOME, MAYBE, Call, Redirect, Word

if TYPE_CHECKING:
    from collections.abc import Iterator

_BIDI = re.compile(r"[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")
_HIDDEN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c"
    r"\u200b-\u200d\u2060\ufeff\u00ad\ud800-\udfff]"
)
_OUR_MARKS = re.compile("[\ue000-\ue1ff]")
BOMB = Finding(Risk.CRITICAL, "starts copies of itself without end (a fork bomb)")
_BOMB = re.compile(r"(\S{1,40}?)\s*\(\)\s*\{[^}]{0,200}\1\s*[|&]")
_CONTINUED = re.compile(r"(?<=[^\s\\])\\\n(?=\S)")
"""A line continued in the middle of a word, which the grammar takes for two words."""
_TIMED = re.compile(
    r"(^|[;&|({!\n]|\b(?:then|do|else)\b)(\s*)(?:time(?:\s+-p)?|coproc(?:\s+\w+)??)\s+"
    r"(?=[({]|(?:for|while|until|if|case|select)\b)"
)
"""Words that the grammar knows before a simple command only."""
_SEPARATORS = re.compile(r"[;&|\n()`{}]+|<\(|\$\(")
_TOKEN = re.compile(r"[<>]+&?|[^\s<>]+")


def cleaned(text: str) -> str:
    """Without what a terminal line cannot hold: control characters, and our own private marks."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _OUR_MARKS.sub("", _HIDDEN.sub("", text))


def suspicious(text: str) -> Iterator[Finding]:
    """What a person cannot see in the line."""
    if _BIDI.search(text):
        yield Finding(Risk.DANGEROUS, "holds invisible characters that change how it reads")
    elif _HIDDEN.search(text):
        yield Finding(Risk.CAUTION, "holds invisible control characters")


def prepared(text: str, shell: str) -> str | None:
    """The text as the bash grammar can read it, or None when it cannot be translated."""
    if _CONTINUED.search(text):
        if "#" in text:
            return None  # in a comment a backslash continues nothing
        text = _CONTINUED.sub("", text)
    if shell == "fish":
        return from_fish(text)
    text = _TIMED.sub(r"\1\2", text)
    return without_groups(zsh_words(text) if shell == "zsh" else text, shell)


def calls(text: str) -> Iterator[Call]:
    """Every stretch between separators as a call, quotes ignored: too much, never too little."""
    yield from _calls(text.replace("\\\n", ""))
    if "\\\n" in text and "#" in text:
        yield from _calls(text)  # in a comment it continues nothing


def _calls(text: str) -> Iterator[Call]:
    text = text.translate({ord(c): None for c in "\\'\""})
    text = re.sub(r"\$\{?HOME\b\}?|(?<!\S)~(?=/|\s|$)", HOME, text)
    text = re.sub(r"\$\{?\w+\}?", MAYBE, text)
    before: tuple[Call, ...] = ()
    at = 0
    for found in [*_SEPARATORS.finditer(text), None]:
        end = found.start() if found else len(text)
        call = _call(text[at:end], before)
        if call is not None:
            yield call
            piped = found is not None and found.group() in ("|", "|&")
            before = (*before[-6:], call) if piped else ()
        at = found.end() if found else at


def _call(text: str, fed_by: tuple[Call, ...]) -> Call | None:
    words: list[Word] = []
    redirects: list[Redirect] = []
    operator = ""
    for token in _TOKEN.findall(text):
        if token[0] in "<>":
            operator = token
        elif operator:
            redirects.append(Redirect(operator, Word(token)))
            operator = ""
        elif words or not re.fullmatch(
            r"\w+=\S*|if|then|else|elif|do|while|until|time|!|and|or|not|begin|case", token
        ):
            words.append(Word(token, any(char in token for char in "*?[")))
    return Call(tuple(words), tuple(redirects), fed_by) if words or redirects else None


def is_bomb(text: str) -> bool:
    """A function that starts itself twice: ``:(){ :|:& };:``."""
    return _BOMB.search(text) is not None
