"""The inline macros of mdoc(7): ``Fl f Ar file , Fl Fl all`` -> ``-f file, --all``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmdai_shell.manual.escapes import ITALIC, UPRIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

_PLAIN = frozenset(
    """
    Ad An Cd Cm Dv Em Er Ev Fa Fn Ft Ic In Lb Li Lk Ms Mt No Pa Sx Sy Tn Va Vt Bx Ux At Bsx
    Nx Fx Ox Dx St Ap Bf Ef
    """.split()  # noqa: SIM905  a table of words
)
_QUOTES = {
    "Op": ("[", "]"),
    "Bq": ("[", "]"),
    "Pq": ("(", ")"),
    "Aq": ("<", ">"),
    "Brq": ("{", "}"),
    "Dq": ('"', '"'),
    "Qq": ('"', '"'),
    "Sq": ("'", "'"),
    "Ql": ("'", "'"),
    "Eq": ("", ""),
}
_OPENERS = {"Oo": "[", "Bo": "[", "Po": "(", "Ao": "<", "Bro": "{", "Do": '"', "Qo": '"', "So": "'"}
_CLOSERS = {"Oc": "]", "Bc": "]", "Pc": ")", "Ac": ">", "Brc": "}", "Dc": '"', "Qc": '"', "Sc": "'"}
_SYSTEMS = {"Ux": "UNIX", "Bx": "BSD", "Nx": "NetBSD", "Fx": "FreeBSD", "Ox": "OpenBSD"}
_OTHERS = frozenset(("Fl", "Ar", "Nm", "Nd", "Xr", "Ns", "Pf", "Sm", "Xo", "Xc"))

INLINE = _PLAIN | _QUOTES.keys() | _OPENERS.keys() | _CLOSERS.keys() | _OTHERS
"""Macros that make text; they may also stand among the arguments of another."""


class Line:
    """One macro line, read word by word. ``name`` is what ``.Nm`` alone stands for."""

    def __init__(self, name: str, spaced: bool = True) -> None:
        self.text = ""
        self.name = name
        self.spaced = spaced
        """Whether words are parted by blanks (``.Sm``); a page may turn that off for some lines."""
        self._glued = True

    def read(self, words: Sequence[str]) -> str:
        """The line's text. Words that are macros act; the others are shown as they are."""
        closers: list[str] = []
        macro, is_bare = "", False
        for word in words:
            if word in INLINE:
                if is_bare:
                    self._nothing(macro, word)
                macro, is_bare = self._begin(word, closers), True
            elif macro == "Sm":
                self.spaced = word != "off"
            elif word in (",", ".", ";", ":", ")", "]", "?", "!"):
                if is_bare:
                    self._nothing(macro, "")
                    is_bare = False
                self._glue(word)
            else:
                self._word(macro, word)
                is_bare = False
        if is_bare:
            self._nothing(macro, "")
        for closer in reversed(closers):
            self._glue(closer)
        return self.text

    def _begin(self, macro: str, closers: list[str]) -> str:
        """Do what a macro does before its words; return the one that they belong to."""
        if macro in _QUOTES:
            opener, closer = _QUOTES[macro]
            self._add(opener)
            self._glued = True
            closers.append(closer)
            return ""
        if macro in _OPENERS:
            self._add(_OPENERS[macro])
            self._glued = True
            return ""
        if macro in _CLOSERS:
            self._glue(_CLOSERS[macro])
            return ""
        if macro == "Ns":
            self._glued = True
            return ""
        if macro in ("Xo", "Xc"):
            return ""
        if macro in _SYSTEMS:
            self._add(_SYSTEMS[macro])
            return ""
        if macro == "Nd":
            self._add("-")
        return macro

    def _nothing(self, macro: str, following: str) -> None:
        """A macro without words of its own."""
        if macro == "Fl":
            self._add("-")
            self._glued = following in ("Fl", "Ar", "Cm") or self._glued
        elif macro == "Ar":
            self._add(f"{ITALIC}file ...{UPRIGHT}")
        elif macro == "Nm":
            self._add(self.name)

    def _word(self, macro: str, word: str) -> None:
        if macro == "Fl":
            self._add(f"-{word}")
        elif macro == "Ar":
            self._add(f"{ITALIC}{word}{UPRIGHT}")
        elif macro == "Nm":
            self.name = self.name or word
            self._add(word)
        elif macro == "Xr" and word.isdigit() and not self._glued:
            self._glue(f"({word})")
        elif macro == "Pf":
            self._add(word)
            self._glued = True
        else:
            self._add(word)
            self._glued = self._glued or word in ("(", "[")

    def _add(self, text: str) -> None:
        if self.text and self.spaced and not self._glued:
            self.text += " "
        self.text += text
        self._glued = False

    def _glue(self, text: str) -> None:
        self.text += text
        self._glued = False
