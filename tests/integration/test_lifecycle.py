"""A daemon's life as a process: from the first press to the last, whatever happens between."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from cmdai_shell.daemon import folder
from tests.cores import cores_allowed
from tests.daemon.test_wire import record
from tests.integration.conftest import SCRIPTED, Process, read, until

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")


def log_events(tmp_path: Path) -> list[str]:
    lines = (tmp_path / "log" / "daemon.log").read_text().splitlines()
    return [json.loads(line)["event"] for line in lines]


def test_start_ask_stop(daemon: Process, tmp_path: Path) -> None:
    daemon.start()
    assert "Tls -la" in daemon.ask("list files")
    modes = {path.name: path.stat().st_mode & 0o777 for path in daemon.runtime_dir.iterdir()}
    assert modes == {"hook.sock": 0o600, "api.sock": 0o600, "daemon.lock": 0o600}
    began = time.monotonic()
    assert daemon.say("stop").returncode == 0
    assert time.monotonic() - began < 2
    assert not daemon.pid
    assert sorted(path.name for path in daemon.runtime_dir.iterdir()) == ["daemon.lock"]
    assert log_events(tmp_path)[-1] == "stopped"


def test_starting_twice_is_one_daemon(daemon: Process) -> None:
    assert daemon.start() == daemon.start()


def test_stopping_nothing_is_fine(daemon: Process) -> None:
    assert daemon.say("stop").returncode == 0


def test_it_has_left_the_terminal_and_the_folder(daemon: Process) -> None:
    proc = Path("/proc") / str(daemon.start())
    if not proc.exists():
        pytest.skip("no /proc")
    assert (proc / "cwd").readlink() == Path("/")
    until(lambda: daemon.ask("list files")[-1] == "D")
    assert {str((proc / "fd" / n).readlink()) for n in "012"} == {"/dev/null"}
    assert os.getsid(daemon.pid) == daemon.pid


def test_what_the_shell_has_open_does_not_stay_open(daemon: Process, tmp_path: Path) -> None:
    """``exec 9>lockfile`` in a script that calls us: the lock ends with the script."""
    with (tmp_path / "lockfile").open("w") as lockfile:
        os.set_inheritable(lockfile.fileno(), True)
        subprocess.run([*daemon.command, "start"], close_fds=False, check=True)
    assert daemon.ask("list files")[-1] == "D"
    folder = Path("/proc") / str(daemon.pid) / "fd"
    if not folder.exists():
        pytest.skip("no /proc")
    assert str(tmp_path / "lockfile") not in {str(fd.readlink()) for fd in folder.iterdir()}


def test_run_is_not_put_off_by_somebody_who_only_looks(daemon: Process) -> None:
    """Nor does it ever name "process 0"."""
    at = os.open(daemon.runtime_dir, os.O_RDONLY)
    lock = folder.take_lock(at)
    assert lock is not None
    command = [*daemon.command, "run"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            time.sleep(0.5)  # it has met the lock by now
            os.close(lock)
            until(lambda: daemon.pid == process.pid or process.poll() is not None, "the daemon")
            assert process.poll() is None
        finally:
            process.terminate()
            os.close(at)


def test_the_persons_line_is_not_in_its_environment(daemon: Process) -> None:
    pid = daemon.start(READLINE_LINE="my secret plan", READLINE_POINT="3", HARMLESS="yes")
    environ = (Path("/proc") / str(pid) / "environ").read_bytes()
    assert b"READLINE" not in environ
    assert b"HARMLESS=yes" in environ


@pytest.mark.skipif(sys.platform != "linux", reason="another process's limits are Linux's to tell")
def test_its_crash_writes_no_memory_to_disk(daemon: Process) -> None:
    """And whoever may end it may look at it as before: no file of it in /proc is root's."""
    with cores_allowed():
        pid = daemon.start()
    assert psutil.Process(pid).rlimit(psutil.RLIMIT_CORE)[0] == 1
    assert (Path("/proc") / str(pid) / "fd").stat().st_uid == os.getuid()


def test_twenty_racing_starters_make_one_daemon(daemon: Process, tmp_path: Path) -> None:
    with ThreadPoolExecutor(20) as pool:
        done = list(pool.map(lambda _: daemon.say("start"), range(20)))
    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * 20
    assert daemon.ask("list files")[-1] == "D"
    assert log_events(tmp_path).count("started") == 1


def test_run_beside_another_says_which(daemon: Process) -> None:
    pid = daemon.start()
    done = daemon.say("run")
    assert done.returncode == 1
    assert f"process {pid}" in done.stderr
    assert "daemon stop" in done.stderr


def test_killed_mid_request_the_next_press_recovers(daemon: Process) -> None:
    daemon.start()
    with daemon.connect() as client:
        client.sendall(record(line="hang"))
        until(lambda: client.recv(1, socket.MSG_PEEK), "a heartbeat")
        daemon.kill()
        assert "D" not in read(client)
    assert (daemon.runtime_dir / "hook.sock").exists()  # stale: nobody could remove it
    daemon.start()
    assert "Tls -la" in daemon.ask("list files")


def test_a_crash_of_its_own_recovers_likewise(daemon: Process) -> None:
    daemon.start()
    said = daemon.ask("crash")
    assert not [line for line in said if not line.startswith("M")], "it may be thinking before"
    until(lambda: not daemon.pid, "the daemon to be gone")
    daemon.start()
    assert "Tls -la" in daemon.ask("list files")


def test_what_lies_in_the_sockets_place_is_replaced(daemon: Process) -> None:
    (daemon.runtime_dir / "hook.sock").write_text("not a socket")
    target = daemon.runtime_dir / "elsewhere"
    target.write_text("keep me")
    (daemon.runtime_dir / "api.sock").symlink_to(target)
    daemon.start()
    assert daemon.ask("list files")[-1] == "D"
    assert target.read_text() == "keep me"


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_within_two_seconds(daemon: Process, sign: int) -> None:
    daemon.start()
    with daemon.connect() as client:
        client.sendall(record(line="hang"))
        until(lambda: client.recv(1, socket.MSG_PEEK), "a heartbeat")
        began = time.monotonic()
        daemon.kill(sign)
        assert time.monotonic() - began < 2
        assert read(client)[-1].startswith("Eno-daemon\x1f")
    daemon.start()


def test_hangup_reads_the_configuration_again(daemon: Process, tmp_path: Path) -> None:
    pid = daemon.start()
    assert any(line.startswith("P") for line in daemon.ask("wipe the root"))
    (tmp_path / "config").mkdir(exist_ok=True)
    (tmp_path / "config" / "config.toml").write_text('safety_level = "permissive"\n')
    os.kill(pid, signal.SIGHUP)
    until(lambda: "reloaded" in log_events(tmp_path), "the reload")
    assert "Trm -rf /" in daemon.ask("wipe the root")
    assert daemon.pid == pid


def test_each_shell_is_judged_by_its_own_safety_level(daemon: Process, tmp_path: Path) -> None:
    """Not by that of the shell whose press happened to start the daemon."""
    daemon.start(CMDAI_SAFETY_LEVEL="permissive")
    assert "Trm -rf /" in daemon.ask("wipe the root", safety_level="permissive")
    assert daemon.ask("wipe the root", safety_level="strict")[-1].startswith("Erefused\x1f")
    assert any(line.startswith("P") for line in daemon.ask("wipe the root"))


def test_a_broken_configuration_is_said_at_the_press_and_its_repair_is_enough(
    daemon: Process, tmp_path: Path
) -> None:
    (tmp_path / "config").mkdir(exist_ok=True)
    config = tmp_path / "config" / "config.toml"
    config.write_text("safety_levle = 1\n")
    daemon.start()
    (line,) = daemon.ask("list files")
    assert line.startswith("Ebad-configuration\x1f")
    assert "safety_level" in line
    config.write_text("")
    assert "Tls -la" in daemon.ask("list files")


def test_a_log_folder_that_cannot_be_made_does_not_stop_it(daemon: Process) -> None:
    daemon.start(CMDAI_LOG_DIR="/proc/no/log", CMDAI_CACHE_DIR="/proc/no/cache", HOME="/proc/no")
    assert "Tls -la" in daemon.ask("list files")


def test_a_socket_path_over_100_bytes_moves_to_tmp(
    daemon: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cmdai_shell.config import paths

    monkeypatch.setenv("CMDAI_RUNTIME_DIR", str(tmp_path / ("x" * 100)))
    moved = paths.runtime_dir()
    assert moved.parent == Path("/tmp")
    if moved.exists():
        pytest.skip(f"{moved} is in use")
    process = Process(moved)
    try:
        process.start()
        assert process.ask("list files")[-1] == "D"
        process.say("stop")
    finally:
        shutil.rmtree(moved, ignore_errors=True)


def test_a_folder_open_to_others_is_refused_with_the_cure(daemon: Process) -> None:
    daemon.runtime_dir.chmod(0o777)
    done = daemon.say("start")
    daemon.runtime_dir.chmod(0o700)
    assert done.returncode == 1
    assert f"chmod 700 {daemon.runtime_dir}" in done.stderr


@needs_root
def test_another_users_folder_is_refused(daemon: Process) -> None:
    os.chown(daemon.runtime_dir, 12345, -1)
    done = daemon.say("start")
    os.chown(daemon.runtime_dir, os.getuid(), -1)
    assert done.returncode == 1
    assert "another user" in done.stderr


def test_fifty_shells_at_once_without_a_daemon(daemon: Process) -> None:
    """Each starts one and asks: one daemon, fifty answers."""

    def press(number: int) -> list[str]:
        daemon.say("start")
        return daemon.ask(f"say {number}")

    with ThreadPoolExecutor(50) as pool:
        replies = list(pool.map(press, range(50)))
    assert [f"Techo 'say {n}'" in lines for n, lines in enumerate(replies)] == [True] * 50


def test_it_loads_aiohttp_only_for_the_api(daemon: Process) -> None:
    maps = Path("/proc") / str(daemon.start()) / "maps"
    assert daemon.ask("list files")[-1] == "D"
    assert "aiohttp" not in maps.read_text()
    with daemon.connect("api.sock") as client:
        client.sendall(b"GET /v1/status HTTP/1.0\r\n\r\n")
        assert read(client)[0] == "HTTP/1.0 200 OK"
    assert "aiohttp" in maps.read_text()


class TestUpgrade:
    """The package is copied, the daemon run from the copy, and the copy changed beneath it."""

    @pytest.fixture
    def copy(self, daemon: Process, tmp_path: Path) -> Path:
        root = Path(SCRIPTED[2]).parents[2]
        site = tmp_path / "site"
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / "cmdai_shell", site / "cmdai_shell", ignore=ignored)
        shutil.copytree(root / "tests" / "fakes", site / "tests" / "fakes", ignore=ignored)
        (site / "tests" / "__init__.py").touch()
        daemon.command = (*SCRIPTED[:2], str(site / "tests" / "fakes" / "scripted_daemon.py"))
        return site / "cmdai_shell" / "__init__.py"

    @staticmethod
    def upgrade(copy: Path, version: str) -> None:
        text = copy.read_text().replace('"0.1.0"', f'"{version}"')
        copy.with_suffix(".new").write_text(text)
        copy.with_suffix(".new").replace(copy)
        time.sleep(2.1)  # an installer may still be at work: the change has to settle

    def test_the_next_press_is_answered_by_the_new_version(
        self, daemon: Process, copy: Path
    ) -> None:
        pid = daemon.start()
        assert daemon.ask("", op="ping") == ["Mcmdai-shell 0.1.0", "D"]
        self.upgrade(copy, "9.9.9")
        assert daemon.ask("", op="ping") == ["Mcmdai-shell 9.9.9", "D"]
        assert daemon.pid == pid
        assert "Tls -la" in daemon.ask("list files")
        assert daemon.say("stop").returncode == 0
        assert not (daemon.runtime_dir / "hook.sock").exists()

    def test_no_press_is_lost_while_it_changes(self, daemon: Process, copy: Path) -> None:
        daemon.start()
        with daemon.connect() as client:
            client.sendall(record(line="slowly find"))
            self.upgrade(copy, "9.9.9")
            with ThreadPoolExecutor(20) as pool:
                replies = list(pool.map(lambda n: daemon.ask(f"say {n}"), range(20)))
            assert read(client)[-1] == "D"
        assert [f"Techo 'say {n}'" in lines for n, lines in enumerate(replies)] == [True] * 20
        assert daemon.ask("", op="ping")[0] == "Mcmdai-shell 9.9.9"


class TestActivation:
    """A service manager made the sockets (sd_listen_fds(3))."""

    HAND_OVER = (
        "import os, sys\n"
        "high = [os.dup2(int(fd), 50 + n) for n, fd in enumerate(sys.argv[1].split(','))]\n"
        "for n, fd in enumerate(high): os.dup2(fd, 3 + n)\n"
        "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='2')\n"
        "os.execv(sys.argv[2], sys.argv[2:])\n"
    )

    def test_it_serves_what_it_is_given_and_leaves_the_files(self, daemon: Process) -> None:
        with socket.socket(socket.AF_UNIX) as hook, socket.socket(socket.AF_UNIX) as api:
            for one, name in ((hook, "hook.sock"), (api, "api.sock")):
                one.bind(str(daemon.runtime_dir / name))
                one.listen()
            fds = [hook.fileno(), api.fileno()]
            command = [sys.executable, "-c", self.HAND_OVER, ",".join(map(str, fds))]
            with (
                daemon.connect() as waiting,
                subprocess.Popen([*command, *SCRIPTED, "run"], pass_fds=fds) as process,
            ):
                waiting.sendall(record(line="list files"))
                assert "Tls -la" in read(waiting)
                assert daemon.say("stop").returncode == 0
                assert process.wait(10) == 0
            assert (daemon.runtime_dir / "hook.sock").exists()
            assert daemon.say("start").returncode == 0  # the manager's socket still accepts
            assert not daemon.pid

    @pytest.mark.skipif(
        not shutil.which("systemd-socket-activate"), reason="systemd-socket-activate is missing"
    )
    def test_systemd_starts_it_at_the_first_press(self, daemon: Process) -> None:
        activator = shutil.which("systemd-socket-activate")
        listen = [f"--listen={daemon.runtime_dir / name}" for name in ("hook.sock", "api.sock")]
        passed = [f"--setenv={name}" for name in os.environ if name.startswith("CMDAI_")]
        process = subprocess.Popen(
            [str(activator), *listen, *passed, *SCRIPTED, "run"], stderr=subprocess.PIPE
        )
        try:
            until((daemon.runtime_dir / "api.sock").exists, "the activator")
            assert not daemon.pid
            assert "Tls -la" in daemon.ask("list files")
            assert daemon.pid == process.pid
            assert daemon.say("stop").returncode == 0
            assert process.wait(10) == 0
        finally:
            process.kill()
            process.communicate()


def test_killed_at_any_moment_of_200_presses_needs_no_hand(daemon: Process) -> None:
    """The hook's own rule: connect; no byte of a reply: start a daemon and connect once more."""
    dice = random.Random(7)

    def attempt(line: str) -> list[str]:
        try:
            return daemon.ask(line)
        except OSError:
            return []

    def press(line: str) -> list[str]:
        if lines := attempt(line):
            return lines
        assert daemon.say("start").returncode == 0
        return attempt(line)

    killed = 0
    for number in range(200):
        if pid := (number % 8 == 0 and daemon.pid):
            pause = dice.uniform(0, 0.02)
            killer = subprocess.Popen(["/bin/sh", "-c", f"sleep {pause:.4f}; kill -9 {pid}"])
            lines = press(f"say {number}")
            killer.wait()
            killed += 1
        else:
            lines = press(f"say {number}")
        whole = bool(lines) and lines[-1] == "D"
        assert not whole or f"Techo 'say {number}'" in lines
    assert killed > 10
    assert press("list files")[-1] == "D"
