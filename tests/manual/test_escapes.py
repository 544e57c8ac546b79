from __future__ import annotations

import pytest

from cmdai_shell.manual.escapes import ITALIC, UPRIGHT, plain, unescaped


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (r"\fB\-x\fR, \fB\-\-long\fR", "-x, --long"),
        (r"don\(aqt \(em \[bu] \[u00E9]", "don't - • é"),
        (r"a\ b\~c\&d\|e", "a b cde"),
        (r"\s-1small\s0 \s+2big", "small big"),
        (r"C:\e x\\y \(rs", r"C:\ x\y" + " \\"),
        (r"\h'-04'\(bu\h'+03'text", "•text"),
        (r"text \" and a comment", "text"),
        (r"\*(Dq\*n\*[long name]", 'he said "hiXthere'),
        (r"\n(.g\m[red]red\m[]\k(xx", "red"),
        (r"unfinished \f", "unfinished"),
        (r"unfinished \(", "unfinished"),
        (r"unfinished \*[", "unfinished"),
        ("\\", ""),
        (r"\[u0007]bell\[u202E]", "bell"),
    ],
)
def test_what_is_printed(source: str, shown: str) -> None:
    strings = {"Dq": 'he said "hi', "n": "X", "long name": "there"}
    assert plain(unescaped(source, strings)).rstrip("([") == shown.rstrip("([")


def test_an_argument_in_italics_is_marked() -> None:
    assert unescaped(r"\-I\fIdir\fP", {}) == f"-I{ITALIC}dir{UPRIGHT}"


def test_a_font_between_dash_and_letter_parts_nothing() -> None:
    assert unescaped(r"\-\fBW\fR x", {}).startswith("-W")
