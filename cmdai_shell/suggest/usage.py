"""The words of one program, read with its manual: which are options, which are their values, and
where the words of another program begin. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from cmdai_shell.core import Option
from cmdai_shell.safety.prefixes import PREFIXES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cmdai_shell.core import Manual, Page
    from cmdai_shell.safety.prefixes import Prefix

Kind = Literal["command", "option", "operand", "end", "inner"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """``command``: the program, or a subcommand, with its page. ``option``: ``name`` is how it was
    written ("-z" of "-xzf"), ``option`` what the manual has of it. ``inner``: all words from here
    on belong to another program. ``end``: ``--``."""

    kind: Kind
    name: str
    value: str = ""
    """The option's argument."""
    at: int = 0
    """Place of the word."""
    option: Option | None = None
    page: Page | None = None
    joined: str = ""
    """What stands between an option and its value: nothing, a blank or "="."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


NESTED = _set(
    "git docker podman kubectl oc openssl npm cargo go helm gh gcloud aws az perf ip tc bridge "
    "btrfs flatpak virsh systemd-analyze pip yarn terraform"
)
"""Programs whose subcommands have pages of their own, ``git-log``."""
_FIRST_WORD_ENDS = _set(
    "python python3 perl ruby node bash sh dash zsh fish ksh lua php awk gawk mawk nawk Rscript "
    "expect tclsh man"
)
"""What follows a script's name is the script's."""
_LAST_OPTION = {
    **dict.fromkeys(("python", "python3"), ("-c", "-m")),
    **dict.fromkeys(("bash", "sh", "dash", "zsh", "ksh"), ("-c",)),
}
"""Options that end the program's own words."""
_FOREIGN = _set(
    "docker-run docker-exec docker-container-run docker-container-exec podman-run podman-exec "
    "docker-compose-run docker-compose-exec git-bisect"
)
"""Subcommands whose first operand is followed by the words of another program."""
EXECUTES = _set("-exec -execdir -ok -okdir")
_ABBREVIATES = _set("ip tc bridge ss")
"""Programs of iproute2: any beginning of a word will do."""
_NO_CLUSTERS = _set("find")
_SIGNALLERS = _set("kill pkill killall skill killall5")
_MODES = {"chmod": re.compile(r"-[rwxXstugo]+"), "chattr": re.compile(r"-[a-zA-Z]+")}
"""Words with a dash that take something away."""
_SIGNAL = re.compile(r"-(?:SIG)?[A-Z]{3,}\d*")
_OBJECTS = {
    **dict.fromkeys(("a", "addr"), "address"),
    **dict.fromkeys(("l", "li"), "link"),
    **dict.fromkeys(("r", "ro"), "route"),
    **dict.fromkeys(("n", "neigh"), "neighbour"),
}
_UNNAMED = "VALUE"
"""The argument of an option of which the page does not say more than that it has one."""
_MOST_DEPTH = 4
_ASSIGNS = re.compile(r"[A-Za-z_]\w*=")
_META = re.compile(r"[A-Z]+\Z")


def read(words: Sequence[str], manual: Manual) -> tuple[Part, ...]:
    """The parts of one call; its first word is the program. Options that no page has are parts
    without an ``option``."""
    return tuple(_Reading(words, manual).parts()) if words else ()


def known(page: Page, name: str) -> Option | None:
    """What a page has of the option ``name`` ("-x", "--long", "-word"), abbreviated or negated
    too. One that is only mentioned has no text."""
    for option in page.options:
        if name in option.names:
            return option
    if name.startswith("--"):
        named = {n: option for option in reversed(page.options) for n in option.names}
        longer = [n for n in named if n.startswith(name)]
        if longer:
            return named[min(longer, key=len)]
        if name.startswith("--no-") and f"--{name[5:]}" in named:
            return Option(names=(name,))
    if any(mention == name for mention in page.mentioned):
        return Option(names=(name,))
    if name.startswith("--") and any(m.startswith(name) for m in page.mentioned):
        return Option(names=(name,))
    return None


class _Reading:
    def __init__(self, words: Sequence[str], manual: Manual) -> None:
        self._words = words
        self._manual = manual
        self._program = words[0].rpartition("/")[2]
        self._stem = self._program
        self._at = 0
        self._pages: list[Page] = []
        self._prefix: Prefix | None = PREFIXES.get(self._program)
        self._operands = 0

    def parts(self) -> Iterator[Part]:
        page = self._manual.page(self._program)
        if page:
            self._pages.append(page)
        yield Part(kind="command", name=self._program, page=page)
        self._at = 1
        if bare := self._old_style():
            yield from bare
        while self._at < len(self._words):
            word = self._words[self._at]
            if word == "--":
                yield Part(kind="end", name=word, at=self._at)
                self._at += 1
                yield from self._rest()
                return
            if word.startswith("-") and len(word) > 1 and not self._is_operand(word):
                found = list(self._option(word))
                yield from found
                if found[-1].name in _LAST_OPTION.get(self._program, ()):
                    yield from self._operand_words(self._at)
                    return
            else:
                part = self._operand(word)
                yield part
                if part.kind == "inner":
                    return
                self._at += 1
                if self._is_over() and self._at < len(self._words):
                    yield Part(kind="inner", name=self._words[self._at], at=self._at)
                    return

    def _is_operand(self, word: str) -> bool:
        """A number, a signal, a mode: words with a dash that are no options."""
        if word[1].isdigit() and (
            self._program in _SIGNALLERS or not any(known(page, word) for page in self._pages)
        ):
            return True
        if self._program in _SIGNALLERS and _SIGNAL.fullmatch(word):
            return True
        mode = _MODES.get(self._program)
        return bool(mode and mode.fullmatch(word)) and not (
            len(word) == 2 and any(word in option.names for option in self._pages[0].options)
            if self._pages
            else False
        )

    def _rest(self) -> Iterator[Part]:
        """After ``--``: operands, or another program's words."""
        if self._prefix and self._at < len(self._words):
            yield Part(kind="inner", name=self._words[self._at], at=self._at)
        else:
            yield from self._operand_words(self._at)

    def _operand_words(self, first: int) -> Iterator[Part]:
        for at in range(first, len(self._words)):
            yield Part(kind="operand", name=self._words[at], at=at)

    def _operand(self, word: str) -> Part:
        if self._prefix:
            if self._prefix.assignments and _ASSIGNS.match(word):
                return Part(kind="operand", name=word, at=self._at)
            if self._operands >= self._prefix.operands:
                return Part(kind="inner", name=word, at=self._at)
        self._operands += 1
        if self._program in NESTED and self._operands == len(self._pages) <= _MOST_DEPTH:
            whole = _OBJECTS.get(word, word) if self._program in _ABBREVIATES else word
            deeper = self._manual.page(f"{self._stem}-{whole}")
            if deeper:
                self._stem += f"-{word}"
                self._pages.append(deeper)
                return Part(kind="command", name=word, at=self._at, page=deeper)
        if "=" in word and self._program == "dd" and self._pages:
            name, _, value = word.partition("=")
            option = known(self._pages[0], f"{name}=")
            return Part(
                kind="option", name=name, value=value, at=self._at, option=option, joined="="
            )
        return Part(kind="operand", name=word, at=self._at)

    def _is_over(self) -> bool:
        """Whether all that comes after the operands so far is another program's, or a script's."""
        if self._stem in _FOREIGN:
            return self._operands == len(self._pages)
        return self._program in _FIRST_WORD_ENDS

    # --- options

    def _option(self, word: str) -> Iterator[Part]:
        if word in EXECUTES and self._program == "find":
            yield self._executed(word)
        elif word.startswith("--"):
            name, equals, value = word.partition("=")
            yield self._valued(name, self._find(name), equals, value)
        elif whole := self._single(word):
            yield self._valued(word, whole, "", "")
        elif "=" in word and (named := self._single(word.partition("=")[0])):
            name, _, value = word.partition("=")
            yield self._valued(name, named, "=", value)
        elif self._program in _NO_CLUSTERS:
            yield self._valued(word, None, "", "")
        else:
            yield from self._cluster(word)

    def _executed(self, word: str) -> Part:
        """``-exec program words ;``: those up to the end mark are another program's."""
        first = self._at + 1
        ends = (at for at in range(first, len(self._words)) if self._words[at] in (";", "+"))
        end = next(ends, len(self._words) - 1)
        part = Part(
            kind="option",
            name=word,
            at=self._at,
            value=" ".join(self._words[first : end + 1]),
            option=self._find(word),
            joined=" ",
        )
        self._at = end + 1
        return part

    def _single(self, word: str) -> Option | None:
        """A whole word behind one dash: ``-name``, ``-newermt`` of ``-newerXY``. One that is
        mentioned somewhere, and could be letters with a meaning each, is these letters."""
        option = self._find(word)
        if option and not option.text and len(word) > 2 and self._are_letters(word):
            return None
        if option or len(word) < 3:
            return option
        for page in self._pages:
            for candidate in page.options:
                for name in candidate.names:
                    if not name.startswith(word[:4]):
                        continue
                    stripped = _META.sub("", name)
                    if stripped != name and len(stripped) > 3 and word.startswith(stripped):
                        return candidate
                    if self._program in _ABBREVIATES and name.startswith(word):
                        return candidate
        return None

    def _are_letters(self, word: str) -> bool:
        found = [self._find(f"-{letter}") for letter in word[1:]]
        return all(option and option.text for option in found)

    def _cluster(self, word: str) -> Iterator[Part]:
        """``-xzf a.tgz`` -> -x, -z, -f a.tgz. What cannot be a letter of its own ends it."""
        at = self._at
        for place, letter in enumerate(word[1:], 1):
            rest = word[place + 1 :]
            if not (letter.isalpha() or letter in "?#@") and place > 1:
                break
            option = self._find(f"-{letter}")
            if self._prefix and f"-{letter}" in self._prefix.valued.split():
                yield self._valued(f"-{letter}", option, "", rest)
                return
            if option and option.argument and (rest or not option.optional_argument):
                yield self._valued(f"-{letter}", option, "", rest)
                return
            yield Part(kind="option", name=f"-{letter}", at=at, option=option)
            if option is None or not option.text:
                break  # it may have a value that looks like letters
        self._at = at + 1

    def _valued(self, name: str, option: Option | None, joined: str, value: str) -> Part:
        """The option with its value, which may be the next word."""
        at = self._at
        self._at += 1
        takes_next = self._takes_next(name, option) and not joined and not value
        if takes_next and self._at < len(self._words):
            value, joined = self._words[self._at], " "
            self._at += 1
        return Part(kind="option", name=name, value=value, at=at, option=option, joined=joined)

    def _takes_next(self, name: str, option: Option | None) -> bool:
        if self._prefix and name in self._prefix.valued.split():
            return True
        if option is None or option.optional_argument or option.argument.startswith("expr"):
            return False  # "-not expr" of find: what follows is read by itself
        following = self._words[self._at : self._at + 1]
        if option.argument == _UNNAMED and following and following[0].startswith("-"):
            return False  # systemd's pages do not tell what may be left out
        return bool(option.argument)

    def _find(self, name: str) -> Option | None:
        """The nearest page's word counts: that of the subcommand before the program's."""
        for page in reversed(self._pages):
            if option := known(page, name):
                return option
        return None

    def _old_style(self) -> list[Part]:
        """``tar xzf a.tgz`` and ``ps aux``: letters without a dash, their values behind them."""
        if self._program not in ("tar", "bsdtar", "ps") or self._at >= len(self._words):
            return []
        word = self._words[self._at]
        if not word.isalpha() or not self._pages:
            return []
        dash = "" if self._program == "ps" else "-"
        found = [known(self._pages[0], dash + letter) for letter in word]
        if None in found:
            return []
        at = self._at
        self._at += 1
        parts = []
        for letter, option in zip(word, found, strict=True):
            part = Part(kind="option", name=letter, at=at, option=option)
            if option and option.argument and self._at < len(self._words):
                part = replace(part, value=self._words[self._at], joined=" ")
                self._at += 1
            parts.append(part)
        return parts
