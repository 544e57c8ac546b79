"""Environments from the command line: added, listed, chosen."""

from __future__ import annotations

import json
import re
import shlex
import stat
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from cmdai_shell.cli import trying
from cmdai_shell.cli.config import config
from cmdai_shell.config import loading
from cmdai_shell.config.environments import endpoints

if TYPE_CHECKING:
    from tests.cli.conftest import Call


@pytest.fixture(autouse=True)
def no_daemon(runtime_dir: Path) -> Path:
    return runtime_dir


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The environments whose servers were asked; here nobody answers."""
    names: list[str] = []
    monkeypatch.setattr(trying, "found", lambda environment: names.append(environment.id) or [])
    return names


@pytest.fixture
def folder() -> Path:
    return loading.config_file().parent / "environments"


def add(call: Call, name: str, *options: str) -> tuple[int, str, str]:
    return call("config", "add-environment", name, *options)


ROOT = Path(__file__).parents[2]
BROKEN = "endpoints = [http://192.0.2.2:8137]\n"
URL = ("--url", "http://192.168.1.100:8000")


def test_adding_one_writes_a_file_of_its_own(call: Call, folder: Path) -> None:
    code, out, err = add(call, "home-lab", *URL, "--kind", "vllm", "--api-key-env", "LAB_KEY")
    file = folder / "home-lab.toml"
    assert (code, out) == (0, f"{file}\n")
    assert "added home-lab" in err
    assert tomllib.loads(file.read_text()) == {
        "endpoints": ["http://192.168.1.100:8000"],
        "kind": "vllm",
        "auth_type": "api_key",
        "api_key_env": "LAB_KEY",
        "allow_http_credentials": True,  # the key and plain http, named in one command
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert loading.load().environments["home-lab"].kind == "vllm"


def test_every_option_and_any_other_key(call: Call) -> None:
    options = shlex.split(
        "--url https://a.example --url https://b.example --fallback https://c.example --title 'A B'"
        " --kind sagemaker --model m --place cloud --priority 7 --timeout-ms 900"
        " --set region=eu-west-1 --set retry_count=1"
    )
    assert add(call, "aws", *options)[0] == 0
    found = loading.load().environments["aws"]
    assert (found.title, found.region, found.retry_count) == ("A B", "eu-west-1", 1)
    assert (found.model, found.place, found.timeout_ms) == ("m", "cloud", 900)
    assert [e.priority for e in endpoints(found)] == [7, 7, 6]


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("lab", ("--url", "192.168.1.100:8000"), "begins with http:// or https://"),
        ("lab", (*URL, "--set", "timeout=5"), "did you mean timeout_ms?"),
        ("lab", (*URL, "--set", "timeout_ms=5"), "expected a whole number >= 100"),
        ("lab", (*URL, "--set", "timeout_ms"), "no value"),
        ("lab", (*URL, "--kind", "sagemaker"), "region: needed for sagemaker"),
        ("a b", URL, "cannot be called 'a b'"),
        ("../x", URL, "cannot be called"),
        ("auto", URL, "'auto' is reserved"),
        ("-x", ("--", "-x"), ""),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    call: Call, folder: Path, name: str, options: tuple[str, ...], complaint: str
) -> None:
    code, out, err = add(call, name, *options)
    assert (code, out) == (2 if name == "-x" else 78, "")
    assert complaint in err
    assert not folder.exists()


def test_a_key_given_instead_of_its_variable_is_not_repeated(call: Call) -> None:
    code, _, err = add(call, "lab", *URL, "--api-key-env", "sk-hunter2")
    assert code == 78
    assert "the name of an environment variable, not what is in it" in err
    assert "hunter2" not in err


def test_a_name_is_there_once(call: Call, folder: Path) -> None:
    add(call, "lab", *URL)
    before = (folder / "lab.toml").read_text()
    code, _, err = add(call, "lab", "--url", "http://10.0.0.1")
    assert code == 78
    assert f"there is an environment 'lab' already, in {folder / 'lab.toml'}" in err
    assert (folder / "lab.toml").read_text() == before


def test_using_one(call: Call) -> None:
    add(call, "lab", *URL)
    loading.config_file().write_text("# mine\nlog_level = 'debug'\n")
    code, out, err = call("config", "use", "lab")
    assert (code, out, err) == (0, "", "in use: lab\n")
    assert loading.load().active_environment == "lab"
    assert "# mine" in loading.config_file().read_text()
    code, out, _ = call("config", "use", "none", "--json")
    assert json.loads(out) == {"active_environment": "none"}
    assert loading.load().active_environment == "none"
    assert call("config", "use", "auto")[2] == "in use: auto, what answers\n"


def test_using_one_that_is_not_there(call: Call) -> None:
    add(call, "lab", *URL)
    code, _, err = call("config", "use", "lap")
    assert code == 78
    assert "no environment 'lap'" in err
    assert "did you mean lab?" in err
    assert not loading.config_file().exists()


def test_added_and_used_at_once(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = add(call, "lab", *URL, "--use", "--json")
    assert code == 0
    assert json.loads(out)["is_active"] is True
    assert loading.load().active_environment == "lab"
    monkeypatch.setenv("CMDAI_ACTIVE_ENVIRONMENT", "none")
    assert "outranks the file" in add(call, "other", *URL, "--use")[2]


def test_what_to_type_next_is_said_only_when_something_is(call: Call) -> None:
    assert add(call, "one", *URL)[2] == "added one\n"  # auto will find it
    call("config", "use", "none")
    other = ("--url", "http://192.168.1.101:8000")
    assert add(call, "two", *other)[2] == "added two\nto use it: cmdai-shell config use two\n"


def test_who_wants_a_key_may_get_it_from_the_store(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    denied = trying.Found(name="lab/gpu", url=URL[1], state="login", text="answered 401")
    monkeypatch.setattr(trying, "found", lambda _: [denied])
    line = "config set environments.lab.auth_type api_key; cmdai-shell auth login --environment lab"
    assert f"  cmdai-shell {line}\n" in add(call, "lab", *URL)[2]
    assert "auth login" not in add(call, "two", *URL, "--api-key-env", "KEY")[2]


def test_another_one_that_is_broken_is_said_after_the_work_is_done(
    call: Call, folder: Path
) -> None:
    add(call, "bad", *URL)
    (folder / "bad.toml").write_text("kind = 'vlm'\n")
    code, out, err = add(call, "lab", *URL)
    assert (code, out) == (78, f"{folder / 'lab.toml'}\n")
    assert err.startswith("added lab\n")
    assert "bad.toml:1: kind" in err


def test_the_list(call: Call) -> None:
    code, out, err = call("config", "list-environments")
    assert (code, out) == (0, "")
    assert "no environment yet: cmdai-shell setup" in err
    add(call, "lab", *URL, "--use")
    add(call, "cloud", "--url", "https://gpu.example.com", "--set", "discovery_method=dns_srv",
        "--set", "dns_srv_record=_cmdai._tcp.example.com")  # fmt: skip
    code, out, err = call("config", "list-environments")
    assert out.splitlines() == [
        "  cloud  cloud       https://gpu.example.com, (dns_srv)",
        "* lab    local       http://192.168.1.100:8000",
    ]
    call("config", "use", "auto")
    code, out, err = call("config", "list-environments")
    assert "*" not in out
    assert err == "in use: auto, what answers\n"
    code, out, _ = call("config", "list-environments", "--json")
    (cloud, lab) = json.loads(out)
    assert lab["endpoints"] == [
        {"id": "lab/192.168.1.100:8000", "url": "http://192.168.1.100:8000", "kind": "auto",
         "model": ""}
    ]  # fmt: skip
    assert (cloud["name"], cloud["is_active"], cloud["place"]) == ("cloud", False, "cloud")


def test_a_broken_file_is_named_by_every_command(call: Call, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "lab.toml").write_text("endpoints = ['http://a']\ntimeout = 3\n")
    for words in (["list-environments"], ["show"], ["validate"], ["get", "log_level"]):
        code, out, err = call("config", *words)
        assert (code, out) == (78, "")
        assert f"{folder / 'lab.toml'}:2: unknown key timeout" in err
        assert "did you mean timeout_ms?" in err


def test_set_shows_names_and_no_credential(call: Call) -> None:
    add(call, "lab", *URL)

    def said(key: str, value: str) -> str:
        code, _, err = call("config", "set", f"environments.lab.{key}", value)
        assert code == 0, err
        return err.partition(" = ")[2].rpartition(", in ")[0]

    assert said("auth_type", "api_key") == '"api_key" (was "auto")'
    assert said("api_key_env", "GPU_KEY") == '"GPU_KEY" (was "")'
    assert "s3same" not in said("api_key_env", "s3same")
    said("api_key_env", "")
    assert "s3same" not in said("api_key_command", "printf s3same")
    assert said("api_key_command", "pass show gpu") == '"pass [redacted]" (was "printf [redacted]")'


def test_one_value_of_one_environment(call: Call, folder: Path) -> None:
    add(call, "lab", *URL)
    code, _, err = call("config", "set", "environments.lab.timeout_ms", "3000")
    assert code == 0
    assert "environments.lab.timeout_ms = 3000 (was 5000), in environments/lab.toml" in err
    assert call("config", "get", "environments.lab.timeout_ms")[1] == "3000\n"
    assert "timeout_ms = 3000" in (folder / "lab.toml").read_text()
    code, _, err = call("config", "set", "environments.lab.timeout_ms", "3")
    assert code == 78
    assert "environments.lab.timeout_ms = 3: expected a whole number >= 100" in err
    assert call("config", "get", "environments.lab.nope")[0] == 78
    assert call("config", "get", "environments.nope.timeout_ms")[0] == 78
    for key, hint in (("environments", "environments.NAME.KEY"),
                      ("environments.lab", "environments.lab.timeout_ms")):  # fmt: skip
        for words in (["get", key], ["set", key, "x"]):
            code, _, err = call("config", *words)
            assert code == 78
            assert hint in err
    assert call("config", "set", "environments.nope.timeout_ms", "3000")[0] == 78


def test_show_tells_where_a_value_of_an_environment_is_from(call: Call, folder: Path) -> None:
    add(call, "lab", *URL, "--priority", "3")
    _, out, _ = call("config", "show", "--origin")
    shown = tomllib.loads(out)["environments"]["lab"]
    assert shown == {"endpoints": ["http://192.168.1.100:8000"], "priority": 3}
    line = next(line for line in out.splitlines() if line.startswith("priority"))
    assert line.endswith(f"# {folder / 'lab.toml'}:2")
    _, out, _ = call("config", "show", "--origin", "--json")
    found = json.loads(out)
    assert found["environments.lab.priority"]["value"] == 3
    assert found["environments.lab.timeout_ms"] == {"value": 5000, "origin": "default"}


def test_the_file_of_an_environment_is_opened_and_checked(
    call: Call, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(call, "lab", *URL)
    script = tmp_path / "editor"
    script.write_text(f'#!/bin/sh\ncp "{tmp_path}/text" "$1"\n')
    script.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(script))
    monkeypatch.delenv("VISUAL", raising=False)
    before = (folder / "lab.toml").read_text()
    (tmp_path / "text").write_text("endpoints = ['nowhere']\n")
    code, _, err = call("config", "edit", "lab")
    assert code == 78
    assert "lab.toml:1: endpoints[0]: an address begins with http:// or https://" in err
    assert (folder / "lab.toml").read_text() == before
    (tmp_path / "text").write_text("# mine\nendpoints = ['http://10.0.0.1']\n")
    assert call("config", "edit", "lab")[0] == 0
    assert (folder / "lab.toml").read_text().startswith("# mine")
    assert call("config", "edit", "nope")[0] == 78
    assert call("config", "path", "lab")[1] == f"{folder / 'lab.toml'}\n"


def test_validate_knows_an_environment_by_its_folder(call: Call, folder: Path) -> None:
    add(call, "lab", *URL)
    assert call("config", "validate", str(folder / "lab.toml"))[0] == 0
    other = folder.parent / "other.toml"
    other.write_text("endpoints = ['http://a']\n")
    assert call("config", "validate", str(other))[0] == 78
    assert call("config", "validate", "--environment", str(other))[0] == 0
    assert call("config", "validate", "--environment")[0] == 2
    code, out, _ = call("config", "validate", "--json")
    assert json.loads(out) == {"is_valid": True, "files": [str(folder / "lab.toml")]}
    (folder / "lab.toml").write_text("endpoint = []")
    code, out, _ = call("config", "validate", "--json")
    assert code == 78
    found = json.loads(out)
    assert found["is_valid"] is False
    assert "lab.toml:1: unknown key endpoint" in found["error"]


def examples() -> list[str]:
    """Every command line in the help of ``config`` that only needs folders of its own."""
    found = []
    for command in config.commands.values():
        text = (command.help or "").replace("\\\n", " ")
        for line in text.splitlines():
            words = line.strip()
            if words.startswith("cmdai-shell config") and not set("|>$") & set(words):
                found.append(" ".join(words.split()))
    return found


@pytest.mark.parametrize("line", examples())
def test_examples_in_the_help_work(call: Call, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("EDITOR", "true")
    monkeypatch.delenv("VISUAL", raising=False)
    if "add-environment home-lab" not in line:
        add(call, "home-lab", *URL)
    caro = Path.home() / ".config" / "caro" / "config.toml"
    caro.parent.mkdir(parents=True)
    caro.write_text("safety_level = 'strict'\n")
    words = [word.replace("~", str(Path.home())) for word in shlex.split(line)[1:]]
    assert call(*words)[0] == 0, line


def test_names_are_completed(call: Call) -> None:
    add(call, "lab", *URL)
    use = config.commands["use"]
    (argument,) = (p for p in use.params if isinstance(p, click.Argument))
    found = argument.shell_complete(click.Context(use), "l")
    assert [item.value for item in found] == ["lab"]
    (loading.config_file().parent / "environments" / "lab.toml").write_text("[[")
    assert [i.value for i in argument.shell_complete(click.Context(use), "a")] == ["auto"]


def test_the_schema_is_json_for_an_editor(call: Call) -> None:
    code, out, _ = call("config", "schema")
    assert code == 0
    assert "environments" in json.loads(out)["properties"]
    assert "endpoints" in json.loads(call("config", "schema", "--environment")[1])["properties"]


def test_servers_are_not_asked_if_that_is_not_wanted(call: Call, asked: list[str]) -> None:
    add(call, "a", *URL)
    add(call, "b", *URL, "--no-test")
    assert asked == ["a"]


@pytest.mark.parametrize("is_used", [True, False])
def test_one_that_is_taken_out_leaves_its_text_behind(
    call: Call, folder: Path, *, is_used: bool
) -> None:
    add(call, "box", *URL, *(["--use"] if is_used else []))
    text = (folder / "box.toml").read_text()
    code, out, err = call("config", "remove-environment", "box")
    kept = folder / "box.toml.removed"
    assert (code, out) == (0, "")
    assert f"removed box; its text is kept in {kept}" in err
    assert ("it was in use" in err) is is_used
    assert kept.read_text() == text
    found = loading.load()
    assert (dict(found.environments), found.active_environment) == ({}, "auto")
    assert add(call, "box", *URL)[0] == 0
    assert call("config", "remove-environment", "box")[0] == 0
    assert (folder / "box.toml.removed2").exists()


def test_one_among_the_settings_is_taken_out_and_the_rest_stays(call: Call, folder: Path) -> None:
    settings = loading.config_file()
    settings.parent.mkdir(parents=True, exist_ok=True)
    tables = "[environments.{}]\nendpoints = ['http://gpu:1']\n"
    before = "# mine\nlog_level = 'debug'\n" + tables.format("a") + tables.format("b")
    settings.write_text(before)
    assert call("config", "remove-environment", "a")[0] == 0
    assert list(loading.load().environments) == ["b"]
    assert settings.read_text().startswith("# mine\nlog_level = 'debug'\n")
    assert Path(f"{settings}.bak").read_text() == before


def test_one_that_another_imports_stays(call: Call, folder: Path) -> None:
    add(call, "base", *URL)
    (folder / "child.toml").write_text("import = 'base.toml'\n")
    code, _, err = call("config", "remove-environment", "base")
    assert code == 78
    assert "child.toml imports" in err
    assert (folder / "base.toml").exists()


def test_one_that_is_not_there_cannot_be_taken_out(call: Call) -> None:
    add(call, "box", *URL)
    code, _, err = call("config", "remove-environment", "bx")
    assert code == 78
    assert "did you mean box?" in err


def test_a_try_that_failed_can_be_taken_back(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = trying.Found(name="web/a", url="http://a", state="faulty", text="no server that we know")
    monkeypatch.setattr(trying, "found", lambda _environment: [one])
    add(call, "home", *URL, "--use", "--no-test")
    _, _, err = add(call, "web", *URL)
    assert "to use it" not in err
    command = err.rpartition("to take it back: cmdai-shell ")[2].split()
    assert call(*command)[0] == 0
    assert list(loading.load().environments) == ["home"]


def test_a_file_that_is_wrong_is_opened_by_what_the_message_says(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(call, "box", *URL)
    (folder / "zz.toml").write_text(BROKEN)
    code, _, err = call("config", "show")
    assert code == 78
    command = re.search(r"cmdai-shell (config edit zz)$", err, re.MULTILINE)
    assert command, err
    monkeypatch.setenv("VISUAL", """sed -i 's/\\[\\(.*\\)]/["\\1"]/'""")
    assert call(*command[1].split())[0] == 0
    assert loading.load().environments["zz"].endpoints == ("http://192.0.2.2:8137",)


@pytest.mark.parametrize("name", ["box", "zz"])
def test_what_else_is_wrong_keeps_nobody_from_changing_one(
    call: Call, folder: Path, name: str
) -> None:
    add(call, "box", *URL)
    (folder / "zz.toml").write_text(BROKEN if name == "box" else "endpoints = 3\n")
    key = f"environments.{name}.endpoints"
    assert call("config", "set", key, '["http://gpu:2"]')[0] == 0
    assert call("config", "path", name)[1] == f"{folder / name}.toml\n"
    assert call("config", "remove-environment", "zz")[0] == 0
    assert list(loading.load().environments) == ["box"]


def test_what_opens_lists_the_keys_that_are_not_set(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(call, "box", *URL)
    before = (folder / "box.toml").read_text()
    monkeypatch.setenv("VISUAL", "cat")
    code, _, err = call("config", "edit", "box")
    assert (code, "nothing was changed" in err) == (0, True)
    assert (folder / "box.toml").read_text() == before
    for line in ("s/^# retry_count = .*/retry_count = 4/", "s/^# model = .*/model = 'm'/"):
        monkeypatch.setenv("VISUAL", f'sed -i "{line}"')
        assert call("config", "edit", "box")[0] == 0
    text = (folder / "box.toml").read_text()
    assert text.count("retry_count") == text.count("timeout_ms =") == 1
    found = loading.load().environments["box"]
    assert (found.retry_count, found.model) == (4, "m")


def test_keys_go_above_a_table(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir(parents=True)
    (folder / "box.toml").write_text("[[endpoints]]\nurl = 'http://gpu:1'\n")
    monkeypatch.setenv("VISUAL", 'sed -i "s/^# retry_count = .*/retry_count = 4/"')
    assert call("config", "edit", "box")[0] == 0
    assert loading.load().environments["box"].retry_count == 4


def test_one_server_under_two_names_is_noted(call: Call) -> None:
    assert "too" not in add(call, "box", *URL)[2]
    assert "note: lab has an address of box, too" in add(call, "lab", f"{URL[0]}={URL[1]}/")[2]


def test_an_environment_that_finds_its_servers_needs_no_address(call: Call) -> None:
    code, _, err = add(call, "lab2", "--set", "discovery_method=mdns")
    assert code == 0, err
    assert loading.load().environments["lab2"].discovery_method == "mdns"
    assert "cmdai-shell backends trust NAME --environment lab2" in err


def test_without_either_it_says_what_is_missing(call: Call, folder: Path) -> None:
    code, _, err = add(call, "lab2")
    assert code == 2
    assert "--url is missing" in err
    assert "discovery_method=mdns" in err
    assert not folder.exists()
