"""As one HTML page that loads nothing and runs nothing."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import TYPE_CHECKING

from cmdai_shell.diagnose.pictures import words
from cmdai_shell.diagnose.pictures.svg import STYLE as DRAWN
from cmdai_shell.diagnose.pictures.svg import svg

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.diagnose.topology import Graph, Node

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem;background:#fff;color:#1f2328}"
    ".picture{overflow-x:auto;border:1px solid #8b949e;border-radius:6px}"
    "table{border-collapse:collapse;margin:.5rem 0 1.5rem}"
    "th,td{text-align:left;vertical-align:top;padding:.2rem .8rem;border-bottom:1px solid #8b949e}"
    "td{overflow-wrap:anywhere}"
    "@media (prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}}"
    ".picture svg{display:block;max-width:100%;min-width:70rem;height:auto}"
    "@media print{.picture svg{min-width:0}}"
)


def page(graph: Graph, made: str) -> str:
    """``made``: when, and by what, for the reader."""
    policy = (
        f"default-src 'none'; style-src {_digest(DRAWN)} {_digest(_STYLE)}; base-uri 'none'; "
        "form-action 'none'"
    )
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>cmdai-shell: network topology</title><style>{_STYLE}</style></head><body>",
        "<h1>From the shell to the models</h1>",
        f"<p>{escape(dict(graph.daemon.facts).get('choice', ''))}</p>",
        f'<div class="picture">{svg(graph)}</div>',
        "<h2>In words</h2>",
        *(_table(node) for node in graph.nodes if node.facts),
        f"<p><small>{escape(made)}</small></p>",
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _table(node: Node) -> str:
    heading = f"<h3>{escape(node.kind)}: {escape(words.title(node))}</h3>"
    return f"{heading}<table>{''.join(_rows(node))}</table>"


def _rows(node: Node) -> Iterator[str]:
    for name, value in node.facts:
        yield f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'


def _digest(style: str) -> str:
    """What lets this very style in, and no other (Content Security Policy 3, 8.3)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"
