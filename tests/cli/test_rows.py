"""Rows of what was found: what they say, and that they fit."""

from __future__ import annotations

import pytest
from rich.console import Console

from cmdai_shell.cli import rows
from cmdai_shell.cli.rows import COLUMNS, cells
from cmdai_shell.discovery.search import Seen


@pytest.mark.parametrize(
    ("state", "command"),
    [
        ("open", "cmdai-shell backends trust http://192.168.1.7:8000"),
        (
            "login",
            "cmdai-shell config add-environment spark-1 --url http://192.168.1.7:8000"
            " --api-key-env VARIABLE",
        ),
        ("candidate", "cmdai-shell backends trust spark-1:8000"),
        ("approved", ""),
    ],
)
def test_what_to_type(state: str, command: str) -> None:
    seen = Seen(name="spark-1:8000", url="http://192.168.1.7:8000", kind="auto", state=state)
    assert cells(seen)[-1] == command


def test_a_server_of_this_machine_is_written_down() -> None:
    """Nobody else can know what runs here: it cannot be trusted as one that was found."""
    seen = Seen(name="localhost:8000", url="http://127.0.0.1:8000", kind="auto", state="open")
    assert cells(seen)[-1].startswith("cmdai-shell config add-environment localhost")


def test_no_cell_moves_the_cursor() -> None:
    evil = "\x1b]0;x\x07a\nb\u202e"
    seen = Seen(name=evil, url=evil, kind=evil, state=evil, sources=(evil,), models=(evil, evil))
    row = cells(seen)
    assert len(row) == len(COLUMNS)
    assert all(cell.isprintable() for cell in row)
    assert row[4] == "a b and 1 more"


@pytest.mark.parametrize(("width", "is_whole"), [(160, True), (90, False)])
def test_a_command_is_never_broken_into_lines(
    monkeypatch: pytest.MonkeyPatch, width: int, is_whole: bool
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    found = Seen(
        name="spark-1a2b:8000",
        url="http://192.168.1.7:8000",
        kind="vllm",
        state="candidate",
        sources=("mdns", "probe"),
        models=("Qwen/[bold]Qwen2.5-Coder-7B-Instruct",),
    )
    console = Console(width=width)
    with console.capture() as captured:
        console.print(rows.table([found], "looking"))
    text = captured.get()
    assert ("backends trust spark-1a2b:8000" in text) is is_whole
    assert "http://192.168.1.7:8000" in text
    assert "[bold]" in text
    assert all(len(line) <= width for line in text.splitlines())


def test_a_row_has_short_words() -> None:
    seen = Seen(
        name="a",
        url="http://10.0.0.1:8000",
        kind="vllm",
        state="open",
        sources=("mdns", "mdns:2", "dns:_inference._tcp.lab.test", "probe"),
        models=("/srv/models/qwen/coder-7b.gguf",),
    )
    assert cells(seen)[3:5] == ("mdns, dns, probe", "coder-7b.gguf")


def test_plain_lines_stand_in_columns() -> None:
    one = Seen(name="a", url="http://10.0.0.1:8000", kind="auto", state="candidate")
    two = Seen(name="longer", url="http://10.0.0.2:8000", kind="vllm", state="approved")
    first, second = rows.plain([one, two])
    assert first.index("http") == second.index("http")
    assert second.endswith("used")
    assert list(rows.plain([])) == []
