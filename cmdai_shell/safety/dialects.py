"""What zsh and extended globs write in ways the bash grammar does not know, in its own words."""

from __future__ import annotations

import re

_SHORT_LOOP = re.compile(
    r"(^|[;&|\n]\s*)for(?:each)?\s+(\w+)\s*(?:in\s*)?\(([^()\n]*)\)\s*(;?\s*do\b)?"
)

_FLAGS = re.compile(r"\$\{\([^()]*\)")
_NAMELESS = re.compile(r"\$\{(?=:?-)")
_MODIFIERS = re.compile(r"(\$\w+)(?::[aAhtreluPqQ]\b)+")
_FILE_OF = re.compile(r"(?<!\S)=\(")
_ALL_BUT = re.compile(r"(?<=\s)\^[^\s;|&)]+")


def zsh_words(text: str) -> str:
    """zsh's expansions without what only changes how a value looks: ``${(U)x}``, ``$x:h``;
    ``=(cmd)`` runs a command as ``<(cmd)`` does, and ``^x`` takes everything but x."""
    text = _NAMELESS.sub("${UNSET", _FLAGS.sub("${", text))
    text = _FILE_OF.sub("<(", _MODIFIERS.sub(r"\1", text))
    return short_loops(_ALL_BUT.sub("*", text))


def short_loops(text: str) -> str:
    """zsh's ``for f (*.txt) print $f`` as ``f=(*.txt); print $f``: a loop variable has all the
    values of its list at once anyway."""
    return _SHORT_LOOP.sub(_loop, text) if "for" in text else text


def _loop(found: re.Match[str]) -> str:
    before, name, values, block = found.groups()
    if block:
        return f"{before}for {name} in {values}; do"
    return f"{before}{name}=({values}); "


def without_groups(text: str, shell: str) -> str:
    """Extended globs (``!(*.txt)``, zsh's ``*(.)`` and ``/(bin|etc)``) as a plain ``*``: the
    grammar knows them not, and all they do is choose among names."""
    if "(" not in text:
        return text
    out: list[str] = []
    quote = ""
    at = 0
    while at < len(text):
        char = text[at]
        if char == "\\" and quote != "'":
            out.append(text[at : at + 2])
            at += 2
            continue
        if char in "'\"":
            quote = "" if quote == char else (quote or char)
        elif char == "(" and not quote and _glues(text, at, shell):
            end = _closing(text, at)
            if end > at + 1:
                if shell != "zsh":
                    out.pop()
                out.append("*")
                at = end + 1
                continue
        out.append(char)
        at += 1
    return "".join(out)


def _glues(text: str, at: int, shell: str) -> bool:
    before = text[at - 1] if at else " "
    if shell == "zsh":
        return not before.isspace() and before not in "$<>=;|&(){}`'\"+"
    return before in "!@?*+" and (at < 2 or text[at - 2] not in "$!")


def _closing(text: str, at: int) -> int:
    depth = 0
    for end in range(at, min(len(text), at + 400)):
        depth += (text[end] == "(") - (text[end] == ")")
        if depth == 0:
            return end
    return -1
