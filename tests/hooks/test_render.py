"""The text of a hook for this machine."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cmdai_shell.config.paths import resource
from cmdai_shell.core import Shell
from cmdai_shell.errors import CmdaiError
from cmdai_shell.hooks.render import SHELLS, Relay, find_relay, quote, relay_command, render
from tests.hooks.terminal import require
from tests.hooks.zsh import PlayedDaemon

ODD = '/opt/it\'s $HOME `x` "q" \\ é/python'


def program(folder: Path, name: str, script: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_the_fastest_relay_that_can_do_it_is_found(tmp_path: Path) -> None:
    path = str(tmp_path)
    assert find_relay(path).kind == "python"
    curl = program(tmp_path, "curl", "echo 'Features: IPv6 UnixSockets libz'")
    assert find_relay(path) == Relay("curl", curl)
    socat = program(tmp_path, "socat", "exit 1")
    assert find_relay(path) == Relay("socat", socat)
    program(tmp_path, "nc", "echo '  -U, --unixsock  Use Unix domain sockets only'")
    assert find_relay(path).kind == "socat"  # that one is ncat, 110 ms a press
    nc = program(tmp_path, "nc", "printf '\\t-U\\t\\tUse UNIX domain socket' >&2; exit 1")
    assert find_relay(path) == Relay("nc", nc)


def test_a_relay_that_cannot_be_run_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "nc").write_bytes(b"\x7fELF")
    (tmp_path / "nc").chmod(0o755)
    assert find_relay(str(tmp_path)).kind == "python"


@pytest.mark.parametrize("kind", ["nc", "socat", "curl", "python"])
def test_every_relay_carries_a_record_and_streams_the_reply(kind: str, runtime_dir: Path) -> None:
    name = "shell-hooks/relay.py"
    path = str(Path(__file__).parents[2] / name) if kind == "python" else require(kind)
    if kind == "curl":
        pytest.skip("curl speaks HTTP: tried with the real daemon in test_zsh")
    daemon = PlayedDaemon(runtime_dir, "Mone\n", 0.5, "Mtwo\n", "D\n")
    command = relay_command(
        Relay(kind, path),  # type: ignore[arg-type]
        python=sys.executable,
        socket=str(runtime_dir / "hook.sock"),
    )
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as relay:
        assert relay.stdin
        assert relay.stdout
        relay.stdin.write(b"v=1\x1fline=\xff\x1e")
        relay.stdin.flush()
        assert os.read(relay.stdout.fileno(), 100) == b"Mone\n"
        relay.stdin.close()
        assert relay.stdout.read() == b"Mtwo\nD\n"
    assert daemon.records[0]["line"] == b"\xff"
    daemon.close()


def test_our_relay_ends_when_nobody_listens(tmp_path: Path) -> None:
    relay = Path(__file__).parents[2] / "shell-hooks/relay.py"
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(relay), str(tmp_path / "none.sock")],
        stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=20,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")


@pytest.mark.parametrize("shell", SHELLS)
def test_any_path_is_one_word_of_the_shell(shell: Shell) -> None:
    script = f"printf %s {quote(ODD, shell)}"
    done = subprocess.run([require(shell), "-c", script], capture_output=True, check=True)
    assert done.stdout.decode() == ODD


@pytest.mark.parametrize("shell", SHELLS)
def test_no_placeholder_is_left_and_the_shell_can_read_it(shell: Shell, tmp_path: Path) -> None:
    text = render(shell, python=ODD, relay=Relay("nc", "/it's/nc"))
    assert not re.search(r"@[A-Z_]+@", text)
    hook = tmp_path / "hook"
    hook.write_text(text)
    press = resource(f"shell-hooks/press.{shell}")
    for file in (hook, press) if press.exists() else (hook,):
        done = subprocess.run([require(shell), "-n", str(file)], capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
    assert press.exists() == (str(press) in text)


@pytest.mark.parametrize("path", ["/a\nb/python", "/a\x1bb", "/a\x00b"])
@pytest.mark.parametrize("shell", SHELLS)
def test_a_path_that_no_line_can_hold_is_refused(shell: Shell, path: str) -> None:
    with pytest.raises(CmdaiError, match="control character"):
        render(shell, python=path, relay=Relay("nc", "/bin/nc"))


def test_init_stays_light() -> None:
    """It may stand in an rc file: no click, no aiohttp, no platformdirs."""
    script = "import sys, cmdai_shell.hooks.render; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert not {"click", "aiohttp", "platformdirs", "msgspec", "asyncio"} & set(done.stdout.split())
