"""Tools without man pages, played by scripts that print what a tool would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cmdai_shell.manual import build, store, tools
from cmdai_shell.manual.index import Index

if TYPE_CHECKING:
    from pathlib import Path

HELP = """#!/bin/sh
[ "$HOME" = /nonexistent ] || exit 3
case "$*" in
  --help) printf 'fetches things\\n\\nUsage: kubectl [flags]\\n';;
  options) printf 'Options:\\n    -n, --namespace='"''"':\\n\\tThe namespace.\\n';;
  "get --help")
    printf 'Show many things.\\n\\nUsage:\\n  kubectl get NAME\\n\\n'
    printf 'Options:\\n    -o, --output=%s:\\n\\tThe format.\\n' "''";;
  "logs --help") printf 'Usage:  kubectl COMMAND\\n\\n  --other   of the tool itself\\n';;
  "wait --help") sleep 60;;
  *) exit 1;;
esac
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "bin").mkdir(mode=0o755)
    tool = tmp_path / "bin" / "kubectl"
    tool.write_text(HELP)
    tool.chmod(0o755)
    return f"{tmp_path}/bin:/usr/bin:/bin"


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "TOOLS", {"kubectl": "get logs"})


def test_help_becomes_pages(path: str, only: None) -> None:
    found = tools.here(path)
    pages = dict(tools.helps(found, set(), path))
    assert set(pages) == {"kubectl", "kubectl-get"}
    assert pages["kubectl-get"].summary == "Show many things"
    (option,) = pages["kubectl-get"].options
    assert (option.names, option.text) == (("-o", "--output"), "The format")
    assert pages["kubectl"].options[0].names == ("-n", "--namespace")


def test_a_man_page_comes_first(path: str, only: None) -> None:
    assert not dict(tools.helps(tools.here(path), {"kubectl"}, path))


def test_a_tool_that_does_not_end_is_left(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "TOOLS", {"kubectl": "wait get"})
    monkeypatch.setattr(tools, "TIMEOUT", 0.3)
    assert set(dict(tools.helps(tools.here(path), set(), path))) == {"kubectl", "kubectl-get"}


def test_the_time_for_all_has_an_end(path: str, only: None) -> None:
    ticks = iter([0.0, 1.0, 1000.0, 1000.0])
    found = dict(tools.helps(tools.here(path), set(), path, clock=lambda: next(ticks)))
    assert set(found) == {"kubectl"}


def test_what_others_could_have_put_there_is_not_run(tmp_path: Path, path: str, only: None) -> None:
    assert tools.here(path)
    (tmp_path / "bin").chmod(0o777)
    assert not tools.here(path)
    (tmp_path / "bin").chmod(0o755)
    (tmp_path / "bin" / "kubectl").chmod(0o775)
    assert not tools.here(path)


def test_in_the_index(
    tmp_path: Path, path: str, only: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", path)
    index = tmp_path / store.NAME
    build.build(index, (), tools.here(path))
    page = Index(index).page("kubectl-get")
    assert page
    assert page.summary == "Show many things"


def test_only_tools_of_the_list(path: str) -> None:
    assert set(tools.here(path)) <= set(tools.TOOLS)
