from __future__ import annotations

import hashlib
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.backends.embedded.catalog import Catalog
from cmdai_shell.cli import model as commands
from cmdai_shell.cli.main import main
from cmdai_shell.config import load, loading, paths
from cmdai_shell.errors import ModelUnavailable
from tests.backends.embedded.model_parts import HUB, URL_PATH, WEIGHTS, entry
from tests.fakes.hub import Hub, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving({URL_PATH: WEIGHTS}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, runtime_dir: Path) -> None:
    """The catalog knows one small model, and it is the machine's default."""
    known = Catalog(hub="https://hub.invalid", models=(entry(HUB),))
    for module in ("cli.model", "backends.embedded.store", "backends.embedded.source_hub"):
        monkeypatch.setattr(f"cmdai_shell.{module}.catalog", lambda: known)
    monkeypatch.setattr(commands, "default_here", lambda: ("tiny", "there is room for little"))


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["model", *words])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def gguf(folder: Path) -> Path:
    path = folder / "mine.gguf"
    path.write_bytes(b"GGUF my own")
    return path


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Somebody at a terminal who types that; to be called in the test, capture resets stdin."""

    def sit_down(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", Terminal(text))
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        monkeypatch.setenv("TERM", "dumb")

    return sit_down


class TestPull:
    def test_the_machine_s_default_and_why(
        self, capsys: pytest.CaptureFixture[str], hub: Hub
    ) -> None:
        code, out, err = run(capsys, "pull")
        assert (code, out) == (0, "")
        assert "tiny (there is room for little)" in err
        assert "tiny is ready" in err
        assert load().embedded.model == "auto"

    def test_json_is_all_that_is_on_stdout(
        self, capsys: pytest.CaptureFixture[str], hub: Hub
    ) -> None:
        _, out, _ = run(capsys, "pull", "tiny", "--json")
        found = json.loads(out)
        assert found["sha256"] == hashlib.sha256(WEIGHTS).hexdigest()
        assert Path(found["path"]).read_bytes() == WEIGHTS

    def test_plain_progress_on_a_pipe(self, capsys: pytest.CaptureFixture[str], hub: Hub) -> None:
        _, _, err = run(capsys, "pull")
        assert "tiny: 100 % of 0 MB" in err
        assert "\r" not in err
        assert "\033" not in err

    def test_a_failure_says_why_and_what_to_do(
        self, capsys: pytest.CaptureFixture[str], hub: Hub
    ) -> None:
        hub.status = 503
        code, out, err = run(capsys, "pull", "tiny", "--json")
        assert (code, out) == (1, "")
        assert "HTTP 503" in err
        assert "model import FILE" in err

    def test_an_unknown_one(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, _, err = run(capsys, "pull", "gpt-17")
        assert code == 1
        assert "choose tiny" in err


class TestList:
    def test_before_anything(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, err = run(capsys, "list")
        assert code == 0
        assert out.split() == ["tiny", "0", "MB", "-", "for", "this", "test"]
        assert "cmdai-shell model pull" in err

    def test_what_is_here_and_in_use(
        self, capsys: pytest.CaptureFixture[str], hub: Hub, tmp_path: Path
    ) -> None:
        run(capsys, "pull")
        run(capsys, "import", str(gguf(tmp_path)), "--id", "mine")
        _, out, _ = run(capsys, "list")
        assert [line.split()[:2] for line in out.splitlines()] == [["*", "tiny"], ["mine", "0"]]
        rows = json.loads(run(capsys, "list", "--json")[1])
        assert [(row["id"], row["installed"], row["in_use"]) for row in rows] == [
            ("tiny", True, True),
            ("mine", True, False),
        ]

    def test_a_begun_pull_is_shown(self, capsys: pytest.CaptureFixture[str]) -> None:
        home = paths.data_dir() / "models" / "tiny"
        home.mkdir(parents=True)
        (home / "tiny.gguf.part").write_bytes(b"GGUF")
        assert json.loads(run(capsys, "list", "--json")[1])[0]["fetched_bytes"] == 4


class TestUse:
    def test_it_is_written_into_the_configuration(
        self, capsys: pytest.CaptureFixture[str], hub: Hub
    ) -> None:
        run(capsys, "pull")
        assert run(capsys, "use", "tiny")[0] == 0
        assert load().embedded.model == "tiny"
        assert run(capsys, "use", "auto")[0] == 0
        assert load().embedded.model == "auto"

    def test_not_one_that_is_not_here(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, _, err = run(capsys, "use", "tiny")
        assert code == 1
        assert "cmdai-shell model pull tiny" in err
        assert not loading.config_file().exists()

    def test_a_variable_outranks_it(
        self, capsys: pytest.CaptureFixture[str], hub: Hub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run(capsys, "pull")
        monkeypatch.setenv("CMDAI_MODEL", "auto")
        assert "$CMDAI_MODEL is set" in run(capsys, "use", "tiny")[2]


class TestRemove:
    def test_on_a_pipe_it_wants_a_yes(self, capsys: pytest.CaptureFixture[str], hub: Hub) -> None:
        run(capsys, "pull")
        code, _, err = run(capsys, "remove", "tiny")
        assert code == 1
        assert "cmdai-shell model remove tiny --yes" in err
        assert run(capsys, "remove", "tiny", "--yes")[0] == 0
        assert json.loads(run(capsys, "list", "--json")[1])[0]["installed"] is False

    def test_a_no_keeps_it(
        self, capsys: pytest.CaptureFixture[str], hub: Hub, typing: Callable[[str], None]
    ) -> None:
        run(capsys, "pull")
        typing("n\n")
        assert run(capsys, "remove", "tiny")[0] == 0
        assert json.loads(run(capsys, "list", "--json")[1])[0]["installed"] is True


class TestVerify:
    def test_good_and_damaged(self, capsys: pytest.CaptureFixture[str], hub: Hub) -> None:
        path = Path(json.loads(run(capsys, "pull", "--json")[1])["path"])
        assert run(capsys, "verify")[:2] == (0, "tiny: good\n")
        path.write_bytes(WEIGHTS[:-1] + b"?")
        code, out, _ = run(capsys, "verify")
        assert code == 1
        assert "wrong digest" in out
        code, out, _ = run(capsys, "verify", "tiny", "--json")
        assert code == 1
        assert json.loads(out)[0]["ok"] is False


class TestImport:
    def test_an_unknown_model_is_warned_about(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        code, _, err = run(capsys, "import", str(gguf(tmp_path)))
        assert code == 1
        assert "--id NAME" in err
        code, _, err = run(capsys, "import", str(gguf(tmp_path)), "--id", "mine")
        assert code == 0
        assert "warning: mine is not in the catalog" in err

    def test_a_known_one_is_recognised(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        (tmp_path / "any name").write_bytes(WEIGHTS)
        code, _, err = run(capsys, "import", str(tmp_path / "any name"))
        assert code == 0
        assert "warning" not in err
        assert json.loads(run(capsys, "list", "--json")[1])[0]["in_use"] is True

    def test_no_such_file_is_a_usage_error(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(capsys, "import", "/nonexistent.gguf")[0] == 2


class TestOfferPull:
    def test_nobody_to_ask(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        with pytest.raises(ModelUnavailable) as error:
            commands.offer_pull(yes=False)
        assert error.value.hint == "cmdai-shell model pull tiny, or add --yes"
        assert hub.ranges == []

    def test_yes_beforehand(self, hub: Hub) -> None:
        assert commands.offer_pull(yes=True).id == "tiny"

    @pytest.mark.parametrize("typed", ["\n", "y\n"])
    def test_enter_is_yes(
        self,
        hub: Hub,
        typing: Callable[[str], None],
        capsys: pytest.CaptureFixture[str],
        typed: str,
    ) -> None:
        typing(typed)
        assert commands.offer_pull(yes=False).id == "tiny"
        said = capsys.readouterr()
        assert "no model yet: fetch tiny (0 MB)? [Y/n]" in said.err
        assert said.out == ""

    def test_no_is_respected(self, hub: Hub, typing: Callable[[str], None]) -> None:
        typing("n\n")
        with pytest.raises(ModelUnavailable, match="no model is here yet"):
            commands.offer_pull(yes=False)
        assert hub.ranges == []

    def test_the_configured_model_is_the_one_fetched(
        self, hub: Hub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CMDAI_MODEL", "unheard-of")
        with pytest.raises(ModelUnavailable, match="no source for a model unheard-of"):
            commands.offer_pull(yes=True)


def test_bench_without_a_model_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "bench")
    assert code == 1
    assert "cmdai-shell model pull" in err
