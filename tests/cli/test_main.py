"""Exit codes, streams, signals: what scripts rely on."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cmdai_shell import __version__
from cmdai_shell.cli.client import Client
from cmdai_shell.config import loading
from cmdai_shell.hooks.render import SHELLS
from tests.cli.conftest import CLI, Call, Process
from tests.integration.conftest import until


class TestExitCodes:
    def test_unknown_option(self, call: Call) -> None:
        code, out, err = call("--bogus", "list", "files")
        assert (code, out) == (2, "")
        assert "--bogus" in err
        assert "cmdai-shell --help" in err

    @pytest.mark.parametrize(
        "words", [["--shell", "tcsh", "x"], ["-o", "xml", "x"], ["-n", "0", "x"]]
    )
    def test_wrong_value(self, call: Call, words: list[str]) -> None:
        assert call(*words)[:2] == (2, "")

    def test_bad_configuration(self, call: Call, scripted: Process) -> None:
        path = loading.config_file()
        path.parent.mkdir()
        path.write_text("bogus = 1\n")
        scripted.say("stop")
        scripted.start()
        code, out, err = call("list files")
        assert (code, out) == (78, "")
        assert f"{path}:1: unknown key bogus" in err
        path.unlink()
        assert call("list files")[:2] == (0, "ls -la\n")  # and it recovers by itself

    def test_no_daemon_and_none_can_be_started(
        self, call: Call, runtime_dir: object, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CMDAI_RUNTIME_DIR", "/proc/nowhere")
        code, out, err = call("list files")
        assert (code, out) == (69, "")
        assert "/proc/nowhere" in err

    def test_the_daemon_dies_over_it(self, call: Call, scripted: Process) -> None:
        code, out, err = call("crash")
        assert (code, out) == (69, "")
        assert "stopped answering" in err
        assert "cmdai-shell daemon logs" in err

    def test_version(self, call: Call) -> None:
        assert call("--version") == (0, f"cmdai-shell {__version__}\n", "")


@pytest.mark.usefixtures("scripted")
class TestStreams:
    @pytest.mark.parametrize(
        "words", [["list files"], ["--json", "list files"], ["config", "show"]]
    )
    def test_a_reader_that_has_gone(self, words: list[str]) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "wb") as gone:
            done = subprocess.run([*CLI, *words], stdout=gone, stderr=subprocess.PIPE, check=False)
        assert (done.returncode, done.stderr) == (141, b"")

    @pytest.mark.skipif(sys.platform != "linux", reason="/dev/full")
    @pytest.mark.parametrize("words", [["list files"], ["init", "bash"], ["model", "list"]])
    def test_a_full_disk_behind_stdout(self, words: list[str]) -> None:
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run([*CLI, *words], stdout=full, stderr=subprocess.PIPE, check=False)
        assert done.returncode == 1
        assert b"no space left" in done.stderr
        assert b"Traceback" not in done.stderr

    @pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
    def test_closed_streams(self, closed: str) -> None:
        done = subprocess.run(
            ["sh", "-c", f'exec "$@" {closed}', "sh", *CLI, "delete build"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0
        assert done.stdout == (
            "" if ">&- " in f"{closed} " and closed != "2>&-" else "rm -rf ./build\n"
        )
        assert "Traceback" not in done.stderr

    def test_ctrl_c_ends_the_work_in_the_daemon_too(self, scripted: Process) -> None:
        client = Client(start=())
        process = subprocess.Popen(
            [*CLI, "hang"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        until(lambda: client.status()["in_flight"] == 1, "the request to arrive")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out) == (130, "")
        assert "Traceback" not in err
        until(lambda: client.status()["in_flight"] == 0, "the request to be cancelled")


HEAVY = {"click", "aiohttp", "msgspec", "asyncio", "llama_cpp", "rich", "tree_sitter", "yaml"}


def imported(*words: str) -> set[str]:
    """Top-level modules in memory after a call."""
    code = (
        "import sys\nfrom cmdai_shell.cli.main import main\n"
        f"try: main({list(words)!r})\n"
        "finally: sys.stderr.write(' '.join(m.partition('.')[0] for m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    return set(done.stderr.split())


class TestInit:
    """It may stand in an rc file, where every new shell waits for it."""

    @pytest.mark.parametrize("shell", SHELLS)
    def test_it_imports_next_to_nothing(self, shell: str) -> None:
        assert imported("init", shell) & HEAVY == set()

    def test_the_others_import_only_what_they_need(self) -> None:
        assert imported("--version") & (HEAVY - {"click"}) == set()
        assert imported("status", "--help") & (HEAVY - {"click"}) == set()

    @pytest.mark.parametrize("shell", SHELLS)
    def test_it_prints_the_hook(self, call: Call, shell: str) -> None:
        code, out, err = call("init", shell)
        assert (code, err) == (0, "")
        assert "_cmdai_key" in out
        assert sys.executable in out
        assert "@PYTHON@" not in out

    def test_help_and_slips_are_click_s(self, call: Call) -> None:
        assert "cmdai-shell init" in call("init", "--help")[1]
        assert call("init", "tcsh")[0] == 2
        assert call("init")[0] == 2


def test_an_error_of_the_system_is_one_line(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise PermissionError(13, "Permission denied", "/some/file")

    monkeypatch.setattr("cmdai_shell.cli.main._click", fail)
    code, _, err = call("model", "list")
    assert (code, err) == (1, "cmdai-shell: /some/file: permission denied\n")


@pytest.mark.usefixtures("scripted")
class TestTerminal:
    """stderr on a terminal, stdout in a pipe: ``$(cmdai-shell ...)`` as a person types it."""

    def run(self, **environ: str) -> tuple[str, str]:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [*CLI, "slowly list the python files"],
            stdout=subprocess.PIPE,
            stderr=theirs,
            text=True,
            env={**os.environ, "TERM": "xterm", **environ},
        )
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:  # how Linux says that the other side is closed
            pass
        finally:
            os.close(ours)
        out, _ = process.communicate(timeout=20)
        return out, shown.decode()

    def test_the_command_is_seen_coming_and_only_it_is_printed(self) -> None:
        out, shown = self.run()
        assert out == "find . -name '*.py' -mtime -1\n"
        assert "\x1b[2mfind" in shown
        live, _, after = shown.rpartition("\r\x1b[K")
        assert "find" in live
        assert "find" not in after
        assert "scripted, " in after

    def test_no_color(self) -> None:
        _, shown = self.run(NO_COLOR="1")
        assert "find" in shown
        assert "\x1b[2m" not in shown
