from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from cmdai_shell.cli import model as model_commands
from cmdai_shell.cli import suggest
from cmdai_shell.cli.client import Client, Reply
from cmdai_shell.errors import CmdaiError, ModelUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cmdai_shell.core import SuggestRequest
    from tests.cli.conftest import Call, Process

KEYS = [
    "command",
    "explanation",
    "risk",
    "reasons",
    "safer",
    "alternatives",
    "backend",
    "is_fallback",
    "elapsed_ms",
]  # fmt: skip


@pytest.mark.usefixtures("scripted")
class TestStdout:
    """The command and nothing else, in every form."""

    def test_the_command(self, call: Call) -> None:
        assert call("list", "files") == (0, "ls -la\n", "")

    def test_one_argument_or_many_words_are_the_same(self, call: Call) -> None:
        assert call("list files") == call("list", "files")

    def test_several_lines(self, call: Call) -> None:
        assert call("show two lines")[1] == 'for f in *; do\n  echo "$f"\ndone\n'

    def test_of_the_configured_shell(self, call: Call) -> None:
        assert call("config", "set", "default_shell", "fish")[0] == 0
        assert call("show two lines")[1].endswith("end\n")
        assert call("--shell", "zsh", "show two lines")[1].endswith("done\n")

    def test_prose_and_thoughts_of_the_model_are_left_out(self, call: Call) -> None:
        assert call("talk")[:2] == (0, "date -u\n")

    def test_nothing_that_steers_a_terminal(self, call: Call) -> None:
        _, out, err = call("escape")
        assert out.strip().isprintable()
        assert "\x1b" not in err

    def test_other_commands_best_first(self, call: Call) -> None:
        assert call("-n", "3", "list files")[1] == "ls -la\nls -1A\nfind . -maxdepth 1\n"

    def test_no_more_than_there_are(self, call: Call) -> None:
        code, out, _ = call("-n", "10", "list files")
        assert (code, len(out.splitlines())) == (0, 3)

    @pytest.mark.parametrize("option", [["--json"], ["-o", "json"]])
    def test_json(self, call: Call, option: list[str]) -> None:
        code, out, _ = call(*option, "list files")
        found = json.loads(out)
        assert code == 0
        assert list(found) == KEYS
        assert (found["command"], found["risk"], found["reasons"]) == ("ls -la", "safe", [])
        assert (found["backend"], found["is_fallback"]) == ("scripted", False)
        assert found["elapsed_ms"] >= 0

    def test_yaml_says_the_same(self, call: Call) -> None:
        as_yaml = yaml.safe_load(call("-o", "yaml", "show two lines")[1])
        as_json = json.loads(call("-o", "json", "show two lines")[1])
        as_yaml.pop("elapsed_ms"), as_json.pop("elapsed_ms")
        assert as_yaml == as_json

    def test_json_holds_the_alternatives(self, call: Call) -> None:
        found = json.loads(call("--json", "-n", "3", "list files")[1])
        assert found["alternatives"] == ["ls -1A", "find . -maxdepth 1"]

    def test_an_explanation_goes_to_stderr(self, call: Call) -> None:
        code, out, err = call("--explain", "list files")
        assert (code, out) == (0, "ls -la\n")
        assert err.strip()

    def test_or_into_the_document(self, call: Call) -> None:
        assert json.loads(call("--json", "--explain", "list files")[1])["explanation"]

    def test_a_failure_leaves_it_empty(self, call: Call) -> None:
        code, out, err = call("fail")
        assert (code, out) == (1, "")
        assert "the scripted backend is down" in err
        assert "ask for something else" in err


@pytest.mark.usefixtures("scripted")
class TestSafety:
    """(level, words) to what stdout may hold."""

    @pytest.mark.parametrize(
        ("level", "words", "printed"),
        [
            ("permissive", "wipe the root", "rm -rf /\n"),
            ("moderate", "wipe the root", ""),
            ("strict", "wipe the root", ""),
            ("moderate", "delete build", "rm -rf ./build\n"),
            ("strict", "list files", "ls -la\n"),
        ],
    )
    def test_levels(self, call: Call, level: str, words: str, printed: str) -> None:
        code, out, err = call("--safety", level, words)
        assert out == printed
        assert code == (0 if printed else 1)
        assert ("not printed: rm -rf /" in err) == (not printed)

    def test_what_is_withheld_is_withheld_in_json_too(self, call: Call) -> None:
        code, out, err = call("--json", "wipe the root")
        found = json.loads(out)
        assert (code, found["command"], found["risk"]) == (1, "", "critical")
        assert found["reasons"]
        assert "rm -rf /" not in out
        assert "--safety permissive" in err

    def test_a_warning_says_why_and_what_is_safer(self, call: Call) -> None:
        _, _, err = call("wipe the root")
        assert err.startswith("critical: ")
        assert "safer: ls" in err

    def test_the_level_of_the_configuration(
        self, call: Call, scripted: Process, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CMDAI_SAFETY_LEVEL", "permissive")
        assert call("wipe the root")[:2] == (0, "rm -rf /\n")


@pytest.mark.usefixtures("scripted")
class TestRequest:
    def test_from_a_pipe(self, shell_out: Call) -> None:
        assert shell_out(stdin=b"list files\n")[:2] == (0, "ls -la\n")

    def test_from_a_pipe_by_name(self, shell_out: Call) -> None:
        assert shell_out("-", stdin=b"list files\n")[:2] == (0, "ls -la\n")

    def test_options_with_a_pipe(self, shell_out: Call) -> None:
        _, out, _ = shell_out("--json", stdin=b"list files\n")
        assert json.loads(out)["command"] == "ls -la"

    def test_words_that_are_a_command_s_name(self, call: Call) -> None:
        assert call("--", "status", "of", "git")[:2] == (0, "echo 'status of git'\n")

    def test_words_that_look_like_options(self, call: Call) -> None:
        assert call("--", "--json", "please")[:2] == (0, "echo '--json please'\n")

    def test_its_own_time_out(self, call: Call) -> None:
        begun = time.monotonic()
        code, out, err = call("--timeout", "1", "hang")
        assert (code, out) == (1, "")
        assert "1 s" in err
        assert time.monotonic() - begun < 10

    @pytest.mark.parametrize("seconds", ["0", "601", "soon"])
    def test_a_time_out_that_is_none(self, call: Call, seconds: str) -> None:
        assert call("--timeout", seconds, "list files")[:2] == (2, "")

    def test_the_folder_and_the_path_go_along(
        self, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[SuggestRequest] = []

        def remember(self: Client, request: SuggestRequest) -> Iterator[Reply]:
            seen.append(request)
            yield {"hint": "nothing"}

        monkeypatch.setattr(Client, "suggest", remember)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("PATH", "/a:/b")
        assert call("--shell", "fish", "list files")[0] == 1
        assert (seen[0].cwd, seen[0].path, seen[0].shell) == (str(tmp_path), "/a:/b", "fish")

    def test_a_folder_that_was_removed(
        self, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gone = tmp_path / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        gone.rmdir()
        assert call("list files")[:2] == (0, "ls -la\n")

    @pytest.mark.parametrize(
        ("stdin", "complaint"),
        [
            (b"", "no words"),
            (b" \n\t\n", "no words"),
            (b"caf\xe9", "not UTF-8"),
            (b"a\0b", "NUL"),
            (b"x" * (64 * 1024 + 1), "longer than 64 KiB"),
        ],
    )
    def test_what_is_no_request(self, shell_out: Call, stdin: bytes, complaint: str) -> None:
        code, out, err = shell_out(stdin=stdin)
        assert (code, out) == (2, "")
        assert complaint in err

    def test_an_argument_that_is_not_utf_8(self, shell_out: Call) -> None:
        code, out, err = shell_out(b"caf\xe9 files")
        assert (code, out) == (2, "")
        assert "not UTF-8" in err

    def test_64_kib_are_taken(self, shell_out: Call) -> None:
        code, _, err = shell_out(stdin=b"list files " + b"x" * (64 * 1024 - 11))
        assert code in (0, 1)
        assert "Traceback" not in err


def document(**changes: Any) -> Reply:
    return {
        "command": "ls",
        "explanation": "",
        "risk": "safe",
        "reasons": [],
        "safer": "",
        "alternatives": [],
        "backend": "scripted",
        "is_fallback": False,
        "elapsed_ms": 3.0,
        "action": "insert",
        "attempts": [],
        "remedy": "",
        "maker": "scripted",
        **changes,
    }


class Forgetful(Client):
    """A daemon that has no model until it is told to look again."""

    def __init__(self) -> None:
        self.has_model = False

    def suggest(self, request: SuggestRequest) -> Iterator[Reply]:
        if not self.has_model:
            raise ModelUnavailable("no model is here yet", "cmdai-shell model pull")
        yield {"suggestion": document()}

    def reload(self) -> Reply:
        self.has_model = True
        return {"reloaded": True}


class TestWithoutAModel:
    def test_nobody_to_ask_is_told_what_to_type(self, shell_out: Call, runtime_dir: Path) -> None:
        """The real daemon, whose model folder is empty."""
        try:
            code, out, err = shell_out("list files")
        finally:
            shell_out("daemon", "stop")
        assert (code, out) == (1, "")
        assert "no model yet: fetch qwen2.5-coder" in err
        assert "cmdai-shell model pull qwen2.5-coder" in err
        assert "or add --yes" in err

    def test_yes_fetches_it_and_goes_on(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fetched: list[bool] = []
        monkeypatch.setattr(model_commands, "offer_pull", lambda *, yes: fetched.append(yes))
        code = suggest.run(["list files"], "", suggest.Wish(fetch=True), Forgetful())
        assert (code, capsys.readouterr().out) == (0, "ls\n")
        assert fetched == [True]


class TestEndings:
    """What else a daemon may answer."""

    class Answering(Client):
        def __init__(self, *updates: Reply) -> None:
            self._updates = updates

        def suggest(self, request: SuggestRequest) -> Iterator[Reply]:
            yield from self._updates

    def test_a_hint_is_no_command(self) -> None:
        client = self.Answering({"hint": "say more"})
        with pytest.raises(CmdaiError, match="say more"):
            suggest.run(["x"], "", suggest.Wish(), client)

    @pytest.mark.parametrize("wish", [suggest.Wish(backend="lab"), suggest.Wish(environment="lab")])
    def test_who_stood_in_for_a_server_that_was_named(
        self, capsys: pytest.CaptureFixture[str], wish: suggest.Wish
    ) -> None:
        tried = ["lab/gpu:8000: the connection was refused"]
        maker = "qwen on this CPU"
        found = document(is_fallback=True, attempts=tried, maker=maker)
        assert suggest.run(["x"], "", wish, self.Answering({"suggestion": found})) == 0
        out, err = capsys.readouterr()
        assert out == "ls\n"
        assert err == f"{tried[0]}; answered by {maker}\n"

    def test_an_answer_without_an_end(self) -> None:
        client = self.Answering({"partial": "ls"}, {"notice": "loading"})
        with pytest.raises(CmdaiError, match="stopped answering"):
            suggest.run(["x"], "", suggest.Wish(), client)

    @pytest.mark.parametrize(
        ("action", "printed"), [("insert", "rm -r x\n"), ("arm", ""), ("refuse", "")]
    )
    def test_only_what_a_hook_would_insert_is_printed(
        self, capsys: pytest.CaptureFixture[str], action: str, printed: str
    ) -> None:
        found = document(command="rm -r x", risk="dangerous", reasons=["gone"], action=action)
        code = suggest.run(["x"], "", suggest.Wish(), self.Answering({"suggestion": found}))
        said = capsys.readouterr()
        assert (said.out, code) == (printed, 0 if printed else 1)
        assert "dangerous: gone" in said.err

    def test_a_hostile_command_is_cleaned_once_more(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        client = self.Answering({"suggestion": document(command="ls\x1b]0;x\x07 \u202e-la")})
        suggest.run(["x"], "", suggest.Wish(), client)
        assert capsys.readouterr().out == "ls -la\n"


class TestWhomToAsk:
    @pytest.fixture(autouse=True)
    def _two(self, scripted: object) -> None:
        from cmdai_shell.config import paths

        folder = paths.config_dir()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.toml").write_text(
            '[environments.lab]\nendpoints = ["http://127.0.0.1:9"]'
        )

    def test_the_model_here(self, call: Call) -> None:
        assert call("--backend", "embedded", "list", "files")[:2] == (0, "ls -la\n")

    @pytest.mark.parametrize("option", ["--environment", "--backend"])
    def test_an_unknown_name_says_what_there_is(self, call: Call, option: str) -> None:
        code, out, err = call(option, "x", "list files")
        assert (code, out) == (78, "")
        assert f"no {'server' if 'b' in option else 'environment'} 'x'" in err
        assert "lab" in err

    def test_the_shells_variable_too(self, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CMDAI_ENVIRONMENT", "x")
        assert call("list files")[0] == 78
        monkeypatch.setenv("CMDAI_ENVIRONMENT", "lab")
        assert call("list files")[:2] == (0, "ls -la\n")
