from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.config.toml import MOST_BYTES, dotted, line_of, read_text, tables
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def test_lines_of_keys_in_any_shape() -> None:
    text = """\
# a comment = 1
log_level = "info"

safety.allow = [   # 4
  "one",
]
embedded = { threads = 1,
  model = "a" } # TOML 1.0 forbids this break: never parses
"""
    assert line_of(text, ("log_level",)) == 2
    assert line_of(text, ("safety", "allow")) == 4
    assert line_of(text, ("embedded", "threads")) == 0
    multi = 'a = """\nlog_level = 3\n"""\nlog_level = 4\n'
    assert line_of(multi, ("log_level",)) == 4
    assert line_of(multi, ("a",)) == 1


def test_lines_of_entries_of_lists() -> None:
    text = '[[rule]]\nrisk = "a"\n\n[[rule]]\n# here\nrisk = "b"\n"a.b" = 1\n'
    assert line_of(text, ("rule", 0, "risk")) == 2
    assert line_of(text, ("rule", 1, "risk")) == 6
    assert line_of(text, ("rule", 1)) == 4
    assert line_of(text, ("rule", 1, "a.b")) == 7
    assert line_of(text, ("rule", 2)) == 0


def test_a_line_separator_of_unicode_is_no_line_end() -> None:
    assert line_of('a = "\u2028\u0085"\nb = 2\n', ("b",)) == 2


def test_a_line_in_a_long_file_is_found_quickly() -> None:
    text = "".join(f"k{n} = {n}\n" for n in range(20_000))
    assert line_of(text, ("k15000",)) == 15_001


def test_a_statement_too_long_to_look_into_has_no_line() -> None:
    assert line_of('a = """\n' + "x\n" * 5_000 + '"""\nb = 1\n', ("b",)) in (0, 5_003)


@pytest.mark.parametrize(
    ("path", "text"),
    [(("safety", "rules", 2, "risk"), "safety.rules[2].risk"), (("a b", "c"), "'a b'.c"), ((), "")],
)
def test_a_path_as_a_person_writes_it(path: tuple[str | int, ...], text: str) -> None:
    assert dotted(path) == text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a = " + "[" * 5_000, "x.toml: nested too deeply"),
        ("a = " + "9" * 5_000, "x.toml: a number is too long"),
        ("a = 1\nb = \0", "x.toml:2: not valid TOML: "),
        ("a = 1\na = 2", "x.toml:2: not valid TOML: cannot overwrite a value"),
    ],
)
def test_what_is_no_toml(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as error:
        tables(text, "x.toml")
    assert error.value.message.startswith(complaint)


def test_no_file_is_an_empty_one(tmp_path: Path) -> None:
    assert read_text(tmp_path / "absent") == ""


def test_what_could_be_waited_for_or_read_forever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "large").write_bytes(b"#" * (MOST_BYTES + 1))
    (tmp_path / "circle").symlink_to("circle")
    for name, why in {
        "pipe": "not an ordinary file",
        "device": "not an ordinary file",
        "large": "larger than 1 mb",
        "circle": "too many levels of symbolic links",
    }.items():
        with pytest.raises(ConfigError, match=f"cannot read .*/{name}: {why}"):
            read_text(tmp_path / name)
    with pytest.raises(ConfigError, match="no name of a file"):
        read_text(tmp_path / "a\0b")


def test_a_mark_before_the_text_is_no_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xef\xbb\xbfa = 1\n")
    assert read_text(tmp_path / "x.toml") == "a = 1\n"


@pytest.mark.parametrize(
    "text",
    [
        "[environments.e]\nkind='vllm'\n" * 25_000,
        "a = '''\n" + "]\n" * 400_000 + "'''\n",
        'a = "\\' + '\\"' * 400_000,
        "a = [\n" + '{b = "c"},\n' * 70_000 + "]\n",
    ],
)
def test_a_line_is_given_up_rather_than_looked_for_for_long(text: str) -> None:
    begun = time.process_time()
    line_of(text, ("a", "nowhere"))
    assert time.process_time() - begun < 8  # was minutes; a second, on a machine with leisure
