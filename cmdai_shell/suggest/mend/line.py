"""A line as the person typed it, cut into words and operators that know where they stand, so that
everything around a mended word stays as it is."""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPERATOR = re.compile(
    r"\d*[<>]&(?:\d+|-)"  # 2>&1: no word follows
    r"|&>>?|\d*(?:>>|>\||<>|<<<|<<-?|[<>])(?!\()"
    r"|&&|\|\||\|&|;;|[|;&()\n]"
)
_DOUBLED = re.compile(r"\d*[<>]&(?:\d+|-)\Z")
_SPACE = " \t"
_ENDS_WORD = _SPACE + "|;&()<>\n"
_BRACES = re.compile(r"\{[^{}\s]*\}")


@dataclass(frozen=True, slots=True)
class Token:
    """``text`` is ``raw`` without its quotes. ``known``: nothing in it is left to the shell to
    fill in; ``glob``: but perhaps names to match."""

    start: int
    raw: str
    text: str
    known: bool = True
    glob: bool = False
    is_operator: bool = False

    @property
    def end(self) -> int:
        return self.start + len(self.raw)

    @property
    def plain(self) -> bool:
        """What is written is what the program gets."""
        return self.known and not self.glob

    @property
    def bare(self) -> bool:
        """Without any quoting."""
        return self.raw == self.text

    @property
    def redirects(self) -> bool:
        """An operator before a file's name."""
        return self.is_operator and bool(re.search(r"[<>]", self.raw)) and not self.is_copy

    @property
    def is_copy(self) -> bool:
        """``2>&1``: a redirection that names no file."""
        return self.is_operator and bool(_DOUBLED.match(self.raw))


def tokens(line: str) -> tuple[Token, ...] | None:
    """All of the line but a comment; None when a quote or a bracket is never closed."""
    found: list[Token] = []
    at = 0
    while at < len(line):
        if line[at] in _SPACE:
            at += 1
        elif line[at] == "#":
            break
        elif operator := _OPERATOR.match(line, at):
            found.append(Token(at, operator[0], operator[0], is_operator=True))
            at = operator.end()
        else:
            word = _word(line, at)
            if word is None:
                return None
            found.append(word)
            at = word.end
    return tuple(found)


def _word(line: str, start: int) -> Token | None:
    text: list[str] = []
    known, glob, at = True, False, start
    while at < len(line) and (line[at] not in _ENDS_WORD or line[at : at + 2] in ("<(", ">(")):
        char = line[at]
        if char == "\\":
            text.append(line[at + 1 : at + 2])
            at += 2
        elif char in "'\"":
            piece = _quoted(line, at)
            if piece is None:
                return None
            inside, spoken, at = piece
            text.append(inside)
            known = known and spoken
        elif char in "$`<>":
            end = _expansion(line, at)
            if end is None:
                return None
            known, at = False, end
        else:
            glob = glob or char in "*?["
            text.append(char)
            at += 1
    raw = line[start : min(at, len(line))]
    if not raw:
        return None
    known = known and (raw[0] in "'\"" or not _is_expanded(raw))
    return Token(start, raw, "".join(text) if known else raw, known, glob)


def _is_expanded(raw: str) -> bool:
    """``{a,b}``, ``{1..9}``."""
    return any("," in braces or ".." in braces for braces in _BRACES.findall(raw))


def _quoted(line: str, start: int) -> tuple[str, bool, int] | None:
    """What is between the quotes, whether it says all, and where the line goes on."""
    quote, at = line[start], start + 1
    text: list[str] = []
    known = True
    while at < len(line):
        char = line[at]
        if char == quote:
            return "".join(text), known, at + 1
        if char == "\\" and quote == '"' and line[at + 1 : at + 2] in ("\\", '"', "$", "`"):
            text.append(line[at + 1])
            at += 2
            continue
        if quote == '"' and char in "$`":
            known = False
            end = _expansion(line, at)
            if end is None:
                return None
            at = end
            continue
        text.append(char)
        at += 1
    return None


def _expansion(line: str, start: int) -> int | None:
    """The end of ``$x``, ``${x}``, ``$(x)``, `` `x` `` or ``<(x)``; None if it has none."""
    opening = line[start + 1 : start + 2]
    if line[start] == "`":
        end = line.find("`", start + 1)
        return end + 1 if end >= 0 else None
    if opening not in ("(", "{"):
        return start + 1
    closing, depth, at = ")" if opening == "(" else "}", 0, start + 1
    while at < len(line):
        char = line[at]
        if char == "\\":
            at += 1
        elif char == "'" and opening == "(":
            at = line.find("'", at + 1)
            if at < 0:
                return None
        elif char == opening:
            depth += 1
        elif char == closing:
            depth -= 1
            if not depth:
                return at + 1
        at += 1
    return None


_SAFE = re.compile(r"[\w@%+=:,./-]+")


def quoted(text: str) -> str:
    """The text as one word of bash, zsh and fish alike; a leading ``~/`` stays the home folder."""
    if text.startswith("~/") and len(text) > 2:
        return "~/" + quoted(text[2:])
    if _SAFE.fullmatch(text) or text in ("~", ".", ".."):
        return text
    if "'" not in text and "\\" not in text:
        return f"'{text}'"
    if not re.search(r"[\"$`\\!]", text):
        return f'"{text}"'
    return re.sub(r"([^\w@%+=:,./-])", r"\\\1", text)


def written_like(token: Token, text: str) -> str:
    """``text`` with the quotes ``token`` has, if it can have them."""
    quote = token.raw[:1]
    is_quoted = quote in ("'", '"') and token.raw == f"{quote}{token.text}{quote}"
    if is_quoted and not re.search(r"[\"'$`\\!]", text):
        return f"{quote}{text}{quote}"
    return quoted(text)
