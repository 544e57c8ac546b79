from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from cmdai_shell import __version__
from cmdai_shell.cli import status as module
from cmdai_shell.config import loading

if TYPE_CHECKING:
    from tests.cli.conftest import Call, Process

SECRET = "find the plans of the moon base"


class TestRunning:
    def test_the_daemon_and_the_last_request(self, call: Call, scripted: Process) -> None:
        call(SECRET)
        code, out, _ = call("status")
        rows = dict(line.split(maxsplit=1) for line in out.splitlines())
        assert code == 0
        assert f"version {__version__}, pid {scripted.pid}, up " in rows["daemon"]
        assert rows["shell"] == "no key pressed since the daemon started"
        assert rows["request"].startswith("suggest from bash by scripted, ")
        assert rows["request"].endswith(": insert, safe")
        assert re.fullmatch(
            rf"to scripted: {len(SECRET)} characters of your line, and \d+ of fixed instructions",
            rows["sent"],
        )
        assert "config.toml" in rows["settings"]
        assert rows["manual"] == "no pages yet"
        assert SECRET not in out

    def test_before_any_request(self, call: Call, scripted: Process) -> None:
        out = call("status")[1]
        assert "request   none since the daemon started" in out
        assert "sent" not in out

    def test_the_shells_that_pressed_the_key(self, call: Call, scripted: Process) -> None:
        for line in ("list files", "talk"):
            scripted.ask(line, shell="zsh", shell_version="5.9")
        assert re.search(r"zsh 5\.9: last key \d+ s ago, 2 presses", call("status")[1])

    def test_only_the_last_request(self, call: Call, scripted: Process) -> None:
        call(SECRET)
        out = call("status", "--last")[1]
        rows = [line.split()[0] for line in out.splitlines() if line]
        stages = ["ready", "prompt", "route", "model", "scripted", "checks"]
        assert rows == ["request", "sent", *stages]
        found = call("status", "--last", "--json")[1]
        last = json.loads(found)
        assert last["sent"][0]["fields"] == ["line"]
        assert last["trace"]["attempts"][0]["outcome"] == "answered"
        assert SECRET not in out + found

    def test_json_is_the_daemon_s_own(self, call: Call, scripted: Process) -> None:
        call(SECRET)
        code, out, _ = call("status", "--json")
        found = json.loads(out)
        assert (code, found["running"], found["pid"]) == (0, True, scripted.pid)
        assert found["last_request"]["sent"][0]["characters"] > len(SECRET)
        assert SECRET not in out

    def test_the_settings_in_force(self, call: Call, scripted: Process) -> None:
        def settings() -> str:
            (found,) = re.findall("^settings +(.+)$", call("status")[1], re.MULTILINE)
            return str(found)

        assert settings() == "no config.toml: every key has its default"
        folder = loading.config_file().parent / "environments"
        folder.mkdir(parents=True)
        for name in ("lab", "cloud"):
            (folder / f"{name}.toml").write_text("endpoints = ['http://127.0.0.1:1']\n")
        scripted.ask("list files")
        assert settings() == f"no config.toml; 2 environments in {folder}"
        loading.config_file().write_text("")
        scripted.ask("list files")
        assert settings() == f"{loading.config_file()}; 2 environments in {folder}"
        (folder / "lab.toml").write_text("endpoints = [nothing]\n")
        found = settings()
        assert found.startswith(f"WRONG, no press is answered: {folder}/lab.toml:1: not valid TOML")
        assert found.endswith(": cmdai-shell config edit lab")
        loading.config_file().write_text("active_environment = 'cloud'\n")
        assert settings().startswith(f"wrong where they are not in use: {folder}/lab.toml:1: not")
        assert scripted.ask("list files")


def test_all_that_a_large_model_was_told() -> None:
    fields = ["line", "cwd", "system", "shell_version", "tools", "listing", "recipes"]
    sent = {"to": "spark", "characters": 1900, "own_characters": 100, "fields": fields}
    own = {"to": "it", "times": 3, "characters": 60, "own_characters": 1, "fields": ["line"]}
    last = {"op": "suggest", "shell": "zsh", "sent": [sent, own]}
    rows = [text for name, text in module.last_request({"last_request": last}) if name == "sent"]
    assert rows[0] == (
        "to spark: 100 characters of your line, the folder's name, what the files in the folder "
        "are called, similar recipes, and 1800 of fixed instructions (with the system's name, the "
        "shell's version, which common tools there are)"
    )
    assert rows[1] == (
        "to it: 1 character of your line, and 59 of fixed instructions, in 3 requests"
    )


class TestNotRunning:
    def test_it_says_so_and_starts_none(self, call: Call, daemon: Process) -> None:
        code, out, _ = call("status")
        assert (code, daemon.pid) == (69, 0)
        assert "no daemon is running" in out

    def test_in_json(self, call: Call, daemon: Process) -> None:
        code, out, _ = call("status", "--json")
        assert code == 69
        assert json.loads(out) == {"running": False, "reason": "no daemon is running"}


def test_another_version_is_said() -> None:
    found = {"version": "0.0.1", "pid": 1, "uptime_s": 3, "rss_bytes": 1}
    rows = dict(module.summary(found))
    assert f"0.0.1 (this is {__version__}" in rows["daemon"]


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        ({"id": "", "state": "none"}, "none in use"),
        (
            {"id": "", "state": "unloaded"},
            "none yet: cmdai-shell model pull; or your own server: cmdai-shell setup",
        ),
        ({"id": "q", "state": "unloaded"}, "q unloaded"),
        (
            {"id": "q", "state": "ready", "rss_bytes": 1_900_000_000, "threads": 2},
            "q ready, 1.9 GB, 2 threads",
        ),
        ({"id": "q", "state": "failed", "last_error": "no memory"}, "q failed, no memory"),
    ],
)
def test_model(model: dict[str, object], shown: str) -> None:
    assert module._model(model) == shown


@pytest.mark.parametrize(
    ("states", "shown"),
    [
        (("ok", "unreachable"), "none here: servers answer; for when none does"),
        (("new", "unreachable"), "none here: servers are asked; for when none does"),
        (("login", "unreachable"), "none here, and no server answers"),
    ],
)
def test_no_model_beside_servers(states: tuple[str, ...], shown: str) -> None:
    servers = [{"state": state} for state in states]
    said = module._model({"id": "", "state": "unloaded"}, servers)
    assert said == f"{shown}: cmdai-shell model pull"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "0 s"), (59, "59 s"), (61, "1 min"), (7500, "2 h 5 min"), (200_000, "2 days")],
)
def test_duration(seconds: float, shown: str) -> None:
    assert module.duration(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [(None, "0 B"), (999, "999 B"), (43_000_000, "43 MB"), (1_900_000_000, "1.9 GB")],
)
def test_size(count: int | None, shown: str) -> None:
    assert module.size(count) == shown


@pytest.mark.parametrize(
    ("traces", "shown"),
    [
        ({"sent": 3, "lost": 0, "problem": "", "hint": ""}, "3 sent to http://c:4318"),
        (
            {"sent": 3, "lost": 2, "problem": "it is away", "hint": "start it"},
            "3 sent to http://c:4318, 2 lost: it is away (start it)",
        ),
    ],
)
def test_traces(traces: dict[str, object], shown: str) -> None:
    assert module._traces({"endpoint": "http://c:4318", **traces}) == shown


def test_a_history_that_is_being_read_is_not_called_empty() -> None:
    told = {"kept": 0, "path": "/d/history.db", "problem": "", "aside": [], "reading": True}
    assert module._history(told) == "being read from /d/history.db"
    assert module._history({**told, "reading": False}).startswith("0 suggestions kept in")
