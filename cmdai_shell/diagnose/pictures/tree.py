"""As a tree for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from rich.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmdai_shell.diagnose.known_servers import Health
    from cmdai_shell.diagnose.topology import Graph, Node

_STYLES: Mapping[Health, str] = {
    "well": "green",
    "ailing": "yellow",
    "down": "red",
    "unused": "dim",
    "unknown": "",
}
MARKS: Mapping[Health, str] = {
    "well": "+",
    "ailing": "~",
    "down": "x",
    "unused": "-",
    "unknown": "?",
}
"""State without a colour."""
CHOSEN = "  <== answered last"


def tree(graph: Graph) -> Tree:
    names = ", ".join(_with_facts(shell) for shell in graph.shells)
    root = Tree(Text(f"shell: {names}"))
    _grow(root, graph, graph.daemon)
    return root


def _grow(above: Tree, graph: Graph, node: Node) -> None:
    branch = above.add(_label(node))
    for each in graph.below(node):
        _grow(branch, graph, each)


def _label(node: Node) -> Text:
    """The title on the first line, each fact on one of its own."""
    text = Text()
    if node.kind in ("server", "model"):
        text.append(f"{MARKS[node.health]} ", _STYLES[node.health])
    text.append(f"{node.kind} ", "dim")
    text.append(node.title, f"{_STYLES[node.health]} bold" if node.kind == "server" else "")
    if node.is_chosen and node.kind == "server":
        text.append(CHOSEN, "bold")
    for name, value in node.facts:
        text.append(f"\n{name}: ", "dim")
        text.append(value)
    return text


def _with_facts(node: Node) -> str:
    facts = ", ".join(f"{name} {value}" for name, value in node.facts)
    return f"{node.title} ({facts})" if facts else node.title
