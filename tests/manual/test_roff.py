from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.manual import rendered, roff
from cmdai_shell.manual.escapes import plain

MAN = r""".\" a comment
.TH THING 1
.de Xx
.TP
\-\-never
..
.ds tool thing
.SH NAME
\*[tool] \- does it
.SH "TWO WORDS"
.TP
.B \-a
first
line
.TP 8
.BI \-b " file"
.RS
deeper
.RE
.IP "\fB\-c\fR" 4
third
.PP
para\
graph
.if t .B printed
.ie n \{\
for a terminal
.\}
.el \{\
for paper
.\}
.nf
one   line
.fi
"""
MDOC = """.Dd May 1, 2020
.Dt THING 1
.Sh NAME
.Nm thing
.Nd does it
.Sh DESCRIPTION
.Nm
works.
.Bl -tag -width Ds
.It Fl a
first
.It Xo
.Fl b
.Sm off
.Ar host No : Ar port
.Sm on
.Xc
second
.El
.Bl -bullet
.It
a point
.El
"""


def told(source: str) -> list[tuple[str, str]]:
    return [(piece.kind, plain(piece.text)) for piece in roff.pieces(source)]


def test_man() -> None:
    assert told(MAN) == [
        ("section", "NAME"),
        ("text", "thing - does it"),
        ("section", "TWO WORDS"),
        ("tag", "-a"),
        ("text", "first line"),
        ("tag", "-b file"),
        ("deeper", ""),
        ("text", "deeper"),
        ("back", ""),
        ("tag", "-c"),
        ("text", "third"),
        ("text", "paragraph for a terminal"),
        ("line", "one line"),
    ]


def test_mdoc() -> None:
    assert told(MDOC) == [
        ("section", "NAME"),
        ("text", "thing - does it"),
        ("section", "DESCRIPTION"),
        ("text", "thing works."),
        ("deeper", ""),
        ("tag", "-a"),
        ("text", "first"),
        ("tag", "-b host:port"),
        ("text", "second"),
        ("back", ""),
        ("deeper", ""),
        ("text", "a point"),
        ("back", ""),
    ]


def test_a_heading_on_the_next_line() -> None:
    assert told(".SH\nNAME\nx \\- y\n")[0] == ("section", "NAME")


def test_a_tag_that_goes_on() -> None:
    assert told('.TP\n.BI \\-f " x\\fR,\\fP "\\c\n.BI \\-\\-file " x"\ntext\n') == [
        ("tag", "-f x, --file x"),
        ("text", "text"),
    ]


REQUESTS = st.sampled_from(
    (
        *(".SH NAME\n", ".TP\n", ".IP x\n", ".B \\-a\n", '.BI \\-a "', ".nf\n", ".RS\n", ".RE\n"),
        *(".if n \\{\\\n", ".\\}\n", ".ie t", ".el x\n", ".de\n", "..\n", ".ds a \\*a\\*a\n"),
        *("\\*a", "\\f(", "\\[", "\\(", "\\c\n", "\\\n", "\\h'", "\t", "'\\\"", ".so man1/x.1\n"),
        *(".It Fl", ".Xo", "Xc\n", ".Bl -tag\n", ".El\n", ".Sm off\n", ".Oo", ".Fl Fl Ns"),
        *("-x, --y=z\n", "  --long   text\n"),
    )
)


@given(st.lists(st.one_of(REQUESTS, st.text(max_size=8)), max_size=80).map("".join))
def test_nothing_raises(source: str) -> None:
    roff.pieces(source)
    rendered.pieces(source)


def test_time_is_linear() -> None:
    """Twice the length takes some twice the time: at most 4, on a machine with other work."""
    for unit in (
        "\\h'",
        "\\*a",
        '.B "a\n',
        "a\\\n",
        ".if n \\{\\\n",
        ".de x\n",
        ".ds a \\*a\\*ab\n",
        ".It Fl a , Xo\n",
        ".Oo Oo Oo Oo\n",
        "\\c\n",
        "x\\c\n",
        "-a, ",
        "\\f[\\f[",
        ".TP\n",
    ):
        times = []
        for size in (100_000, 400_000):
            source = unit * (size // len(unit))
            begun = time.perf_counter()
            roff.pieces(source)
            rendered.pieces(source)
            times.append(time.perf_counter() - begun)
        assert times[1] < max(16 * times[0], 0.5), unit
