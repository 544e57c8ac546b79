"""What is kept of a run: a head line, then one JSON line for each task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from benchmarks.quality.tasks import SEED, Half, Kind

if TYPE_CHECKING:
    from pathlib import Path

Outcome = Literal["command", "hint", "explanation", "error"]


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What has to be the same for a run to be continued."""

    backend: str
    model: str
    plain: bool
    shell: Literal["bash", "zsh", "fish"]
    half: Half | Literal["both"]
    settings: tuple[str, ...] = ()
    code: str = ""
    """Digest of the suggester's source and data."""
    seed: str = SEED
    repeated: bool = False
    """Recipes that repeat a task were shown."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One task: what was answered, and what the judges say of it (``right`` is None until then)."""

    id: str
    kind: Kind = "command"
    half: Half = "dev"
    tags: tuple[str, ...] = ()
    request: str
    outcome: Outcome
    command: str = ""
    text: str = ""
    """A hint, an explanation, or what an error said."""
    action: str = ""
    risk: str = ""
    findings: str = ""
    seconds: float
    asks: int = 0
    """Times the model was asked."""
    evaluated: int = 0
    generated: int = 0
    raw: tuple[str, ...] = ()
    load: float = 0.0
    right: bool | None = None
    expert: str = ""
    difference: str = ""
    invalid: tuple[str, ...] = ()
    refused: bool = False
    harmed: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        return self.id.rpartition("-")[0]


def read(path: Path) -> tuple[Head | None, list[Record]]:
    """An absent file is an empty run; a line that was cut off is none."""
    try:
        head, *lines = path.read_bytes().splitlines()
    except (FileNotFoundError, ValueError):
        return None, []
    records = {}
    for line in lines:
        try:
            record = msgspec.json.decode(line, type=Record)
        except msgspec.DecodeError:
            continue
        records[record.id] = record
    return msgspec.json.decode(head, type=Head), list(records.values())


def write(path: Path, head: Head, records: list[Record]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".part")
    new.write_bytes(b"".join(msgspec.json.encode(x) + b"\n" for x in (head, *records)))
    new.replace(path)


def append(path: Path, record: Record) -> None:
    with path.open("ab") as file:
        file.write(msgspec.json.encode(record) + b"\n")
