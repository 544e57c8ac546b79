"""Logging in and out, with the credential store of a machine without a keychain."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import socket
import stat
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from cmdai_shell.cli.asking import has_browser
from cmdai_shell.cli.auth import _tell_daemon
from cmdai_shell.cli.auth import auth as group
from cmdai_shell.cli.client import Client
from cmdai_shell.cli.logins import Row, as_daemon_has_it, of
from cmdai_shell.config import Config, paths
from cmdai_shell.config.environment import Environment
from cmdai_shell.errors import CmdaiError, DaemonUnavailable
from tests.auth import desktop, provider
from tests.auth.fake_provider import CLIENT, FakeProvider, running
from tests.cli.conftest import CLI
from tests.cores import cores_allowed
from tests.fakes.openai_server import FakeOpenAI
from tests.integration.conftest import until

KEY = "sk-planted-in-the-store-4711"
LAB = """
[environments.lab]
endpoints = ["https://gpu.example.com"]
auth_type = "api_key"
"""
MTLS = (
    LAB.replace("api_key", "mtls")
    + """
tls_cert_path = "/nowhere.pem"
tls_key_path = "/nowhere.key"
"""
)
EXAMPLES = re.findall(
    r"```toml\n(.*?)```", (Path(__file__).parents[2] / "docs" / "auth.md").read_text(), re.DOTALL
)
OF_ENVIRONMENTS = [it for it in EXAMPLES if "auth_type" in it]
FOLLOWS = (  # a page that leads on; no colon: one parts the programs of BROWSER
    "import html, re, sys, urllib.request as u; page = u.urlopen(sys.argv[1]).read().decode(); "
    'u.urlopen(html.unescape(re.search("url=(.*?)\\x22", page)[1]), timeout=9)'
)
BROWSER = f"{sys.executable} -c '{FOLLOWS}' %s"


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch, runtime_dir: Path) -> None:
    """No keychain, no daemon, no window."""
    for name in ("DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "dev")


def settings(text: str) -> None:
    paths.config_dir().mkdir(parents=True, exist_ok=True)
    (paths.config_dir() / "config.toml").write_text(text)


def office(issuer: str, **more: str) -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    keys = {
        "auth_type": "oidc",
        "oidc_issuer": issuer,
        "oidc_client_id_env": "OFFICE_CLIENT",
        "oidc_redirect_uri": f"http://127.0.0.1:{port}/callback",
        **more,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    head = '[environments.office]\nendpoints = ["https://gpu.example.com"]'
    return "\n".join((head, *lines, ""))


def call(*words: str, said: str | bytes = "", **environ: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [*CLI, "auth", *words],
        input=said if isinstance(said, bytes) else said.encode(),
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, **environ},
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


async def beside(*words: str, **environ: str) -> tuple[int, str, str]:
    """While this process is the identity provider."""
    return await asyncio.to_thread(partial(call, *words, OFFICE_CLIENT=CLIENT, **environ))


@pytest.mark.skipif(sys.platform != "linux", reason="another process's limits are Linux's to tell")
def test_its_crash_writes_no_key_to_disk() -> None:
    settings(LAB)
    words = [*CLI, "auth", "login", "--environment", "lab"]
    with cores_allowed(), subprocess.Popen(words, stdin=subprocess.PIPE) as waiting:
        looked_at = psutil.Process(waiting.pid)
        until(lambda: looked_at.rlimit(psutil.RLIMIT_CORE)[0] == 1, "no core")
        assert waiting.poll() is None, "before it has the key"
        waiting.communicate(KEY.encode(), timeout=60)
        assert waiting.returncode == 0


def row(*words: str, **environ: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(call(*words, "--json", **environ)[1])
    return found


# --- an API key


def test_who_stores_a_key_that_is_never_sent_is_told() -> None:
    settings(LAB.replace("https://gpu.example.com", "http://192.168.7.7:8000"))
    line = "cmdai-shell config set environments.lab.allow_http_credentials true"
    code, _, err = call("login", said=f"{KEY}\n")
    assert (code, line in err) == (0, True), err
    assert line in call("status")[2]
    settings((paths.config_dir() / "config.toml").read_text() + "allow_http_credentials = true\n")
    assert row("status", "--environment", "lab")["hint"] == ""


def test_a_key_is_kept_where_only_the_person_can_read_it_and_removed_again() -> None:
    settings(LAB)
    code, out, err = call("status")
    assert (code, out) == (1, "lab  api_key  no API key is stored\n")
    assert "cmdai-shell auth login --environment lab" in err
    code, out, err = call("login", said=f"{KEY}\n")
    assert (code, out) == (0, ""), err
    assert KEY not in err
    assert err.count("not encrypted") == 1, "where it is kept is said once"
    files = [f for f in paths.data_dir().rglob("*") if f.is_file() and KEY in f.read_text()]
    assert [stat.S_IMODE(f.stat().st_mode) for f in files] == [0o600]
    found = row("status", "--environment", "lab")
    assert (found["state"], found["auth_type"], found["expires_in_s"]) == ("in", "api_key", None)
    assert KEY not in json.dumps(found)
    code, _, err = call("rotate-credentials", said="sk-another\n")
    assert (code, "lab: a new API key is stored" in err) == (0, True)
    assert "sk-another" in files[0].read_text()
    assert KEY not in files[0].read_text()
    assert row("logout")["state"] == "out"
    assert call("status")[0] == 1


def test_at_a_terminal_the_key_is_asked_for_and_not_shown() -> None:
    settings(LAB)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(CLI[0], [*CLI, "auth", "login"])
    shown = b""
    while b"API key of lab" not in shown:
        shown += os.read(terminal, 4_096)
    until = time.monotonic() + 10
    while _echoes(terminal):
        assert time.monotonic() < until
        time.sleep(0.01)
    os.write(terminal, f"{KEY}\n".encode())
    try:
        while more := os.read(terminal, 4_096):
            shown += more
    except OSError:  # Linux says so that the other end is closed
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, shown
    os.close(terminal)
    assert KEY.encode() not in shown
    assert row("status", "--environment", "lab")["state"] == "in"


def _echoes(terminal: int) -> bool:
    import termios

    return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)


@pytest.mark.parametrize("said", [b"", b"\n", b"two words\n", b"\xff\xfe\n", b"k" * 20_000])
def test_what_is_no_key(said: bytes) -> None:
    settings(LAB)
    code, out, err = call("login", said=said)
    assert code in (1, 78)
    assert out == ""
    assert "Traceback" not in err
    assert row("status", "--environment", "lab")["state"] == "out"


@pytest.mark.parametrize(
    ("text", "words", "code", "says"),
    [
        ("", ("login",), 78, "no environment has a login"),
        ("", ("status",), 0, "no environment has a login"),
        (LAB, ("login", "--environment", "lba"), 78, "did you mean lab?"),
        (LAB, ("login", "--device", "--browser"), 2, "not both"),
        (LAB.replace("api_key", "none"), ("logout", "--environment", "lab"), 78, "has no login"),
        (LAB + LAB.replace("lab", "two"), ("login",), 78, "--environment, one of: lab, two"),
        (LAB + 'api_key_env = "K"\n', ("login",), 78, "is what is in $K"),
        (LAB + 'api_key_env = "K"\n', ("logout",), 78, "unset K"),
        (MTLS, ("login",), 78, "/nowhere.pem cannot be read"),
        (office("https://id.example.com"), ("login",), 78, "$OFFICE_CLIENT is not set"),
        (office("http://id.example.com"), ("login",), 78, "needs https://"),
        (office("https://id.example.com"), ("logout",), 0, "$OFFICE_CLIENT is not set"),
    ],
)
def test_what_cannot_be_done_says_why(
    text: str, words: tuple[str, ...], code: int, says: str
) -> None:
    settings(text)
    ends = {"OFFICE_CLIENT": "c"} if "needs https" in says else {}
    found = call(*words, **ends)
    assert (found[0], found[1]) == (code, "")
    assert says in found[2]
    assert "Traceback" not in found[2]


def test_a_key_in_a_variable() -> None:
    settings(LAB + 'api_key_env = "K"\n')
    assert row("status", "--environment", "lab")["state"] == "missing"
    found = row("status", "--environment", "lab", K=KEY)
    assert (found["state"], found["words"]) == ("in", "the API key is what is in $K")


def test_the_daemon_may_have_another_variable_than_this_shell() -> None:
    lab = Environment(id="lab", endpoints=("https://gpu",), auth_type="api_key", api_key_env="K")
    config = Config(environments={"lab": lab})
    here = Row(environment="lab", auth_type="api_key", state="in", words="")
    for state, hint in {"login": "cmdai-shell daemon restart", "ok": ""}.items():
        (found,) = as_daemon_has_it([here], config, [{"id": "lab/gpu", "state": state}])
        assert hint in found.hint
        assert bool(found.hint) == bool(hint)


async def test_after_a_logout_a_running_daemon_has_nothing_left() -> None:
    fake = FakeOpenAI(flavour="openai", api_key=KEY)
    server = TestServer(fake.app())
    await server.start_server()

    async def ask(words: str) -> int:
        """How often the server was asked for an answer by then."""
        command = [*CLI, words, "--environment", "lab"]
        await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=60)
        return sum("list" in json.dumps(it) for it in fake.requests)

    try:
        settings(LAB.replace("https://gpu.example.com", f"http://127.0.0.1:{server.port}"))
        await asyncio.to_thread(call, "login", said=KEY)
        assert await ask("list files") == 1
        first = await asyncio.to_thread(Client(start=()).status)
        assert await ask("list folders") == 2
        code, _, err = await asyncio.to_thread(call, "logout")
        assert code == 0, err
        assert await ask("list links") == 2
        code, _, err = await asyncio.to_thread(partial(call, "login", said=KEY))
        assert code == 0, err
        assert await ask("list sockets") == 3, "at once"
        last = await asyncio.to_thread(Client(start=()).status)
        assert first["pid"] == last["pid"], "it is the same daemon"
    finally:
        await server.close()


async def test_a_running_daemon_has_the_variables_that_the_login_was_made_with() -> None:
    """It was started where they were not set."""
    lab = FakeOpenAI(flavour="openai")
    async with TestServer(lab.app()) as server, running() as fake:
        text = office(fake.issuer, auth_type="oauth2", oauth_token_url=f"{fake.issuer}/token")
        settings(
            text.replace("https://gpu.example.com", str(server.make_url("")))
            + 'oauth_client_id_env = "OFFICE_CLIENT"\noauth_client_secret_env = "SECRET"\n'
        )
        command = [*CLI, "list files", "--environment", "office"]
        await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=60)
        assert not lab.requests
        code, _, err = await beside("login", SECRET="planted-secret")
        assert code == 0, err
        await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=60)
        assert lab.requests


async def test_a_daemon_that_cannot_be_told_is_ended(runtime_dir: Path) -> None:
    settings(LAB)
    await asyncio.to_thread(Client().ensure)
    (paths.config_dir() / "config.toml").write_text("nonsense")  # it refuses whatever is asked
    client = Client(start=())
    with pytest.raises(CmdaiError):
        await asyncio.to_thread(client.forget_login, "lab", {})
    place = of(Environment(id="lab", auth_type="api_key"), Config())
    await asyncio.to_thread(_tell_daemon, place)
    with pytest.raises(DaemonUnavailable):
        await asyncio.to_thread(client.status)


@pytest.mark.real
def test_a_keychain_unlocked_and_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings(LAB)
    with desktop.bus(tmp_path, monkeypatch), desktop.keyring_daemon(tmp_path, monkeypatch):
        until(desktop.is_there, "the keychain")
        code, _, err = call("login", said=KEY)
        assert (code, "kept in the desktop's keychain" in err) == (0, True), err
        desktop.lock()
        code, out, err = call("status")
        assert (code, "is locked" in out, "unlock it" in err) == (1, True, True), out + err
        assert row("status", "--environment", "lab")["state"] == "locked"
        code, out, err = call("login", said="another")
        assert (code, out, "is locked" in err) == (1, "", True), err
    assert not any(KEY.encode() in f.read_bytes() for f in paths.data_dir().rglob("*.json"))


@pytest.mark.parametrize("example", OF_ENVIRONMENTS)
def test_the_documented_examples_are_good_settings(example: str) -> None:
    usual = "" if "endpoints" in example else 'endpoints = ["https://gpu.example.com"]\n'
    settings(f"[environments.lab]\n{usual}{example}")
    assert row("status", "--environment", "lab")["auth_type"] in example


def test_the_store_that_the_settings_name() -> None:
    (example,) = (it for it in EXAMPLES if it not in OF_ENVIRONMENTS)
    settings(
        re.sub("passphrase_command = .*", "passphrase_command = 'echo planted'", example) + LAB
    )
    code, _, err = call("login", said=KEY)
    assert (code, "credentials.sealed, under a passphrase" in err) == (0, True), err
    assert row("status", "--environment", "lab")["state"] == "in"
    files = [f for f in paths.data_dir().rglob("credentials.*") if f.is_file()]
    assert [f.name for f in files] == ["credentials.sealed"]
    assert KEY.encode() not in files[0].read_bytes()


def test_a_program_that_prints_the_key(tmp_path: Path) -> None:
    program = tmp_path / "key"
    settings(LAB + f'api_key_command = "{program}"\n')
    found = row("status", "--environment", "lab")
    assert (found["state"], found["words"]) == ("missing", f"there is no program {program}")
    program.write_text(f"#!/bin/sh\necho ran >> {tmp_path}/ran\necho {KEY}\n")
    program.chmod(0o700)
    code, out, err = call("login")
    assert (code, out) == (0, ""), err
    assert f"the API key is what {program} prints" in err
    assert KEY not in err
    count = (tmp_path / "ran").read_text()
    assert row("status", "--environment", "lab")["state"] == "in"
    assert (tmp_path / "ran").read_text() == count, "status runs nothing"
    assert "end it there" in call("logout")[2]
    program.write_text("#!/bin/sh\nexit 3\n")
    code, _, err = call("rotate-credentials")
    assert (code, "key failed with status 3" in err) == (1, True), err


# --- a cloud's own tools

CLOUD = """
[environments.cloud]
endpoints = ["https://runtime.sagemaker.eu-central-1.amazonaws.com/endpoints/llm-1"]
kind = "sagemaker"
region = "eu-central-1"
"""


def test_awss_own_credentials(tmp_path: Path) -> None:
    settings(CLOUD)
    file = tmp_path / "aws.ini"
    mine = {"AWS_SHARED_CREDENTIALS_FILE": str(file), "AWS_CONFIG_FILE": str(file)}
    code, out, err = call("status", **mine)
    assert (code, out) == (1, "cloud  aws      there are no AWS credentials here\n")
    assert "aws sso login" in err
    file.write_text(f"[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = {KEY}\n")
    code, out, err = call("login", **mine)
    assert code == 0, err
    assert "cloud: logged in to AWS by the profile in ~/.aws/credentials" in err
    assert KEY not in err
    found = row("status", "--environment", "cloud", **mine)
    assert (found["state"], found["auth_type"]) == ("in", "aws")
    assert call("rotate-credentials", **mine)[0] == 0
    code, _, err = call("logout", **mine)
    assert (code, "aws sso logout" in err) == (78, True)


def test_azures_own_login(tmp_path: Path) -> None:
    settings(LAB.replace("api_key", "azure"))
    mine = {"PATH": str(tmp_path)}
    code, out, err = call("status", **mine)
    assert (code, out) == (1, "lab  azure    nobody is logged in to Azure here\n")
    assert "az login" in err
    until = int(time.time() + 3_000)
    token = {"accessToken": KEY, "expires_on": until, "tokenType": "Bearer", "tenant": "t"}
    (tmp_path / "az").write_text(f"#!/bin/sh\necho '{json.dumps(token)}'\n")
    (tmp_path / "az").chmod(0o700)
    code, _, err = call("login", **mine)
    assert code == 0, err
    assert "lab: logged in to Azure by the Azure CLI, for 49 minutes more, then renewed" in err
    assert KEY not in err
    code, _, err = call("logout", **mine)
    assert (code, "az logout" in err) == (78, True)


def test_that_in_use_is_meant() -> None:
    settings('active_environment = "two"\n' + LAB + LAB.replace("lab", "two"))
    assert call("login", said=KEY)[0] == 0
    assert [it["state"] for it in json.loads(call("status", "--json")[1])] == ["out", "in"]


@pytest.mark.parametrize("option", ["--device", "--browser"])
def test_a_login_of_a_person_is_not_silently_one_by_key(option: str) -> None:
    settings(LAB)
    code, _, err = call("login", option, said=f"{KEY}\n")
    assert (code, "that of lab is api_key" in err) == (78, True), err
    assert row("status", "--environment", "lab")["state"] == "out", "nothing was stored"


# --- a certificate


def test_the_passphrase_of_a_clients_key(tmp_path: Path) -> None:
    pki = pytest.importorskip("tests.auth.pki")
    made = pki.Pki(tmp_path / "pki")
    made.issue("me", passphrase=pki.PASSPHRASE)
    settings(
        LAB.replace("api_key", "mtls")
        + f'tls_cert_path = "{made.pem("me")}"\ntls_key_path = "{made.key("me")}"\n'
    )
    assert "auth login --environment lab" in row("status", "--environment", "lab")["hint"]
    code, _, err = call("login", said="not it\n")
    assert (code, "is wrong" in err) == (78, True)
    assert "cmdai-shell auth login --environment lab\n" in err
    code, _, err = call("login", said=f"{pki.PASSPHRASE}\n")
    assert code == 0, err
    assert "is valid for" in err
    assert pki.PASSPHRASE not in err
    assert row("status", "--environment", "lab")["expires_in_s"] > 0
    assert call("rotate-credentials")[0] == 0
    assert "what was kept is removed; its files stay" in call("logout")[2]
    code, _, err = call("logout")
    assert (code, "nothing is kept" in err) == (78, True), err


# --- a person


def grants(fake: FakeProvider) -> None:
    """Its page for logging in says yes at once."""

    async def authorize(request: web.Request) -> web.StreamResponse:
        fake.nonce = request.query["nonce"]
        back = f"{request.query['redirect_uri']}?code=c&state={request.query['state']}"
        raise web.HTTPFound(back)

    async def revoke(_: web.Request) -> web.StreamResponse:
        return web.Response()

    fake.answers.update({"/authorize": authorize, "/revoke": revoke})
    fake.document["revocation_endpoint"] = f"{fake.issuer}/revoke"


async def test_by_browser_renewed_and_out_again() -> None:
    async with running() as fake:
        grants(fake)
        fake.lifetime = 3_600.0
        settings(office(fake.issuer))
        code, out, err = await beside("login", BROWSER=BROWSER)
        assert (code, out) == (0, ""), err
        assert "logged in as alice, for 59 minutes more, then renewed by itself" in err
        assert "planted" not in err
        code, out, _ = await beside("status", "--environment", "office", "--json")
        found = json.loads(out)
        assert (code, found["state"], found["who"]) == (0, "in", "alice")
        assert 3_500 < found["expires_in_s"] <= 3_600
        assert found["is_renewable"]
        assert "planted" not in out
        assert (await beside("rotate-credentials"))[0] == 0
        assert fake.given == 2
        assert (await beside("logout"))[0] == 0
        assert ("/revoke", "planted-refresh-2") in [(p, f.get("token")) for p, f in fake.requests]
        code, out, err = await beside("status")
        assert (code, out) == (1, "office  oidc     nobody is logged in\n")
        kept = [f.read_text() for f in paths.data_dir().rglob("*") if f.is_file()]
        assert not any("planted" in text for text in kept)


async def test_where_no_browser_opens_the_line_for_another_machine_is_whole() -> None:
    async with running() as fake:
        grants(fake)
        settings(LAB + office(fake.issuer))
        words = [*CLI, "auth", "login", "--environment", "office", "--browser"]
        waiting = await asyncio.create_subprocess_exec(
            *words,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "OFFICE_CLIENT": CLIENT},
        )
        assert waiting.stderr is not None
        said = b""
        while b"--device" not in said:
            said = await waiting.stderr.readline()
            assert said, "it says nothing more"
        waiting.terminate()
        await waiting.communicate()
        assert said.decode().strip() == "cmdai-shell auth login --environment office --device"


async def test_nobody_else_sees_where_the_browser_is_sent(tmp_path: Path) -> None:
    """Who opens that address too is logged in here as himself."""
    notes = (
        "import os, pathlib, sys; "
        f"there = pathlib.Path(sys.argv[1].split(chr(58), 1)[1]); "
        f'pathlib.Path("{tmp_path}/seen").write_text('
        "str([sys.argv, oct(there.stat().st_mode), oct(there.parent.stat().st_mode)])); "
    )
    async with running() as fake:
        grants(fake)
        settings(office(fake.issuer))
        browser = f"{sys.executable} -c '{notes}{FOLLOWS}' %s"
        code, _, err = await beside("login", BROWSER=browser)
        assert code == 0, err
        assert "code_challenge=" in err  # to be opened by hand
        seen = (tmp_path / "seen").read_text()
        assert "code_challenge" not in seen
        assert "state" not in seen
        assert "'0o100600', '0o40700'" in seen
        assert not list(paths.runtime_dir().glob("login-*"))


async def test_another_person_than_before_is_asked_about() -> None:
    async with running() as fake:
        grants(fake)
        settings(office(fake.issuer))
        assert (await beside("login", "--device"))[0] == 0
        fake.claims = {"sub": "mallory"}
        code, _, err = await beside("login", "--device")
        assert code == 1
        assert "logged in as mallory, before as alice: nothing was stored" in err
        assert ("/revoke", "planted-refresh-2") in [(p, f.get("token")) for p, f in fake.requests]
        assert "alice" in (await beside("status"))[1]
        await beside("logout")
        assert (await beside("login", "--device"))[0] == 0
        assert "mallory" in (await beside("status"))[1]


async def test_with_a_code_where_no_window_opens() -> None:
    async with running() as fake:
        fake.tokens.append({"error": "authorization_pending"})
        settings(office(fake.issuer))
        code, out, err = await beside("login", "--json")
        assert code == 0, err
        assert json.loads(out)["state"] == "in"
        assert f"open   {fake.issuer}/enter" in err
        assert "\x1b" not in err
        assert "the code is good for 60 seconds" in err or "for 1 minute" in err
        assert "planted" not in out + err


@pytest.mark.parametrize(
    ("error", "says"),
    [("access_denied", "refused in the browser"), ("expired_token", "nobody entered it in time")],
)
async def test_who_is_not_let_in(error: str, says: str) -> None:
    async with running() as fake:
        fake.tokens.append({"error": error})
        settings(office(fake.issuer))
        code, out, err = await beside("login", "--device")
        assert (code, out) == (1, "")
        assert says in err
        assert "Traceback" not in err


async def test_a_provider_that_cannot_be_told() -> None:
    async with running() as fake:
        settings(office(fake.issuer))
        assert (await beside("login", "--device"))[0] == 0
        fake.document["revocation_endpoint"] = f"{fake.issuer}/nothing"
        code, _, err = await beside("logout")
        assert code == 1
        assert "removed here, but not ended at the identity provider" in err
        assert (await beside("status"))[1].endswith("nobody is logged in\n")


@pytest.mark.parametrize(
    ("now", "environ"),
    [
        ({"oidc_client_id_env": "OTHER"}, {"OTHER": "another-client"}),
        ({"oidc_issuer": "https://another.example"}, {}),
        ({"oidc_client_id_env": "GONE"}, {}),
        ({"auth_type": "api_key"}, {}),
        ({"auth_type": "none"}, {}),
    ],
    ids=["client", "issuer", "variable", "auth_type", "none"],
)
async def test_logout_ends_what_other_settings_began(
    now: dict[str, str], environ: dict[str, str]
) -> None:
    async with running() as fake:
        grants(fake)
        settings(office(fake.issuer))
        assert (await beside("login", "--device"))[0] == 0
        settings(office(**{"issuer": fake.issuer, **now}))
        code, _, err = await beside("logout", "--environment", "office", **environ)
        assert code == 0, err
        assert ("/revoke", "planted-refresh-1") in [(p, f.get("token")) for p, f in fake.requests]
        assert not list(paths.data_dir().rglob("credentials.*"))


@pytest.mark.parametrize("after", ["file", "encrypted-file"])
def test_logout_empties_the_store_that_was_named_before(after: str) -> None:
    def named(choice: str) -> str:
        return f'[auth]\ncredential_store = "{choice}"\npassphrase_command = "echo planted"\n{LAB}'

    before = {"file": "encrypted-file", "encrypted-file": "file"}[after]
    settings(named(before))
    assert call("login", said=KEY)[0] == 0
    settings(named(after))
    code, _, err = call("logout")
    assert code == 0, err
    assert not list(paths.data_dir().rglob("credentials.*"))


def test_what_earlier_settings_left_is_told_and_the_next_login_removes_it() -> None:
    settings('[auth]\ncredential_store = "file"\n' + LAB)
    assert call("login", said=KEY)[0] == 0
    sealed = '[auth]\ncredential_store = "encrypted-file"\npassphrase_command = "echo planted"\n'
    settings(sealed + LAB)
    code, out, _ = call("status")
    assert code == 1
    assert "no API key is stored; of earlier settings there is still api-key in file" in out
    code, _, err = call("login", said="another-key")
    assert code == 0
    assert "earlier settings" not in err
    kept = [f.name for f in paths.data_dir().rglob("credentials.*") if f.is_file()]
    assert kept == ["credentials.sealed"]
    assert row("status", "--environment", "lab")["words"] == "an API key is stored"


async def test_the_programs_own_credentials() -> None:
    async with running() as fake:
        text = office(fake.issuer, auth_type="oauth2", oauth_token_url=f"{fake.issuer}/token")
        settings(
            text + 'oauth_client_id_env = "OFFICE_CLIENT"\noauth_client_secret_env = "SECRET"\n'
        )
        code, out, err = await beside("login", SECRET="planted-secret")
        assert (code, out) == (0, ""), err
        assert "nobody has to log in" in err
        fake.tokens += 2 * [{"error": "invalid_client", "status": 401}]  # in the form, too
        code, _, err = await beside("login", SECRET="planted-secret")
        assert code == 1
        assert "see the client's id and secret" in err
        assert "planted" not in err


@pytest.mark.real
def test_a_certified_provider() -> None:
    with provider.running() as issuer:
        settings(office(issuer))
        with subprocess.Popen(
            [*CLI, "auth", "login", "--device"],
            env={**os.environ, "OFFICE_CLIENT": "cmdai-cli"},
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr
            lines = [process.stderr.readline() for _ in range(4)]
            url = next(line.split()[1] for line in lines if line.startswith("or "))
            provider.Browser().log_in(url)
            rest = process.stderr.read()
        assert process.returncode == 0, rest
        assert "logged in as alice@example.test" in rest
        ours = {"OFFICE_CLIENT": "cmdai-cli"}
        before = row("status", "--environment", "office", **ours)
        time.sleep(1.1)
        after = row("rotate-credentials", **ours)
        assert after["expires"] > before["expires"]
        assert row("logout", **ours)["state"] == "out"


def test_where_a_window_can_open() -> None:
    assert has_browser({"BROWSER": "firefox"})
    if sys.platform == "linux":
        assert has_browser({"DISPLAY": ":0"})
        assert not has_browser({})


def test_the_group_has_the_documented_commands() -> None:
    assert set(group.commands) == {"login", "status", "logout", "rotate-credentials"}
