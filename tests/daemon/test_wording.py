"""What a person reads beside a suggestion."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.core import Explanation, Risk, Suggestion, Verdict
from cmdai_shell.daemon import wording

MAKER = "qwen2.5-coder-0.5b on this CPU"


def suggestion(risk: Risk = Risk.SAFE, reason: str = "", **more: object) -> Suggestion:
    verdict = Verdict(risk=risk, reasons=(reason,) if reason else ())
    return Suggestion(command="rm -rf ./build", verdict=verdict, **more)  # type: ignore[arg-type]


def test_safe_says_who_and_how_long() -> None:
    found = suggestion(elapsed=0.82, index=1, count=3)
    assert wording.message(found, 80, MAKER) == f"{MAKER} · 0.8 s · 1/3"


def test_a_warning_comes_first() -> None:
    found = suggestion(Risk.CAUTION, "deletes files for good", elapsed=0.8)
    assert wording.message(found, 80, MAKER) == f"⚠ deletes files for good · {MAKER} · 0.8 s"


def test_what_the_checks_found_is_shown() -> None:
    found = suggestion(explanation="rg is not installed", elapsed=1)
    assert wording.message(found, 80, "x") == "rg is not installed · x · 1.0 s"


def test_the_embedded_model_in_place_of_a_server_is_said() -> None:
    assert "no server answered" in wording.message(suggestion(is_fallback=True), 80, MAKER)


def test_what_has_to_be_done_before_a_server_answers_comes_before_who_did() -> None:
    remedy = "lab/gpu:8000: the daemon was started without $KEY: cmdai-shell daemon restart"
    found = suggestion(is_fallback=True, remedy=remedy, elapsed=0.8)
    shown = "lab: the daemon was started without $KEY: cmdai-shell daemon restart"
    assert wording.message(found, 120, MAKER) == f"{shown} · {MAKER} · 0.8 s"
    assert wording.message(found, 80, MAKER).startswith(shown)


def test_a_narrow_terminal_keeps_the_warning() -> None:
    found = suggestion(Risk.DANGEROUS, "deletes files for good", elapsed=0.8)
    assert wording.message(found, 30, MAKER) == "⚠ deletes files for good · q…"


def test_a_long_explanation_leaves_room_for_who_and_which() -> None:
    said = "lists the files of this folder, those of all folders below it, and so on and on"
    found = suggestion(explanation=said, elapsed=0.8, index=2, count=3)
    shown = wording.message(found, 80, MAKER)
    assert shown.startswith("lists the files of this folder")
    assert shown.endswith(f"… · {MAKER} · 2/3")
    assert 70 < wording.cells(shown) < 80


def test_what_to_do_at_the_end_of_a_line_is_worth_more_than_who_made_the_suggestion() -> None:
    said = "found spark-1a2b:8000: the key on an empty line offers it"
    found = suggestion(explanation=said, elapsed=0.8, index=2, count=3)
    assert wording.message(found, 120, MAKER) == f"{said} · {MAKER} · 0.8 s · 2/3"
    assert wording.message(found, 80, MAKER) == f"{said} · 2/3"


def test_armed_shows_the_whole_command_whatever_the_width() -> None:
    found = suggestion(Risk.CRITICAL, "deletes everything", action="arm")
    assert wording.message(found, 20, MAKER) == (
        "critical: deletes everything; press again to insert: rm -rf ./build"
    )


def test_refused_without_a_reason_still_says_why() -> None:
    assert wording.message(suggestion(Risk.CRITICAL, action="refuse"), 80, MAKER) == (
        "refused (safety_level is strict): rm -rf ./build is critical: this is critical"
    )


def test_refused_names_the_command_first_so_that_it_is_not_read_as_the_safer_one() -> None:
    verdict = Verdict(risk=Risk.CRITICAL, reasons=("deletes everything",), safer="ls -la -- /")
    found = Suggestion(command="rm -rf /", verdict=verdict, action="refuse")
    assert wording.message(found, 80, MAKER) == (
        "refused (safety_level is strict): "
        "rm -rf / is critical: deletes everything; safer: ls -la -- /"
    )
    long = Suggestion(command="rm -rf /" + "x" * 500, verdict=verdict, action="refuse")
    shown = wording.message(long, 80, MAKER)
    assert len(shown) < 160
    assert shown.endswith("… is critical: deletes everything; safer: ls -la -- /")


@pytest.mark.parametrize(
    ("elapsed", "shown"), [(0.0004, "0 ms"), (0.0042, "4 ms"), (0.1, "0.1 s"), (12.34, "12.3 s")]
)
def test_seconds(elapsed: float, shown: str) -> None:
    assert wording.seconds(elapsed) == shown


def test_an_explanation_of_something_risky_warns() -> None:
    verdict = Verdict(risk=Risk.CRITICAL, reasons=("erases the disk",))
    found = Explanation(text="dd  copies", verdict=verdict)
    assert wording.explanation(found) == "⚠ critical: erases the disk\ndd  copies"


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])), st.integers(20, 200))
def test_cut_fits_and_keeps_the_start(text: str, width: int) -> None:
    shown = wording.cut(text, width)
    assert wording.cells(shown) < width or shown == text
    assert text.startswith(shown.rstrip("…").rstrip()) or shown == text


def test_wide_characters_count_double() -> None:
    assert wording.cells("日本e\u0301") == 5
    assert wording.cut("日本語日本語", 8) == "日本語…"
