"""As DOT, the language of Graphviz (https://graphviz.org/doc/info/lang.html)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmdai_shell.diagnose.pictures import words

if TYPE_CHECKING:
    from cmdai_shell.diagnose.topology import Graph, Node

_COLUMNS = 50


def dot(graph: Graph) -> str:
    chosen = {node.id for node in graph.nodes if node.is_chosen}
    parts = [
        "digraph topology {",
        "  rankdir=LR;",
        '  node [shape=box, fontname="monospace", fontsize=10];',
        *(f"  {node.id} [{_attributes(node)}];" for node in graph.nodes),
        *(
            f"  {edge.tail} -> {edge.head}{' [penwidth=3]' * (edge.head in chosen)};"
            for edge in graph.edges
        ),
        "}",
    ]
    return "\n".join(parts) + "\n"


def _attributes(node: Node) -> str:
    lines = (part for line in words.lines(node) for part in words.wrapped(line, _COLUMNS, 4))
    label = "".join(f"{escaped(line)}\\l" for line in lines)
    style = ', style="dashed"' if node.health == "unused" else ""
    width = ", penwidth=3" if node.is_chosen else ""
    return f'label="{label}", color="{words.COLOURS[node.health]}"{style}{width}'


def escaped(text: str) -> str:
    """For a label in quotes, in which a backslash begins an escape and ``&`` an HTML entity."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
