"""Requests that no command can answer as they stand: the one question to ask back.

Only what leaves no doubt: to answer with a question what could have been answered is the worse
mistake. No recipe's phrase may be one (a test).
"""

from __future__ import annotations

import re

_LETTER = re.compile(r"[^\W\d_]")
_LONGEST = 500
"""Characters of a line that may be chat; some patterns below take their square."""
_POLITE = re.compile(r"\b(?:please|pls|can you|could you|now|just|again|then)\b", re.IGNORECASE)
_CHAT = re.compile(
    r"(?:hi|hey|hello|hallo|moin|good (?:morning|evening|day)|thanks|thank you|thx|ty|ok|okay|yes|"
    r"no|cool|nice|great|sorry|bye|lol|help(?: me)?)(?: there| a lot| so much| you)?",
    re.IGNORECASE,
)
_POINTING = re.compile(
    r"(?:let us |lets |let's )?(?!(?:is|are|was|were|do|does|did|has|have|can|will|why|how|what)\b)"
    r"[a-z]+ (?:(it|them|those|these)(?: [a-z]+){0,4}|(this|that))",
    re.IGNORECASE,
)
_ONES = re.compile(
    r"(?:.* )?(?:the|those|these|all) (?:same|other|old|older|new|newer|first|second|third|"
    r"last|next|previous|big|small|right|wrong|good|bad) (ones?)(?: .*)?|"
    r".*\bthe (?:same (?:but|as before|again|thing)|things?|stuff)\b.*",
    re.IGNORECASE,
)
_ALL = re.compile(
    r"(?:delete|remove|erase|wipe|clear|kill|destroy|rm|del|drop) (?:everything|all|it all)",
    re.IGNORECASE,
)
_NAME = re.compile(r"[\w~*][./:@~*]\w|^[./~]|\d|['\"=|$<>`]|(?:^| )-\w")


def question(words: str) -> str:
    """What has to be known before ``words`` can become a command; empty if nothing."""
    if len(words) > _LONGEST:
        return ""
    if not _LETTER.search(words):
        is_terse = "?" not in words and any(char.isdecimal() or char in "~/.!" for char in words)
        return "" if is_terse else "say in words what the command should do"
    if _NAME.search(words):
        return ""
    plain = " ".join(_POLITE.sub(" ", words).split()).rstrip("!?. ")
    if not plain or _CHAT.fullmatch(plain):
        return "say what the command should do, for example: files changed today"
    if found := _POINTING.fullmatch(plain):
        return f'what is "{found[1] or found[2]}"? name the file, process or thing'
    if _ALL.fullmatch(plain):
        return "everything of what, and where? name it"
    if _ONES.fullmatch(plain):
        return "which ones? say what they are, or name them"
    return ""
