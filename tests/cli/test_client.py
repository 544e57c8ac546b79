from __future__ import annotations

import os
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from cmdai_shell import __version__
from cmdai_shell.cli import client as module
from cmdai_shell.cli.client import Client, error_of
from cmdai_shell.core import SuggestRequest
from cmdai_shell.errors import CmdaiError, ConfigError, DaemonUnavailable, ModelUnavailable
from tests.integration.conftest import SCRIPTED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Process

REQUEST = SuggestRequest(line="list files")


class TestStarting:
    def test_an_absent_daemon_is_started(self, daemon: Process) -> None:
        client = Client(start=(*SCRIPTED, "start"))
        *_, last = client.suggest(REQUEST)
        assert last["suggestion"]["command"] == "ls -la"
        assert daemon.pid == client.status()["pid"]

    def test_status_starts_none(self, daemon: Process) -> None:
        with pytest.raises(DaemonUnavailable, match="no daemon is running"):
            Client(start=(*SCRIPTED, "start")).status()
        assert not daemon.pid

    def test_one_of_another_version_is_replaced(
        self, scripted: Process, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old = scripted.pid
        monkeypatch.setattr(module, "__version__", "99")
        status = Client(start=(*SCRIPTED, "start")).ensure()
        assert status["pid"] == scripted.pid != old

    @pytest.mark.parametrize("kind", ["data", "config"])
    def test_one_with_other_folders_is_replaced_once(
        self,
        scripted: Process,
        kind: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        old = scripted.pid
        monkeypatch.setenv(f"CMDAI_{kind.upper()}_DIR", str(tmp_path / "elsewhere"))
        client = Client(start=(*SCRIPTED, "start"))
        status = client.ensure()
        assert status["pid"] == scripted.pid != old
        assert status[f"{kind}_dir"] == str(tmp_path / "elsewhere")
        said = capsys.readouterr().err
        assert str(tmp_path / kind) in said
        assert status["program"] == sys.executable
        assert str(tmp_path / "elsewhere") in said
        assert client.ensure()["pid"] == status["pid"]
        assert capsys.readouterr().err == ""

    def test_a_start_that_fails_says_why(self, runtime_dir: Path) -> None:
        start = (sys.executable, "-c", "import sys; sys.exit('cmdai-shell: no room')")
        with pytest.raises(DaemonUnavailable, match="no room"):
            Client(start=start).ensure()

    def test_a_start_that_is_not_there(self, runtime_dir: Path) -> None:
        with pytest.raises(DaemonUnavailable, match="could not be started"):
            Client(start=("/nowhere/python",)).ensure()

    def test_the_line_being_edited_is_not_handed_on(
        self, runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("READLINE_LINE", "secret words")
        start = (
            sys.executable,
            "-c",
            "import os, sys; sys.exit(str('READLINE_LINE' in os.environ))",
        )
        with pytest.raises(DaemonUnavailable, match="False"):
            Client(start=start).ensure()


class TestCalls:
    def test_stop_returns_when_the_socket_is_free(self, scripted: Process) -> None:
        Client().stop()
        with pytest.raises(DaemonUnavailable):
            Client(start=()).status()

    def test_reload(self, scripted: Process) -> None:
        assert Client().reload() == {"reloaded": True}

    def test_a_refusal_keeps_its_class(self, scripted: Process, tmp_path: Path) -> None:
        (tmp_path / "config").mkdir()
        (tmp_path / "config" / "config.toml").write_text("bogus = 1")
        with pytest.raises(ConfigError, match="unknown key bogus"):
            Client().reload()

    def test_leaving_early_cancels(self, scripted: Process) -> None:
        updates = Client().suggest(SuggestRequest(line="slowly find it"))
        assert next(updates)
        updates.close()
        assert Client().status()["version"] == __version__


def test_a_folder_of_somebody_else_gets_no_words(
    scripted: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = scripted.runtime_dir.stat().st_uid
    with monkeypatch.context() as stranger:
        stranger.setattr("os.getuid", lambda: mine + 1)
        with pytest.raises(DaemonUnavailable, match="nothing is sent there"):
            Client(scripted.runtime_dir / "api.sock", start=()).status()


class TestStrangeServers:
    @pytest.fixture
    def answer(self, runtime_dir: Path) -> Iterator[list[bytes]]:
        """A server on the socket that says these bytes, whatever it is asked."""
        said: list[bytes] = []
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(runtime_dir / "api.sock"))
        listener.listen()

        def serve() -> None:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                peer.recv(65536)
                for piece in said:
                    time.sleep(0.0 if piece else 0.5)
                    peer.sendall(piece)

        thread = threading.Thread(target=serve)
        thread.start()
        yield said
        listener.close()
        thread.join(5)

    @pytest.mark.parametrize(
        ("bytes_", "complaint"),
        [
            (b"", "cannot be reached"),
            (b"SSH-2.0-OpenSSH\r\n", "cannot be reached"),
            (b"HTTP/1.1 200 OK\r\n\r\nnot json", "not JSON"),
            (b"HTTP/1.1 200 OK\r\n\r\n[1]", "not a JSON object"),
            (b"HTTP/1.1 500 Oh\r\n\r\nboom", "answered 500: boom"),
            (b'HTTP/1.1 400 Oh\r\n\r\n{"error": 7}', "answered 400"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "not JSON"),
        ],
    )
    def test_each_is_one_clear_error(
        self, answer: list[bytes], bytes_: bytes, complaint: str
    ) -> None:
        answer.append(bytes_)
        with pytest.raises(DaemonUnavailable, match=complaint):
            Client(start=()).status()

    def test_a_daemon_that_has_just_started_gets_a_moment(
        self, answer: list[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "ANSWER_WITHIN", 0.05)
        answer += [b"", b"HTTP/1.1 200 OK\r\n\r\n", b'{"version": "1"}']
        assert Client(start=()).status() == {"version": "1"}

    def test_silence(self, runtime_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "ANSWER_WITHIN", 0.2)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(runtime_dir / "api.sock"))
            listener.listen()
            an_hour_ago = time.time() - 3600
            os.utime(runtime_dir / "api.sock", (an_hour_ago, an_hour_ago))
            with pytest.raises(DaemonUnavailable, match="does not answer") as error:
                Client(start=()).status()
        assert "cmdai-shell daemon restart" in error.value.hint


@pytest.mark.parametrize("kind", [ConfigError, ModelUnavailable, DaemonUnavailable])
def test_errors_come_over_with_their_class(kind: type[CmdaiError]) -> None:
    error = error_of({"code": kind.code, "message": "m", "hint": "h"})
    assert (type(error), error.message, error.hint) == (kind, "m", "h")


def test_an_error_of_no_such_class_is_a_plain_one() -> None:
    assert type(error_of({"code": "bad-completion", "message": "m"})) is CmdaiError
