"""core.Manual from a dictionary of man pages' sources: what a test says a machine's manual has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmdai_shell.manual import pages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmdai_shell.core import Page


class DictManual:
    def __init__(self, sources: Mapping[str, str]) -> None:
        self._pages = {name: pages.page(source, name) for name, source in sources.items()}

    def page(self, name: str) -> Page | None:
        return self._pages.get(name)


def source(name: str, summary: str, *rows: tuple[str, str]) -> str:
    """A page in the way of help2man: rows of a tag and its explanation."""
    options = "".join(f".TP\n{tag}\n{text}\n" for tag, text in rows)
    return f".TH {name.upper()} 1\n.SH NAME\n{name} \\- {summary}\n.SH OPTIONS\n{options}"


EVERYDAY = DictManual(
    {
        "ls": source(
            "ls",
            "list a folder",
            (r"\fB\-a\fR, \fB\-\-all\fR", "show hidden names too"),
            (r"\fB\-l\fR", "one name a line, with its details."),
            (r"\fB\-h\fR, \fB\-\-human\-readable\fR", "with \\fB\\-l\\fR, sizes like 1K"),
            (r"\fB\-\-sort\fR=\fIWORD\fR", "sort by WORD instead of name"),
            (r"\fB\-\-color\fR[=\fIWHEN\fR]", "colour the names WHEN"),
        ),
        "tar": source(
            "tar",
            "an archive program",
            (r"\fB\-x\fR, \fB\-\-extract\fR", "take files out of an archive"),
            (r"\fB\-c\fR, \fB\-\-create\fR", "make an archive"),
            (r"\fB\-z\fR, \fB\-\-gzip\fR", "through gzip"),
            (r"\fB\-f\fR, \fB\-\-file\fR=\fIARCHIVE\fR", "use the file ARCHIVE"),
            (r"\fB\-C\fR, \fB\-\-directory\fR=\fIDIR\fR", "go to DIR before"),
            (r"\fB\-\-exclude\fR=\fIPATTERN\fR", "leave out what fits PATTERN"),
        ),
        "find": source(
            "find",
            "look for files",
            (r"\-name \fIpattern\fR", "the name fits the pattern"),
            (r"\-type \fIc\fR", "the kind is c"),
            (r"\-mtime \fIn\fR", "changed n days ago"),
            (r"\-perm \fImode\fR", "the mode is mode"),
            (r"\-perm \-\fImode\fR", "all bits of mode are set"),
            (r"\-newerXY \fIreference\fR", "newer than reference"),
            (r"\-not \fIexpr\fR", "expr is false"),
            (r"\-exec \fIcommand\fR ;", "run command"),
            (r"\-delete", "delete it"),
            (r"\-o", "or"),
        ),
        "sort": source(
            "sort",
            "sort lines",
            (r"\-r, \-\-reverse", "turn the order round"),
            (r"\-n", "by number"),
            (r"\-h", "by sizes like 2K"),
            (r"\-k, \-\-key=KEYDEF", "by a key; KEYDEF says where it is"),
            (r"\-t, \-\-field\-separator=SEP", "fields are parted by SEP"),
        ),
        "git": source(
            "git",
            "keep versions",
            (r"\-C <path>", "run in <path>"),
            (r"\-p, \-\-paginate", "page by page"),
            (r"\-c <name>=<value>", "with another setting"),
            (r"\-\-bare", "without a work tree"),
        ),
        "git-log": source(
            "git-log",
            "show the history",
            (r"\-\-oneline", "one line each"),
            (r"\-\-author=<pattern>", "only commits whose author fits <pattern>"),
            (r"\-\-[no\-]mailmap", "names by the mail map"),
            (r"\-p, \-\-patch", "with the changes"),
        ),
        "systemctl": source(
            "systemctl",
            "control services",
            (r"\-\-now", "also start or stop them"),
            (r"\fBrestart\fR \fIUNIT\fR", "stop services and start them again"),
        ),
        "xargs": source(
            "xargs",
            "run a command on the words it reads",
            ("-0", "words end with NUL"),
            ("-n MAX", "at most MAX words"),
            ("-r", "not without words"),
            ("-t", "show it"),
        ),
        "kill": source("kill", "send a signal", ("-s SIGNAL", "the signal"), ("-l", "list them")),
        "ps": source(
            "ps",
            "show processes",
            ("a", "of everybody"),
            ("u", "with their users"),
            ("x", "without a terminal too"),
            ("-e", "all"),
        ),
        "sed": source(
            "sed", "edit a stream", ("-n", "print nothing by itself"), ("-i[SUFFIX]", "in place")
        ),
        "chmod": source("chmod", "change modes", ("-R, --recursive", "all below too")),
        "poor": source("poor", "hardly explained", ("-a", "one")),
    }
)
"""Own words about everyday programs, for tests that need no man pages of the machine."""
