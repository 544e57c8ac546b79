"""The tasks: ``tasks/FAMILY.toml``, checked when read, and which half of them each belongs to."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HERE = Path(__file__).parent
TASKS = HERE / "tasks"
SEED = "cmdai-shell quality 1"
"""The one seed of the split. Changing it mixes the halves: never, once a figure is published."""

Match = Literal[
    *("lines", "ordered", "paths", "numbers", "number", "words", "commits", "processes"),
    *("none", "calls"),
]
Tag = Literal["constraint", "total", "typo", "vague", "half", "name", "unit", "multi"]
Half = Literal["dev", "test"]
Kind = Literal["command", "fix", "explain", "vague"]

_KINDS: tuple[Kind, ...] = ("fix", "explain", "vague")
_ID = re.compile(r"([a-z][a-z0-9-]*)-(\d{3})")
_NEEDED: dict[Kind, tuple[str, ...]] = {
    "command": ("request", "fixture", "expert"),
    "fix": ("last_command", "last_status", "fixture", "expert"),
    "explain": ("line", "must"),
    "vague": ("request",),
}
_ALSO: dict[Kind, tuple[str, ...]] = {
    "command": ("accept", "match", "fish", "tags"),
    "fix": ("request", "accept", "match", "fish", "tags", "stderr"),
    "explain": ("tags",),
    "vague": ("ok", "fixture", "tags"),
}


class BadTasks(Exception):
    """A task file that cannot be used; says where and why."""


class Task(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One request and what counts as right. Which fields are filled depends on ``kind``."""

    id: str
    request: str = ""
    fixture: str = ""
    expert: str = ""
    accept: tuple[str, ...] = ()
    match: Match = "lines"
    fish: str = ""
    """The expert for fish, where bash's is no fish."""
    tags: tuple[Tag, ...] = ()
    last_command: str = ""
    last_status: int = 0
    stderr: str = ""
    line: str = ""
    must: tuple[tuple[str, ...], ...] = ()
    """Of each list the explanation has to contain one."""
    ok: tuple[str, ...] = ()
    """Commands that are a harmless answer to a vague request."""

    @property
    def family(self) -> str:
        return self.id.rpartition("-")[0]

    @property
    def kind(self) -> Kind:
        return next((kind for kind in _KINDS if kind == self.family), "command")

    @property
    def half(self) -> Half:
        return half(self.id)

    @property
    def references(self) -> tuple[str, ...]:
        """The commands whose results are right."""
        return (self.expert, *self.accept) if self.expert else ()

    @property
    def asked(self) -> str:
        """What the person typed."""
        return self.request or self.line or self.last_command


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    task: tuple[Task, ...]


def half(task_id: str) -> Half:
    """Of two neighbours (1 and 2, 3 and 4, ...) the seed sends one to each half: so each family is
    balanced, and a task never moves when others are added."""
    family, _, number = task_id.rpartition("-")
    pair, place = divmod(int(number) - 1, 2)
    digest = hashlib.sha256(f"{SEED} {family} {pair}".encode()).digest()
    return "dev" if digest[0] % 2 == place else "test"


def read(path: Path) -> list[Task]:
    """The tasks of one file. Raises BadTasks."""
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
        tasks = list(msgspec.convert(tables, _File).task)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadTasks(f"{path.name}: {error}") from None
    except msgspec.ValidationError as error:
        raise BadTasks(f"{path.name}: {_placed(str(error), tables)}") from None
    for task in tasks:
        if trouble := next(_troubles(task, path.stem), ""):
            raise BadTasks(f"{path.name}: {task.id}: {trouble}")
    return tasks


def load(folder: Path = TASKS, families: Iterable[str] = ()) -> list[Task]:
    """All tasks, or those of some families, in the order of the files. Raises BadTasks."""
    paths = sorted(folder.glob("*.toml"))
    if wanted := set(families):
        if unknown := wanted - {path.stem for path in paths}:
            raise BadTasks(f"no family called {', '.join(sorted(unknown))} in {folder}")
        paths = [path for path in paths if path.stem in wanted]
    tasks = [task for path in paths for task in read(path)]
    ids = [task.id for task in tasks]
    if twice := sorted({one for one in ids if ids.count(one) > 1}):
        raise BadTasks(f"these ids are used twice: {', '.join(twice)}")
    return tasks


def _troubles(task: Task, family: str) -> Iterator[str]:
    found = _ID.fullmatch(task.id)
    if not found or found[1] != family:
        yield f"the id has to be {family}-NNN"
    needed = _NEEDED[task.kind]
    for name in needed:
        if not getattr(task, name):
            yield f"{name} is missing"
    blank = Task(id="x-000")
    for name in set(task.__struct_fields__) - {"id", *needed, *_ALSO[task.kind]}:
        if getattr(task, name) != getattr(blank, name):
            yield f"{name} means nothing in a task of kind {task.kind}"
    if any(not text.strip() for text in (*task.accept, *task.ok)):
        yield "an empty command"


def _placed(message: str, tables: dict[str, object]) -> str:
    """msgspec says ``$.task[3].match``; a person looks for an id."""
    found = re.search(r"\$\.task\[(\d+)\]", message)
    rows = tables.get("task")
    if found and isinstance(rows, list):
        return f"{rows[int(found[1])].get('id', f'task {found[1]}')}: {message}"
    return message
