"""Every picture of a graph whose texts were chosen by somebody who means ill."""

from __future__ import annotations

import html
import io
import re
import shutil
import subprocess
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from cmdai_shell.diagnose import pictures, topology
from cmdai_shell.diagnose.pictures import words
from cmdai_shell.diagnose.pictures.dot import escaped as for_dot
from cmdai_shell.diagnose.pictures.mermaid import escaped as for_mermaid
from cmdai_shell.diagnose.pictures.tree import tree
from tests.fakes.told_status import LINKS, URLS, member, sight, told

if TYPE_CHECKING:
    from cmdai_shell.diagnose.topology import Graph

HOSTILE = (
    "</text></svg><script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "]]><!-- & &amp; &#60; -->",
    '"]; n0 -> evil; "',
    'a\\"];\\N\\l<b>',
    "end\n  click n0 call alert()\n%%{init: {}}%%",
    "`#quot;#lt;` ﬂ°lt¶ß",
    "\x1b]0;owned\x07\x1b[31mred\x9b2J\x00\ud800\ufffe",
    "\u202egnp.exe\u200b",
    "長い名前のサーバー" * 20,
    "",
    " ",
)
texts = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(max_size=200),
    st.text("<>&\"'\\`#;%{}[]|\n\x1b]/-=", max_size=60),
)
ALLOWED = {"svg", "style", "rect", "path", "g", "title", "text"}


def graph(*names: str) -> Graph:
    status = told()
    status["servers"] += [member(name, model=name, why=name, environment=name) for name in names]
    status["discovery"]["found"] += [
        sight(f"{name}!", "http://192.168.1.1:1", story=name, sources=[name]) for name in names
    ]
    status["hooks_seen"] += [
        {"shell": "bash", "version": name, "presses": 1, "last_seen_s": 1} for name in names
    ]
    return topology.graph(status, LINKS, urls=URLS)


GRAPH = graph()


@given(texts)
def test_a_tree_is_lines_that_can_be_shown(name: str) -> None:
    made = graph(name)
    shown = io.StringIO()
    Console(file=shown, width=1_000, highlight=False).print(tree(made))
    lines = shown.getvalue().splitlines()
    assert all(line.isprintable() for line in lines)
    below = [node for node in made.nodes if node.kind != "shell"]
    assert len(lines) == 1 + len(below) + sum(len(node.facts) for node in below)


@given(texts)
def test_svg_is_xml_of_the_elements_it_is_made_of(name: str) -> None:
    made = graph(name)
    document = ElementTree.fromstring(pictures.svg(made))
    found = [element.tag.partition("}")[2] for element in document.iter()]
    assert set(found) == ALLOWED
    assert found.count("g") == len(made.nodes)
    assert found.count("path") == len(made.edges)
    titles = [each.text for each in document.iter("{http://www.w3.org/2000/svg}title")]
    assert sorted(map(str, titles)) == sorted("\n".join(words.lines(node)) for node in made.nodes)


class _Elements(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.comments: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


@given(texts)
def test_a_page_has_no_element_of_somebody_else(name: str) -> None:
    page = _Elements(pictures.page(graph(name), "now"))
    known = {tag for tag, _ in _Elements(pictures.page(GRAPH, "now")).found}
    assert {tag for tag, _ in page.found} == known
    assert not page.comments
    names = {key for _, attrs in page.found for key, _ in attrs}
    assert not [key for key in names if key.startswith("on") or key in ("href", "src", "style")]


def test_a_page_loads_nothing_and_runs_nothing() -> None:
    page = pictures.page(GRAPH, "now")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    addresses = list(re.findall(r"https?://[^\s\"<)]+", page))
    shown = {text for node in GRAPH.nodes for _, text in node.facts}
    assert {a for a in addresses if a not in shown} == {"http://www.w3.org/2000/svg"}


@given(texts)
def test_a_label_of_dot_ends_where_we_end_it(name: str) -> None:
    assert re.fullmatch(r'(?:[^"\\]|\\.)*', for_dot(name), re.DOTALL)
    read = re.sub(r"\\(.)", r"\1", for_dot(name), flags=re.DOTALL).replace("&amp;", "&")
    assert read == name


@given(texts)
def test_dot_has_one_statement_a_line(name: str) -> None:
    node = r'n\d+ \[label="(?:[^"\\]|\\.)*", color="#\w{6}"(, style="dashed")?(, penwidth=3)?\];'
    edge = r"n\d+ -> n\d+( \[penwidth=3\])?;"
    for line in pictures.dot(graph(name)).splitlines()[3:-1]:
        assert re.fullmatch(f"  (?:{node}|{edge})", line)


@given(texts)
def test_a_label_of_mermaid_is_read_as_it_was(name: str) -> None:
    assert re.fullmatch(r"(?:[A-Za-z0-9 .,:/_()+-]|#\d+;)*", for_mermaid(name))
    read = re.sub(r"#(\d+);", lambda code: chr(int(code[1])), for_mermaid(name))
    assert read == name.replace("ﬂ", "fl").replace("¶ß", "¶ss")


@given(texts)
def test_mermaid_has_one_statement_a_line(name: str) -> None:
    label = r"(?:[A-Za-z0-9 .,:/_()+-]|#\d+;|<br/>)*"
    node, edge = rf'n\d+\["{label}"\]:::[a-z]+', r"n\d+ (?:==>|-->) n\d+"
    first, *lines = pictures.mermaid(graph(name)).splitlines()
    assert first == "flowchart LR"
    for line in lines:
        assert re.fullmatch(f"  (?:{node}|{edge}|classDef [a-z]+ [a-z0-9#:, -]+)", line)


@pytest.mark.real
@pytest.mark.skipif(not shutil.which("dot"), reason="no dot (Graphviz) on the PATH")
@settings(max_examples=8)
@given(texts)
def test_graphviz_draws_what_we_wrote(name: str) -> None:
    made = graph(name)
    done = subprocess.run(
        ["dot", "-Tsvg"],
        input=pictures.dot(made).encode(),
        capture_output=True,
        check=False,
        timeout=50,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    drawn = ElementTree.fromstring(done.stdout)
    kinds = [each.get("class") for each in drawn.iter("{http://www.w3.org/2000/svg}g")]
    assert kinds.count("node") == len(made.nodes)
    shown = [each.text or "" for each in drawn.iter("{http://www.w3.org/2000/svg}text")]
    wanted = [
        part
        for node in made.nodes
        for line in words.lines(node)
        for part in words.wrapped(line, 50, 4)
    ]
    assert sorted(map(_spaceless, shown)) == sorted(filter(None, map(_spaceless, wanted)))


def _spaceless(text: str) -> str:
    return "".join(html.unescape(text).split())


class TestWrapped:
    @given(st.text(max_size=300), st.integers(2, 60), st.integers(1, 5))
    def test_it_keeps_to_the_room_there_is(self, text: str, columns: int, most: int) -> None:
        from rich.cells import cell_len

        found = words.wrapped(text, columns, most)
        assert 1 <= len(found) <= most
        assert all(cell_len(line) <= columns for line in found)

    @pytest.mark.parametrize(
        ("text", "lines"),
        [
            ("one two", ["one two"]),
            ("one two three", ["one two", "three"]),
            ("abcdefghij", ["abcdefg", "hij"]),
            ("a b c d e f g h i j k l m", ["a b c d", "e f g…"]),
            ("長い名前", ["長い名", "前"]),
        ],
    )
    def test_at_blanks_if_there_are_some(self, text: str, lines: list[str]) -> None:
        assert words.wrapped(text, 7, 2) == lines
