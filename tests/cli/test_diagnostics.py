from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.cli import diagnostics
from tests.fakes.api_socket import api_socket
from tests.fakes.told_status import LINKS, told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
