"""Formatted text to the same pieces as roff's: a cat page, or what ``--help`` prints."""

from __future__ import annotations

import re

from cmdai_shell.manual.escapes import LONGEST_LINE
from cmdai_shell.manual.roff import Piece, Pieces

_OVERSTRIKE = re.compile(r".\x08")
_STYLE = re.compile(r"\x1b\[[0-9;]*[mK]")
_COLUMNS = re.compile(r"(?:\s{2,}|\t+|(?<=[^\s,:]):\s+)(?=\S)")
_HEADING = re.compile(r"[A-Z][A-Za-z ,'()-]*:?\s*")
_OPTION = re.compile(r"\s*(?:-{1,2}[A-Za-z0-9?#@\[])")


def pieces(text: str) -> Pieces:
    """Never raises; linear in the length of ``text``."""
    found: Pieces = []
    paragraph: list[str] = []
    tag_indent = -1

    def flush() -> None:
        if paragraph:
            found.append(Piece("text", " ".join(paragraph)))
            paragraph.clear()

    for raw in text.split("\n"):
        line = _STYLE.sub("", _OVERSTRIKE.sub("", raw[:LONGEST_LINE])).rstrip()
        indent = len(line) - len(line.lstrip())
        if not line:
            flush()
        elif not indent and _HEADING.fullmatch(line):
            flush()
            found.append(Piece("section", line.strip().rstrip(":")))
        elif _OPTION.match(line) and (tag_indent < 0 or indent <= tag_indent + 4):
            flush()
            tag_indent = indent
            tag, *rest = _COLUMNS.split(line.strip(), maxsplit=1)
            if rest and rest[0].startswith("-") and tag.startswith("-"):  # "-a,  --all  text"
                more, *rest = _COLUMNS.split(rest[0], maxsplit=1)
                tag = f"{tag} {more}"
            found.append(Piece("tag", tag.rstrip(":")))
            paragraph += rest
        else:
            if indent <= tag_indent:
                flush()
                tag_indent = -1
            paragraph.append(line.strip())
    flush()
    return found
