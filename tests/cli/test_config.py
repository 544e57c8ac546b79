from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.cli.main import main
from cmdai_shell.config import Config, loading
from cmdai_shell.config.schema import KEYS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def no_daemon(runtime_dir: Path) -> Path:
    return runtime_dir


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["config", *words])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def write(text: str) -> Path:
    path = loading.config_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_show_is_toml_that_could_be_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    write('safety_level = "strict"\n')
    code, out, _ = run(capsys, "show")
    assert code == 0
    shown = tomllib.loads(out)
    assert shown["safety_level"] == "strict"
    assert shown["embedded"]["context_tokens"] == 2048
    write(out)
    assert loading.load().safety_level == "strict"


def test_show_says_where_each_value_is_from(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write('\nlog_level = "debug"\n')
    monkeypatch.setenv("CMDAI_THREADS", "3")
    _, out, _ = run(capsys, "show", "--origin")
    assert tomllib.loads(out)["embedded"]["threads"] == 3
    line = {text.partition(" ")[0]: text for text in out.splitlines() if "=" in text}
    assert line["log_level"].endswith(f"# {path}:2")
    assert line["threads"].endswith("# $CMDAI_THREADS")
    assert line["model"].endswith("# default")
    _, out, _ = run(capsys, "show", "--origin", "--json")
    assert json.loads(out)["embedded.threads"] == {"value": 3, "origin": "$CMDAI_THREADS"}


def test_show_json_has_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "show", "--json")
    assert set(json.loads(out)) == set(KEYS)


@pytest.mark.parametrize(
    ("key", "plain", "as_json"),
    [
        ("safety_level", "moderate", '"moderate"'),
        ("embedded.threads", "0", "0"),
        ("caching.enabled", "true", "true"),
        ("safety.allow", "[]", "[]"),
    ],
)
def test_get(capsys: pytest.CaptureFixture[str], key: str, plain: str, as_json: str) -> None:
    assert run(capsys, "get", key) == (0, f"{plain}\n", "")
    assert run(capsys, "get", key, "--json")[1] == f"{as_json}\n"


def test_get_of_an_unknown_key(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "get", "threads")
    assert (code, out) == (78, "")
    assert "did you mean embedded.threads?" in err


def test_set_then_get(capsys: pytest.CaptureFixture[str]) -> None:
    write("# mine\n")
    assert run(capsys, "set", "embedded.threads", "3")[0] == 0
    assert run(capsys, "get", "embedded.threads")[1] == "3\n"
    assert loading.config_file().read_text().startswith("# mine\n")


def test_set_says_what_was_set_where_and_what_it_was(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CMDAI_RECIPES", "7")  # the file is what was changed
    write("[suggest]\nrecipes = 3\n")
    assert run(capsys, "set", "suggest.recipes", "2") == (
        0,
        "",
        "suggest.recipes = 2 (was 3), in config.toml\n"
        "note: $CMDAI_RECIPES is set and outranks the file\n",
    )
    said = run(capsys, "set", "suggest.recipes", "2")[2]
    assert said.startswith("suggest.recipes = 2 (as before), in config.toml\n")
    said = run(capsys, "set", "safety.allow", '["git push"]')[2]
    assert said == 'safety.allow = ["git push"] (was []), in config.toml\n'
    assert run(capsys, "set", "suggest.recipes", "2", "--json")[2].startswith("note:")


def test_unset_gives_back_the_default_and_keeps_the_rest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write(
        '# mine\nlog_level = "debug"  # for now\n\n[environments.lab]\n# its server\n'
        'endpoints = ["http://127.0.0.1:1"]\nauth_type = "api_key"\napi_key_env = "GPU"\n'
    )
    code, _, err = run(capsys, "unset", "log_level")
    assert (code, err) == (0, 'log_level = "info" (was "debug"), in config.toml\n')
    assert run(capsys, "unset", "environments.lab.api_key_env")[0] == 0
    assert loading.load().environments["lab"].api_key_env == ""
    text = path.read_text()
    assert text.startswith("# mine\n")
    assert "# its server\n" in text
    assert "GPU" not in text
    assert "as before" in run(capsys, "unset", "log_level")[2]
    assert path.read_text() == text
    assert run(capsys, "unset", "environments.lab.endpoints")[0] == 78
    assert run(capsys, "unset", "no.such")[0] == 78
    assert path.read_text() == text


def test_set_takes_a_negative_number_as_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "set", "embedded.threads", "-1")
    assert code == 78
    assert "embedded.threads = -1: expected a whole number >= 0" in err
    assert not loading.config_file().exists()


def test_set_says_when_a_variable_outranks_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CMDAI_MODEL", "a")
    assert (
        "$CMDAI_MODEL is set and outranks the file" in run(capsys, "set", "embedded.model", "b")[2]
    )


def test_validate(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(capsys, "validate")[0] == 0
    path = write("log_level = 'info'\n")
    assert run(capsys, "validate")[1] == f"{path}: valid\n"
    write("log_level = 'info'\n[embedded]\nthread = 1\n")
    code, out, err = run(capsys, "validate")
    assert (code, out) == (78, "")
    assert f"{path}:3: unknown key embedded.thread" in err
    other = tmp_path / "other.toml"
    other.write_text("x = 1\n")
    assert run(capsys, "validate", str(other))[0] == 78
    assert run(capsys, "validate", str(tmp_path / "absent.toml"))[0] == 78


def test_path(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "path")[1] == f"{loading.config_file()}\n"


def test_a_wrong_number_of_words_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "set", "embedded.threads")[0] == 2
    assert run(capsys, "get")[0] == 2


class TestEdit:
    @pytest.fixture
    def editor(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A program that puts ``text`` into the file it is given."""
        script = tmp_path / "my editor"
        script.write_text(f'#!/bin/sh\ncp "$1" "{tmp_path}/seen"\ncp "{tmp_path}/text" "$1"\n')
        script.chmod(0o755)
        monkeypatch.delenv("VISUAL", raising=False)
        monkeypatch.setenv("EDITOR", f"'{script}'")
        return tmp_path

    def test_a_good_text_counts(self, capsys: pytest.CaptureFixture[str], editor: Path) -> None:
        (editor / "text").write_text("# mine\nlog_level = 'error'\n")
        assert run(capsys, "edit")[0] == 0
        assert loading.config_file().read_text() == "# mine\nlog_level = 'error'\n"

    def test_the_first_time_every_key_is_there(
        self, capsys: pytest.CaptureFixture[str], editor: Path
    ) -> None:
        (editor / "text").write_text("")
        run(capsys, "edit")
        seen = (editor / "seen").read_text()
        assert all(name.rpartition(".")[2] in seen for name in KEYS)

    def test_a_bad_text_is_kept_aside(
        self, capsys: pytest.CaptureFixture[str], editor: Path
    ) -> None:
        path = write("log_level = 'error'\n")
        (editor / "text").write_text("log_level = 'loud'\n")
        code, _, err = run(capsys, "edit")
        assert code == 78
        assert "config.toml:1: log_level" in err
        assert path.read_text() == "log_level = 'error'\n"
        rejected = path.with_suffix(".rejected")
        assert str(rejected) in err
        assert rejected.read_text() == "log_level = 'loud'\n"

    @pytest.mark.parametrize("program", ["false", "/nonexistent/editor", "'"])
    def test_an_editor_that_fails(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, program: str
    ) -> None:
        monkeypatch.setenv("VISUAL", program)
        assert run(capsys, "edit")[0] == 78
        assert loading.load(environ={}) == Config()

    def test_no_editor_at_all(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        for name in ("VISUAL", "EDITOR"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PATH", str(tmp_path))
        code, _, err = run(capsys, "edit")
        assert code == 78
        assert "no editor: neither VISUAL nor EDITOR is set" in err
        assert "export EDITOR=" in err

    def test_nothing_changed(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("VISUAL", "true")
        assert run(capsys, "edit")[2] == "nothing was changed\n"
        assert not loading.config_file().exists()

    def test_a_text_that_is_wrong_beside_the_environments_changes_nothing(
        self, capsys: pytest.CaptureFixture[str], editor: Path
    ) -> None:
        path = write("")
        lab = path.parent / "environments" / "lab.toml"
        lab.parent.mkdir()
        lab.write_text('endpoints = ["http://10.0.0.1"]\n')
        for text, why in {
            '[environments.lab]\nendpoints = ["http://10.0.0.2"]\n': "another environment 'lab'",
            'active_environment = "nope"\n': "config.toml:1: active_environment: no environment",
        }.items():
            (editor / "text").write_text(text)
            code, _, err = run(capsys, "edit")
            assert code == 78
            assert why in err
            assert path.read_text() == ""
            other = editor / "config.toml"
            other.write_text(text)
            (editor / "environments").mkdir(exist_ok=True)
            (editor / "environments" / "lab.toml").write_text(lab.read_text())
            code, _, err = run(capsys, "validate", str(other))
            assert code == 78
            assert why in err

    def test_what_was_wrong_already_is_mended_step_by_step(
        self, capsys: pytest.CaptureFixture[str], editor: Path
    ) -> None:
        path = write('active_environment = "nope"\nlog_level = "info"\n')
        (editor / "text").write_text('active_environment = "nope"\nlog_level = "error"\n')
        assert run(capsys, "edit")[0] == 0
        assert "error" in path.read_text()

    @pytest.mark.parametrize(
        ("script", "text", "why"),
        [
            ('rm "$1"', None, "left no text"),
            ('echo "# an hour of work" > "$1"; kill -9 $$', b"# an hour of work\n", "failed"),
            ('echo "# an hour of work" > "$1"; exit 1', b"# an hour of work\n", "failed"),
            ("printf '# \\351' > \"$1\"", b"# \xe9", "not UTF-8 text"),
            ('echo "# mine" > "$1"; echo "# theirs" > FILE', b"# mine\n", "by another program"),
        ],
    )
    def test_nothing_that_was_typed_is_lost(
        self,
        capsys: pytest.CaptureFixture[str],
        editor: Path,
        script: str,
        text: bytes | None,
        why: str,
    ) -> None:
        path = write("log_level = 'error'\n")
        before = path.read_text() if "FILE" not in script else "# theirs\n"
        program = editor / "my editor"
        program.write_text(f"#!/bin/sh\n{script.replace('FILE', str(path))}\n")
        code, _, err = run(capsys, "edit")
        assert code == 78
        assert why in err
        assert path.read_text() == before
        rejected = path.with_suffix(".rejected")
        assert rejected.exists() == (text is not None)
        if text is not None:
            assert rejected.read_bytes() == text
            assert f"your text is in {rejected}" in err
            run(capsys, "edit")  # the second does not take the place of the first
            assert path.with_suffix(".rejected2").exists() or "FILE" in script

    def test_an_editor_of_blanks_is_none(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("VISUAL", " ")
        monkeypatch.setenv("EDITOR", "true")
        assert run(capsys, "edit")[2] == "nothing was changed\n"


def test_an_import_is_no_option_of_add_environment(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("add-environment", "x", "--url", "http://10.0.0.1", "--no-test")
    code, _, err = run(capsys, *words, "--set", "import=/nope.toml")
    assert code == 78
    assert 'write import = "/nope.toml" into it: cmdai-shell config edit NAME' in err
    assert not loading.config_file().parent.joinpath("environments", "x.toml").exists()
