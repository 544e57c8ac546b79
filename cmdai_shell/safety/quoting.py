"""Quotes, escapes and braces of the shell, on plain text.

``inert`` moves characters that expansion would act on into a private range, ``plain`` moves them
back; what is still in place in between is active.
"""

from __future__ import annotations

SPLIT = "\ue003"
"""A blank that came out of an unquoted expansion: it parts words."""

_GLOBS = "*?["
_MATCHED = {ord(char): 0xE010 + at for at, char in enumerate(_GLOBS)}
_SPECIAL = "*?[]{},~="
_INERT = {ord(char): 0xE100 + ord(char) for char in _SPECIAL}
_NO_GLOBS = {ord(char): _INERT[ord(char)] for char in _SPECIAL if char not in _GLOBS + "]"}
_PLAIN = {moved: char for table in (_INERT, _MATCHED) for char, moved in table.items()}
_ESCAPES = {
    "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r",
    "t": "\t", "v": "\v", "\\": "\\", "'": "'", '"': '"', "?": "?",
}  # fmt: skip

_ANY_GLOB = frozenset(_GLOBS + _GLOBS.translate(_MATCHED))


def inert(text: str, split: str = "") -> str:
    """Quoted text: nothing in it is active any more."""
    return (text.replace(split, " ") if split else text).translate(_INERT)


def active(text: str) -> str:
    """The result of an unquoted expansion: globs act in it, braces and tilde do not."""
    return text.translate(_NO_GLOBS)


def plain(text: str) -> str:
    return text.translate(_PLAIN)


def matched(text: str) -> str:
    """Names that a glob has already been replaced by: they stay a glob, in quotes too."""
    return text.translate(_MATCHED)


def is_glob(text: str) -> bool:
    return any(char in _ANY_GLOB for char in text)


def unescaped(text: str) -> str:
    """Unquoted text: a backslash quotes the next character, backslash-newline is nothing."""
    if "\\" not in text:
        return text
    out: list[str] = []
    chars = iter(text)
    for char in chars:
        if char != "\\":
            out.append(char)
        elif (quoted := next(chars, "")) != "\n":
            out.append(inert(quoted))
    return "".join(out)


def double_quoted(text: str) -> str:
    """Text between double quotes: a backslash quotes only ``$``, a backtick, ``"``, itself and
    the newline."""
    if "\\" not in text:
        return text
    out: list[str] = []
    chars = iter(text)
    for char in chars:
        if char != "\\":
            out.append(char)
            continue
        quoted = next(chars, "\\")
        if quoted != "\n":
            out.append(quoted if quoted in '$`"\\' else "\\" + quoted)
    return "".join(out)


def ansi_c(text: str) -> str:
    r"""Text between ``$'`` and ``'``: ``\x2f``, ``\057``, ``\u002f``, ``\n`` …"""
    out: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char != "\\" or at + 1 == len(text):
            out.append(char)
            at += 1
            continue
        kind = text[at + 1]
        width, base = {"x": (2, 16), "u": (4, 16), "U": (8, 16)}.get(kind, (0, 0))
        digits = ""
        if width:
            digits = _leading(text[at + 2 : at + 2 + width], "0123456789abcdefABCDEF")
            start = at + 2
        elif kind in "01234567":
            digits, base, start = _leading(text[at + 1 : at + 4], "01234567"), 8, at + 1
        if digits:
            code = int(digits, base)
            out.append(chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE200 else "")
            at = start + len(digits)
        else:
            out.append(_ESCAPES.get(kind, "\\" + kind))
            at += 2
    return "".join(out)


def _leading(text: str, allowed: str) -> str:
    count = 0
    while count < len(text) and text[count] in allowed:
        count += 1
    return text[:count]


def braces(text: str, most: int) -> list[str]:
    """Brace expansion of the active ``{a,b}`` in ``text``; ``{1..9}`` becomes its two ends.

    Stops at ``most`` results and says so by one result more than that.
    """
    if "{" not in text:
        return [text]
    done: list[str] = []
    todo = [text]
    while todo and len(done) <= most and len(todo) <= most:
        current = todo.pop()
        found = _first_brace(current)
        if found is None:
            done.append(current)
            continue
        start, end, parts = found
        todo += [current[:start] + part + current[end:] for part in reversed(parts)]
    return done + todo


def _first_brace(text: str) -> tuple[int, int, list[str]] | None:
    """(start, end, alternatives) of the first brace that expands."""
    opened = text.find("{")
    while opened >= 0:
        depth, commas = 0, [opened]
        for at in range(opened, len(text)):
            if text[at] == "{":
                depth += 1
            elif text[at] == "," and depth == 1:
                commas.append(at)
            elif text[at] == "}":
                depth -= 1
                if depth == 0:
                    parts = [
                        text[a + 1 : b] for a, b in zip(commas, [*commas[1:], at], strict=True)
                    ]
                    if len(parts) == 1:
                        parts = parts[0].split("..")[:2]
                    if len(parts) > 1:
                        return opened, at + 1, parts
                    break
        opened = text.find("{", opened + 1)
    return None
