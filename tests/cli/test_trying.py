"""What is said of a server while it is written down: by real HTTP, of a fake."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.cli import setup
from cmdai_shell.errors import CmdaiError
from tests.fakes.in_thread import in_thread
from tests.fakes.openai_server import FakeOpenAI

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Call

SECRET = "s3cret-of-the-lab"


@pytest.fixture(autouse=True)
def no_daemon(runtime_dir: Path) -> Path:
    return runtime_dir


def add(call: Call, *options: str) -> tuple[int, str, str]:
    return call("config", "add-environment", "lab", *options)


def test_a_server_that_computes(call: Call) -> None:
    with in_thread(FakeOpenAI().app()) as url:
        code, _, err = add(call, "--url", url)
    assert code == 0
    assert "added lab" in err
    assert "computes, first token after 0." in err


def test_one_that_answers_and_does_not_compute(call: Call) -> None:
    with in_thread(FakeOpenAI(is_canned=True).app()) as url:
        code, out, _ = add(call, "--url", url, "--json")
    (found,) = json.loads(out)["found"]
    assert (code, found["state"], found["url"]) == (0, "wrong-answer", url)


def test_one_that_is_not_there_is_written_down_all_the_same(call: Call) -> None:
    code, out, err = add(call, "--url", "http://127.0.0.1:1")
    assert (code, out.endswith("lab.toml\n")) == (0, True)
    assert "lab/127.0.0.1:1: does not listen: the connection was refused" in err


def test_a_key_is_used_and_not_shown(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_KEY", SECRET)
    with in_thread(FakeOpenAI(api_key=SECRET).app()) as url:
        _, out, err = add(call, "--url", url, "--api-key-env", "LAB_KEY")
    assert "computes" in err
    assert SECRET not in out + err


class TestWizard:
    def test_it_says_what_answers(self) -> None:
        with in_thread(FakeOpenAI().app()) as url:
            assert "computes" in setup._identified(url)

    def test_or_that_nobody_does(self) -> None:
        with pytest.raises(CmdaiError, match="does not listen"):
            setup._identified("http://127.0.0.1:1")

    def test_a_key_may_come_later(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LAB_KEY", SECRET)
        monkeypatch.setenv("OTHER", "wrong-key-of-the-lab")
        with in_thread(FakeOpenAI(api_key=SECRET).app()) as url:
            assert setup._identified(url) == "it answers, and wants an API key"
            assert "computes" in setup._identified(url, "LAB_KEY")
            with pytest.raises(CmdaiError):
                setup._identified(url, "OTHER")
