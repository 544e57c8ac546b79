from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cmdai_shell.cli import doctor as module
from cmdai_shell.cli.client import Client
from cmdai_shell.config import paths
from cmdai_shell.core import Endpoint
from cmdai_shell.diagnose.check import Check, Finding, fail, ok, warn
from cmdai_shell.diagnose.surroundings import here
from cmdai_shell.discovery.candidate import Candidate
from cmdai_shell.discovery.trust import TrustStore

if TYPE_CHECKING:
    import pytest

    from cmdai_shell.diagnose.surroundings import Surroundings
    from tests.cli.conftest import Call, Process


def found(monkeypatch: pytest.MonkeyPatch, **findings: Finding) -> None:
    """The checks of this test, and what each finds."""

    def finding(name: str) -> Check:
        return Check(name, lambda _: findings[name])

    monkeypatch.setattr(module.table, "CHECKS", tuple(map(finding, findings)))


def test_all_is_well(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, one=ok("fine"), two=ok("fine"))
    assert call("doctor") == (0, "all 2 checks passed\n", "")
    assert "ok    one: fine\n" in call("doctor", "--all")[1]


def test_that_all_is_well_says_nothing_of_servers_and_says_so(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    found(monkeypatch, one=ok("fine"))
    paths.config_dir().mkdir(parents=True)
    lab = '[environments.lab]\nendpoints = ["http://127.0.0.1:9"]\n'
    (paths.config_dir() / "config.toml").write_text(lab)
    code, out, err = call("doctor")
    assert (code, out) == (0, "all 1 checks passed\n")
    assert err == "your servers were not asked: cmdai-shell doctor --dgx\n"
    assert call("doctor", "--only", "home")[2] == ""


def test_nor_of_one_that_was_trusted(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, one=ok("fine"))
    assert call("doctor")[2] == ""
    endpoint = Endpoint(id="spark:8000", url="http://192.168.1.7:8000", source="mdns")
    desk = Candidate(name="spark:8000", endpoint=endpoint, state="candidate")
    TrustStore(paths.data_dir()).approve(desk)
    assert call("doctor")[2] == "your servers were not asked: cmdai-shell doctor --dgx\n"


def test_a_failure_and_its_cure(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, bad=fail("broken", "mend it"), meh=warn("slow", "speed up"), fine=ok("well"))
    assert call("doctor") == (
        1,
        "warn  meh: slow\n      speed up\nfail  bad: broken\n      mend it\n"
        "3 checks: 1 failed, 1 could be better\n",
        "",
    )


def test_a_warning_is_no_failure(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, meh=warn("slow", "speed up"))
    assert call("doctor")[0] == 0


def test_json(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, bad=fail("broken", "mend it"), fine=ok("well"))
    code, out, _ = call("doctor", "--json")
    assert code == 1
    assert json.loads(out) == [
        {"check": "bad", "severity": "fail", "what": "broken", "cure": "mend it"},
        {"check": "fine", "severity": "ok", "what": "well", "cure": ""},
    ]


def test_a_new_machine_is_told_to_fetch_a_model_and_to_install(call: Call, daemon: Process) -> None:
    code, out, _ = call("doctor", "--json")
    said = {entry["check"]: entry for entry in json.loads(out)}
    assert code == 1
    assert said["model"]["cure"] == "cmdai-shell model pull"
    assert said["hooks"]["cure"] == "cmdai-shell install"
    assert said["daemon"]["severity"] == "ok"
    assert not daemon.pid  # it starts none
    assert not {"model-digest", "key-bash"} & set(said)


def test_a_running_daemon_is_found(call: Call, scripted: Process) -> None:
    _, out, _ = call("doctor", "--only", "daemon", "--only", "sockets", "--all")
    assert f"process {scripted.pid}" in out
    assert "all 2 checks passed" in out


def test_what_is_slow_runs_only_on_request(call: Call, runtime_dir: object) -> None:
    slow = {"model-digest", "key-bash", "key-zsh", "key-fish", "server-answers"}
    around = here(Client(start=()).status)

    def names(*, asked: bool) -> set[str]:
        chosen = module._chosen((), around, start_shells=asked, verify=asked, dgx=asked)
        return {check.name for check in chosen}

    assert slow <= names(asked=True)
    assert not slow & names(asked=False)
    assert call("doctor", "--only", "model-digest")[0] == 1  # there is no model
    assert call("doctor", "--only", "no-such-check")[0] == 2


def test_nothing_found_steers_the_terminal(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def hostile(_: Surroundings) -> Finding:
        return fail("a\x1b[2Jb", "c\x07")

    monkeypatch.setattr(module.table, "CHECKS", (Check("x", hostile),))
    assert "\x1b" not in (out := call("doctor")[1])
    assert "\x07" not in out


def test_servers_that_are_written_down(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, fine=ok("well"))
    folder = paths.config_dir() / "environments"
    folder.mkdir(parents=True)
    (folder / "lab.toml").write_text('endpoints = ["http://127.0.0.1:9"]\n')
    code, out, _ = call("doctor", "--dgx")
    assert (code, "server-connect: lab/127.0.0.1:9: nothing listens" in out) == (1, True)
    code, out, _ = call("doctor", "--only", "server-connect", "--json")
    (entry,) = json.loads(out)
    assert (code, entry["check"], entry["severity"]) == (1, "server-connect", "fail")
    assert call("doctor")[0] == 0


def test_fix_says_what_it_did(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, fine=ok("well"))
    folder = paths.data_dir() / "history"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    assert call("doctor")[1] == "all 1 checks passed\n"
    folder.chmod(0o755)
    code, out, _ = call("doctor", "--fix", "--json")
    assert code == 0
    assert json.loads(out)[0]["severity"] == "fixed"
    folder.chmod(0o755)
    assert f"fixed  {folder} is yours alone now\n" in call("doctor", "--fix")[1]
    assert folder.stat().st_mode & 0o777 == 0o700
