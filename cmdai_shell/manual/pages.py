"""A page's source or formatted text to ``core.Page``: what it is about, and its options."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from cmdai_shell.core import Option, Page
from cmdai_shell.manual import options, rendered, roff
from cmdai_shell.manual.escapes import plain
from cmdai_shell.manual.roff import Piece

if TYPE_CHECKING:
    from cmdai_shell.manual.roff import Pieces

LONGEST = 4_000_000
"""Characters of a page that are read; gcc's has 1,500,000."""
MOST_OPTIONS = 3_000
LONGEST_TEXT = 240
"""Characters of an option's sentence that are kept."""

_SOURCE = re.compile(r"^[.'](?:\\\"|[A-Za-z]{1,3}\b)", re.MULTILINE)
_BEFORE_DASH = re.compile(r"\s+(?:-{1,3}|\u2013|\u2014)\s+")
_SENTENCE = re.compile(r"(?<=[\w)\]\"'>%])[.!?](?:\s+(?=[A-Z\"'(`<-])|\s*\Z)")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|cf|resp|approx|eg|ie|[A-Z])|^\W*)\Z")
_PROTOCOLS = re.compile(r"\A\([A-Z0-9 ]+\)\s+")
"""curl says first what an option is for."""
_NAME_SECTION = frozenset(("NAME", "Name", "NAMES"))
_USAGE = re.compile(r"usage\b", re.IGNORECASE)
_SYNOPSIS = frozenset(("SYNOPSIS", "Synopsis", "USAGE", "Usage"))
_BARE = {
    "ps": re.compile(r"(?P<name>[A-Za-z])(?: (?P<argument>[a-z]+))?"),
    "dd": re.compile(r"(?P<name>[a-z]+=)(?P<argument>[A-Za-z]+)"),
}
"""Programs with options that have no dash."""
_COMMAND = re.compile(r"(?P<name>[a-z][a-z0-9-]{1,24})(?:[ ,](?P<argument>.*))?")
_MOST_COMMANDS = 300
_LONGEST_COMMAND = 100
"""Characters of the line that a command stands in, with its arguments."""


def page(text: str, stem: str = "") -> Page:
    """What a page says; ``stem`` is its name where the text gives none. Never raises; linear in
    the length of the text."""
    text = text[:LONGEST]
    source = _SOURCE.search(text[:20_000])
    return assembled(roff.pieces(text) if source else rendered.pieces(text), stem)


def helped(text: str, program: str) -> Page:
    """The same of what ``program --help`` printed."""
    found = rendered.pieces(text[:LONGEST])
    page = assembled(found, program)
    told = (piece.text for piece in found if piece.kind in ("text", "section"))
    first = next((words for words in told if _is_sentence(words, program)), "")
    return replace(page, summary=page.summary or sentence(first))


def _is_sentence(text: str, program: str) -> bool:
    """What a tool says of itself, and no usage, heading or link."""
    begins_well = text[:1].isupper() or text.startswith(program.partition("-")[0])
    return (
        begins_well
        and text.count(" ") >= 2
        and not _USAGE.match(text)
        and not any(mark in text[:100] for mark in ("<", "[", "://", "|"))
    )


def assembled(found: Pieces, stem: str) -> Page:
    name, summary = _about(found)
    return Page(
        name=name or stem,
        summary=summary,
        options=_options(found, _BARE.get(stem)),
        commands=_commands(found),
        mentioned=_mentioned(found),
    )


def aliases(found: Page) -> tuple[str, ...]:
    """The names a page gives itself: "egrep, fgrep", and "gcloud compute" as gcloud-compute."""
    names = (plain(part).replace(" ", "-") for part in found.name.split(","))
    return tuple(dict.fromkeys(n for n in names if re.fullmatch(r"[\w.+@:\[-]{1,100}", n)))


def _about(found: Pieces) -> tuple[str, str]:
    """The names and the sentence of the section NAME."""
    inside = False
    texts: list[str] = []
    for piece in found:
        if piece.kind == "section":
            if inside:
                break
            inside = piece.text in _NAME_SECTION
        elif inside and piece.text:
            texts.append(piece.text)
        if len(texts) == 4:
            break
    names, *summary = _BEFORE_DASH.split(plain(" ".join(texts))[:600], maxsplit=1)
    if not summary:
        return "", ""
    return names.strip(" ,")[:200], _cut(summary[0].rstrip(". "))


def _options(found: Pieces, bare: re.Pattern[str] | None) -> tuple[Option, ...]:
    """Tags, and paragraphs that look like one and are explained by what comes after."""
    made: dict[str, Option] = {}
    waiting: list[options.Tag] = []
    is_synopsis = False
    for piece in found:
        if piece.kind == "section":
            waiting, is_synopsis = [], piece.text in _SYNOPSIS
        elif is_synopsis or not piece.text or len(made) >= MOST_OPTIONS:
            continue
        elif (tag := _tag(piece, bare)) and not piece.text.isspace():
            waiting.append(tag)
        elif piece.kind == "tag":
            waiting = []
        elif piece.kind == "line" and (both := _row(piece.text)):
            _make(made, [both[0]], both[1])
            waiting = []
        elif waiting:
            _make(made, waiting, sentence(piece.text))
            waiting = []
    _make(made, waiting, "")
    return tuple(dict.fromkeys(made.values()))


def _make(made: dict[str, Option], tags: list[options.Tag], text: str) -> None:
    """One option for each tag; what is known of a name already stays."""
    for tag in tags:
        fresh = [name for name in tag.names if name not in made or not made[name].text]
        if not fresh:
            continue
        known = next((made[name] for name in tag.names if name in made), None)
        option = Option(
            names=tag.names,
            argument=tag.argument or (known.argument if known else ""),
            optional_argument=tag.optional,
            text=text,
        )
        made.update(dict.fromkeys(fresh, option))


def _tag(piece: Piece, bare: re.Pattern[str] | None) -> options.Tag | None:
    if piece.kind == "tag":
        if bare and (named := bare.fullmatch(plain(piece.text))):
            return options.Tag((named["name"],), named["argument"] or "", False)
        return options.tag(piece.text)
    if piece.kind != "text" or len(piece.text) > options.LONGEST_TAG:
        return None
    if plain(piece.text)[:1] not in ("-", "["):
        return None
    return options.tag(piece.text.rstrip(":"), strict=True)


def _commands(found: Pieces) -> tuple[Option, ...]:
    """Words that are explained like options: tags, and lines that an indented text follows."""
    made: dict[str, Option] = {}
    for piece, following, after in zip(found, found[1:], [*found[2:], Piece("back")], strict=False):
        text = following.text
        if piece.kind == "text" and following.kind == "deeper":
            text = after.text if after.kind == "text" else ""
        elif piece.kind != "tag" or following.kind != "text":
            continue
        word = _COMMAND.fullmatch(plain(piece.text)[: _LONGEST_COMMAND + 1])
        if word and text and word["name"] not in made and len(made) < _MOST_COMMANDS:
            made[word["name"]] = Option(
                names=(word["name"],), argument=word["argument"] or "", text=sentence(text)
            )
    return tuple(made.values())


def _row(line: str) -> tuple[options.Tag, str] | None:
    """A line of a table of options: "--verbose, -v     increase verbosity"."""
    tag, *text = re.split(r"\s{2,}", line.strip(), maxsplit=1)
    if not text or tag[:1] != "-" or text[0][:1] == "-":
        return None
    made = options.tag(tag, strict=True)
    return (made, sentence(text[0])) if made else None


def _mentioned(found: Pieces) -> tuple[str, ...]:
    names: set[str] = set()
    for piece in found:
        if "-" in piece.text:
            names |= options.mentions(plain(piece.text))
        if len(names) > MOST_OPTIONS:
            break
    return tuple(sorted(names))


def sentence(text: str) -> str:
    """The first sentence of a paragraph, without its full stop."""
    text = plain(text)[: LONGEST_TEXT * 4]
    for end in _SENTENCE.finditer(text):
        if not _ABBREVIATION.search(text[max(0, end.start() - 8) : end.start()]):
            text = text[: end.start()]
            break
    return _cut(_PROTOCOLS.sub("", text).strip(" :"))


def _cut(text: str) -> str:
    if len(text) <= LONGEST_TEXT:
        return text
    return text[:LONGEST_TEXT].rpartition(" ")[0] + "…"
