"""Faults of this machine, made for real: ``doctor`` names each at the command line, the cure is
typed as it is printed, and the finding is gone. And a machine on which nothing is wrong.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cmdai_shell.config import paths
from cmdai_shell.discovery.trust import TrustStore
from tests.diagnose.conftest import put_model
from tests.diagnose.real.desk import (
    DNS,
    Desk,
    NameServer,
    add,
    no_bind,
    real,
)
from tests.integration.conftest import until
from tests.models import model_path

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = real


def test_a_full_disk(desk: Desk, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    desk.before = f"mount -t tmpfs -o size=8m tmpfs {disk} && head -c 7M /dev/zero >{disk}/full"
    small, desk.environ["CMDAI_DATA_DIR"] = desk.environ["CMDAI_DATA_DIR"], str(disk)
    cure = desk.is_named("disk", r"0\.0 GB are free at")
    assert cure == "let CMDAI_DATA_DIR name a folder on a larger disk"
    desk.environ["CMDAI_DATA_DIR"] = small
    desk.is_well("disk")


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Path]:
    """A control group of version 1."""
    made = Path("/sys/fs/cgroup/memory") / f"cmdai-{os.getpid()}"
    try:
        made.mkdir()
    except OSError:
        pytest.skip("no control group of version 1 can be made here")
    yield made
    made.rmdir()


@pytest.mark.parametrize("kind", ["machine", "group"])
def test_little_memory(
    desk: Desk, tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    """Of the machine, by the kernel's own account with less in it; or of a container."""
    put_model(paths.data_dir(), size=10**9)
    with (paths.data_dir() / "models/tiny/tiny.gguf").open("r+b") as file:
        file.truncate(10**9)
    if kind == "machine":
        text = Path("/proc/meminfo").read_text()
        less = tmp_path / "meminfo"
        less.write_text(re.sub(r"(?m)^MemAvailable:.*", "MemAvailable:     300000 kB", text))
        desk.before = f"mount --bind {less} /proc/meminfo"
    else:
        group = request.getfixturevalue("group")
        (group / "memory.limit_in_bytes").write_text("330000000")
        # ip-netns(8) has covered /sys
        desk.before = (
            "mount -t tmpfs tmpfs /sys/fs/cgroup && mkdir /sys/fs/cgroup/memory && "
            "mount -t cgroup -o memory cgroup /sys/fs/cgroup/memory && "
            f"echo $$ >{group}/cgroup.procs"
        )
    cure = desk.is_named("memory", r"tiny takes up to 1\.7 GB, 0\.[23] GB are free")
    assert re.match(r"cmdai-shell model pull (\S+) && cmdai-shell model use \1$", cure)
    desk.before = ":"
    desk.is_well("memory")


def test_a_daemon_that_was_killed(desk: Desk) -> None:
    desk.type("cmdai-shell daemon start")
    status = json.loads(desk.type("cmdai-shell status --json"))
    desk.is_well("sockets")
    desk.type(f"kill -9 {status['pid']}")
    cure = desk.is_named("sockets", "nobody listens on .*: a daemon was killed")
    desk.type(cure)
    desk.is_well("sockets")
    desk.is_well("daemon")


OLD = """
import cmdai_shell
cmdai_shell.__version__ = "0.0.1"
import cmdai_shell.daemon.__main__
"""


def test_a_daemon_of_before_the_upgrade(desk: Desk) -> None:
    run = f"{sys.executable} -c {shlex.quote(OLD)}"
    desk.type(f"setsid {run} run >/dev/null 2>&1 </dev/null &")

    def is_there() -> bool:
        return "0.0.1" in desk.type("cmdai-shell status --json", code=None)

    until(is_there, "the old daemon")
    cure = desk.is_named("daemon", r"the daemon is version 0\.0\.1")
    desk.type(cure)
    desk.is_well("daemon")


def test_settings_with_a_slip(desk: Desk) -> None:
    file = paths.config_dir() / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("[sugest]\nrecipes = 3\n")
    assert desk.doctor("server-answers")["what"] == "not looked at, see config"
    cure = desk.is_named("config", r"config\.toml:\d: unknown key sugest")
    near = re.search(r"did you mean (\w+)", cure)
    assert near
    file.write_text(file.read_text().replace("sugest", near[1].partition(".")[0]))
    desk.is_well("config")


@pytest.mark.parametrize("mode", ["folder", "trust"])
def test_what_others_could_write(desk: Desk, mode: str) -> None:
    if mode == "folder":
        desk.type("chmod 755 $CMDAI_RUNTIME_DIR")
        desk.type(desk.is_named("runtime-folder", "not yours alone"))
        desk.is_well("runtime-folder")
        return
    file = TrustStore(paths.data_dir()).path
    file.parent.mkdir(parents=True, mode=0o700)
    file.write_text('{"version": 1}')
    file.chmod(0o666)
    cure = desk.is_named("trust-store", "others can write to")
    desk.type(cure.rpartition("then: ")[2])
    desk.is_well("trust-store")


def test_hooks(desk: Desk) -> None:
    if not shutil.which("zsh"):
        pytest.skip("no zsh")
    desk.type(desk.is_named("hooks", "no shell has the key"))
    desk.is_well("hooks")
    hook = next(paths.data_dir().rglob("*.zsh"), None) or next(Path.home().rglob("cmdai.zsh"))
    hook.write_text("# of an older version\n")
    desk.type(desk.is_named("hook-zsh", "is of another version"))
    desk.is_well("hook-zsh")


def test_a_key_that_another_program_has(desk: Desk) -> None:
    if not shutil.which("zsh"):
        pytest.skip("no zsh")
    rc = Path.home() / ".zshrc"
    rc.write_text("bindkey '^G' send-break\nother() { :; }; zle -N other; bindkey '^G' other\n")
    desk.type("cmdai-shell install --shell zsh")
    cure = desk.is_named("key-zsh", "Ctrl-G in zsh belongs to other")
    line = re.search(r"CMDAI_KEY='\S+'", cure)
    assert line
    rc.write_text(f"{line[0]}\n{rc.read_text()}")
    desk.is_well("key-zsh")


@no_bind
def test_a_healthy_machine(desk: Desk, names: NameServer, server: str) -> None:
    """With its own network, name server and server, its hooks and a running daemon, by the targets
    that there are: not one finding."""
    names.serve("_cmdai._tcp IN SRV 10 60 8000 spark.lab.test.")
    desk.resolv.write_text(f"nameserver {DNS}\n")
    put_model(paths.data_dir())
    desk.type("""cmdai-shell config set discovery.dns_domains '["lab.test"]'""")
    add(desk, server)
    desk.environ |= {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
    desk.type("cmdai-shell install && cmdai-shell daemon start")
    found: list[dict[str, Any]] = []
    for _ in range(3):  # a machine that is busy with other tests is no network that is slow
        found = json.loads(desk.type("cmdai-shell doctor --dgx --json", code=None))
        wrong = [each for each in found if each["severity"] != "ok" or each["cure"]]
        # what stands for weights is none: a busy machine gives the daemon the time to try it
        wrong = [each for each in wrong if "tiny: the model could not be" not in each["what"]]
        if {each["check"] for each in wrong} - {"server-latency"} or not wrong:
            break
        time.sleep(1)
    assert wrong == []
    assert {"server-answers", "server-latency", "multicast", "dns-records"} <= {
        each["check"] for each in found
    }


@pytest.mark.model
def test_a_model_that_was_killed(desk: Desk) -> None:
    """By the kernel, as when memory is short."""
    desk.type(f"cmdai-shell model import {model_path('smollm2-135m')}")
    desk.type("cmdai-shell model use smollm2-135m && cmdai-shell daemon start")

    def model() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(desk.type("cmdai-shell status --json"))["model"]
        return found

    desk.type("cmdai-shell list files", code=None)
    until(lambda: model().get("pid"), "the model", 40)
    pid = model()["pid"]
    desk.type(f"kill -STOP {pid}; cmdai-shell other words entirely >/dev/null 2>&1 &")
    until(lambda: model()["state"] == "busy", "it to be at work", 40)
    desk.type(f"kill -9 {pid}")
    until(lambda: model().get("last_error"), "the daemon to see it")
    cure = desk.is_named("last-error", "the model last failed: ")
    assert cure == "cmdai-shell daemon logs"
    assert "no-backend" in desk.type(cure)
