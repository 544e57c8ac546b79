"""Text that may be shown: the one place where what a model, a file or a server wrote is made unable
to move a cursor, retitle a window, or look like something else."""

from __future__ import annotations

import re
import unicodedata

_SEQUENCE = re.compile(
    r"(?:\x1b[]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS: title
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor
    r"|\x1b[ -/]*[0-~]?"
)
"""Control sequences of ECMA-48, unfinished ones too."""

_LINE_ENDS = "\n\r\v\f\x85\u2028\u2029"


def visible(text: str) -> str:
    """The text without terminal sequences and without control, format (bidirectional, zero-width)
    or surrogate characters; every kind of white space is a space or a newline."""
    if text.isprintable():  # nothing of category C, and of Z only the blank
        return text
    text = _SEQUENCE.sub("", text).replace("\r\n", "\n")
    return "".join(_character(character) for character in text)


def one_line(text: str, most: int = 0) -> str:
    """The same as one line without blanks to spare, of ``most`` characters at most (0: of any
    length). Of a text that somebody else wrote no more is looked at than that can take."""
    if most:
        return one_line(text[: 4 * most])[:most]
    return " ".join(visible(text).split())


def timeless(notice: str) -> str:
    """A notice without the seconds it ends with, to be said again later: "loading x, 0.7 s"."""
    return re.sub(r",? [\d.]+ s\Z", "", notice)


def model_name(model: str) -> str:
    """A model that a server calls by a whole path (/models/coder.gguf) goes by the last part."""
    return model.rstrip("/").rpartition("/")[2] if model.startswith("/") else model


def _character(character: str) -> str:
    if " " <= character <= "~":
        return character
    if character in _LINE_ENDS:
        return "\n"
    category = unicodedata.category(character)
    if category == "Zs" or character == "\t":
        return " "
    return "" if category[0] == "C" else character
