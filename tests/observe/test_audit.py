"""Records on this machine's disk."""

from __future__ import annotations

import json
import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.core import Risk, Suggestion, Verdict
from cmdai_shell.observe import audit
from cmdai_shell.observe.audit import Lines, suggested

if TYPE_CHECKING:
    from pathlib import Path


def test_a_line_for_each_entry(tmp_path: Path):
    lines = Lines(tmp_path / "new" / "a.jsonl")
    for number in range(3):
        lines.write(lambda number=number: {"n": number})  # type: ignore[misc]
    lines.close()
    assert [json.loads(line)["n"] for line in lines.path.read_text().splitlines()] == [0, 1, 2]


def test_nothing_is_made_before_the_first(tmp_path: Path):
    lines = Lines(tmp_path / "new" / "a.jsonl")
    lines.close()
    assert not lines.path.parent.exists()
    assert "a.jsonl" not in [thread.name for thread in threading.enumerate()]


def test_its_owner_alone_reads_it_and_it_does_not_grow(tmp_path: Path):
    before = os.umask(0)
    try:
        lines = Lines(tmp_path / "a.jsonl", size=200)
        for _ in range(40):
            lines.write(lambda: {"text": "x" * 40})
        lines.close()
    finally:
        os.umask(before)
    files = sorted(tmp_path.glob("a.*"))
    assert [file.name for file in files] == ["a.jsonl", "a.jsonl.1", "a.jsonl.2"]
    assert sum(file.stat().st_size for file in files) <= 3 * 200
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_one_that_was_there_is_made_private(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.touch()
    path.chmod(0o644)
    lines = Lines(path)
    lines.write(dict)
    lines.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nobody_leads_it_elsewhere(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "a.jsonl").symlink_to(tmp_path / "elsewhere")
    lines = Lines(tmp_path / "a.jsonl")
    lines.write(dict)
    lines.close()
    assert not (tmp_path / "elsewhere").exists()
    assert caplog.messages == ["not written"]


def test_a_disk_that_fails_is_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "file").touch()
    lines = Lines(tmp_path / "file" / "a.jsonl")
    for _ in range(3):
        lines.write(dict)
    lines.close()
    assert caplog.messages == ["not written"]


def test_a_disk_that_hangs_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(audit, "MOST_WAITING", 5)
    hanging = threading.Event()
    lines = Lines(tmp_path / "a.jsonl")

    def entry() -> dict[str, int]:
        hanging.wait(10)
        return {}

    for _ in range(9):
        lines.write(entry)
    assert "lines dropped" in caplog.messages
    monkeypatch.setattr(audit, "CLOSE_S", 0.01)
    lines.close()
    assert lines.path.read_text() == ""
    hanging.set()


@pytest.mark.parametrize("secret", ["hunter2hunter2", "sk-abcdefghijklmnop1234"])
def test_credentials_are_not_in_it(secret: str):
    verdict = Verdict(risk=Risk.CAUTION, reasons=(f"sends token={secret}",))
    found = Suggestion(command=f"curl -H 'Authorization: Bearer {secret}' x.com", verdict=verdict)
    line = suggested(found, "suggest", "zsh", "0af7", 1_800_000_000.25)
    assert secret not in json.dumps(line)
    assert (line["time"], line["risk"]) == ("2027-01-15T08:00:00.250Z", "caution")
