"""As SVG: columns from the shells to the models, readable on a light and on a dark ground."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from cmdai_shell.diagnose.pictures import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cmdai_shell.diagnose.known_servers import Health
    from cmdai_shell.diagnose.topology import Graph, Kind, Node

_COLUMNS: Mapping[Kind, int] = {
    "shell": 22,
    "daemon": 32,
    "interface": 20,
    "network": 20,
    "server": 46,
    "model": 38,
}
"""Characters that fit into a box, from left to right."""
_CHARACTER, _LINE = 7.3, 17
"""Pixels of one in a fixed-width face of 12 px, and from line to line."""
_PAD, _GAP, _ACROSS, _MARGIN = 10, 14, 40, 20
_MOST_LINES = 3
"""Of one fact."""

_DARK: Mapping[Health, str] = {
    "well": "#3fb950",
    "ailing": "#d29922",
    "down": "#ff7b72",
    "unused": "#8b949e",
    "unknown": "#9ea7b1",
}


def _rules(
    ground: str, box: str, ink: str, faint: str, way: str, states: Mapping[Health, str]
) -> str:
    rules = [
        f".ground{{fill:{ground}}}",
        f".box{{fill:{box};stroke:{faint}}}",
        f".title,.fact{{fill:{ink}}}",
        f".kind{{fill:{faint}}}",
        f".way{{stroke:{faint}}}",
        f".chosen .box,.chosen.way{{stroke:{way}}}",
        *(f".{state} .bar{{fill:{colour}}}" for state, colour in states.items()),
    ]
    return "".join(rules)


STYLE = (
    "text{font:12px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;white-space:pre}"
    ".title{font-weight:bold}"
    ".way{fill:none;stroke-width:1.5}"
    ".chosen.way{stroke-width:3}"
    ".chosen .box{stroke-width:2.5}"
    ".unused .box{stroke-dasharray:5 4}"
    + _rules("#ffffff", "#f6f8fa", "#1f2328", "#59636e", "#0969da", words.COLOURS)
    + "@media (prefers-color-scheme:dark){"
    + _rules("#0d1117", "#161b22", "#e6edf3", "#9198a1", "#58a6ff", _DARK)
    + "}"
)


@dataclass(frozen=True, slots=True)
class _Box:
    node: Node
    left: float
    top: float
    width: float
    height: float
    lines: tuple[tuple[str, str], ...]
    """(class, text)"""

    @property
    def middle(self) -> float:
        return self.top + self.height / 2


def svg(graph: Graph) -> str:
    """A whole document; within HTML it can stand as it is."""
    boxes = list(_laid_out(graph))
    by_id = {box.node.id: box for box in boxes}
    width = max(box.left + box.width for box in boxes) + _MARGIN
    height = max(box.top + box.height for box in boxes) + _MARGIN
    ways = [(by_id[edge.tail], by_id[edge.head]) for edge in graph.edges]
    ways.sort(key=lambda way: way[1].node.is_chosen)  # what was chosen lies on top
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="network topology" '
        f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}">',
        f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{width:.0f}" height="{height:.0f}"/>',
        *(_way(tail, head) for tail, head in ways),
        *(_drawn(box) for box in boxes),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


# --- where everything stands


def _laid_out(graph: Graph) -> Iterator[_Box]:
    """Each in the column of its kind, beside the middle of what it leads to."""
    lefts, left = {}, float(_MARGIN)
    for kind in _COLUMNS:
        if any(node.kind == kind for node in graph.nodes):
            lefts[kind] = left
            left += _width(kind) + _ACROSS
    shells = [_lines(node) for node in graph.shells]
    beside = sum(map(_height, shells)) + _GAP * max(len(shells) - 1, 0)
    whole = max(_room(graph, graph.daemon), beside)
    top = _MARGIN + (whole - beside) / 2
    for node, lines in zip(graph.shells, shells, strict=True):
        yield _Box(node, lefts[node.kind], top, _width(node.kind), _height(lines), lines)
        top += _height(lines) + _GAP
    start = _MARGIN + (whole - _room(graph, graph.daemon)) / 2
    yield from _placed(graph, graph.daemon, start, lefts)


def _placed(graph: Graph, node: Node, top: float, lefts: Mapping[Kind, float]) -> Iterator[_Box]:
    lines = _lines(node)
    room, height = _room(graph, node), _height(lines)
    yield _Box(node, lefts[node.kind], top + (room - height) / 2, _width(node.kind), height, lines)
    below = graph.below(node)
    top += (room - _rooms(graph, below)) / 2
    for each in below:
        yield from _placed(graph, each, top, lefts)
        top += _room(graph, each) + _GAP


def _room(graph: Graph, node: Node) -> float:
    """Height of a node with all that is below it."""
    return max(_height(_lines(node)), _rooms(graph, graph.below(node)))


def _rooms(graph: Graph, nodes: list[Node]) -> float:
    return sum(_room(graph, node) for node in nodes) + _GAP * max(len(nodes) - 1, 0)


def _width(kind: Kind) -> float:
    return _COLUMNS[kind] * _CHARACTER + 2 * _PAD


def _height(lines: tuple[tuple[str, str], ...]) -> float:
    return len(lines) * _LINE + 2 * _PAD


def _lines(node: Node) -> tuple[tuple[str, str], ...]:
    columns = _COLUMNS[node.kind]
    title, kind, *facts = words.lines(node)
    return (
        *(("title", text) for text in words.wrapped(title, columns, 2)),
        ("kind", kind),
        *(("fact", text) for fact in facts for text in words.wrapped(fact, columns, _MOST_LINES)),
    )


# --- what is drawn there


def _way(tail: _Box, head: _Box) -> str:
    start, end = tail.left + tail.width, head.left
    half = (end - start) / 2 if end - start < 2 * _ACROSS else _ACROSS / 2
    return (
        f'<path class="{_classes("way", head.node)}" d="M{start:.1f} {tail.middle:.1f}'
        f"C{start + half:.1f} {tail.middle:.1f} {start + half:.1f} {head.middle:.1f} "
        f'{start + 2 * half:.1f} {head.middle:.1f}H{end:.1f}"/>'
    )


def _drawn(box: _Box) -> str:
    parts = [
        f'<g class="{_classes(box.node.health, box.node)}">'
        f"<title>{_text(chr(10).join(words.lines(box.node)))}</title>",
        f'<rect class="box" x="{box.left:.1f}" y="{box.top:.1f}" width="{box.width:.1f}" '
        f'height="{box.height:.1f}" rx="6"/>',
        f'<rect class="bar" x="{box.left:.1f}" y="{box.top + 6:.1f}" width="4" '
        f'height="{box.height - 12:.1f}"/>',
    ]
    for number, (kind, text) in enumerate(box.lines, 1):
        y = box.top + _PAD + number * _LINE - 5
        parts.append(
            f'<text class="{kind}" x="{box.left + _PAD:.1f}" y="{y:.1f}">{_text(text)}</text>'
        )
    return "".join((*parts, "</g>"))


def _classes(first: Health | str, node: Node) -> str:
    return f"{first} chosen" if node.is_chosen else first


def _text(text: str) -> str:
    return escape(text, {'"': "&quot;", "'": "&#39;"})
