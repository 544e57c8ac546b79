"""The log: useful to a person, silent about what was typed."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest

from cmdai_shell.observe import logs

log = logging.getLogger("cmdai_shell.daemon.test")


def descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def entries(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / logs.FILE).read_text().splitlines()]


def test_a_record_is_a_json_line(tmp_path: Path) -> None:
    with logs.written(tmp_path / "log", foreground=False):
        log.info("request", extra={"fields": {"op": "suggest", "sent": {"characters": 9}}})
    (entry,) = entries(tmp_path / "log")
    assert entry["event"] == "request"
    assert entry["source"] == "daemon.test"
    assert entry["sent"] == {"characters": 9}


def test_only_the_person_can_read_it(tmp_path: Path) -> None:
    with logs.written(tmp_path / "log", foreground=False):
        log.info("x")
    assert (tmp_path / "log" / logs.FILE).stat().st_mode & 0o077 == 0


def test_nobody_else_can_after_a_rotation_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "SIZE", 200)
    before = os.umask(0o022)
    try:
        with logs.written(tmp_path, foreground=False):
            for _ in range(20):
                log.info("x")
    finally:
        os.umask(before)
    found = sorted(tmp_path.glob("daemon.log*"))
    assert len(found) == logs.KEPT
    assert [path.stat().st_mode & 0o077 for path in found] == [0] * logs.KEPT


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_nobody_leads_it_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    target, place = tmp_path / "target", tmp_path / logs.FILE
    target.touch()
    if kind == "link":
        place.symlink_to(target)
    else:
        os.mkfifo(place)
    with logs.written(tmp_path, foreground=False):
        log.warning("hello")
    assert target.read_text() == ""
    assert "no log in" in capsys.readouterr().err


def test_an_exception_tells_its_type_and_place_but_not_its_words(tmp_path: Path) -> None:
    with logs.written(tmp_path, foreground=False):
        trouble = ExceptionGroup("", [ValueError("my secret plan")])
        log.error("a request failed", exc_info=trouble)
    (entry,) = entries(tmp_path)
    assert entry["exception"] == ["ValueError"]
    assert "secret plan" not in (tmp_path / logs.FILE).read_text()


def test_a_library_cannot_quote_the_person(tmp_path: Path) -> None:
    with logs.written(tmp_path, foreground=False):
        logging.getLogger("aiohttp").warning("bad request %s", "rm my secret plan")
    assert "secret plan" not in (tmp_path / logs.FILE).read_text()
    assert entries(tmp_path)[0]["event"] == "bad request %s"


def test_a_count_of_tokens_is_no_credential_and_every_line_stays_json(tmp_path: Path) -> None:
    fields = {
        "tokens": 12,
        "token": "s3same",
        "sent": {"passwords": ["open it"], "to": ["gpu", 'token="abcdefghijkl"']},
        "secret": "",
    }
    with logs.written(tmp_path, foreground=False):
        log.info("attempt", extra={"fields": fields})
    (entry,) = entries(tmp_path)
    assert entry["tokens"] == 12
    assert (entry["token"], entry["secret"]) == ("[redacted]", "")
    assert "gpu" in str(entry["sent"])
    text = (tmp_path / logs.FILE).read_text()
    assert not any(word in text for word in ("s3same", "open it", "abcdefghijkl"))


def test_an_unforeseen_end_is_written_down(tmp_path: Path) -> None:
    with (
        pytest.raises(ModuleNotFoundError),
        logs.written(tmp_path, foreground=False),
    ):
        import cmdai_not_there  # type: ignore[import-not-found]  # noqa: F401
    (entry,) = entries(tmp_path)
    assert entry["exception"] == ["ModuleNotFoundError: cmdai_not_there"]


def test_three_files_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "SIZE", 500)
    with logs.written(tmp_path / "log", foreground=False):
        for number in range(50):
            log.info("x", extra={"fields": {"number": number}})
    assert len(list((tmp_path / "log").iterdir())) == logs.KEPT
    assert entries(tmp_path / "log")[-1]["number"] == 49


@pytest.mark.parametrize("broken", ["file", "missing"])
def test_a_folder_that_cannot_be_written_does_not_stop_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" if broken == "file" else Path("/proc/cmdai/log")
    with logs.written(folder, foreground=True):
        log.info("still alive")
    said = capsys.readouterr().err
    assert "no log in" in said
    assert "still alive" in said


def test_a_line_as_a_person_reads_it() -> None:
    line = json.dumps(
        {"time": "T", "level": "info", "source": "daemon.desk", "event": "request", "op": "next",
         "risk": "", "sent": {"characters": 9, "fields": ["line", "cwd"]}}
    )  # fmt: skip
    assert (
        logs.to_text(line) == "T info    request  op=next  sent.characters=9  sent.fields=line,cwd"
    )


@pytest.mark.parametrize("line", ["not json", "[1]", "{}", '{"time": 1}'])
def test_a_foreign_line_is_shown_as_it_is(line: str) -> None:
    assert logs.to_text(line + "\n") == line


def test_nothing_stays_behind(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = list(root.handlers), root.level, descriptors()
    with logs.written(tmp_path, foreground=False):
        log.info("x")
    assert (list(root.handlers), root.level, descriptors()) == before
