from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest

from cmdai_shell.backends.templates import FAMILIES
from cmdai_shell.config import load
from cmdai_shell.config.environment import ChatTemplate
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ('trust_subnets = ["10.0.0.0/8", "10.1.2.3/24"]', "trust_subnets[1]: '10.1.2.3/24' is no"),
        ('trust_domains = ["a b"]', "trust_domains[0]: 'a b' is no domain"),
        ('trust_namespaces = ["A_B/"]', "trust_namespaces[0]: 'A_B/' is no namespace"),
    ],
)
def test_an_entry_that_nobody_could_be_compared_with_is_placed(
    tmp_path: Path, entry: str, why: str
) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"[discovery]\n{entry}\n")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert caught.value.message.startswith(f"{path}:2: discovery.{why}")


def test_the_families_of_prompts_are_those_that_there_are() -> None:
    assert set(get_args(ChatTemplate)) == {"", *FAMILIES}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('endpoints = ["http://a"]\nchat_template = "nonsense"\n', "lab.toml:2: chat_template"),
        ('endpoints = ["https://a"]\nkind = "sagemaker"\nregion = "r"\n', "lab.toml:1: endpoints"),
        ('endpoints = [{url = "https://a", kind = "sagemaker"}]\n', "lab.toml:1: endpoints"),
    ],
)
def test_what_no_server_could_be_made_of_is_placed(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "environments").mkdir()
    file = tmp_path / "environments" / "lab.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "config.toml", {})
    assert why in caught.value.message
    for mended in (
        text.replace("nonsense", "qwen3").replace("https://a", "https://a/endpoints/m"),
        f'model = "m"\n{text.replace("nonsense", "")}',
    ):
        file.write_text(mended)
        load(tmp_path / "config.toml", {})
