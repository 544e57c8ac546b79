"""What of a text may be kept: no credential, no control character, and not all of a long one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cmdai_shell.suggest.context import redact
from cmdai_shell.suggest.extract import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

_MARKED = re.compile(r"(?<!\S)([^\W\d_]+)[.!?]\Z")
"""A plain word at the end of a sentence."""

LONGEST = 4_000
"""Characters of words or a command that are worth keeping."""


def private(text: str, known: Mapping[str, str] | None = None) -> tuple[str, Mapping[str, str]]:
    """The text with a placeholder for each credential, and placeholder -> credential; the ``known``
    ones keep theirs, so that a command fits its words. Empty if it is too long."""
    text = clean(text).strip()
    if len(text) > LONGEST:
        return "", {}
    return redact(text, known)


def spaceless(text: str) -> str:
    """For comparing: white space counts once."""
    return " ".join(text.split())


def same_words(text: str) -> str:
    """For comparing: what people mean to be the same words. They begin a sentence with a capital
    and end it with a mark, but ``Build`` is another name than ``build``, and ``..`` than ``.``."""
    text = _MARKED.sub(r"\1", spaceless(text))
    first = text.partition(" ")[0]
    return first.lower() + text[len(first) :] if first.istitle() and first.isalpha() else text
