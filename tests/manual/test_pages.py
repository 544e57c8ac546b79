"""Pages of all kinds, written for these tests; then some of this machine's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.manual import pages
from tests.fakes.dict_manual import source
from tests.fakes.host_manual import HOST, entries, needs

DOCBOOK = r"""'\" t
.SH "NAME"
thingctl \- Control the things
.SH "COMMANDS"
.PP
\fBrestart\fR \fIUNIT\fR\&...
.RS 4
Stop and then start units\&. Nothing else\&.
.RE
.SH "OPTIONS"
.PP
\fB\-t\fR, \fB\-\-type=\fR
.RS 4
The kind of thing, e\&.g\&. big\&. More of it\&.
.RE
.PP
\fB\-\-all\fR
.RS 4
All\&.
.RE
"""
HP = r""".SH NAME
ed \- edit
.SH OPTIONS
.HP
\fB\-n\fR, \fB\-\-quiet\fR
.IP
say nothing
"""
TABLE = r""".SH NAME
copy \- a tool
.SH OPTIONS
.nf
--verbose, -v            say more
--quiet, -q              say less
.fi
.IP "\fB\-\-verbose\fP, \fB\-v\fP"
This option is told of at length.
"""
POD = r""".SH "NAME"
req \- requests
.SH "OPTIONS"
.IP "\fB\-in\fR \fIfile\fR" 4
.IX Item "-in file"
The input.
.IP "\fB\-inform\fR \fB\s-1DER\s0\fR|\fBPEM\fR, \fB\-outform\fR \fB\s-1DER\s0\fR|\fBPEM\fR" 4
The formats.
"""
MD2MAN = r""".TH "BOX"
.SH NAME
box\-run \- run a box
.SH OPTIONS
.PP
\fB\-\-cap\-add\fP=[]
   Add a capability

.PP
\fB\-i\fP, \fB\-\-interactive\fP=\fItrue\fP|\fIfalse\fP
   Keep it open.
"""


def found(text: str, stem: str = "x") -> dict[str, tuple[str, str]]:
    page = pages.page(text, stem)
    return {" ".join(option.names): (option.argument, option.text) for option in page.options}


def test_docbook() -> None:
    assert found(DOCBOOK) == {
        "-t --type": ("VALUE", "The kind of thing, e.g. big"),
        "--all": ("", "All"),
    }
    page = pages.page(DOCBOOK)
    assert (page.name, page.summary) == ("thingctl", "Control the things")
    assert [(c.names, c.text) for c in page.commands] == [
        (("restart",), "Stop and then start units")
    ]


def test_other_ways_to_write_an_option() -> None:
    assert found(HP) == {"-n --quiet": ("", "say nothing")}
    assert found(TABLE) == {"--verbose -v": ("", "say more"), "--quiet -q": ("", "say less")}
    assert found(POD) == {
        "-in": ("file", "The input"),
        "-inform -outform": ("DER|PEM", "The formats"),
    }
    assert found(MD2MAN) == {
        "--cap-add": ("VALUE", "Add a capability"),
        "-i --interactive": ("", "Keep it open"),
    }


def test_tags_one_after_the_other_share_their_text() -> None:
    text = ".SH NAME\nx \\- y\n.SH OPTIONS\n.TP\n.B \\-a\n.TQ\n.B \\-b\nboth\n"
    assert found(text) == {"-a": ("", "both"), "-b": ("", "both")}


def test_what_is_only_mentioned() -> None:
    page = pages.page(".SH NAME\nx \\- y\n.SH SYNOPSIS\nx [\\-abc] [\\-\\-old]\n")
    assert page.options == ()
    assert {"-a", "-b", "-c", "--old"} <= set(page.mentioned)


def test_options_without_a_dash() -> None:
    assert found(source("dd", "copy", ("if=FILE", "read from FILE")), "dd") == {
        "if=": ("FILE", "read from FILE")
    }
    assert found(source("ps", "show", ("U userlist", "by user"), ("x", "all")), "ps") == {
        "U": ("userlist", "by user"),
        "x": ("", "all"),
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Do it. Then rest.", "Do it"),
        ("names that begin with .", "names that begin with ."),
        ("e.g. this. That", "e.g. this"),
        ("(HTTP FTP) Follow it. More.", "Follow it"),
        ("Version 2.0 of it. More", "Version 2.0 of it"),
        ("like this:", "like this"),
    ],
)
def test_the_first_sentence(text: str, sentence: str) -> None:
    assert pages.sentence(text) == sentence


def test_names_a_page_goes_by() -> None:
    page = pages.page(".SH NAME\nbox run, bx \\- run a box\n")
    assert pages.aliases(page) == ("box-run", "bx")


@given(st.text(max_size=400), st.sampled_from(("ls", "ps", "dd", "")))
def test_nothing_raises(text: str, stem: str) -> None:
    pages.page(text, stem)
    pages.page(f".SH NAME\n{text}", stem)


REAL = {
    "ls": {"-a": "", "--all": "", "--sort": "WORD", "--color": "WHEN", "-l": ""},
    "sort": {"-k": "KEYDEF", "--reverse": "", "-t": "SEP"},
    "tar": {"-x": "", "-f": "ARCHIVE", "-C": "DIR", "--exclude": "PATTERN", "-z": ""},
    "find": {
        "-name": "pattern",
        "-mtime": "n",
        "-delete": "",
        "-print0": "",
        "-maxdepth": "levels",
    },
    "xargs": {"-0": "", "-n": "max-args", "-r": ""},
    "grep": {"-i": "", "-r": "", "-A": "NUM", "--include": "GLOB", "-o": ""},
    "sed": {"-n": "", "-e": "script", "-i": "SUFFIX", "-E": ""},
    "curl": {
        "-o": "<file>",
        "-L": "",
        "-X": "<method>",
        "-H": "<header/@file>",
        "--json": "<data>",
    },
    "git-commit": {"-m": "<msg>", "--amend": "", "-a": "", "--no-edit": ""},
    "git-log": {"--oneline": "", "--author": "<pattern>", "--since": "<date>", "-S": "<string>"},
    "rsync": {"-a": "", "--delete": "", "-z": "", "--exclude": "PATTERN"},
    "ssh": {"-p": "port", "-i": "identity_file", "-N": "", "-L": None},
    "ps": {"-e": "", "-o": "format", "--sort": "spec", "a": "", "-p": "pidlist"},
    "lsblk": {"-f": "", "-o": "list", "-J": ""},
    "systemctl": {"--now": "", "-t": "VALUE", "--failed": ""},
    "journalctl": {"-u": None, "-f": "", "--since": "VALUE", "-n": None},
    "apt-get": {"-y": "", "--purge": "", "-d": ""},
    "ip": {"-br": "", "-4": "", "-s": "", "-c": None},
    "less": {"-S": "", "-N": "", "-R": ""},
    "gawk": {"-F": "fs", "-v": "var=val"},
    "jq": {"-r": "", "--slurp": "", "-c": "", "-n": ""},
    "dd": {"if=": "FILE", "bs=": "BYTES", "status=": "LEVEL"},
}
"""Options that pages of many authors have, with what they take; None: differs between versions."""


@pytest.mark.parametrize("name", REAL)
def test_real_pages(name: str) -> None:
    needs(name)
    page = HOST.page(name)
    assert page
    assert page.summary
    known = {n: option for option in reversed(page.options) for n in option.names}
    for option, argument in REAL[name].items():
        assert option in known, option
        assert known[option].text, option
        if argument is not None:
            assert known[option].argument == argument


def test_nearly_every_real_page_is_read() -> None:
    needs()
    stems = [stem for stem in entries() if not stem.startswith("gcloud")][::7]
    unread = [stem for stem in stems if not HOST.page(stem)]
    assert len(unread) <= len(stems) // 20, unread
