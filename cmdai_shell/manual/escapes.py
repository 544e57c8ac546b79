"""roff's escape sequences: what one line of a page's source reads like (groff(7), groff_char(7)).

What was set in italics stands between ``ITALIC`` and ``UPRIGHT``: an argument is told from its
option by nothing else in ``-Idir``. ``plain`` takes both out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ITALIC, UPRIGHT = "\x01", "\x02"
CONTINUED = "\x03"
"""At the end of a line: the next one goes on with the same word (``\\c``)."""

LONGEST_LINE = 20_000
"""Characters of a line that are read."""
LONGEST_STRING = 200
"""Characters kept of a defined string: its own uses are expanded when it is defined, so that
strings made of strings do not grow without end."""

_NAME = r"(?:\((..)|\[([^\]\n]{0,80})\]|(.))"
_ESCAPE = re.compile(
    rf"\\(?:f{_NAME}"
    rf"|\*{_NAME}"
    r"|(\((..)|\[([^\]\n]{0,80})\])"
    r"|s(?:[+-]?\d|\([+-]?\d\d|\[[^\]\n]{0,20}\]|'[^'\n]{0,20}')"
    r"|[hvwblLoDXNxHSRAZ]'[^'\n]{0,200}'"
    r"|[mMFgkYVn](?:\(..|\[[^\]\n]{0,80}\]|.)"
    r"|[\"#].*"
    r"|(.)|\Z)",
    re.DOTALL,
)
_SPECIAL = {
    **dict.fromkeys(("aq", "cq", "oq", "ga", "fm"), "'"),
    **dict.fromkeys(("lq", "rq", "dq", "Bq"), '"'),
    **dict.fromkeys(("hy", "en", "mi", "em", "-"), "-"),
    **dict.fromkeys(("bu", "ci", "sq"), "\u2022"),
    **dict.fromkeys(("ul", "ru"), "_"),
    **dict.fromkeys(("ba", "or", "bv"), "|"),
    **dict.fromkeys(("mu", "tmu"), "x"),
    **dict.fromkeys(("ha", "ua"), "^"),
    "rs": "\\",
    "ti": "~",
    "sl": "/",
    "at": "@",
    "sh": "#",
    "Do": "$",
    "lB": "[",
    "rB": "]",
    "lC": "{",
    "rC": "}",
    "la": "<",
    "ra": ">",
    "<=": "<=",
    ">=": ">=",
    "!=": "!=",
    "->": "->",
    "<-": "<-",
    "+-": "\u00b1",
    "co": "(c)",
    "rg": "(R)",
    "tm": "(TM)",
    "de": "\u00b0",
    ":a": "\u00e4",
    ":o": "\u00f6",
    ":u": "\u00fc",
    "ss": "\u00df",
    "'e": "\u00e9",
    "`e": "\u00e8",
    ",c": "\u00e7",
    "/o": "\u00f8",
}
_PREDEFINED = {"R": "(R)", "Tm": "(TM)", "lq": '"', "rq": '"', "-": "-"}
_SINGLE = {
    "-": "-",
    " ": " ",
    "~": " ",
    "0": " ",
    "e": "\\",
    "E": "\\",
    "\\": "\\",
    "t": "\t",
    "c": CONTINUED,
    "'": "'",
    "`": "`",
    ".": ".",
    "_": "_",
    "@": "@",
}
_ITALICS = ("I", "2", "CI", "4", "BI")
_MARKS = re.compile(f"[{ITALIC}{UPRIGHT}{CONTINUED}]")
_LATE_MARK = re.compile(f"(?<=-)[{ITALIC}{UPRIGHT}]+")


def unescaped(text: str, strings: Mapping[str, str]) -> str:
    """The text as it is printed, with the marks for italics. ``strings`` are those defined so far
    (``.ds``), already unescaped."""
    if "\\" not in text:
        return text

    def read(found: re.Match[str]) -> str:
        font = found[1] or found[2] or found[3]
        if found[0][1:2] == "f":
            return ITALIC if font in _ITALICS else UPRIGHT
        string = found[4] or found[5] or found[6]
        if string is not None:
            return strings.get(string, _PREDEFINED.get(string, ""))
        if found[7]:
            return _special(found[8] or found[9] or "")
        return _SINGLE.get(found[10] or "", "")

    # "\-\fBW": a font set between the dash and the letter parts nothing
    return _LATE_MARK.sub("", _ESCAPE.sub(read, text))


def plain(text: str) -> str:
    """Without the marks, and with single blanks."""
    return " ".join(_MARKS.sub("", text).split())


def _special(name: str) -> str:
    if name in _SPECIAL:
        return _SPECIAL[name]
    code = re.fullmatch(r"u([0-9A-F]{4,5})", name)
    if code:
        character = chr(int(code[1], 16))
        return character if character.isprintable() else ""
    return ""
