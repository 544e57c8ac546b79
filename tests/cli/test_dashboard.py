from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.cli.conftest import CLI
from tests.fakes.api_socket import api_socket
from tests.fakes.told_status import sight, told
from tests.hooks.terminal import Terminal, require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cli.conftest import Call
    from tests.fakes.api_socket import Told


class TestOnce:
    def test_it_is_printed(self, call: Call, runtime_dir: Path) -> None:
        with api_socket(told()):
            code, out, err = call("dashboard", "--once")
        assert (code, err) == (0, "")
        assert "\033" not in out
        assert "+ lab/spark:8000" in out
        assert "…" not in out
        assert "(cmdai-shell doctor --only resolver)\n" in out + "\n"
        assert "q quit" not in out

    def test_without_a_daemon(self, call: Call, runtime_dir: Path) -> None:
        assert call("dashboard", "--once")[0] == 69

    def test_a_daemon_that_says_other_things(self, call: Call, runtime_dir: Path) -> None:
        with api_socket(told() | {"servers": [{"name": "x"}]}):
            code, _, err = call("dashboard", "--once")
        assert code == 69
        assert "cmdai-shell daemon restart" in err

    def test_without_a_terminal(self, call: Call, runtime_dir: Path) -> None:
        code, _, err = call("dashboard")
        assert code == 2
        assert "cmdai-shell dashboard --once" in err

    def test_in_plain_letters_where_there_are_no_others(
        self, shell_out: Call, runtime_dir: Path
    ) -> None:
        with api_socket(told()):
            code, out, err = shell_out("dashboard", "--once", PYTHONIOENCODING="ascii")
        assert (code, err) == (0, "")
        assert re.search(r"900 ms +# ", out)


class TestWeb:
    def test_the_printed_address_works_until_ctrl_c(self, told_api: Told) -> None:
        process = subprocess.Popen(
            [*CLI, "dashboard", "--web"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout
            address, _, token = process.stdout.readline().strip().partition("#")
            host = urlsplit(address).netloc
            assert re.fullmatch(r"[0-9a-f]{16}\.localhost:\d+", host)
            asked = urllib.request.Request(
                f"http://127.0.0.1:{host.rpartition(':')[2]}/state?after=-1",
                headers={"Authorization": f"Bearer {token}", "Host": host},
            )
            with urllib.request.urlopen(asked, timeout=20) as answer:
                assert json.load(answer)["daemon"]
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=20)
        finally:
            process.kill()
            process.wait()
        assert process.returncode == 0
        assert "Traceback" not in said
        assert "Ctrl-C ends it" in said

    @pytest.mark.parametrize("words", [("--web", "--once"), ("--port", "8000")])
    def test_what_does_not_go_together(self, call: Call, words: tuple[str, ...]) -> None:
        assert call("dashboard", *words)[0] == 2

    def test_a_port_that_somebody_has(self, call: Call, runtime_dir: Path) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            code, out, err = call("dashboard", "--web", "--port", str(other.getsockname()[1]))
        assert (code, out) == (1, "")
        assert "cannot be used" in err


def test_no_other_command_waits_for_prompt_toolkit() -> None:
    program = "import sys, cmdai_shell.cli.dashboard; sys.exit('prompt_toolkit' in sys.modules)"
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", program]) == 0


@pytest.fixture
def told_api(runtime_dir: Path) -> Iterator[Told]:
    with api_socket(told()) as served:
        yield served


@pytest.fixture
def open_dashboard(tmp_path: Path, runtime_dir: Path) -> Iterator[Callable[..., Terminal]]:
    """The real program in a real terminal, which says so when it has ended."""
    require("tmux")
    opened: list[Terminal] = []

    def start(*words: str, columns: int = 80, rows: int = 24, **environ: str) -> Terminal:
        env = {name: os.environ[name] for name in os.environ if name.startswith("CMDAI_")}
        command = shlex.join([*CLI, "dashboard", "--interval", "0.1", *words])
        made = Terminal(
            ["sh", "-c", f"{command}; echo ended $?; exec cat"],
            folder=runtime_dir,
            env={"HOME": os.environ["HOME"], "PWD": str(tmp_path), **env, **environ},
            columns=columns,
            rows=rows,
        )
        opened.append(made)
        return made

    yield start
    for each in opened:
        each.close()


@pytest.mark.hooks
class TestScreen:
    """In tmux."""

    def test_what_changes_is_seen(
        self, told_api: Told, open_dashboard: Callable[..., Terminal]
    ) -> None:
        terminal = open_dashboard()
        terminal.wait_screen(r"^> \+ lab/spark:8000 +ok +closed +210 ms")
        changed = told()
        changed["servers"][0] |= {"state": "unreachable", "breaker": "open", "why": "refused"}
        told_api.status = changed
        terminal.wait_screen(r"^> x lab/spark:8000 +no answer +open")
        terminal.wait_screen(r"ago lab/spark:8000: breaker open, was closed")

    def test_the_daemon_goes_and_comes_back(
        self, runtime_dir: Path, open_dashboard: Callable[..., Terminal]
    ) -> None:
        terminal = open_dashboard()
        terminal.wait_screen(r"^ no daemon is running .*daemon start")
        with api_socket(told()):
            terminal.wait_screen(r"\+ lab/spark:8000")
            assert "no daemon" not in terminal.screen().splitlines()[1]
        terminal.wait_screen(r"^ no daemon is running; below: \d s ago")
        with api_socket(told()):
            terminal.wait_screen(r"ago the daemon is back")
        terminal.press("q")
        terminal.wait_screen(r"^ended 0")

    def test_a_daemon_that_says_other_things_is_no_end(
        self, told_api: Told, open_dashboard: Callable[..., Terminal]
    ) -> None:
        told_api.status = {"servers": 7}
        terminal = open_dashboard()
        terminal.wait_screen(r"^ the daemon says things .*\(cmdai-shell daemon")
        told_api.status = told()
        terminal.wait_screen(r"lab/spark:8000")

    @pytest.mark.parametrize("size", [(200, 50), (80, 24), (40, 10), (20, 5)])
    def test_resized(
        self, told_api: Told, open_dashboard: Callable[..., Terminal], size: tuple[int, int]
    ) -> None:
        terminal = open_dashboard(columns=100, rows=30)
        terminal.wait_screen(r"lab/spark:8000")
        terminal.resize(*size)

        def is_filled() -> bool:
            lines = terminal.screen().splitlines()
            return len(lines) == size[1] and lines[-1].startswith(" q quit")

        terminal.wait(is_filled, "its last line to be the last")
        assert terminal.screen().startswith(" cmdai-shell")

    def test_trusting_takes_a_yes(
        self, told_api: Told, open_dashboard: Callable[..., Terminal]
    ) -> None:
        terminal = open_dashboard()
        terminal.wait_screen(r"^> \+ lab")
        terminal.press("T")
        terminal.wait_screen("choose one that was found")
        terminal.press("Down", "Down", "j")
        terminal.wait_screen(r"^> - spark-1a2b:8000")
        terminal.press("T")
        terminal.wait_screen(r"^ y/n  trust spark-1a2b:8000 at http://192\.168\.1\.77:8000\?")
        terminal.press("n")
        terminal.wait_screen(r"^ q quit")
        assert told_api.asked == []
        terminal.press("T", "y")
        terminal.wait_screen(r"ago spark-1a2b:8000 is trusted")
        assert told_api.asked == [("/v1/trust", {"name": "spark-1a2b:8000"})]

    def test_drained_and_back(
        self, told_api: Told, open_dashboard: Callable[..., Terminal]
    ) -> None:
        terminal = open_dashboard()
        terminal.wait_screen(r"^> \+ lab/spark:8000")
        terminal.press("d")
        terminal.wait(lambda: bool(told_api.asked), "the daemon to be asked")
        changed = told()
        changed["servers"][0] |= {"is_drained": True, "in_flight": 1}
        told_api.status = changed
        terminal.wait_screen(r"^> - lab/spark:8000 +draining")
        terminal.wait_screen(r"ago lab/spark:8000 is drained")
        terminal.press("d")
        terminal.wait(lambda: len(told_api.asked) > 1, "the daemon to be asked again")
        asked = [path for path, _ in told_api.asked]
        assert asked == ["/v1/drain", "/v1/undrain"]

    def test_one_that_changed_cannot_be_trusted_here(
        self, told_api: Told, open_dashboard: Callable[..., Terminal]
    ) -> None:
        terminal = open_dashboard()
        terminal.wait_screen(r"x old:8443")
        terminal.press(*["Down"] * 9)
        terminal.wait_screen(r"^> x old:8443")
        terminal.press("T", "y")
        terminal.wait_screen("choose one that was found")
        assert told_api.asked == []

    def test_testing_really_asks_the_server(
        self, told_api: Told, open_dashboard: Callable[..., Terminal]
    ) -> None:
        told_api.status["servers"][0]["id"] = "there"
        there = sight("there", "http://127.0.0.1:9", "approved")
        told_api.status["discovery"]["found"].append(there)
        terminal = open_dashboard(columns=160)
        terminal.wait_screen(r"^> \+ there")
        terminal.press("t")
        terminal.wait_screen(r"^ testing there \.\.\.")
        terminal.wait_screen(r"ago test of there: unreachable: .*refused", seconds=40)

    def test_help_and_leaving(
        self, told_api: Told, open_dashboard: Callable[..., Terminal]
    ) -> None:
        terminal = open_dashboard()
        terminal.wait_screen(r"lab/spark")
        terminal.press("?")
        terminal.wait_screen("half-open: being tried again")
        terminal.press("?")
        terminal.wait_screen(r"lab/spark")
        terminal.press("C-c")
        terminal.wait_screen(r"^ended 0")
        assert "lab/spark" not in terminal.screen()

    @pytest.mark.parametrize(("environ", "has_colour"), [({}, True), ({"NO_COLOR": "1"}, False)])
    def test_no_colour(
        self,
        told_api: Told,
        open_dashboard: Callable[..., Terminal],
        environ: dict[str, str],
        has_colour: bool,
    ) -> None:
        terminal = open_dashboard(**environ)
        terminal.wait_screen(r"lab/spark")
        colour = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-7]|9[0-7]|38)[;m]")
        assert bool(colour.search(terminal._tmux("capture-pane", "-p", "-e"))) is has_colour

    def test_a_hostile_name_is_only_a_name(
        self, told_api: Told, open_dashboard: Callable[..., Terminal]
    ) -> None:
        name = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x9b8;1;1t"
        told_api.status["servers"][0] |= {"id": name, "why": name, "state": "ok"}
        terminal = open_dashboard(columns=160)
        terminal.wait_screen(r"^> \+ red")
        assert "owned" not in terminal.title()
