"""Unique secrets in every place that a credential can come from; then everything is run, with the
real daemon at its most talkative, and every file and every word it wrote is searched.

The identity provider and a server repeat the secrets that they are sent in what they refuse with.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import socket
import ssl
import subprocess
import sys
import tarfile
import zlib
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

import psutil
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from cmdai_shell.config import paths
from tests.auth import desktop, fake_provider
from tests.auth.fake_provider import CLIENT, FakeProvider
from tests.auth.pki import Pki
from tests.daemon.test_wire import record
from tests.fakes.openai_server import FakeOpenAI
from tests.integration.conftest import Process, read, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.timeout(300)
CLI = (sys.executable, "-I", "-c", "from cmdai_shell.cli.main import main; main()")

SECRETS = {
    "variable": "q7Zvariable0Kx81m",
    "wrong variable": "q7Zwrongvar0Kx82m",
    "stored key": "q7Zstoredkey0Kx83m",
    "replaced key": "q7Zreplaced0Kx84m",
    "printed key": "q7Zprintedkey0Kx90m",
    "passphrase": "q7Zpassphrase0Kx85m",
    "wrong passphrase": "q7Znotthatone0Kx86m",
    "client secret": "q7Zclientsec0Kx87m",
    "wrong client secret": "q7Zwrongcsec0Kx88m",
    "address": "q7Zinaddress0Kx89m",
    "argument": "q7Zargument0Kx91m",
    "proxy": "q7Zofaproxy0Kx92m",
    "access token": "planted-access-",
    "refresh token": "planted-refresh-",
    "device code": "planted-device-code",
}
"""Of no form that ``observe.redact`` would know: what is not written need not be blacked out."""
STORED = ("stored key", "replaced key", "passphrase", "access token", "refresh token")


ALL = ("variable", "refused", "stored", "printed", "mtls", "own", "person")


def needles(secret: str) -> set[bytes]:
    """As it is, as a form has it, and as base64 has it wherever it begins."""
    found = {secret.encode(), quote_plus(secret).encode()}
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + secret.encode())
        found.add(coded[4 if before else 0 : -4])
    return found


def found_in(data: bytes) -> set[str]:
    return {name for name, secret in SECRETS.items() if any(it in data for it in needles(secret))}


def opened(data: bytes) -> Iterator[bytes]:
    """The bytes, and what is packed in them."""
    yield data
    if data.startswith(b"\x1f\x8b"):
        plain = zlib.decompressobj(31).decompress(data)
        yield plain
        with suppress(tarfile.TarError), tarfile.open(fileobj=io.BytesIO(plain)) as archive:
            for member in archive:
                if inner := archive.extractfile(member):
                    yield inner.read()


@dataclass
class Run:
    """What was said, by command; and the processes that were seen, by their arguments."""

    folder: Path
    environ: dict[str, str]
    runtime: Path
    said: dict[str, bytes] = field(default_factory=dict)
    arguments: set[str] = field(default_factory=set)

    async def cli(self, *words: str, said: str = "", **more: str) -> str:
        """Its output; the processes are looked at while it runs."""
        process = await asyncio.create_subprocess_exec(
            *CLI,
            *words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**self.environ, **more},
            cwd=self.folder,
        )
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(self._look())
            try:
                out, err = await asyncio.wait_for(process.communicate(said.encode()), 90)
            finally:
                looking.cancel()
        self.said[f"{len(self.said)} {' '.join(words)}"] = out + err
        assert b"Traceback" not in err, err.decode()
        return (out + err).decode()

    async def _look(self) -> None:
        while True:
            for process in psutil.process_iter():
                with suppress(psutil.Error):
                    self.arguments.add("\0".join(process.cmdline()))
            await asyncio.sleep(0.1)

    async def press(self, line: str, **fields: str) -> None:
        """As a shell's hook does it."""

        def ask() -> list[str]:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(30)
                client.connect(str(self.runtime / "hook.sock"))
                client.sendall(record(line=line, **fields))
                return read(client)

        reply = await asyncio.to_thread(ask)
        self.said[f"{len(self.said)} press {fields}"] = "\n".join(reply).encode()

    def leaks(self, but: set[Path]) -> list[str]:
        """Where a secret is that should not be there."""
        at = [(name, words) for name, words in self.said.items()]
        at += [("the arguments of a process", os.fsencode(it)) for it in self.arguments]
        for root in (self.folder, self.runtime):
            for path in root.rglob("*"):
                if path.is_file() and path not in but:
                    at.append((str(path), path.read_bytes()))
        return [
            f"{what}: {sorted(found)}"
            for what, data in at
            for piece in opened(data)
            if (found := found_in(piece))
        ]


@asynccontextmanager
async def serving(
    app: web.Application, context: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    server = TestServer(app, scheme="https" if context else "http")
    await server.start_server(ssl=context)
    try:
        yield f"http{'s' * bool(context)}://127.0.0.1:{server.port}"
    finally:
        await server.close()


def repeating(fake: FakeProvider) -> None:
    """The client's secret is wrong: it is quoted, as it came and as it was meant."""

    async def refuse(request: web.Request) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").partition(" ")[2]
        plain = base64.b64decode(given).decode() if given else str(await request.post())
        said = {"error": "invalid_client", "error_description": f"{plain} ({given}) is wrong"}
        return web.json_response(said, status=401)

    fake.answers["/refusing"] = refuse


def asking_for_certificate(pki: Pki) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.pem("server"), pki.key("server"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(pki.ca)
    return context


@dataclass
class Servers:
    by_name: dict[str, FakeOpenAI]
    provider: FakeProvider


def configuration(urls: dict[str, str], issuer: str, pki: Pki, port: int) -> str:
    """An environment for each of ``urls``."""
    keys = {
        "variable": 'auth_type = "api_key"\napi_key_env = "PLANTED_KEY"',
        "refused": 'auth_type = "api_key"\napi_key_env = "PLANTED_WRONG_KEY"',
        "stored": 'auth_type = "api_key"',
        "printed": f'auth_type = "api_key"\napi_key_command = "sh {pki.ca.parent}/print-key"',
        "mtls": f'auth_type = "mtls"\ntls_ca_path = "{pki.ca}"\n'
        f'tls_cert_path = "{pki.pem("me")}"\ntls_key_path = "{pki.key("me")}"',
        "own": f'auth_type = "oauth2"\noauth_token_url = "{issuer}/token"\n'
        'oauth_client_id_env = "PLANTED_ID"\noauth_client_secret_env = "PLANTED_SECRET"',
        "repeated": f'auth_type = "oauth2"\noauth_token_url = "{issuer}/refusing"\n'
        'oauth_client_id_env = "PLANTED_ID"\noauth_client_secret_env = "PLANTED_WRONG_SECRET"',
        "person": f'auth_type = "oidc"\noidc_issuer = "{issuer}"\n'
        'oidc_client_id_env = "PLANTED_ID"',
    }
    head = f"""
log_level = "debug"
[tracing]
keep_on_disk = true
[metrics]
enabled = true
port = {port}
"""
    rest = [
        f'[environments.{name}]\nkind = "openai"\nendpoints = ["{urls[name]}"]\n{more}\n'
        for name, more in keys.items()
        if name in urls
    ]
    return head + "\n".join(rest)


@asynccontextmanager
async def everything(
    tmp_path: Path, runtime: Path, *names: str
) -> AsyncIterator[tuple[Run, Servers]]:
    # The folder with the keys' files is nobody's to search: it is where they are kept.
    pki = Pki(tmp_path.parent / f"{tmp_path.name}-pki")
    pki.issue("server")
    pki.issue("me", passphrase=SECRETS["passphrase"])
    wanted = {
        "variable": SECRETS["variable"],
        "refused": "another",
        "stored": SECRETS["stored key"],
        "printed": SECRETS["printed key"],
    }
    # It says more than it should where nobody is to hear it.
    program = f"echo {SECRETS['printed key']} >&2\necho {SECRETS['printed key']}\n"
    (pki.ca.parent / "print-key").write_text(program)
    async with AsyncExitStack() as stack:
        servers, urls = {}, {}
        for name in names or ALL:
            key = wanted.get(name, "")
            servers[name] = FakeOpenAI(flavour="openai", api_key=key)
            context = asking_for_certificate(pki) if name == "mtls" else None
            urls[name] = await stack.enter_async_context(serving(servers[name].app(), context))
        fake = await stack.enter_async_context(fake_provider.running())
        fake.lifetime = 3_600.0
        repeating(fake)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        paths.config_dir().mkdir(parents=True, exist_ok=True)
        text = configuration(urls, fake.issuer, pki, port)
        (paths.config_dir() / "config.toml").write_text(text)
        environ = {
            **os.environ,
            "PLANTED_KEY": SECRETS["variable"],
            "PLANTED_WRONG_KEY": SECRETS["wrong variable"],
            "PLANTED_ID": CLIENT,
            "PLANTED_SECRET": SECRETS["client secret"],
            "PLANTED_WRONG_SECRET": SECRETS["wrong client secret"],
            "PYTHONASYNCIODEBUG": "",
        }
        run = Run(tmp_path, environ, runtime)
        yield run, Servers(servers, fake)


async def log_in(run: Run, fake: FakeProvider) -> None:
    """Wrong first, then right."""
    run_auth = "auth", "login", "--environment"
    await run.cli(*run_auth, "mtls", said=SECRETS["wrong passphrase"] + "\n")
    await run.cli(*run_auth, "mtls", said=SECRETS["passphrase"] + "\n")
    await run.cli(*run_auth, "stored", said=SECRETS["stored key"] + "\n")
    fake.tokens.append({"error": "access_denied", "error_description": SECRETS["device code"]})
    await run.cli(*run_auth, "person", "--device")
    await run.cli(*run_auth, "person", "--device", "--json")
    await run.cli(*run_auth, "own")
    await run.cli(*run_auth, "printed")


async def use(run: Run, names: list[str]) -> None:
    await run.cli("daemon", "start")
    for name in names:
        await run.cli(f"list the files of {name}", "--environment", name, "--json")
        await run.press(f"list the files of {name} again", environment=name)
        await run.cli("trace", f"count the files of {name}", "--environment", name, "--json")
        await run.cli("backends", "test", name)
    await run.press("list files")
    for words in (
        ("status", "--json"),
        ("status", "--last"),
        ("auth", "status"),
        ("auth", "status", "--json"),
        ("backends", "list", "--verbose", "--json"),
        ("backends", "health-check", "--all", "--json"),
        ("config", "show", "--origin"),
        ("config", "list-environments", "--json"),
        ("metrics", "export", "--format", "prometheus"),
        ("metrics", "export", "--format", "json"),
        ("diagnostics", "network-topology", "--json"),
        ("diagnostics", "bundle", "--yes", "-o", "bundle.tar.gz"),
        ("doctor", "--all", "--json"),
        ("history", "--help"),
        ("daemon", "logs"),
    ):
        await run.cli(*words)


async def spoil(run: Run) -> None:
    """A secret where none belongs: the settings are refused, and the refusal does not repeat it."""
    file = paths.config_dir() / "config.toml"
    before = file.read_text()
    wrong = f"""
[environments.spoilt]
endpoints = ["https://me:{SECRETS["address"]}@gpu.example.com"]
"""
    file.write_text(before + wrong)
    await run.cli("config", "validate")
    await run.cli("status", "--json")
    await run.press("list files once more")
    await run.cli("doctor", "--json")
    await run.cli("backends", "test", f"https://{SECRETS['address'][:3]}.invalid/x?y")
    file.write_text(before)


async def show(run: Run) -> None:
    """What is the person's to write, and not for who gets the bundle."""
    file = paths.config_dir() / "config.toml"
    before = file.read_text()
    command = f"pw --pin {SECRETS['argument']}"
    file.write_text(f'{before}\n[auth]\npassphrase_command = "{command}"\n')
    proxy = f"bob:{SECRETS['proxy']}@10.9.8.7:3128"
    for more in ((), ("--anonymous",)):
        name = f"bundle{len(more)}.tar.gz"
        await run.cli("diagnostics", "bundle", "--yes", "-o", name, *more, https_proxy=proxy)
        assert b"pw [redacted]" in b"".join(opened((run.folder / name).read_bytes()))
    file.write_text(before)


@contextmanager
def keychain(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    if kind == "file":
        yield
        return
    inner = tmp_path.parent / f"{tmp_path.name}-desktop"
    inner.mkdir()
    with desktop.bus(inner, monkeypatch), desktop.keyring_daemon(inner, monkeypatch):
        until(desktop.is_there, "the keychain")
        yield


@pytest.mark.parametrize("kind", ["file", pytest.param("keychain", marks=pytest.mark.real)])
async def test_planted_secrets_are_found_nowhere_but_in_their_store(
    kind: str, tmp_path: Path, runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = paths.data_dir() / "credentials" / "credentials.json"
    rotate = "auth", "rotate-credentials", "--environment"
    with keychain(kind, tmp_path, monkeypatch):
        async with everything(tmp_path, runtime_dir) as (run, servers):
            await log_in(run, servers.provider)
            await use(run, list(servers.by_name))
            await spoil(run)
            await show(run)
            if sys.platform == "linux":  # a core would have them all
                daemon = psutil.Process(Process(runtime_dir).pid)
                assert daemon.rlimit(psutil.RLIMIT_CORE)[0] <= 1
            await run.cli(*rotate, "stored", said=SECRETS["replaced key"] + "\n")
            await run.cli(*rotate, "person")
            kept = found_in(store.read_bytes()) if store.exists() else set()
            Process(runtime_dir).kill()  # a crash removes nothing
            leaks = run.leaks(but={store})
            for name in ("person", "stored", "mtls"):
                await run.cli("auth", "logout", "--environment", name)
            leaks += run.leaks(but=set())
    assert leaks == [], "\n".join(leaks)
    was_worth_something(run, servers)
    # "stored key" was replaced; with a keychain no file has any.
    assert kept == (set(STORED) - {"stored key"} if kind == "file" else set())


def was_worth_something(run: Run, servers: Servers) -> None:
    """Secrets were sent, the daemon was talkative, and there was a bundle."""
    answered = {name for name, fake in servers.by_name.items() if fake.requests}
    assert answered == set(ALL) - {"refused"}
    assert "/v1/models" in servers.by_name["refused"].paths
    log = (Path(os.environ["CMDAI_LOG_DIR"]) / "daemon.log").read_text()
    assert '"level": "debug"' in log
    assert (run.folder / "bundle.tar.gz").exists()
    assert any("cmdai_shell.daemon" in it for it in run.arguments)


async def test_a_provider_that_repeats_the_secret(
    tmp_path: Path, runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    async with everything(tmp_path, runtime_dir, "repeated") as (run, servers):
        await run.cli("auth", "login", "--environment", "repeated")
        await run.cli("daemon", "start")
        await run.press("list files", environment="repeated")
        await run.cli("status", "--json")
        assert "/refusing" in [path for path, _ in servers.provider.requests]
        leaks = run.leaks(but=set())
    assert leaks == [], "\n".join(leaks)


def test_the_search_finds_what_is_there() -> None:
    secret = SECRETS["client secret"]
    for data in (
        secret.encode(),
        base64.b64encode(f"x:{secret}".encode()),
        base64.b64encode(f"id:{secret}".encode()),
        base64.b64encode(f"cmd:{secret}:more".encode()),
    ):
        assert found_in(data) == {"client secret"}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("settings.json")
        data = json.dumps({"key": secret}).encode()
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    assert any(found_in(piece) for piece in opened(packed.getvalue()))
