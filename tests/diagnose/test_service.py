from __future__ import annotations

import shutil
import socket
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from cmdai_shell.config import paths
from cmdai_shell.errors import DaemonUnavailable
from tests.diagnose.conftest import look, status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from cmdai_shell.diagnose.surroundings import Surroundings


class TestRuntimeFolder:
    def test_one_s_own(self, healthy: Surroundings) -> None:
        assert look("runtime-folder", healthy).severity == "ok"

    def test_not_there_yet(self, healthy: Surroundings) -> None:
        healthy.runtime_dir.rmdir()
        assert look("runtime-folder", healthy).severity == "ok"
        found = look("runtime-folder", healthy, writable=lambda _: False)
        assert (found.severity, "CMDAI_RUNTIME_DIR" in found.cure) == ("fail", True)
        healthy.runtime_dir.mkdir()

    def test_somebody_else_s(self, healthy: Surroundings) -> None:
        found = look("runtime-folder", healthy, uid=healthy.uid + 1)
        assert found.severity == "fail"
        assert f"belongs to another user ({healthy.uid})" in found.what

    @pytest.mark.parametrize("mode", [0o777, 0o755])
    def test_open_to_others(self, healthy: Surroundings, mode: int) -> None:
        healthy.runtime_dir.chmod(mode)
        found = look("runtime-folder", healthy)
        assert (found.severity, found.cure) == ("fail", f"chmod 700 {healthy.runtime_dir}")

    def test_a_link(self, healthy: Surroundings, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(healthy.runtime_dir)
        found = look("runtime-folder", healthy, runtime_dir=tmp_path / "link")
        assert (found.severity, found.cure) == ("fail", f"rm {tmp_path / 'link'}")

    def test_a_file(self, healthy: Surroundings, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        assert look("runtime-folder", healthy, runtime_dir=tmp_path / "file").severity == "fail"


def test_a_path_too_long_for_a_socket(
    healthy: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, severity in (("/run/short", "ok"), ("/run/" + "x" * 100, "warn")):
        monkeypatch.setenv("CMDAI_RUNTIME_DIR", folder)
        environ = {"CMDAI_RUNTIME_DIR": folder}
        found = look("socket-path", healthy, environ=environ, runtime_dir=paths.runtime_dir())
        assert found.severity == severity
    assert "is used instead" in found.what
    assert look("socket-path", healthy, environ={}).severity == "ok"


class TestSockets:
    @pytest.fixture
    def listening(self, healthy: Surroundings) -> socket.socket:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(healthy.runtime_dir / "hook.sock"))
            listener.listen()
            yield listener

    def test_one_with_a_daemon(self, healthy: Surroundings, listening: socket.socket) -> None:
        assert look("sockets", healthy).severity == "ok"

    def test_one_that_a_killed_daemon_left(
        self, healthy: Surroundings, listening: socket.socket
    ) -> None:
        listening.close()
        found = look("sockets", healthy)
        assert (found.severity, found.cure) == ("warn", "cmdai-shell daemon start")
        assert "hook.sock" in found.what

    def test_a_file_in_its_place(self, healthy: Surroundings) -> None:
        path = healthy.runtime_dir / "api.sock"
        path.touch()
        found = look("sockets", healthy)
        assert (found.severity, found.cure) == ("fail", f"rm {path}")

    def test_no_folder_at_all(self, healthy: Surroundings) -> None:
        shutil.rmtree(healthy.runtime_dir)
        assert look("sockets", healthy).severity == "ok"
        healthy.runtime_dir.mkdir()


def gone(cause: Exception) -> Callable[[], Mapping[str, Any]]:
    def ask() -> NoReturn:
        raise DaemonUnavailable("no daemon", "start one") from cause

    return ask


class TestDaemon:
    def test_one_that_answers(self, healthy: Surroundings) -> None:
        found = look("daemon", healthy)
        assert (found.severity, "process 7" in found.what) == ("ok", True)

    @pytest.mark.parametrize("cause", [FileNotFoundError(), ConnectionRefusedError()])
    def test_none_is_fine_since_a_key_starts_one(
        self, healthy: Surroundings, cause: Exception
    ) -> None:
        assert look("daemon", healthy, daemon=gone(cause)).severity == "ok"

    def test_one_that_does_not_answer(self, healthy: Surroundings) -> None:
        found = look("daemon", healthy, daemon=gone(TimeoutError()))
        assert (found.severity, found.cure) == ("fail", "start one")

    def test_another_version(self, healthy: Surroundings) -> None:
        found = look("daemon", healthy, daemon=lambda: {**status(), "version": "0.0.1"})
        assert (found.severity, found.cure) == ("warn", "cmdai-shell daemon restart")
        assert "0.0.1" in found.what

    @pytest.mark.parametrize("folder", ["data_dir", "config_dir"])
    def test_the_folders_of_somebody_s_other_home(self, healthy: Surroundings, folder: str) -> None:
        found = look("daemon", healthy, daemon=lambda: {**status(), folder: "/other/home"})
        assert (found.severity, found.cure) == ("warn", "cmdai-shell daemon restart")
        assert "/other/home" in found.what
        assert str(getattr(healthy, folder)) in found.what

    def test_a_model_that_failed(self, healthy: Surroundings) -> None:
        assert look("last-error", healthy).severity == "ok"
        assert look("last-error", healthy, daemon=gone(FileNotFoundError())).severity == "ok"
        found = look("last-error", healthy, daemon=lambda: status(last_error="out of memory"))
        assert (found.severity, found.cure) == ("fail", "cmdai-shell daemon logs")
        assert "out of memory" in found.what

    def test_a_port_for_metrics_that_is_taken(self, healthy: Surroundings) -> None:
        assert look("metrics", healthy).severity == "ok"
        assert look("metrics", healthy, daemon=gone(FileNotFoundError())).severity == "ok"
        told = {"port": 9464, "problem": ""}
        assert (
            look("metrics", healthy, daemon=lambda: status() | {"metrics": told}).severity == "ok"
        )
        told = {**told, "problem": "address already in use"}
        found = look("metrics", healthy, daemon=lambda: status() | {"metrics": told})
        assert (found.severity, found.cure) == ("fail", "cmdai-shell config set metrics.port 9465")
        assert "port 9464: address already in use" in found.what

    def test_a_server_that_does_not_let_the_daemon_in(self, healthy: Surroundings) -> None:
        assert look("logins", healthy).severity == "ok"
        assert look("logins", healthy, daemon=gone(FileNotFoundError())).severity == "ok"
        one = {
            "id": "lab/spark:8000",
            "is_active": True,
            "state": "login",
            "why": "the daemon was started without $GPU_KEY",
            "hint": "cmdai-shell daemon restart, where it is set",
        }
        found = look("logins", healthy, daemon=lambda: {**status(), "servers": [one]})
        assert (found.severity, found.cure) == ("fail", one["hint"])
        assert "lab/spark:8000: the daemon was started without $GPU_KEY" in found.what
        other = {**one, "is_active": False}
        found = look("logins", healthy, daemon=lambda: {**status(), "servers": [other]})
        assert found.severity == "ok"

    def test_a_server_that_does_not_answer_the_daemon(self, healthy: Surroundings) -> None:
        assert look("servers", healthy).severity == "ok"
        assert look("servers", healthy, daemon=gone(FileNotFoundError())).severity == "ok"
        well = {"id": "lab", "is_active": True, "state": "ok", "why": "", "hint": ""}
        dead = {**well, "id": "desk", "state": "unreachable", "why": "the connection was refused"}
        found = look("servers", healthy, daemon=lambda: {**status(), "servers": [dead]})
        assert found.severity == "fail"
        assert "desk does not answer: the connection was refused" in found.what
        assert found.cure == "cmdai-shell backends test desk"
        found = look("servers", healthy, daemon=lambda: {**status(), "servers": [dead, well]})
        assert (found.severity, "desk" in found.what) == ("warn", True)
        aside = {**dead, "is_active": False}
        found = look("servers", healthy, daemon=lambda: {**status(), "servers": [aside, well]})
        assert found.severity == "ok"

    def test_a_trusted_server_that_is_not_used(self, healthy: Surroundings) -> None:
        one = {
            "name": "desk",
            "state": "elsewhere",
            "story": "not used here: over http only in 10.77.0.0/24, behind the router of then",
            "hint": "if this is your network: cmdai-shell backends trust desk",
        }
        told = {**status(), "servers": [], "discovery": {"found": [one]}}
        found = look("servers", healthy, daemon=lambda: told)
        assert (found.severity, found.cure) == ("warn", one["hint"])
        assert found.what == f"desk: {one['story']}"
        one["hint"] = ""  # in a cafe, of other addresses
        assert look("servers", healthy, daemon=lambda: told).severity == "ok"

    def test_a_collector_that_does_not_get_the_traces(self, healthy: Surroundings) -> None:
        told = {
            "endpoint": "http://127.0.0.1:4318",
            "sent": 2,
            "lost": 0,
            "problem": "",
            "hint": "",
        }
        for traces in (None, told):
            daemon = lambda traces=traces: {**status(), "traces": traces}  # noqa: E731
            assert look("traces", healthy, daemon=daemon).severity == "ok"
        told |= {"lost": 3, "problem": "the collector does not take them"}
        found = look("traces", healthy, daemon=lambda: {**status(), "traces": told})
        assert found.severity == "warn"
        assert "3 traces did not get to http://127.0.0.1:4318" in found.what
        assert "curl -i http://127.0.0.1:4318/v1/traces" in found.cure
        told |= {"hint": "pip install 'cmdai-shell[otlp]'"}
        found = look("traces", healthy, daemon=lambda: {**status(), "traces": told})
        assert found.cure == "pip install 'cmdai-shell[otlp]'"
