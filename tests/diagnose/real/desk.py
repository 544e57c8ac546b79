"""A machine of its own in network namespaces, a name server and an inference server beside it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.discovery.netlab import NetLab, missing
from tests.integration.conftest import until

MISSING = missing("nft", "unshare")
real = [
    pytest.mark.real,
    pytest.mark.timeout(120),
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
]
"""Of a test module."""

OWN, DNS = "10.77.0.100", "10.77.0.1"
FIREWALL = """
add table inet filter
add chain inet filter input {{ type filter hook input priority 0; }}
add chain inet filter output {{ type filter hook output priority 0; }}
add rule inet filter {chain} {rule}
"""
BIND = """options {{ directory "{folder}"; listen-on {{ 10.77.0.1; }}; listen-on-v6 {{ none; }};
  recursion no; pid-file "{folder}/pid"; session-keyfile "{folder}/key"; dnssec-validation no; }};
controls {{ }};
zone "lab.test" {{ type master; file "{folder}/zone"; check-names ignore; }};
"""
ZONE = """$ORIGIN lab.test.
$TTL 5
@ IN SOA ns admin {serial} 60 60 600 5
@ IN NS ns
ns IN A 10.77.0.1
spark IN A 10.77.0.2
"""
SERVER = """
import ssl, sys
from aiohttp import web
from tests.fakes.openai_server import FakeOpenAI
host, key, *chain = sys.argv[1:]
tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if chain else None
if tls:
    tls.load_cert_chain(chain[0])
app = FakeOpenAI("vllm", api_key=key).app()
web.run_app(app, host=host, port=8000, print=None, ssl_context=tls)
"""


class Desk:
    """The machine where the person sits, with a network or without."""

    def __init__(self, lab: NetLab, folder: Path, runtime: Path, *, network: str = "eth0") -> None:
        self.lab = lab
        self.host = lab.host("desk")
        if network:
            lab.plug(self.host, "home", f"{OWN}/24", name=network)
        self.resolv = Path("/etc/netns") / lab.namespace(self.host) / "resolv.conf"
        """ip-netns(8) puts it in the place of the machine's own."""
        self.resolv.parent.mkdir(parents=True)
        self.resolv.write_text("")
        programs = folder / "bin"
        programs.mkdir()
        self._program(programs / "sudo", 'exec "$@"')
        main = "from cmdai_shell.cli.main import main; main()"
        self._program(programs / "cmdai-shell", f'exec {sys.executable} -I -c "{main}" "$@"')
        path = f"{programs}:{os.environ['PATH']}:/usr/sbin:/sbin"
        self.environ = {**os.environ, "PATH": path, "CMDAI_RUNTIME_DIR": str(runtime)}
        self.environ["CMDAI_MDNS"] = ""
        self.before = ":"
        """A line that each shell begins with."""

    @staticmethod
    def _program(path: Path, line: str) -> None:
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)

    def type(self, line: str, *, code: int | None = 0) -> str:
        """Into a shell; what it printed."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.lab.namespace(self.host), "unshare", "-m", "sh", "-c",
             f"{self.before}\n{line}"],
            env=self.environ, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert code in (None, done.returncode), f"{line}: {done.stdout}{done.stderr}"
        return done.stdout

    def doctor(self, check: str) -> dict[str, str]:
        (found,) = json.loads(self.type(f"cmdai-shell doctor --json --only {check}", code=None))
        return dict(found)

    def is_named(self, check: str, what: str) -> str:
        """The cure."""
        found = self.doctor(check)
        assert found["severity"] != "ok", found
        assert re.search(what, found["what"]), found
        return found["cure"]

    def is_well(self, check: str) -> None:
        found = self.doctor(check)
        assert (found["severity"], found["cure"]) == ("ok", ""), found

    def close(self) -> None:
        self.type("cmdai-shell daemon stop", code=None)
        shutil.rmtree(self.resolv.parent)
        with contextlib.suppress(OSError):
            self.resolv.parent.parent.rmdir()


class NameServer:
    """A real BIND, on a host of its own."""

    def __init__(self, lab: NetLab, folder: Path) -> None:
        lab.host("ns", home=f"{DNS}/24")
        self._lab, self._folder = lab, folder
        folder.mkdir()
        folder.chmod(0o755)
        (folder / "conf").write_text(BIND.format(folder=folder))
        self._serial = 0

    def serve(self, *records: str) -> None:
        """This zone; started if need be."""
        self._serial += 1
        zone = self._folder / "zone"
        zone.write_text("\n".join([ZONE.format(serial=self._serial), *records, ""]))
        if self._serial == 1:
            self._start()
        else:
            self._process.send_signal(signal.SIGHUP)
        ask = ("dig", "+short", "+time=1", "+tries=1", f"@{DNS}", "lab.test", "SOA")

        def is_new() -> bool:
            with contextlib.suppress(AssertionError):
                return f" {self._serial} " in self._lab.run("ns", *ask)
            return False

        until(is_new, "the zone")

    def broken(self) -> None:
        """A zone that it cannot load."""
        self._lab.kill(self._process, signal.SIGTERM)
        (self._folder / "zone").write_text("this is no zone\n")
        self._start()
        ask = ("dig", "+time=1", "+tries=1", f"@{DNS}", "lab.test", "SOA")

        def is_broken() -> bool:
            with contextlib.suppress(AssertionError):
                return "SERVFAIL" in self._lab.run("ns", *ask)
            return False

        until(is_broken, "the broken zone")

    def _start(self) -> None:
        conf = str(self._folder / "conf")
        with (self._folder / "log").open("ab") as log:
            self._process = self._lab.popen(
                "ns", "named", "-g", "-n", "1", "-c", conf, stdout=log, stderr=log
            )


no_bind = pytest.mark.skipif(
    not (shutil.which("named", path=f"{os.environ['PATH']}:/usr/sbin") and shutil.which("dig")),
    reason="no BIND",
)


def add(desk: Desk, url: str, *options: str) -> str:
    words = shlex.join(["lab", "--url", url, "--no-test", *options])
    desk.type(f"cmdai-shell config add-environment {words}")
    return url.rpartition("/")[2]


def started(lab: NetLab, key: str = "", *chain: str) -> subprocess.Popen[Any]:
    process = lab.popen("spark", sys.executable, "-c", SERVER, "10.77.0.2", key, *chain)
    listens = ("ss", "-ltnH", "sport = :8000")
    until(lambda: "10.77.0.2:8000" in lab.run("spark", *listens), "the server")
    return process
