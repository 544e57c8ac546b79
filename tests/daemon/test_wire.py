"""The record codec: anything in, nothing harmful out."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.core import (
    Explanation,
    Hint,
    Notice,
    Partial,
    Risk,
    Suggestion,
    SuggestRequest,
    Verdict,
)
from cmdai_shell.daemon import wire
from cmdai_shell.errors import BackendUnavailable, WireError
from cmdai_shell.text import visible

SAFE = Verdict(risk=Risk.SAFE)
HOSTILE = "a\x1b[31mb\x1b]0;title\x07c\x00d\x9b2Je\u202ef\u2066g\u200bh\x7fi\x85j\x1b"


def record(**fields: str) -> bytes:
    """A record as a hook sends it, its end mark included."""
    fields = {"v": "1", "op": "suggest", **fields}
    line = fields.pop("line", "")
    head = "\x1f".join(f"{key}={value}" for key, value in fields.items())
    return f"{head}\x1fline={line}\x1e".encode("utf-8", "surrogateescape")


def read(data: bytes) -> SuggestRequest:
    found = wire.Intake().feed(data)
    assert found is not None
    return found.request


class TestRequest:
    def test_every_field_arrives(self) -> None:
        found = read(
            record(
                op="next", shell="fish", shell_version="3.6", cursor="2", cwd="/tmp/ü", path="/bin",
                width="120", last_status="127", last_command="gti", alternative="2",
                environment="home", safety_level="strict", offered="ls", ran="ls -l",
                ran_status="1", private="1", line="list files",
            )
        )  # fmt: skip
        assert found == SuggestRequest(
            op="next", shell="fish", shell_version="3.6", cursor=2, cwd="/tmp/ü", path="/bin",
            width=120, last_status=127, last_command="gti", alternative=2, environment="home",
            safety_level="strict", offered="ls", ran="ls -l", ran_status=1, private=True,
            line="list files",
        )  # fmt: skip

    def test_only_version_and_operation_are_needed(self) -> None:
        assert read(b"v=1\x1fop=ping\x1e") == SuggestRequest(op="ping")

    def test_unknown_keys_and_bad_numbers_are_no_reason_to_fail(self) -> None:
        found = read(record(colour="blue", cursor="x", width="", alternative="-4", line="ls"))
        assert (found.cursor, found.width, found.alternative) == (-1, 80, 0)

    def test_the_line_may_look_like_fields(self) -> None:
        assert read(record(line="a=b line=c op=next")).line == "a=b line=c op=next"

    def test_a_separator_in_the_line_becomes_a_blank(self) -> None:
        assert read(record(line="one\x1fline=two")).line == "one line=two"

    def test_control_characters_become_blanks_and_the_cursor_stays_right(self) -> None:
        assert read(record(line="a\x00b\x1b[mc\td\ne")).line == "a b [mc\td\ne"

    def test_invalid_utf8_is_marked_and_the_path_keeps_its_bytes(self) -> None:
        found = read(b"v=1\x1fop=suggest\x1fcwd=/\xff\x1fpath=/bin:/\xfe\x1fline=caf\xe9\x1e")
        assert (found.line, found.cwd) == ("caf\ufffd", "/\ufffd")
        assert found.path.encode("utf-8", "surrogateescape") == b"/bin:/\xfe"

    def test_a_line_of_64_kib_is_fine(self) -> None:
        assert len(read(record(line="x" * 65536)).line) == 65536

    def test_over_the_limit_is_a_clear_error(self) -> None:
        intake = wire.Intake()
        assert intake.feed(b"x" * wire.LIMIT) is None
        with pytest.raises(WireError, match="too long"):
            intake.feed(b"x")

    @pytest.mark.parametrize(
        "data",
        [b"\x1e", b"v=2\x1fop=suggest\x1fline=\x1e", b"v=1\x1fop=rm\x1fline=\x1e", b"\xff\xfe\x1e"],
    )
    def test_what_is_no_record_is_said(self, data: bytes) -> None:
        with pytest.raises(WireError) as caught:
            wire.Intake().feed(data)
        assert caught.value.hint

    @given(st.text(), st.lists(st.integers(1, 50), max_size=8))
    def test_round_trip_in_pieces(self, line: str, cuts: list[int]) -> None:
        line = "".join(c for c in line if unicodedata.category(c) not in {"Cc", "Cs"})
        data = record(line=line, cwd="/tmp")
        intake = wire.Intake()
        found = None
        for cut in cuts:
            found = found or intake.feed(data[:cut])
            data = data[cut:] if found is None else b""
        found = found or intake.feed(data)
        assert found is not None
        assert found.request.line == line

    @given(st.binary())
    def test_any_bytes_are_a_request_or_a_wire_error(self, data: bytes) -> None:
        try:
            found = wire.Intake().feed(data.replace(b"\x1e", b"") + b"\x1e")
        except WireError as error:
            assert wire.encode(error, width=80).startswith(b"Ebad-record\x1f")  # noqa: PT017
        else:
            assert found is None or isinstance(found, wire.Record)


class TestHttp:
    HEAD = b"POST / HTTP/1.1\r\nHost: cmdai\r\nContent-Length: 30\r\n"

    def test_the_body_of_a_post_is_a_record(self) -> None:
        intake = wire.Intake()
        assert intake.feed(self.HEAD + b"\r\n") is None
        found = intake.feed(record(line="list files"))
        assert found is not None
        assert found.request.line == "list files"
        assert intake.is_http
        assert not intake.wants_continue

    def test_byte_by_byte(self) -> None:
        intake = wire.Intake()
        data = self.HEAD + b"Expect: 100-continue\r\n\r\n" + record(line="ls")
        found = [intake.feed(data[i : i + 1]) for i in range(len(data))]
        assert found[-1] == wire.Record(request=SuggestRequest(line="ls"))
        assert found[:-1] == [None] * (len(data) - 1)
        assert intake.wants_continue


class TestReply:
    def test_an_inserted_command(self) -> None:
        found = Suggestion(
            command="ls -la\npwd", verdict=SAFE, backend="b", elapsed=0.84, index=1, count=3
        )
        assert wire.encode(found, width=80).decode() == (
            "Wsafe\x1f\nA1/3\nTls -la\x1fpwd\nMb · 0.8 s · 1/3\nD\n"
        )

    def test_an_armed_command_is_not_put_on_the_line(self) -> None:
        verdict = Verdict(risk=Risk.CRITICAL, reasons=("erases the disk",))
        lines = wire.encode(
            Suggestion(command="dd of=/dev/sda", verdict=verdict, action="arm"), width=80
        ).decode()
        assert lines == (
            "Wcritical\x1ferases the disk\nA1/1\nPdd of=/dev/sda\n"
            "Mcritical: erases the disk; press again to insert: dd of=/dev/sda\nD\n"
        )

    def test_a_refused_command_restores_whatever_was_shown(self) -> None:
        verdict = Verdict(risk=Risk.DANGEROUS, reasons=("deletes",), safer="rm -i x")
        lines = wire.encode(
            Suggestion(command="rm x", verdict=verdict, action="refuse"), width=80
        ).decode()
        assert lines == (
            "Erefused\x1frefused (safety_level is strict): "
            "rm x is dangerous: deletes; safer: rm -i x\n"
        )

    def test_own_text_again(self) -> None:
        found = Suggestion(command="w", verdict=SAFE, action="restore", index=0, count=3)
        assert wire.encode(found, width=80) == b"Wsafe\x1f\nA0/3\nMyour own text again\nD\n"

    def test_an_explanation_keeps_its_lines(self) -> None:
        found = Explanation(text="ls  lists\n-l  long", verdict=SAFE)
        assert wire.encode(found, width=80) == b"Wsafe\x1f\nMls  lists\x1f-l  long\nD\n"

    def test_an_error_says_what_to_type(self) -> None:
        error = BackendUnavailable("it is down", "start it")
        assert wire.encode(error, width=80) == b"Ebackend-unavailable\x1fit is down: start it\n"

    def test_a_command_that_would_not_arrive_as_judged_is_not_sent(self) -> None:
        with pytest.raises(WireError):
            wire.encode(Suggestion(command="rm\u200b x", verdict=SAFE), width=80)

    @pytest.mark.parametrize("make", [Partial, Notice, Hint])
    def test_nothing_that_steers_a_terminal(self, make: type[Partial | Notice | Hint]) -> None:
        shown = wire.encode(make(text=HOSTILE), width=200)[1:]
        assert shown.replace(b"\x1f", b" ").startswith(b"abcdefghi j\n")

    @given(st.text(), st.sampled_from([Partial, Notice, Hint]))
    def test_a_line_is_a_letter_and_what_can_be_seen(
        self, text: str, make: type[Partial | Notice | Hint]
    ) -> None:
        lines = wire.encode(make(text=text), width=80).decode()
        assert lines.endswith("\n")
        for line in lines.splitlines():
            assert line[0] in "TMD"
            assert all(c == "\x1f" or unicodedata.category(c)[0] != "C" for c in line)

    @given(st.text(), st.text(), st.text())
    def test_reasons_and_names_cannot_forge_lines(self, one: str, two: str, name: str) -> None:
        verdict = Verdict(risk=Risk.CAUTION, reasons=(one,))
        found = Suggestion(command="ls", verdict=verdict, explanation=two, backend=name)
        letters = [line[:1] for line in wire.encode(found, width=60).split(b"\n")]
        assert letters == [b"W", b"A", b"T", b"M", b"D", b""]

    @given(st.text())
    def test_clean_is_clean(self, text: str) -> None:
        assert visible(visible(text)) == visible(text)
