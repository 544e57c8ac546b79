from __future__ import annotations

import os
import pty
import subprocess
import tomllib
from typing import TYPE_CHECKING

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from cmdai_shell.cli import setup
from cmdai_shell.config import edit, load, loading
from cmdai_shell.errors import BackendUnavailable, ConfigError
from tests.cli.conftest import CLI, Call

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@pytest.fixture(autouse=True)
def no_daemon(runtime_dir: Path) -> Path:
    return runtime_dir


class Answers:
    """A person who has made up their mind; what is refused they are asked again."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.refused: list[str] = []
        self.defaults: list[object] = []

    def choose(self, question: str, choices: Sequence[str]) -> int:
        wanted = str(self.answers.pop(0))
        return next(i for i, choice in enumerate(choices) if choice.startswith(wanted))

    def text(self, question: str, default: str, check: setup.Check) -> str:
        while True:
            answer = self.answers.pop(0)
            self.defaults.append(default)
            text = default if answer is None else str(answer)
            try:
                check(text)
            except ConfigError as error:
                self.refused.append(str(error))
            else:
                return text

    def confirm(self, question: str, *, default: bool) -> bool:
        return bool(self.answers.pop(0))


def file(name: str) -> dict[str, object]:
    path = loading.config_file().parent / "environments" / f"{name}.toml"
    return tomllib.loads(path.read_text())


def test_a_home_lab(capsys: pytest.CaptureFixture[str]) -> None:
    setup.run(Answers("home", "http://10.0.0.7:8000/", None, ""), None, {})
    assert file("home-lab") == {"place": "local", "endpoints": ["http://10.0.0.7:8000"]}
    said = capsys.readouterr().err
    assert "not tested" in said
    assert "wrote " in said
    assert "export" not in said
    assert said.index("next:") < said.index("cmdai-shell install")


def test_a_cloud_with_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    answers = Answers("cloud", "https://gpu.example.com", "prod", "MY_KEY")
    setup.run(answers, None, {})
    assert file("prod") == {
        "place": "cloud",
        "endpoints": ["https://gpu.example.com"],
        "auth_type": "api_key",
        "api_key_env": "MY_KEY",
        "timeout_ms": 15000,
    }
    said = capsys.readouterr().err
    assert said.index("export MY_KEY=") < said.index("cmdai-shell daemon restart")
    setup.run(Answers("cloud", "https://b.example", "b", "MY_KEY"), None, {"MY_KEY": "x"})
    assert "export" not in capsys.readouterr().err


def test_only_this_machine() -> None:
    setup.run(Answers("only"), None)
    assert load().active_environment == "none"


def test_wrong_answers_are_refused_with_the_reason() -> None:
    edit.add_environment(loading.config_file(), "home-lab", {"endpoints": ["http://a"]})
    answers = Answers("home", "", "http://10.0.0.7", "a b", "auto", "home-lab", None,
                      "sk-123", "KEY")  # fmt: skip
    setup.run(answers, None, {})
    assert [text.partition(":")[0] for text in answers.refused] == [
        "an address begins with http",
        "an environment cannot be called 'a b'",
        "an environment cannot be called 'auto'",
        "there is home-lab already",
        "the name of a variable, not the key itself",
    ]
    assert "home-lab-2" in answers.defaults
    assert file("home-lab-2")["api_key_env"] == "KEY"


def test_the_address_is_tried(capsys: pytest.CaptureFixture[str]) -> None:
    tried: list[str] = []

    def identify(url: str, variable: str = "") -> str:
        tried.append(url + variable)
        if "10.0.0.9" not in url:
            raise BackendUnavailable("nothing answers there", hint="is it switched on?")
        return "vLLM 0.11, model coder"

    setup.run(Answers("home", "http://10.0.0.7", False, "http://10.0.0.9", None, ""), identify, {})
    assert tried == ["http://10.0.0.7", "http://10.0.0.9"]
    said = capsys.readouterr().err
    assert "nothing answers there\n  is it switched on?" in said
    assert "vLLM 0.11" in said
    answers = Answers("home", "http://10.0.0.7", False, None, True, "kept", "")
    setup.run(answers, identify, {})
    assert answers.defaults[:2] == ["", "http://10.0.0.7"]
    assert file("kept")["endpoints"] == ["http://10.0.0.7"]
    answers = Answers("home", "http://10.0.0.9", "locked", "LAB_KEY")
    setup.run(answers, identify, {"LAB_KEY": "x" * 20})
    assert tried[-2:] == ["http://10.0.0.9", "http://10.0.0.9LAB_KEY"]


def test_what_is_in_use_is_changed_only_when_wanted() -> None:
    for name, wanted in (("a", False), ("b", True)):
        edit.set_value(loading.config_file(), "active_environment", "none")
        setup.run(Answers("home", "http://10.0.0.7", name, "", wanted), None, {})
        assert load().active_environment == ("b" if wanted else "none")


@pytest.mark.parametrize("kind", setup.KINDS, ids=lambda kind: kind.name)
def test_what_is_proposed_could_be_taken(kind: setup._Kind) -> None:
    setup.run(Answers(kind.title, kind.url, None, None), None, {})
    assert load().environments[kind.name].place == kind.place


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("192.0.2.2:8137", "http://192.0.2.2:8137"),
        ("gpubox.lan", "http://gpubox.lan"),
        ("localhost:8000/v1", "http://localhost:8000/v1"),
        ("gpu.example.com", "https://gpu.example.com"),
        ("[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_host_and_port_are_address_enough(
    typed: str, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    setup.run(Answers("home", typed, None, ""), None, {})
    assert file("home-lab")["endpoints"] == [url]
    assert f"taken for {url}" in capsys.readouterr().err


def test_who_leaves_at_any_question_has_changed_nothing() -> None:
    edit.set_value(loading.config_file(), "active_environment", "none")
    before = loading.config_file().read_text()
    answers: list[object] = ["home", "http://10.0.0.7", "box", ""]
    for count in range(len(answers) + 1):
        with pytest.raises(IndexError):  # the person goes
            setup.run(Answers(*answers[:count]), None, {})
        assert not (loading.config_file().parent / "environments").exists()
        assert loading.config_file().read_text() == before


def test_the_key_that_is_installed_is_not_installed_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(setup, "hook_file", lambda shell: tmp_path)
    setup.run(Answers("home", "http://10.0.0.7", None, ""), None, {})
    said = capsys.readouterr().err
    assert "press Ctrl-G" in said
    assert "cmdai-shell install" not in said


@pytest.fixture
def typing() -> Iterator[object]:
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        yield pipe


def test_a_line_is_checked_and_edited_before_it_is_taken(typing: object) -> None:
    terminal = setup.Terminal()
    typing.send_text("\x7f9\r\x7f3\r")  # type: ignore[attr-defined]  9 is too many
    assert terminal.choose("Which?", ["a", "b", "c"]) == 2
    typing.send_text("\x15http://a\r")  # type: ignore[attr-defined]
    assert terminal.text("Address?", "http://default", lambda text: None) == "http://a"
    typing.send_text("\r")  # type: ignore[attr-defined]
    assert terminal.confirm("Keep?", default=True)
    typing.send_text("\x03")  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        terminal.confirm("Keep?", default=True)


def test_without_a_terminal_it_says_what_to_type(call: Call) -> None:
    code, out, err = call("setup")
    assert (code, out) == (2, "")
    assert setup.INSTEAD in err
    words = setup.INSTEAD.replace("HOST", "10.0.0.1").split()[1:]
    assert call(*words)[0] == 0


def test_in_a_terminal() -> None:
    """As a person sees it, with the program in a process of its own."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*CLI, "setup"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"},
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    script = [(b"Number:", b"\r"), (b"address?", b"\x15http://127.0.0.1:1\r"),
              (b"(y/n)", b"\x15y\r"), (b"called?", b"\r"), (b"API key?", b"\r"),
              (b"next:", b"")]  # fmt: skip
    for wait_for, keys in script:
        while wait_for not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, keys)
        shown = b""
    assert process.wait(30) == 0
    os.close(ours)
    assert file("home-lab")["endpoints"] == ["http://127.0.0.1:1"]
