"""fish and zsh text in words of the bash grammar."""

from __future__ import annotations


def without_groups(text: str, shell: str) -> str:
    """Extended globs (``!(*.txt)``, zsh's ``*(.)`` and ``/(bin|etc)``) as a plain ``*``: the grammar
    knows them not, and all they do is choose among names."""
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


def from_fish(text: str) -> str | None:
    return text
