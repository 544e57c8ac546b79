"""What of a text may be kept: no credential, no control character, and not all of a long one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cmdai_shell.suggest.context import redact
from cmdai_shell.suggest.extract import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHORT = 4
"""Characters of a credential that may as well be part of some word."""

LONGEST = 4_000
"""Characters of words or a command that are worth keeping."""


def private(text: str, known: Mapping[str, str] | None = None) -> tuple[str, Mapping[str, str]]:
    """The text with a placeholder for each credential, and placeholder -> credential; the ``known``
    ones keep theirs, so that a command fits its words. Empty if it is too long."""
    text = clean(text).strip()
    if len(text) > LONGEST:
        return "", {}
    text, secrets = redact(text, known)
    return _without(text, secrets), secrets


def _without(text: str, secrets: Mapping[str, str]) -> str:
    """What was named once may stand elsewhere without its name: ``mysql -phunter2``."""
    for placeholder, secret in secrets.items():
        bare = secret.strip("\"'")
        if len(bare) >= _SHORT:
            text = text.replace(bare, placeholder)
        elif bare:
            text = re.sub(rf"(?<!\w){re.escape(bare)}(?!\w)", placeholder, text)
    return text


def spaceless(text: str) -> str:
    """For comparing: white space counts once."""
    return " ".join(text.split())


def same_words(text: str) -> str:
    """For comparing: what people mean to be the same words."""
    return spaceless(text).casefold().rstrip(" .!?")
