"""One command in bubblewrap, in a copy of a fixture: what it printed, called and changed.

No network, nothing of this machine but its programs (read-only), a home of its own. Fixtures are
built in the same box, once a day, or every half hour if they speak of "3 days ago"; results of
commands that do not look at the clock are kept as long as the fixture.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from benchmarks.quality import folder
from benchmarks.quality.box import HOME, OUTPUT_LIMIT, WORK, Box, Cut, Unusable, link_stubs
from benchmarks.quality.folder import Snapshot
from benchmarks.quality.tasks import HERE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.core import Shell

_OWN_SOURCE = [HERE / name for name in ("box.py", "folder.py", "sandbox.py")]
"""What is kept was made by these."""
_BUILD_S = 30.0
_STALE_S = 1800.0
_DAY_S = 86400
_RELATIVE = re.compile(r"\bago\b|yesterday|today|tomorrow|\bnow\b|\bdate [+-]|EPOCH")
_CLOCK = re.compile(
    r"\bdate\b|\bcal\b|\bnow\b|today|yesterday|%\([^)]*\)T|EPOCH|SECONDS|uptime|strftime"
)
_START = re.compile(r"^# start: (.+)$", re.MULTILINE)
_NAMES = re.compile(r"^# Names: (.+)$", re.MULTILINE)
"""In a fixture's head: what it wants started, and the programs whose fate is part of a result."""
_DESCRIBE = r"""
for d; do
  printf '== %s\n' "$d"
  g() { GIT_OPTIONAL_LOCKS=0 git --git-dir="$d" -c core.fsmonitor=false "$@" 2>&1; }
  g symbolic-ref -q HEAD || g log -1 --format='%T %an %B' HEAD
  for ref in $(g for-each-ref --format='%(refname)'); do
    echo "$ref $(g cat-file -t "$ref") $(g log -1 --format='%T' "$ref" --)"
  done
  g for-each-ref refs/tags --format='%(refname) %(contents)'
  g log --all --topo-order --format='%T|%an|%B' --
  g stash list --format='%gs %T'
  [ -f "$d/index" ] && g ls-files -s
  g config --local --list | sort
  find "$d/hooks" -type f ! -name '*.sample' 2>/dev/null | sort
  grep -v '^#' "$d/info/exclude" 2>/dev/null
  ls -d "$d"/*_HEAD "$d"/rebase-* 2>/dev/null | grep -v -e ORIG_HEAD -e FETCH_HEAD
done
"""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a command; see ``box.Outcome``."""

    stdout: str
    stderr: str = ""
    status: int = 0
    cut: Cut = ""
    cwd: str = WORK
    processes: str = ""
    calls: str = ""
    """What the stubs noted."""
    changes: dict[str, str] = {}
    """Path below HOME -> what is there now; empty for what is gone."""
    created: tuple[str, ...] = ()
    """Those of them that were not there before."""


@dataclass(frozen=True)
class Place:
    """What an output can speak of."""

    paths: frozenset[str] = frozenset()
    """In the working folder, as seen from there."""
    commits: tuple[tuple[str, str], ...] = ()
    """Id and subject."""
    programs: tuple[str, ...] = ()
    """Names of those that a fixture starts."""
    pids: dict[str, str] = field(default_factory=dict)
    """Process id -> which of them it is."""


@dataclass(frozen=True)
class Fixture:
    """A built one: a HOME to copy, what is in it, and a folder for results."""

    home: Path
    snapshot: Snapshot
    results: Path
    start: tuple[str, ...]
    """Commands that start programs, before each command that is judged."""
    place: Place


class Sandbox:
    """Runs commands. ``data`` has ``fixtures``, ``stubs`` and ``etc``; in ``cache`` is kept what
    can be made again. Safe to use from several threads."""

    def __init__(self, cache: Path, data: Path = HERE, *, timeout: float = 5.0) -> None:
        self._cache = cache
        self._data = data
        self._timeout = timeout
        around = [*self._files("stubs"), *self._files("etc"), *_OWN_SOURCE]
        self._around = _digest_of(around)
        self._built: dict[str, tuple[Fixture, float]] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self.tools = link_stubs(data / "stubs", cache / "tools" / self._around[:16])
        """The folder that stands first on PATH, as it is outside of the box."""
        self._box = Box(data, self.tools, _day(time.time()))

    def run(self, fixture: str, command: str, shell: Shell = "bash") -> Result:
        """The command in a fresh copy of the fixture, or what it gave before."""
        built = self.fixture(fixture)
        key = hashlib.sha256(f"{shell}\n{command}".encode()).hexdigest()[:32]
        kept = built.results / key
        if not looks_at_clock(command):
            with contextlib.suppress(OSError, msgspec.DecodeError):
                return msgspec.json.decode(kept.read_bytes(), type=Result)
        result = self.afresh(built, command, shell)
        if result.cut != "time":  # a machine that was busy for a while
            _write(kept, msgspec.json.encode(result))
        return result

    def fixture(self, name: str) -> Fixture:
        """Raises Unusable."""
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            fixture, until = self._built.get(name, (None, 0.0))
            if fixture is None or time.time() > until:
                fixture, until = self._build(name)
                self._built[name] = fixture, until
            return fixture

    def check(self, command: str, shell: Shell, programs: list[str]) -> list[str]:
        """What keeps the command from being run at all: syntax, programs that are not there."""
        test = "type -q -- $p" if shell == "fish" else 'type -- "$p" >/dev/null 2>&1'
        names = " ".join(f"'{p}'" for p in programs if re.fullmatch(r"[\w.+-]+", p))
        loop = f"for p in {names}; {test}; or echo $p; end"
        if shell != "fish":
            loop = f"for p in {names}; do {test} || echo $p; done"
        with self._home(None) as home:
            spoken = self._box.run(home, command, shell, self._timeout, syntax_only=True)
            missing = self._box.run(home, loop if names else "", shell, self._timeout)
        troubles = [f"no program {name}" for name in missing.stdout.split()]
        return ["syntax", *troubles] if spoken.status or spoken.cut else troubles

    # --- building

    def _build(self, name: str) -> tuple[Fixture, float]:
        script = self._data / "fixtures" / f"{name}.sh"
        try:
            text = script.read_text("utf-8")
        except OSError:
            raise Unusable(f"no fixture {name}") from None
        lasts = _STALE_S if _RELATIVE.search(text) else _DAY_S
        key = _digest_of([script]) + self._around
        place = self._cache / "fixtures" / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
        now = time.time()
        for old in place.glob("[0-9]*"):
            born = float(old.name)
            if born <= now < born + lasts and int(born) // _DAY_S == int(now) // _DAY_S:
                return _fixture(old), born + lasts
            if now > born + 2 * _DAY_S:
                shutil.rmtree(old, ignore_errors=True)
        self._box = Box(self._data, self.tools, _day(now))
        return self._built_afresh(text, place / str(int(now)), name), int(now) + lasts

    def _built_afresh(self, text: str, place: Path, name: str) -> Fixture:
        place.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=".new-", dir=place.parent))
        home = new / "home"
        (home / "work").mkdir(parents=True)
        result = self._box.run(home, text, "bash", _BUILD_S)
        if result.status or result.cut:
            shutil.rmtree(new, ignore_errors=True)
            raise Unusable(f"fixture {name}: {result.cut or result.status}: {result.stderr[-500:]}")
        (home / ".calls").unlink(missing_ok=True)
        snapshot = folder.take(home)
        self._describe(home, snapshot)
        told = self._box.run(home, "git log --all --format='%H %s'", "bash", _BUILD_S).stdout
        snapshot.commits = [line for line in told.splitlines() if line]
        snapshot.start = _START.findall(text)
        if found := _NAMES.search(text):
            snapshot.programs = found[1].split()
            with self._home(home) as copy:
                listing = "ps -eo pid=,args="
                told = self._box.run(copy, listing, "bash", _BUILD_S, start=snapshot.start).stdout
            snapshot.processes = told.splitlines()
        (new / "results").mkdir()
        _write(new / "snapshot", msgspec.json.encode(snapshot))
        try:
            new.rename(place)
        except OSError:  # somebody else was as quick
            shutil.rmtree(new, ignore_errors=True)
        return _fixture(place)

    def _describe(self, home: Path, snapshot: Snapshot) -> None:
        """git folders by what git says of them: their files hold times and inode numbers."""
        if not snapshot.repositories:
            return
        quoted = " ".join("'" + p.replace("'", "'\\''") + "'" for p in snapshot.repositories)
        script = f"cd {HOME}; set -- {quoted}\n{_DESCRIBE}"
        told = self._box.run(home, script, "bash", _BUILD_S).stdout
        for part in told.split("== ")[1:]:
            path, _, text = part.partition("\n")
            if path in snapshot.entries:
                snapshot.entries[path] = f"git {hashlib.sha256(text.encode()).hexdigest()[:16]}"

    # --- running

    def afresh(self, built: Fixture, command: str, shell: Shell = "bash") -> Result:
        """The command, whatever it gave before."""
        with self._home(built.home) as home:
            copied_ns = time.time_ns()
            time.sleep(0.01)  # file times are as coarse as the kernel's tick
            outcome = self._box.run(home, command, shell, self._timeout, start=built.start)
            calls = ""
            with contextlib.suppress(OSError):
                calls = (home / ".calls").read_text("utf-8", "replace")[:OUTPUT_LIMIT]
            after = folder.take(home, built.snapshot, copied_ns)
            self._describe(home, after)
        changed = folder.changes(built.snapshot.entries, after.entries)
        created = tuple(path for path in changed if path not in built.snapshot.entries)
        return Result(**asdict(outcome), calls=calls, changes=changed, created=created)

    @contextlib.contextmanager
    def _home(self, source: Path | None) -> Iterator[Path]:
        scratch = Path(tempfile.mkdtemp(prefix="cmdai-quality-"))
        home = scratch / "home"
        try:
            if source:
                copy = ["cp", "-a", "--reflink=auto", str(source), str(home)]
                subprocess.run(copy, check=True, capture_output=True)
            else:
                (home / "work").mkdir(parents=True)
            yield home
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            if scratch.exists():  # folders the command has made unwritable
                subprocess.run(["chmod", "-R", "u+rwx", str(scratch)], capture_output=True)
                shutil.rmtree(scratch, ignore_errors=True)

    def _files(self, name: str) -> list[Path]:
        return sorted(path for path in (self._data / name).rglob("*") if path.is_file())


def _day(now: float) -> str:
    """What commits made in the box are dated, so that equal commits have equal names."""
    return time.strftime("%Y-%m-%d", time.gmtime(now))


def looks_at_clock(command: str) -> bool:
    return bool(_CLOCK.search(command))


def _fixture(place: Path) -> Fixture:
    snapshot = msgspec.json.decode((place / "snapshot").read_bytes(), type=Snapshot)
    inside = [path for path in snapshot.entries if path.startswith("work/")]
    commits = (line.partition(" ") for line in snapshot.commits)
    known = Place(
        paths=frozenset(path.removeprefix("work/") for path in inside),
        commits=tuple((commit, subject) for commit, _, subject in commits),
        programs=tuple(snapshot.programs),
        pids=dict(_named(snapshot)),
    )
    return Fixture(place / "home", snapshot, place / "results", tuple(snapshot.start), known)


def _named(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    for line in snapshot.processes:
        pid, _, words = line.strip().partition(" ")
        names = re.findall(r"bin/([\w.-]+)", words)
        if names and names[0] in snapshot.programs:
            yield pid, names[0]


def _digest_of(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _write(path: Path, data: bytes) -> None:
    new = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    new.write_bytes(data)
    new.replace(path)
