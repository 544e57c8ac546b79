"""What a shell line consists of, once quoting and expansion have been worked out.

A value that only the running shell knows is written with private characters, so that a word stays
one ``str``: ``HOME`` for a home folder, ``MAYBE`` for text that may be anything, empty included,
``SOME`` for text that is unknown but not empty.
"""

from __future__ import annotations

from dataclasses import dataclass

HOME = "\ue000"
MAYBE = "\ue001"
SOME = "\ue002"
UNKNOWN = (MAYBE, SOME)

_SPOKEN = str.maketrans({HOME: "~", MAYBE: "…", SOME: "…"})


def spoken(text: str) -> str:
    """The text as a person may read it: no private characters."""
    return text.translate(_SPOKEN)


def names(text: str) -> frozenset[str]:
    """A table of names, written with blanks between them."""
    return frozenset(text.split())


@dataclass(frozen=True, slots=True)
class Word:
    """One argument. ``glob``: an unquoted ``*``, ``?`` or ``[`` is in it.

    ``sources`` are the calls whose output the text holds (``$(…)``, ``<(…)``).
    """

    text: str
    glob: bool = False
    sources: tuple[Call, ...] = ()

    @property
    def known(self) -> bool:
        return not any(mark in self.text for mark in UNKNOWN)


@dataclass(frozen=True, slots=True)
class Redirect:
    """``operator`` without its file descriptor; ``target`` a path, or a here-document's text."""

    operator: str
    target: Word

    @property
    def writes(self) -> bool:
        return self.operator.startswith((">", "&>")) and self.operator != ">&"

    @property
    def is_text(self) -> bool:
        return self.operator in ("<<", "<<<")


@dataclass(frozen=True, slots=True)
class Call:
    """One simple command, without the wrappers (``sudo``, ``env``, ``xargs`` …) before it."""

    words: tuple[Word, ...]
    redirects: tuple[Redirect, ...] = ()
    fed_by: tuple[Call, ...] = ()
    """The calls before it in its pipeline."""
    wrappers: tuple[str, ...] = ()
    """Names of the wrappers that were taken off, outermost first."""
    cwd: tuple[str, ...] = (".",)
    """Where it may run: "." is the folder the line is typed in."""
    guess: bool = False
    """It stands for a program that nobody can know beforehand."""

    @property
    def program(self) -> str:
        """The program's name without its folder, or empty for a bare redirection. What may be
        empty in it is taken to be so: ``r$@m`` is ``rm``."""
        if not self.words:
            return ""
        name = self.words[0].text.rpartition("/")[2]
        return name.replace(MAYBE, "") or name

    @property
    def args(self) -> tuple[Word, ...]:
        return self.words[1:]

    @property
    def arguments(self) -> tuple[str, ...]:
        return tuple(spoken(word.text) for word in self.words[1:])

    @property
    def as_root(self) -> bool:
        return not _ROOT_GIVERS.isdisjoint(self.wrappers)


_ROOT_GIVERS = names("sudo doas pkexec su run0")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A command line taken apart.

    ``commands`` holds every call that may run, in pipes, loops, substitutions and ``sh -c`` texts
    too; ``broken`` says that the grammar did not accept it all.
    """

    commands: tuple[Call, ...]
    broken: bool = False
