from __future__ import annotations

import pytest

from cmdai_shell.manual.escapes import plain
from cmdai_shell.manual.mdoc import Line


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("Fl a", "-a"),
        ("Fl f Ar file", "-f file"),
        ("Fl abc", "-abc"),
        ("Fl -long Ns = Ns Ar x", "--long=x"),
        ("Fl Fl long", "--long"),
        ("Fl a , Fl b Ar c", "-a, -b c"),
        ("Op Fl 46AaCf", "[-46AaCf]"),
        ("Op Fl D Oo Ar host : Oc Ns Ar port", "[-D [host:]port]"),
        ("Ar", "file ..."),
        ("Nm", "prog"),
        ("Nm Fl x", "prog -x"),
        ("Nd does it", "- does it"),
        ("Xr ls 1 .", "ls(1)."),
        ("Dq said", '"said"'),
        ("Pq see Fl x", "(see -x)"),
        ("Ux and Bx", "UNIX and BSD"),
        ("Fl", "-"),
        ("", ""),
    ],
)
def test_a_line(line: str, shown: str) -> None:
    assert plain(Line("prog").read(line.split())) == shown


def test_the_first_name_is_the_pages() -> None:
    line = Line("")
    line.read(["Nm", "tool"])
    assert line.name == "tool"
    assert Line(line.name).read(["Nm"]) == "tool"


def test_blanks_can_be_switched_off() -> None:
    line = Line("")
    line.read(["Sm", "off"])
    assert plain(Line("", line.spaced).read(["Ar", "a", "No", ":", "Ar", "b"])) == "a:b"
