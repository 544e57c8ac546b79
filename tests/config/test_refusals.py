from __future__ import annotations

import pytest

from cmdai_shell.config.refusals import BadSetting, checked, nearest, nearest_dotted, placed
from cmdai_shell.config.schema import KEYS
from cmdai_shell.errors import ConfigError

TEXT = "a = 1\n\n[b]\nc = [\n  1,\n]\n"


@pytest.mark.parametrize(
    ("path", "where"),
    [
        (("a",), "x.toml:1: "),
        (("b", "c"), "x.toml:4: "),
        (("b", "c", 0, "d"), "x.toml:4: "),
        (("b", "missing"), "x.toml:3: "),
        ((), "x.toml:1: "),
        (("missing",), "x.toml: "),
    ],
)
def test_an_error_is_placed_where_its_value_is_or_would_be(
    path: tuple[str | int, ...], where: str
) -> None:
    found = placed(BadSetting(path, "wrong", "a cure"), "x.toml", TEXT)
    assert (found.message, found.hint) == (f"{where}wrong", "a cure")


def test_an_error_that_knows_no_place_keeps_its_words() -> None:
    assert placed(ConfigError("wrong"), "x.toml", TEXT).message == "wrong"
    assert placed(BadSetting(("a",), "wrong"), "", "").message == "wrong"


def test_the_nearest_word() -> None:
    assert nearest("timeout", ["timeout_ms", "retry_count"]) == "timeout_ms"
    assert nearest("colour", ["timeout_ms"]) == ""
    assert nearest("x" * 100_000, ["timeout_ms"]) == ""
    assert nearest_dotted("threads", ["embedded.threads"]) == "embedded.threads"
    assert nearest_dotted("embeded.threads", ["embedded.threads"]) == "embedded.threads"
    assert nearest_dotted("", ["embedded.threads"]) == ""


def test_one_word_for_a_list_is_answered_with_the_list() -> None:
    key = KEYS["discovery.trust_subnets"]
    with pytest.raises(BadSetting) as caught:
        checked(key, "10.77.0.0/24", ("discovery", "trust_subnets"))
    assert """'["10.77.0.0/24"]'""" in caught.value.hint
