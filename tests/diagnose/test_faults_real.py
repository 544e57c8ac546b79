"""The same faults where they are real, at the real command line: a machine of its own (network
namespaces, nftables, BIND, a full disk, a memory limit), ``cmdai-shell doctor``, and the cure typed
as it is printed, after which the finding is gone.
"""

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
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from cmdai_shell.config import paths
from cmdai_shell.discovery.trust import TrustStore
from tests.diagnose.conftest import put_model
from tests.discovery.netlab import NetLab, missing
from tests.integration.conftest import until
from tests.models import model_path

if TYPE_CHECKING:
    from collections.abc import Iterator

MISSING = missing("nft", "unshare")
pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(120),
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
]

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


@pytest.fixture
def lab() -> Iterator[NetLab]:
    with NetLab() as made:
        yield made


@pytest.fixture
def desk(lab: NetLab, tmp_path: Path, runtime_dir: Path) -> Iterator[Desk]:
    made = Desk(lab, tmp_path, runtime_dir)
    yield made
    made.close()


# --- the network


@pytest.mark.parametrize(
    ("chain", "what"),
    [("input", "does not come back on eth0"), ("output", "does not let multicast out on eth0")],
)
def test_a_firewall_shuts_multicast(desk: Desk, chain: str, what: str) -> None:
    desk.is_well("multicast")
    rules = FIREWALL.format(chain=chain, rule="udp dport 5353 drop")
    desk.type(f"nft -f - <<'end'\n{rules}\nend")
    cure = desk.is_named("multicast", what)
    assert f"nft insert rule inet filter {chain}" in cure
    desk.type(cure[cure.index(": ") + 2 :])
    desk.is_well("multicast")


HOLD = (
    "import socket, time; s = socket.socket(type=socket.SOCK_DGRAM); "
    "s.bind(('', 5353)); print('held', flush=True); time.sleep(60)"
)


def test_somebody_holds_the_port_alone(desk: Desk) -> None:
    holder = desk.lab.popen(desk.host, sys.executable, "-c", HOLD, stdout=subprocess.PIPE)
    assert holder.stdout
    holder.stdout.readline()
    cure = desk.is_named("multicast", r"held by python\S* \(process \d+\)")
    assert cure == f"end it: kill {holder.pid}"
    desk.type(cure.removeprefix("end it: "))
    holder.wait(10)
    desk.is_well("multicast")


def test_only_a_vpn(lab: NetLab, tmp_path: Path, runtime_dir: Path) -> None:
    desk = Desk(lab, tmp_path, runtime_dir, network="wg0")
    try:
        cure = desk.is_named("interfaces", r"no interface is listened on: wg0 \(a VPN\)")
        desk.type(cure.rpartition("to listen no more: ")[2])
        desk.is_well("interfaces")
        desk.is_well("multicast")
    finally:
        desk.close()


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


@pytest.fixture
def names(lab: NetLab, tmp_path: Path) -> NameServer:
    return NameServer(lab, tmp_path / "bind")


def add(desk: Desk, url: str, *options: str) -> str:
    words = shlex.join(["lab", "--url", url, "--no-test", *options])
    desk.type(f"cmdai-shell config add-environment {words}")
    return url.rpartition("/")[2]


@no_bind
def test_the_wrong_name_server(desk: Desk, names: NameServer) -> None:
    names.serve("_cmdai._tcp IN SRV 10 60 8000 spark.lab.test.")
    desk.resolv.write_text(f"nameserver {DNS}\n")
    desk.type("""cmdai-shell config set discovery.dns_domains '["lab.test"]'""")
    desk.is_well("name-servers")
    desk.type("""cmdai-shell config set discovery.dns_servers '["10.77.0.9"]'""")
    cure = desk.is_named("name-servers", r"no name server answers: 10\.77\.0\.9")
    desk.type(cure.removeprefix("ask the system's instead: "))
    desk.is_well("name-servers")
    desk.is_well("dns-records")


@no_bind
def test_a_zone_without_records(desk: Desk, names: NameServer) -> None:
    names.serve()
    desk.resolv.write_text(f"nameserver {DNS}\n")
    desk.type("""cmdai-shell config set discovery.dns_domains '["lab.test"]'""")
    cure = desk.is_named("dns-records", r"lab\.test is there, but has no SRV record")
    names.serve(cure.removeprefix("put into its zone: ").replace("HOST", "spark"))
    desk.is_well("dns-records")


@no_bind
def test_a_zone_that_cannot_be_read(desk: Desk, names: NameServer) -> None:
    names.serve("spark IN A 10.77.0.2")
    names.broken()
    desk.resolv.write_text(f"nameserver {DNS}\n")
    desk.type("""cmdai-shell config set discovery.dns_domains '["lab.test"]'""")
    cure = desk.is_named("dns-records", r"10\.77\.0\.1:53 fails at lab\.test \(SERVFAIL\)")
    assert "status: SERVFAIL" in desk.type(cure)
    names.serve("_cmdai._tcp IN SRV 10 60 8000 spark.lab.test.")
    desk.is_well("dns-records")


@no_bind
def test_records_whose_server_has_no_address(desk: Desk, names: NameServer) -> None:
    record = "_cmdai._tcp IN SRV 10 60 8000 dgx.lab.test."
    names.serve(record)
    desk.resolv.write_text(f"nameserver {DNS}\n")
    desk.type("""cmdai-shell config set discovery.dns_domains '["lab.test"]'""")
    cure = desk.is_named("dns-records", r"no address in DNS of dgx\.lab\.test")
    names.serve(record, cure.removeprefix("put into its zone: ").replace("ADDRESS", "10.77.0.2"))
    desk.is_well("dns-records")


# --- a server


@pytest.fixture
def server(lab: NetLab) -> str:
    """``spark``, healthy; its URL."""
    lab.host("spark", home="10.77.0.2/24")
    started(lab)
    return "http://10.77.0.2:8000"


def started(lab: NetLab, key: str = "", *chain: str) -> subprocess.Popen[Any]:
    process = lab.popen("spark", sys.executable, "-c", SERVER, "10.77.0.2", key, *chain)
    listens = ("ss", "-ltnH", "sport = :8000")
    until(lambda: "10.77.0.2:8000" in lab.run("spark", *listens), "the server")
    return process


@no_bind
def test_a_name_that_nobody_knows(desk: Desk, names: NameServer, server: str) -> None:
    names.serve()
    desk.resolv.write_text(f"nameserver {DNS}\n")
    add(desk, "http://sparky.lab.test:8000")
    cure = desk.is_named("server-name", "sparky.lab.test has no address: name or service not known")
    command, _, rest = cure.partition("; ")
    assert desk.type(command, code=2) == ""  # getent's word for: not found
    assert rest == "or put its address into the url in place of its name"
    names.serve("sparky IN A 10.77.0.2")
    desk.type(command)
    desk.is_well("server-name")
    desk.is_well("server-answers")


def test_no_name_server(desk: Desk, server: str) -> None:
    desk.resolv.write_text("nameserver 10.77.0.9\n")
    add(desk, "http://spark.lab.test:8000")
    desk.is_named("server-name", "no name server answers within 3 s|temporary failure")
    desk.type("cmdai-shell config set environments.lab.endpoints x", code=None)  # not this way
    desk.type(f"rm {shlex.quote(str(paths.config_dir()))}/environments/lab.toml")
    add(desk, server)  # its address in place of its name
    desk.is_well("server-name")


def test_no_route(desk: Desk) -> None:
    add(desk, "http://10.99.0.1:8000")
    cure = desk.is_named("server-route", r"there is no way to 10\.99\.0\.1")
    command, _, rest = cure.partition("; ")
    desk.type(command, code=2)
    assert rest == "see that the cable, Wi-Fi or VPN is up"
    desk.lab.run(desk.host, "ip", "route", "add", "10.99.0.0/24", "via", "10.77.0.2")
    desk.type(command)
    desk.is_well("server-route")


def test_the_cable_is_out(desk: Desk, server: str) -> None:
    add(desk, server)
    desk.is_well("server-route")
    desk.lab.run(desk.host, "ip", "link", "set", "eth0", "down")
    desk.is_named("server-route", r"there is no way to 10\.77\.0\.2")
    desk.lab.run(desk.host, "ip", "link", "set", "eth0", "up")
    desk.is_well("server-route")
    desk.is_well("server-connect")


def test_a_firewall_before_the_server(desk: Desk, server: str) -> None:
    add(desk, server)
    rules = FIREWALL.format(chain="input", rule="tcp dport 8000 drop")
    desk.lab.run("spark", "sh", "-c", f"nft -f - <<'end'\n{rules}\nend")
    cure = desk.is_named("server-connect", r"10\.77\.0\.2:8000 cannot be reached: no answer")
    assert cure == "on that host, if it is up: sudo ufw allow 8000/tcp"
    desk.lab.run("spark", "nft", "insert rule inet filter input tcp dport 8000 accept")
    desk.is_well("server-connect")


def test_a_server_that_listens_to_itself_alone(desk: Desk, server: str) -> None:
    add(desk, "http://10.77.0.2:8001")
    cure = desk.is_named("server-connect", r"nothing listens at 10\.77\.0\.2:8001")
    command = re.search("ss -ltn '[^']*'", cure)
    assert command
    assert "8001" not in desk.lab.run("spark", "sh", "-c", command[0])
    inside = [sys.executable, "-c", SERVER.replace("8000", "8001"), "127.0.0.1", ""]
    alone = desk.lab.popen("spark", *inside)
    until(lambda: "127.0.0.1:8001" in desk.lab.run("spark", "sh", "-c", command[0]))
    desk.is_named("server-connect", "nothing listens")
    desk.lab.kill(alone)
    desk.lab.popen("spark", *inside[:-2], "0.0.0.0", "")  # as the cure has it: --host 0.0.0.0
    until(lambda: "0.0.0.0:8001" in desk.lab.run("spark", "sh", "-c", command[0]))
    desk.is_well("server-connect")


def test_a_certificate_that_has_expired(desk: Desk, tmp_path: Path) -> None:
    lab, authority, now = desk.lab, trustme.CA(), datetime.now(UTC)
    lab.host("spark", home="10.77.0.2/24")
    chains = {"old": now - timedelta(days=2), "new": now + timedelta(days=90)}
    for name, ends in chains.items():
        made = authority.issue_cert("10.77.0.2", not_before=now - timedelta(days=9), not_after=ends)
        made.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / name))
    authority.cert_pem.write_to_path(str(tmp_path / "authority"))
    process = started(lab, "", str(tmp_path / "old"))
    add(desk, "https://10.77.0.2:8000")
    cure = desk.is_named("server-tls", "its certificate expired 2 days ago")
    assert cure.startswith("renew it on that host, then look: openssl s_client ")
    look = cure.rpartition("then look: ")[2]
    assert f"notAfter={chains['old']:%b} {chains['old'].day:2}" in desk.type(look)
    lab.kill(process)
    started(lab, "", str(tmp_path / "new"))
    assert f"notAfter={chains['new']:%b} {chains['new'].day:2}" in desk.type(look)
    cure = desk.is_named("server-tls", "cannot be trusted: .*local issuer")
    edit = "set tls_ca_path to its authority's file: cmdai-shell config edit lab; look: "
    assert cure == edit + look
    with (paths.config_dir() / "environments/lab.toml").open("a") as file:
        file.write(f"tls_ca_path = {str(tmp_path / 'authority')!r}\n")
    desk.is_well("server-tls")
    desk.is_well("server-answers")


def test_the_wrong_key(desk: Desk) -> None:
    desk.lab.host("spark", home="10.77.0.2/24")
    started(desk.lab, "sk-right-key-of-test")
    add(desk, "http://10.77.0.2:8000", "--api-key-env", "GPU_KEY")
    cure = desk.is_named("server-login", r"the API key is missing: \$GPU_KEY is not set")
    desk.environ["GPU_KEY"] = "sk-wrong-key-of-test"
    assert desk.is_named("server-login", "answered 401") == cure
    line = cure.replace("...", "sk-right-key-of-test").replace(", then ", "; ")
    desk.before = line.partition(";")[0]
    desk.type(line)
    desk.is_well("server-login")
    desk.is_well("server-answers")


# --- this machine


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


# --- and nothing is wrong


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
