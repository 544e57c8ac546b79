from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from cmdai_shell.cli import screen
from cmdai_shell.cli.lines import PLAIN_BARS, length, plain, shares, spark, unfolded
from cmdai_shell.cli.screen import View, drawn
from cmdai_shell.cli.watched import Watched
from tests.fakes.told_status import member, sight, told


def watched(**other: Any) -> Watched:
    made = Watched()
    made.saw(told() | other, 0)
    return made


def shown(
    columns: int = 80, rows: int = 24, *, view: View | None = None, **other: Any
) -> list[str]:
    lines = drawn(watched(**other), view or View(), columns, rows, 4)
    return plain(lines).splitlines()


def line_with(text: str, lines: list[str]) -> str:
    (found,) = [each for each in lines if text in each]
    return found


class TestSizes:
    @pytest.mark.parametrize(("columns", "rows"), [(80, 24), (200, 50), (40, 8), (20, 4), (132, 9)])
    def test_it_fills_the_terminal_and_no_more(self, columns: int, rows: int) -> None:
        lines = drawn(watched(), View(), columns, rows, 0)
        assert len(lines) == rows
        assert all(sum(cell_len(text) for _, text in each) <= columns for each in lines)
        assert lines[-1][0][1].startswith(" q quit")

    def test_all_that_matters_is_there_at_80_by_24(self) -> None:
        lines = shown()
        for text in ("in flight", "breaker", "lab/spark:8000  ", "this CPU", "spark-1a2b:8000"):
            assert any(text in each for each in lines), text
        assert "210 ms" in line_with("+ lab/spark:8000", lines)
        assert "no answer  open" in line_with("x desk", lines)
        assert "- cloud/gpu.example" in "\n".join(lines)
        assert "failed no name server answers" in line_with("dns:example.org", lines)

    def test_nothing_is_cut_where_there_are_lines_to_spare(self) -> None:
        text = " ".join(" ".join(shown()).split())
        for part in (
            "lab: it answers in 12 ms",
            "by lab/spark:8000: insert, safe",
            "it shows another key than the one you trusted",
            "(cmdai-shell doctor --only resolver)",
        ):
            assert part in text
        assert "…" not in text

    def test_what_is_cut_says_so(self) -> None:
        """Where there is no line to spare."""
        for view, more in ((View(), "…"), (View(is_plain=True), "~")):
            cut = line_with("x old:8443", shown(50, 20, view=view))
            assert len(cut) == 50
            assert cut.endswith(more)

    def test_of_the_chosen_server_there_is_all_at_80_columns_too(self) -> None:
        name = "home-lab/a-long-name-of-a-server.example.org:8000"
        servers = [member("one"), member(name, state="unreachable", why="refused")]
        lines = shown(view=View(chosen=name), servers=servers)
        at = lines.index(line_with("> x home-lab", lines))
        assert "home-lab/a-long-name…" in lines[at]
        text = " ".join(each.strip() for each in lines[at + 1 : at + 3])
        assert text == f"{name}, refused, Qwen/Qwen2.5-Coder-32B-Instruct"

    @pytest.mark.parametrize("columns", [40, 80, 119, 120, 200])
    def test_all_of_every_server_where_there_is_nobody_to_choose(self, columns: int) -> None:
        name, model = "office/a-long-name-of-a-server.example.org:18443", "m" * 30 + " " + "o" * 90
        servers = [member("one"), member(name, state="unreachable", why="refused", model=model)]
        environment = {"configured": "lab", "active": "lab", "reason": "because " * 12 + "so it is"}
        told = {"servers": servers, "environment": environment}
        lines = shown(columns, 200, view=View(is_whole=True), **told)
        assert all(cell_len(each) <= columns for each in lines)
        together = "".join("".join(lines[:-1]).split())
        for text in (name, model, "Qwen/Qwen2.5-Coder-32B-Instruct", "so it is"):
            assert text.replace(" ", "") in together

    def test_a_model_goes_on_in_the_next_line_if_there_is_one(self) -> None:
        servers = [member("one", model="a-model-of-a-long-name-" * 4)]
        assert "a-model-of" in " ".join(shown(200, 50, servers=servers))
        assert "…" not in "".join(shown(200, 50, servers=servers))

    def test_with_more_room_it_says_why(self) -> None:
        lines = shown(200, 50)
        assert "Qwen/Qwen2.5-Coder-32B-Instruct" in line_with("+ lab/spark:8000", lines)
        assert line_with("x desk", lines).endswith("desk: refused")

    def test_columns_stand_below_their_titles(self) -> None:
        for columns in (80, 110, 200):
            lines = shown(columns, 50)
            titles, row = line_with("breaker", lines), line_with("+ lab/spark:8000", lines)
            assert row[titles.index("state") :].startswith("ok ")
            assert row[titles.index("breaker") :].startswith("closed ")
            assert row[: titles.index("queue") + 5].endswith(" 0")

    @given(
        st.text(max_size=60),
        st.integers(1, 220),
        st.integers(1, 60),
        st.booleans(),
    )
    def test_whatever_servers_are_called(
        self, name: str, columns: int, rows: int, is_helping: bool
    ) -> None:
        status = told()
        status["servers"] += [member(name, why=name, model=name, state=name)]
        status["discovery"]["found"] += [sight(name, name, story=name, sources=[name])]
        made = Watched()
        made.saw(status, 0)
        made.missed(name, name, 1)
        view = View(chosen=name, question=name if len(name) % 2 else "", is_helping=is_helping)
        lines = drawn(made, view, columns, rows, 9)
        assert len(lines) == rows
        for each in lines:
            assert sum(cell_len(text) for _, text in each) <= columns
            assert all(text.isprintable() for _, text in each)


class TestMany:
    STATUS: dict[str, Any] = {"servers": [member(f"s{n}") for n in range(40)]}  # noqa: RUF012

    @pytest.mark.parametrize("chosen", ["s0", "s17", "s39"])
    def test_the_chosen_one_is_among_those_shown(self, chosen: str) -> None:
        lines = shown(view=View(chosen=chosen), **self.STATUS)
        assert line_with(f"> + {chosen} ", lines)
        assert any("more" in each for each in lines)

    def test_others_keep_their_room(self) -> None:
        lines = shown(**self.STATUS)
        for title in (" found, not used", " last requests", " events", " discovery"):
            assert title in lines


class TestStates:
    def test_before_the_first_look(self) -> None:
        lines = plain(drawn(Watched(), View(), 80, 24, 0))
        assert "none" in lines

    def test_the_daemon_is_gone(self) -> None:
        made = watched()
        made.missed("no daemon is running", "start one: cmdai-shell daemon start", 3)
        lines = plain(drawn(made, View(), 100, 24, 63)).splitlines()
        assert lines[1] == (
            " no daemon is running; below: 1 min ago (start one: cmdai-shell daemon start)"
        )
        assert any("+ lab/spark:8000" in each for each in lines)

    def test_a_question_takes_the_last_line(self) -> None:
        lines = shown(view=View(question="trust it?"))
        assert lines[-1] == " y/n  trust it?"

    def test_help_and_what_is_going_on(self) -> None:
        assert any("leave" in each for each in shown(view=View(is_helping=True)))
        assert shown(view=View(busy="testing desk"))[-1].startswith(" testing desk ...  q quit")

    @pytest.mark.parametrize(
        ("model", "text"),
        [
            ({"id": "q", "state": "ready"}, "+ this CPU"),
            ({"id": "q", "state": "unloaded"}, "- this CPU"),
            ({"id": "q", "state": "failed", "last_error": "no memory"}, "x this CPU"),
        ],
    )
    def test_the_model_here(self, model: dict[str, str], text: str) -> None:
        assert line_with(text, shown(model=model))

    def test_a_request_that_nobody_answered(self) -> None:
        status = told()
        status["decisions"][0] |= {"answered_by": "", "tried": [], "is_panic": True}
        line = line_with("nobody was asked", shown(decisions=status["decisions"]))
        assert "failed" in line
        assert "(no server was well)" in line


def test_rows_are_those_that_can_be_chosen() -> None:
    found = screen.rows(told())
    assert [(row.name, row.is_found) for row in found] == [
        ("lab/spark:8000", False),
        ("desk", False),
        ("cloud/gpu.example.com", False),
        ("spark-1a2b:8000", True),
        ("old:8443", True),
    ]
    assert found[1].url == "http://10.7.3.1:8000"
    assert screen.rows(None) == []


@pytest.mark.parametrize(
    ("values", "bars"),
    [
        ([], "    "),
        ([1.0], "   █"),
        ([0.1, 0.5, 0, 1.0], "▁▅ █"),
        ([1.0, 0.0, 0.0, 0.0, 0.0], "    "),
    ],
)
def test_spark(values: list[float], bars: str) -> None:
    assert spark(values, 4, 1.0) == bars
    assert spark(values, 4, 1.0, PLAIN_BARS).isascii()


LETTERS = "ab \N{FULLWIDTH LATIN SMALL LETTER E}"


@given(
    st.lists(
        st.lists(
            st.tuples(st.just(""), st.text(LETTERS, max_size=70)),
            max_size=5,
        ),
        max_size=6,
    ),
    st.integers(20, 90),
    st.integers(0, 9),
)
def test_unfolded_lines_lose_nothing_and_take_no_more_than_there_is(
    lines: list[list[tuple[str, str]]], width: int, spare: int
) -> None:
    found = unfolded(lines, width, spare)
    assert len(lines) <= len(found) <= len(lines) + spare
    text = "".join(part for each in found for _, part in each)
    assert text.split() or not "".join(part for each in lines for _, part in each).split()
    before = "".join(part for each in lines for _, part in each)
    assert "".join(text.split()) == "".join(before.split())
    if unfolded(lines, width, 10_000) == found:
        assert all(length(each) <= width or not plain([each]).strip() for each in found)


@pytest.mark.parametrize(
    ("wanted", "room", "given"),
    [
        ([(3, 2), (3, 2)], 10, [3, 3]),
        ([(3, 2), (3, 2)], 5, [3, 2]),
        ([(3, 2), (3, 2)], 3, [2, 1]),
        ([(9, 2), (1, 2)], 8, [7, 1]),
        ([(9, 2)], -1, [0]),
    ],
)
def test_shares(wanted: list[tuple[int, int]], room: int, given: list[int]) -> None:
    assert shares(wanted, room) == given
