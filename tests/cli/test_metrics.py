"""``metrics export`` and ``trace`` against the real daemon with the scripted model."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Call, Process


class TestMetrics:
    def test_for_prometheus(self, scripted: Process, call: Call) -> None:
        assert call("list files")[0] == 0
        code, out, err = call("metrics", "export")
        assert (code, err) == (0, "")
        assert 'cmdai_requests_total{op="suggest",origin=' in out
        assert "cmdai_build_info{" in out

    @pytest.mark.real
    @pytest.mark.skipif(not shutil.which("promtool"), reason="there is no promtool")
    def test_promtool_finds_nothing_to_say(self, scripted: Process, call: Call) -> None:
        call("list files")
        _, out, _ = call("metrics", "export")
        done = subprocess.run(
            ["promtool", "check", "metrics"], input=out.encode(), capture_output=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")

    @pytest.mark.parametrize("words", [("--format", "json"), ("--json",)])
    def test_as_json(self, scripted: Process, call: Call, words: tuple[str, ...]) -> None:
        call("list files")
        code, out, _ = call("metrics", "export", *words)
        assert code == 0
        (series,) = json.loads(out)["cmdai_suggestions_total"]["series"]
        assert series == {"labels": {"risk": "safe", "action": "insert"}, "value": 1.0}

    def test_it_starts_no_daemon(self, daemon: Process, call: Call) -> None:
        code, out, err = call("metrics", "export")
        assert (code, out) == (69, "")
        assert "no daemon is running" in err


class TestTrace:
    def test_a_waterfall(self, scripted: Process, call: Call) -> None:
        code, out, err = call("trace", "slowly", "find", "them")
        assert (code, err) == (0, "")
        rows = {line.split()[0]: line for line in out.splitlines() if line.strip()}
        assert [name for name in rows if name in ("ready", "prompt", "route", "model", "checks")]
        assert "answered" in rows["scripted"]
        assert "█" in rows["scripted"]
        assert "insert, safe" in out
        assert "command: find . -name '*.py' -mtime -1" in out

    def test_as_json(self, scripted: Process, call: Call) -> None:
        code, out, _ = call("trace", "--json", "list files")
        found = json.loads(out)
        assert (code, found["command"]) == (0, "ls -la")
        assert found["trace"]["attempts"][0]["id"] == "scripted"
        assert "list files" not in json.dumps(found["trace"])

    def test_what_is_not_allowed_is_not_shown(self, scripted: Process, call: Call) -> None:
        code, out, _ = call("trace", "wipe the root")
        assert code == 0
        assert "rm -rf" not in out
        assert "not shown" in out

    def test_a_request_that_fails_has_a_picture_too(self, scripted: Process, call: Call) -> None:
        code, out, err = call("trace", "fail")
        assert code == 1
        assert "failed (status)" in out
        assert "the scripted backend is down" in err

    def test_a_server_that_is_not_there(self, scripted: Process, call: Call) -> None:
        code, _, err = call("trace", "--backend", "nobody", "list files")
        assert code != 0
        assert "nobody" in err
