"""As Mermaid, which forges and wikis draw by themselves (https://mermaid.js.org)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cmdai_shell.diagnose.pictures import words

if TYPE_CHECKING:
    from cmdai_shell.diagnose.topology import Graph

_NEEDS_CODE = re.compile(r"[^A-Za-z0-9 .,:/_()+-]")


def mermaid(graph: Graph) -> str:
    chosen = {node.id for node in graph.nodes if node.is_chosen}
    parts = ["flowchart LR"]
    for node in graph.nodes:
        label = "<br/>".join(map(escaped, words.lines(node)))
        parts.append(f'  {node.id}["{label}"]:::{node.health}')
    for edge in graph.edges:
        arrow = "==>" if edge.head in chosen else "-->"
        parts.append(f"  {edge.tail} {arrow} {edge.head}")
    for health, colour in words.COLOURS.items():
        dashes = ",stroke-dasharray:5 4" if health == "unused" else ""
        parts.append(f"  classDef {health} stroke:{colour}{dashes},text-align:left")
    return "\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Whatever could mean something to Mermaid or to HTML as the number of its character; what
    Mermaid marks its own entities with, and looks for again in what it has drawn, is respelled."""
    text = text.replace("\ufb02", "fl").replace("\u00b6\u00df", "\u00b6ss")
    return _NEEDS_CODE.sub(lambda found: f"#{ord(found[0])};", text)
