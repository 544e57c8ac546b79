from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.cli import diagnostics
from tests.fakes.api_socket import api_socket
from tests.fakes.told_status import LINKS, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Call
    from tests.fakes.api_socket import Told

WORDS = ("diagnostics", "network-topology")


@pytest.fixture
def api(runtime_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    monkeypatch.setattr("cmdai_shell.discovery.interfaces.read", lambda _: LINKS)
    monkeypatch.setattr("cmdai_shell.diagnose.routes.routes", lambda _: {})
    with api_socket(told()) as served:
        yield served


class TestTree:
    def test_on_a_pipe_it_is_plain_lines(self, call: Call, api: Told) -> None:
        code, out, err = call(*WORDS)
        assert (code, err) == (0, "")
        assert "\033" not in out
        assert "shell: zsh 5.9 (presses 12, the last 4 s ago), bash 5.2" in out
        assert "+ server lab/spark:8000  <== answered last" in out
        assert all(line == line.rstrip() for line in out.splitlines())

    def test_a_long_fact_stays_one_line(self, call: Call, api: Told) -> None:
        api.status["servers"][0]["why"] = "w" * 130
        assert "w" * 130 in call(*WORDS)[1]

    def test_without_a_daemon(self, call: Call, runtime_dir: Path) -> None:
        code, _, err = call(*WORDS)
        assert code == 69
        assert "no daemon is running" in err


def test_json_is_the_graph(call: Call, api: Told) -> None:
    document = json.loads(call(*WORDS, "--json")[1])
    kinds = {node["kind"] for node in document["nodes"]}
    assert kinds == {"shell", "daemon", "interface", "network", "server", "model"}
    ids = {node["id"] for node in document["nodes"]}
    assert all({edge["tail"], edge["head"]} <= ids for edge in document["edges"])


def test_a_daemon_that_says_other_things(call: Call, api: Told) -> None:
    api.status = {"servers": [{"name": "x"}]}
    code, _, err = call(*WORDS)
    assert code == 69
    assert "cmdai-shell daemon restart" in err


def test_servers_of_a_wrong_configuration_are_none(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.toml").write_text("nonsense = 1\n")
    assert diagnostics.written() == {}
    lab = '[environments.lab]\nendpoints = ["http://192.168.1.100:8000"]\n'
    (tmp_path / "config" / "config.toml").write_text(lab)
    assert diagnostics.written() == {"lab/192.168.1.100:8000": "http://192.168.1.100:8000"}


class TestPictures:
    @pytest.mark.parametrize(
        ("form", "begin"),
        [
            ("svg", "<svg "),
            ("dot", "digraph topology {"),
            ("mermaid", "flowchart LR\n"),
            ("html", "<!DOCTYPE html>"),
            ("tree", "shell: zsh 5.9"),
        ],
    )
    def test_on_stdout_or_into_a_file(
        self, call: Call, api: Told, tmp_path: Path, form: str, begin: str
    ) -> None:
        code, out, err = call(*WORDS, "--format", form)
        assert (code, err) == (0, "")
        assert out.startswith(begin)
        assert out.endswith("\n")
        path = tmp_path / "picture"
        code, nothing, said = call(*WORDS, "--format", form, "-o", str(path))
        assert (code, nothing, said) == (0, "", f"wrote {path}\n")
        assert path.read_text().splitlines()[:-3] == out.splitlines()[:-3]

    def test_into_a_folder_that_is_not_there(self, call: Call, api: Told, tmp_path: Path) -> None:
        code, _, err = call(*WORDS, "--format", "svg", "-o", str(tmp_path / "no" / "picture"))
        assert code == 1
        assert "no such file or directory" in err

    def test_where_lines_cannot_be_drawn(self, shell_out: Call, api: Told) -> None:
        _, out, err = shell_out(*WORDS, PYTHONIOENCODING="ascii")
        assert err == ""
        assert "`-- daemon cmdai-shell" in out


class TestBundle:
    @pytest.fixture(autouse=True)
    def _here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("cmdai_shell.diagnose.table.CHECKS", ())

    def test_it_lists_then_writes(self, call: Call, api: Told, tmp_path: Path) -> None:
        code, out, err = call("diagnostics", "bundle", "--yes")
        assert (code, out) == (0, "")
        (path,) = tmp_path.glob("cmdai-shell-bundle-*.tar.gz")
        assert path.stat().st_mode & 0o777 == 0o600
        with tarfile.open(path) as tar:
            names = [entry.name.partition("/")[2] for entry in tar]
        *listed, last = err.splitlines()
        assert [line.split()[-1] for line in listed] == names
        assert "status.json" in names
        assert last.startswith(f"wrote {path.name}")

    def test_in_json(self, call: Call, api: Told, tmp_path: Path) -> None:
        words = ("diagnostics", "bundle", "--yes", "--json", "-o", "b.tar.gz")
        document = json.loads(call(*words)[1])
        assert document["bytes"] == (tmp_path / "b.tar.gz").stat().st_size
        assert {piece["name"] for piece in document["pieces"]} >= {"status.json", "topology.svg"}

    def test_with_nobody_to_ask(self, call: Call, api: Told, tmp_path: Path) -> None:
        code, _, err = call("diagnostics", "bundle", "-o", "b.tar.gz")
        assert code == 1
        assert "status.json" in err
        assert "--yes" in err
        assert not (tmp_path / "b.tar.gz").exists()

    def test_who_says_no(
        self, call: Call, api: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(diagnostics, "_agreed", lambda *_: False)
        code, _, err = call("diagnostics", "bundle", "-o", "b.tar.gz")
        assert code == 0
        assert err.endswith("nothing was written\n")
        assert not (tmp_path / "b.tar.gz").exists()

    def test_a_file_that_is_there_is_left_alone(self, call: Call, api: Told) -> None:
        Path("b").write_text("mine")
        code, _, err = call("diagnostics", "bundle", "--yes", "-o", "b")
        assert code == 1
        assert "b is there already" in err
        assert Path("b").read_text() == "mine"

    def test_without_a_daemon(self, call: Call, runtime_dir: Path) -> None:
        code, _, err = call("diagnostics", "bundle", "--yes", "-o", "b.tar.gz")
        assert code == 0
        with tarfile.open("b.tar.gz") as tar:
            file = next(tar.extractfile(e) for e in tar if e.name.endswith("/status.json"))
            assert file
            status = json.load(file)
        assert not status["running"]
        assert "no daemon is running" in status["reason"]
        assert "topology" not in err
