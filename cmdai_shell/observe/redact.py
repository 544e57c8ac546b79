"""Finding what looks like a credential: nothing of the kind is logged, or sent to a model.

By the words before it, by the forms its issuers document, and by the options that take one in
``programs``. Each pattern starts at a fixed word or is held to one start in a run of characters:
a line of any length is searched in linear time, whatever was pasted into it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from cmdai_shell.observe.programs import in_commands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MARK = "[redacted]"

_VALUE = r"""(?:"[^"]+"|'[^']+'|[^\s"'&|;,]+)"""
_CREDENTIAL = re.compile(
    rf"""
    (?P<header>authorization["']?\s{{0,8}}[=:]\s{{0,8}}
        (?:(?:bearer|basic|token|digest|apikey|key|negotiate)\s{{1,8}})?){_VALUE}
    | (?P<named>(?:(?:password|passwd|passphrase|(?<!\$)pwd|secret|token|credential|auth(?!ors?\b|entication=)
                |(?:api|access)[\ _-]?key)[\w-]{{0,40}}|(?:(?<![a-z])|(?<=ssh))(?:pass|pw)(?==))
            ["']?(?:\s{{0,8}}[=:]\s{{0,8}}|\s{{1,8}}is\s{{1,8}})
            (?:(?:bearer|basic)\s{{1,8}})?){_VALUE}
    | (?P<flag>(?<!ask)(?<!disabled)--?(?:password|passwd|passphrase|token|secret|api-key)(?:=|\s{{1,8}}(?!-))){_VALUE}
    | (?P<said>(?<![\w/.-])(?:password|passphrase)\s{{1,8}})
        (?!(?:sha|md|base|utf)-?\d)(?=[^\s\d]{{0,64}}\d)[^\s"'&|;,./]{{4,64}}(?![^\s"'&|;,])
    | (?P<scheme>(?<![\w-])(?:bearer|basic)\s{{1,8}})[\w.~+/=-]{{12,}}
    | (?P<login>://[^\s:/@]{{0,128}}:)[^\s@/]{{1,512}}(?=@)
    | (?<![\w-])(?:(?:sk|pk|rk|nvapi|npm|pypi|hf|glpat|github_pat|gh[pousr]|xox[abprs])[-_][\w-]{{12,}}
        | AIza[\w-]{{30,}} | eyJ[\w-]{{8,}}\.[\w-]{{8,}}\.[\w-]*)
    | \b(?:AKIA|ASIA)[A-Z0-9]{{16}}\b
    | -----BEGIN[ ][A-Z ]{{0,40}}PRIVATE[ ]KEY-----.*?(?:-----END[ ][A-Z ]{{0,40}}PRIVATE[ ]KEY-----|\Z)
    """,  # noqa: E501
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
"""Formats as their issuers document them, and the words people put before a credential."""


def _plain(text: str) -> Iterator[tuple[int, int]]:
    for found in _CREDENTIAL.finditer(text):
        name = found.lastgroup
        yield (found.end(name) if name else found.start()), found.end()


@lru_cache(maxsize=8)
def spans(text: str) -> tuple[tuple[int, int], ...]:
    """Where the credentials stand, from left to right. One press asks six times of the same few
    texts: its words, the folder, the command."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted((*_plain(text), *in_commands(text))):
        if text.startswith(("$", '"$'), start):
            continue  # a variable's name gives nothing away
        if joined and start < joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return tuple(joined)


def replaced(text: str, by: Callable[[str], str]) -> str:
    """The text with ``by`` of each credential in its place."""
    parts: list[str] = []
    done = 0
    for start, end in spans(text):
        parts += text[done:start], by(text[start:end])
        done = end
    return "".join((*parts, text[done:]))


def redact(text: str) -> str:
    """The text with tokens, keys, passwords and URL passwords replaced by ``[redacted]``."""
    return replaced(text, lambda _: MARK)
