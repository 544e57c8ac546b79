from __future__ import annotations

import io
import json

import pytest

from cmdai_shell.cli import output


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def real_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


class TestColour:
    def test_on_a_terminal(self) -> None:
        assert output.styled("x", "red", Terminal()) == "\033[31mx\033[0m"

    def test_never_in_a_pipe(self) -> None:
        assert output.styled("x", "red", io.StringIO()) == "x"

    def test_no_color(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_COLOR", "1")
        assert output.styled("x", "red", Terminal()) == "x"

    def test_an_empty_no_color_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_COLOR", "")
        assert output.styled("x", "red", Terminal()) != "x"

    def test_a_dumb_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TERM", "dumb")
        assert output.styled("x", "red", Terminal()) == "x"


class TestLiveLine:
    def test_it_changes_in_place_and_is_gone_at_the_end(self) -> None:
        stream = Terminal()
        with output.LiveLine(stream) as live:
            live.show("ls")
            live.show("ls -la")
        assert "\n" not in stream.getvalue()
        assert stream.getvalue().endswith("\r\033[K")

    def test_a_pipe_gets_nothing(self) -> None:
        stream = io.StringIO()
        with output.LiveLine(stream) as live:
            live.show("ls")
        assert stream.getvalue() == ""

    def test_several_lines_and_escapes_stay_one_clean_line(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "20")
        stream = Terminal()
        output.LiveLine(stream).show("for f\n  \x1b[2Jdo " + "x" * 100)
        shown = stream.getvalue().removeprefix("\r\033[K")
        assert shown.startswith("for f do x")
        assert len(shown) == 19


def test_json_is_not_escaped_beyond_need(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit({"a": "é\n"}, "json")
    out = capsys.readouterr().out
    assert "é" in out
    assert json.loads(out) == {"a": "é\n"}


def test_what_failed_and_below_it_what_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    output.fail("no room", "cmdai-shell doctor")
    assert capsys.readouterr().err == "cmdai-shell: no room\n  cmdai-shell doctor\n"
