"""One guarded block in a file that belongs to the person: pure edits of its bytes.

Bytes, because an rc file may be in any encoding. ``remove(add(text, line)) == text`` for every
text, so the opening marker notes what the edit had to change besides.
"""

from __future__ import annotations

import re

from cmdai_shell.errors import CmdaiError

OPEN = b"# >>> cmdai-shell >>>"
CLOSE = b"# <<< cmdai-shell <<<"
_UNENDED = b" (the line above had no newline)"
_NEW = b" (this file was new)"

_BLOCK = re.compile(
    rb"^%b(?P<note>[^\n]*)\n(?P<body>(?:(?!%b)[^\n]*\n)*?)%b[^\n]*(?:\n|\Z)"
    % (re.escape(OPEN), re.escape(OPEN), re.escape(CLOSE)),
    re.MULTILINE,
)


def add(text: bytes | None, line: str) -> bytes:
    """The file with our block, at its end or where the block already stands; None is no file.

    Raises CmdaiError when a marker stands alone: somebody edited the block.
    """
    if text is not None and (found := _find(text)):
        block = _block(found["note"], line)
        return text[: found.start()] + block + text[found.end() :]
    if text is None:
        return _block(_NEW, line)
    if text and not text.endswith(b"\n"):
        return text + b"\n" + _block(_UNENDED, line)
    return text + _block(b"", line)


def remove(text: bytes) -> bytes | None:
    """The file without our block; None when nothing else is in a file that ``add`` began."""
    found = _find(text)
    if not found:
        return text
    before, after = text[: found.start()], text[found.end() :]
    if found["note"] == _UNENDED and not after:
        before = before.removesuffix(b"\n")
    if found["note"] == _NEW and not before and not after:
        return None
    return before + after


def _block(note: bytes, line: str) -> bytes:
    return b"%b%b\n%b\n%b\n" % (OPEN, note, line.encode(errors="surrogateescape"), CLOSE)


def _find(text: bytes) -> re.Match[bytes] | None:
    found = _BLOCK.search(text)
    rest = text if found is None else text[: found.start()] + text[found.end() :]
    for marker in (OPEN, CLOSE):
        if re.search(rb"^%b" % re.escape(marker), rest, re.MULTILINE):
            raise CmdaiError(
                f"a line '{marker.decode()}' stands without its other half",
                "delete that line and what belongs to it by hand, then try again",
            )
    return found
