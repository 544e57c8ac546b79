"""What every picture says of a node, in which colour, and how that is broken into lines of so many
columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len, chop_cells

from cmdai_shell.diagnose.pictures.tree import MARKS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cmdai_shell.diagnose.known_servers import Health
    from cmdai_shell.diagnose.topology import Node

COLOURS: Mapping[Health, str] = {
    "well": "#1a7f37",
    "ailing": "#9a6700",
    "down": "#cf222e",
    "unused": "#6e7781",
    "unknown": "#57606a",
}
"""On a light ground."""


def title(node: Node) -> str:
    mark = f"{MARKS[node.health]} " if node.kind in ("server", "model") else ""
    return f"{mark}{node.title}"


def lines(node: Node) -> list[str]:
    """The title, what it is, and its facts."""
    chosen = " (answered last)" if node.is_chosen and node.kind == "server" else ""
    return [
        title(node),
        f"{node.kind}{chosen}",
        *(f"{name}: {value}" for name, value in node.facts),
    ]


def wrapped(text: str, columns: int, most: int) -> list[str]:
    """At most so many lines, a cut marked; wide characters count for the two columns they take."""
    found = list(_broken(text, columns))
    if len(found) > most:
        cut = found[most - 1]
        while cell_len(cut) > columns - 1:
            cut = cut[:-1]
        found = [*found[: most - 1], f"{cut.rstrip()}…"]
    return found


def _broken(text: str, columns: int) -> Iterator[str]:
    line = ""
    for word in text.split(" "):
        for piece in chop_cells(word, columns) or [""]:
            if line and cell_len(line) + 1 + cell_len(piece) > columns:
                yield line
                line = piece
            else:
                line = f"{line} {piece}" if line else piece
    yield line
