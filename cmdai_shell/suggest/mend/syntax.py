"""The grammar of the shell itself: one dialect's words in another, a blank that matters."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from cmdai_shell.suggest.mend.line import quoted
from cmdai_shell.suggest.mend.scene import Edit, Mend, after, before, swap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.suggest.mend.line import Token
    from cmdai_shell.suggest.mend.scene import Part, Scene

_NAME = re.compile(r"[A-Za-z_]\w*\Z")
_LOOP = re.compile(r"\s*(?:for\s+\w+\s+in\s[^;]*|while\s[^;]*|until\s[^;]*);\s*(?!do\b)(?=\S)")
_IF = re.compile(r"\s*if\s[^;]*;\s*(?!then\b)(?=\S)")
_FISH_VARIABLES = (
    (re.compile(r"\$\?"), "$status"),
    (re.compile(r"\$\$"), "$fish_pid"),
    (re.compile(r"\$@"), "$argv"),
    (re.compile(r"\$\{(\w+)\}"), r"{$\1}"),
)
_FISH_BLOCKS = (
    (re.compile(r"(?<=;)\s*do\s+(?=\S)"), " "),
    (re.compile(r"(?<=;)\s*then\s+(?=\S)"), " "),
    (re.compile(r"(?<=;)(\s*)(?:done|fi)\b"), r"\1end"),
)
_QUOTES = re.compile(r"['\"]")


def syntax(scene: Scene) -> Iterator[Mend]:
    if scene.shell == "fish":
        yield from _fish(scene)
    else:
        yield from _blocks(scene)
        yield from _assigned(scene)
    yield from _brackets(scene)
    yield from _exported(scene)
    if scene.shell == "zsh":
        yield from _unmatched(scene)
    yield from _operators(scene)


def _blocks(scene: Scene) -> Iterator[Mend]:
    """``for x in a b; echo $x; done``."""
    line = scene.line
    if re.search(r";\s*done\b", line) and (found := _LOOP.match(line)):
        yield (Edit(found.end(), found.end(), "do "),)
    elif re.search(r";\s*fi\b", line) and (found := _IF.match(line)):
        yield (Edit(found.end(), found.end(), "then "),)
    elif re.search(r";\s*end\s*$", line) and re.match(r"\s*(?:for|while)\s.*;\s*do\b", line):
        yield (Edit(line.rindex("end"), line.rindex("end") + 3, "done"),)


def _assigned(scene: Scene) -> Iterator[Mend]:
    """``x = 1``, ``$x=1``."""
    for part in scene.parts:
        words = part.words
        if len(words) == 3 and words[1].raw == "=" and _NAME.match(words[0].raw):
            if scene.failed(127, 1):
                yield (Edit(words[0].end, words[2].start, "="),)
        elif len(words) == 1 and scene.failed(127, 1):
            found = re.match(r"\$([A-Za-z_]\w*)=", words[0].raw)
            if found:
                yield (Edit(words[0].start, words[0].start + 1, ""),)


def _exported(scene: Scene) -> Iterator[Mend]:
    """``export X = 1``, ``alias x = 'y'``, ``export $X=1``, ``unset $X``."""
    for part in scene.parts:
        args = part.args
        if not args:
            continue
        if part.program in ("export", "alias", "declare", "local", "readonly"):
            if spaced := _spaced(args):
                yield (spaced,)
            elif part.program == "alias" and scene.shell != "fish":
                yield from _alias(scene, args)
        value = {"export": "=", "unset": r"\Z" if scene.failed(1) else r"\A"}.get(part.program)
        if value and re.match(rf"\$[A-Za-z_]\w*{value}", args[0].raw):
            yield (Edit(args[0].start, args[0].start + 1, ""),)


def _spaced(args: tuple[Token, ...]) -> Edit | None:
    """Blanks around a ``=``."""
    if len(args) == 3 and args[1].raw == "=":
        return Edit(args[0].end, args[2].start, "=")
    if len(args) == 2 and args[0].bare and args[0].raw.endswith("=") != (args[1].raw[:1] == "="):
        return Edit(args[0].end, args[1].start, "") if "=" not in args[0].raw[:-1] else None
    return None


def _alias(scene: Scene, args: tuple[Token, ...]) -> Iterator[Mend]:
    """``alias ll=ls -l`` without quotes."""
    if len(args) < 2 or not scene.failed(1) or not all(word.bare and word.plain for word in args):
        return
    name, equals, _ = args[0].text.partition("=")
    if equals and _NAME.match(name) and not any("=" in word.text for word in args[1:]):
        start = args[0].start + len(name) + 1
        yield (Edit(start, args[-1].end, quoted(scene.line[start : args[-1].end])),)


def _brackets(scene: Scene) -> Iterator[Mend]:
    """``[-f x ]``, ``[ -f x]``: the brackets are words of their own."""
    for part in scene.parts:
        word = part.words[0]
        for opening, closing in (("[[", "]]"), ("[", "]")):
            if not word.raw.startswith(opening):
                continue
            edits = []
            if len(word.raw) > len(opening):
                place = word.start + len(opening)
                edits.append(Edit(place, place, " "))
            last = part.words[-1]
            if last.raw.endswith(closing) and last.raw != closing and len(part.words) > 1:
                edits.append(Edit(last.end - len(closing), last.end - len(closing), " "))
            elif last.raw[-1:] != "]" and opening == "[" and scene.failed(2):
                edits.append(after(last, " ]"))
            if edits:
                yield tuple(edits)
            break


def _fish(scene: Scene) -> Iterator[Mend]:
    """What bash writes otherwise."""
    line = scene.line
    if not _QUOTES.search(line):
        for pattern, text in _FISH_VARIABLES:
            if changed := _replaced(line, pattern, text):
                yield changed
                return
        if re.search(r";\s*(?:done|fi)\b", line):
            edits = [e for pattern, text in _FISH_BLOCKS for e in _replaced(line, pattern, text)]
            yield tuple(edits)
            return
    for part in scene.parts:
        word = part.words[0]
        found = re.match(r"([A-Za-z_]\w*)=", word.raw)
        if found and len(part.words) == 1:
            rest = word.raw[found.end() :]
            yield (swap(word, f"set {found[1]} {rest}".rstrip()),)
        elif len(part.words) == 3 and part.words[1].raw == "=" and _NAME.match(word.raw):
            yield (before(word, "set "), Edit(word.end, part.words[1].end, ""))
        elif part.program == "unset" and part.args:
            yield (swap(word, "set -e"),)
        elif part.program == "[[" and part.words[-1].raw == "]]":
            yield (swap(word, "["), swap(part.words[-1], "]"))


def _replaced(line: str, pattern: re.Pattern[str], text: str) -> Mend:
    return tuple(
        Edit(found.start(), found.end(), found.expand(text)) for found in pattern.finditer(line)
    )


def _unmatched(scene: Scene) -> Iterator[Mend]:
    """zsh gives up where a pattern matches no file: what is none wants quotes."""
    if not scene.failed(1):
        return
    edits = [
        swap(word, f"'{word.raw}'")
        for part in scene.parts
        for word in part.args
        if word.glob and word.known and word.raw == word.text and _is_no_file(part, word.text)
    ]
    if edits:
        yield tuple(edits)


def _is_no_file(part: Part, text: str) -> bool:
    """An address, an extra of pip's, a commit, a file elsewhere, a pattern for the program."""
    if re.match(r"\w+://", text):
        return True
    if part.program in ("pip", "pip3", "uv", "poetry") and re.search(r"\w\[[\w,]+\]", text):
        return True
    if part.program in ("scp", "rsync"):
        return ":" in text.partition("/")[0]
    return part.program in ("apt", "apt-get", "dnf", "brew") and not text.startswith(("/", "."))


def _operators(scene: Scene) -> Iterator[Mend]:
    """``2&>1``, ``| |``."""
    if scene.tokens is None:
        return
    found = scene.tokens
    for one, two in itertools.pairwise(found):
        if one.is_operator and two.is_operator and one.raw == two.raw == "|":
            yield (Edit(one.end, two.end, ""),)
            return
    if wrong := re.search(r"(?<!\S)2&>1(?!\S)", scene.line):
        yield (Edit(wrong.start(), wrong.end(), "2>&1"),)
