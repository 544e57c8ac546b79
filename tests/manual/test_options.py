from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.manual import options
from cmdai_shell.manual.escapes import ITALIC, UPRIGHT


@pytest.mark.parametrize(
    ("text", "names", "argument", "optional"),
    [
        ("-a, --all", "-a --all", "", False),
        ("-f, --file=ARCHIVE", "-f --file", "ARCHIVE", False),
        ("-f ARCHIVE, --file ARCHIVE", "-f --file", "ARCHIVE", False),
        ("--color[=WHEN]", "--color", "WHEN", True),
        ("-i[SUFFIX], --in-place[=SUFFIX]", "-i --in-place", "SUFFIX", True),
        ("-c, --check, --check=quiet", "-c --check", "quiet", True),
        ("-m <msg>, --message=<msg>", "-m --message", "<msg>", False),
        ("--slurp/-s", "--slurp -s", "", False),
        ("-a or --all", "-a --all", "", False),
        ("-h | --help", "-h --help", "", False),
        ("--[no-]status", "--status --no-status", "", False),
        ("-name pattern", "-name", "pattern", False),
        ("-V, -Version", "-V -Version", "", False),
        ("-n, --lines=", "-n --lines", "VALUE", False),
        ("--rm=true|false", "--rm", "", False),
        (f"-I{ITALIC}dir{UPRIGHT}", "-I", "dir", False),
        (f"-f {ITALIC}x{UPRIGHT}, --file {ITALIC}x{UPRIGHT}", "-f --file", "x", False),
        ("• --tab", "--tab", "", False),
        ("-?, --help", "-? --help", "", False),
        ("[-u | --user]", "-u --user", "", False),
    ],
)
def test_a_tag(text: str, names: str, argument: str, optional: bool) -> None:
    assert options.tag(text) == options.Tag(tuple(names.split()), argument, optional)


@pytest.mark.parametrize("text", ["", "file", "a -b", "list-units [PATTERN]", "--", "-", "\u2022"])
def test_no_tag(text: str) -> None:
    assert options.tag(text) is None


@pytest.mark.parametrize(
    "text", ["-a is given when the files are to be kept.", "-x takes no word of the others at all"]
)
def test_prose_that_begins_with_an_option(text: str) -> None:
    assert options.tag(text, strict=True) is None


def test_mentions() -> None:
    text = "see -x, --long=V, --[no-]foo; [-abc] and well-known words"
    assert options.mentions(text) == {
        *("-x", "--long", "--foo", "--no-foo", "-abc", "-a", "-b", "-c"),
    }


@given(st.text(alphabet="-ab[]=<>,|/ .\x01\x02or", max_size=60))
def test_nothing_raises(text: str) -> None:
    options.tag(text)
    options.tag(text, strict=True)
    options.mentions(text)
