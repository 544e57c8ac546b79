"""Reading what a page explains: ``-f, --file=ARCHIVE`` -> names, argument."""

from __future__ import annotations

import re
from typing import NamedTuple

from cmdai_shell.manual.escapes import ITALIC, UPRIGHT, plain

LONGEST_TAG = 300
"""Characters of a tag that are looked at."""
UNNAMED = "VALUE"
"""An argument of which the page only has the equals sign (systemd's), or a
default (kubectl's)."""
_MOST_WORDS = 5
"""Words of an argument in running text; more are prose that begins with an option."""

_NAME = re.compile(
    r"(?<![\w\]>-])(?P<dashes>--?)"
    r"(?:\[(?P<no>no-?)\])?"
    r"(?P<name>[A-Za-z0-9?#@](?:[\w+-]|\.(?=\w))*(?<!-))"
)
_BEFORE = f"\u2022\u00b7 \t{ITALIC}{UPRIGHT}"
_SEPARATOR = re.compile(r"[\s,|/]*(?:\bor\b|\band\b)?[\s,|/(]*")
_SWITCH = re.compile(r"=?(?:true\|false|true|false)")
"""How pages of Go programs write an option that takes nothing."""
_DEFAULT = re.compile(r"=[\"']")
_MENTION = re.compile(r"(?<![\w-])--?(?:\[no-?\])?[A-Za-z0-9?#@][\w-]*")
_CLUSTER = re.compile(r"\[-([A-Za-z0-9@?]{2,})(?=[\]| ])")


class Tag(NamedTuple):
    names: tuple[str, ...]
    argument: str
    """As the page calls it, or empty."""
    optional: bool
    """The argument may be left out, and is part of the option's own word."""


def tag(text: str, *, strict: bool = False) -> Tag | None:
    """The options that a tag names; None where it is another thing. ``strict``: of text that is
    not marked as a tag, only what can be nothing else."""
    text = text[:LONGEST_TAG].lstrip(_BEFORE)
    if text[:1] == "[":
        text = text[1:].lstrip(_BEFORE)
    found = list(_NAME.finditer(text))
    if not found or found[0].start() != 0:
        return None
    names: list[str] = []
    argument, optional = "", False
    for place, one in enumerate(found):
        end = found[place + 1].start() if place + 1 < len(found) else len(text)
        gap = text[one.end() : end]
        if place and not _parted(text[found[place - 1].end() : one.start()]):
            break  # "-a with -b": the second is no other name of the first
        mine, is_optional = _argument(gap)
        if bool(mine) != bool(argument) and set(_names(one)) & set(names):
            is_optional = optional = True  # "--check, --check=quiet"
        names += _names(one)
        if strict and len(mine.split()) > _MOST_WORDS:
            return None
        if mine and not argument:
            argument, optional = mine, is_optional
    if strict and plain(text).endswith("."):
        return None
    return Tag(tuple(dict.fromkeys(names)), argument, optional)


def mentions(text: str) -> set[str]:
    """Every option that is named in a text, wherever it stands."""
    found: set[str] = set()
    for word in _MENTION.findall(text):
        if "[" in word:
            dashes, _, rest = word.partition("[")
            found |= {dashes + rest.replace("]", ""), dashes + rest.partition("]")[2]}
        else:
            found.add(word.rstrip("-"))
    for letters in _CLUSTER.findall(text):
        found |= {f"-{letter}" for letter in letters}
    return found


def _names(found: re.Match[str]) -> list[str]:
    dashes, name = found["dashes"], found["name"]
    if found["no"]:
        return [f"{dashes}{name}", f"{dashes}{found['no']}{name}"]
    return [f"{dashes}{name}"]


def _parted(gap: str) -> bool:
    """Whether what stands between two options is an argument and a separator, no sentence."""
    words = [word for word in re.split(r"[\s,|/]+", plain(gap)) if word]
    plain_words = [word for word in words if word.isalpha() and word.islower()]
    return len(words) <= 3 or len(plain_words) <= 1 or ITALIC in gap


def _argument(gap: str) -> tuple[str, bool]:
    """What follows an option's name, up to the next one."""
    gap = gap.lstrip(UPRIGHT)
    attached = gap[:1] in (ITALIC, "=", "[", "<", "{")
    text = plain(gap)
    optional = text.startswith(("[", "(=", "{="))
    text = re.sub(r"(?:[\s,|/]|(?<=\s)or|\band)+\Z", "", text)
    if _SWITCH.fullmatch(text):
        return "", False
    if text in ("=", "=[]") or _DEFAULT.match(text):
        return UNNAMED, False
    if not attached and gap[:1] not in (" ", "\t", ""):
        if gap[:1] in ",|/":
            return "", False
        text = text.lstrip(":;.")
    text = text.removeprefix("=").strip()
    if text[:1] == "[" and text[-1:] == "]":
        text = text[1:-1]
    text = text.removeprefix("=").strip(" ,|/")
    if not text or _SEPARATOR.fullmatch(text) or text[0] in ",:;.)]\"'":
        return "", False
    return text[:60], optional
