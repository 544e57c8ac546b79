"""What somebody who helps wants to see, as one archive: everything in it covered first."""

from __future__ import annotations

import getpass
import gzip
import io
import json
import os
import platform
import socket
import sys
import tarfile
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from typing import TYPE_CHECKING, Any

from cmdai_shell import __version__
from cmdai_shell.config import environments, loading, paths
from cmdai_shell.config.environment_files import FOLDER
from cmdai_shell.diagnose import covering, pictures, settings_shown
from cmdai_shell.diagnose.covering import CREDENTIAL, Cover
from cmdai_shell.errors import CmdaiError, ConfigError
from cmdai_shell.observe import logs
from cmdai_shell.observe.redact import MARK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cmdai_shell.diagnose.check import Check, Finding
    from cmdai_shell.diagnose.topology import Graph

LINES, BYTES = 2_000, 500_000
"""Of a file of the log, from its end; and the most of any file that is read."""

_SHOWN = ("LANG", "TERM", "SHELL", "NO_COLOR", "COLORTERM", "TMUX", "VIRTUAL_ENV")
_SHOWN_BY_BEGIN = ("CMDAI_", "XDG_", "LC_")

_README = """\
What `cmdai-shell diagnostics bundle` put together, for somebody who helps with a problem.

No request and no command is in it. Taken out, as {mark}: whatever looks like a credential;
values of the variables that the settings name, or whose names sound like one; logins for proxies;
what follows the program in a command that prints a key; every setting that is not known; comments
in the settings; queries of URLs. The home folder is ~.{anonymous}
Look through it before you give it away: tar -xzf, then read.
"""
_ANONYMOUS = "\nHosts, addresses and your own name are host-1, host-2 ..., the same one each time."


@dataclass(frozen=True, slots=True)
class Piece:
    """A file of the archive."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was asked for the bundle before it is made."""

    status: Mapping[str, Any]
    """The daemon's own; ``{"running": False, ...}`` without one."""
    findings: Sequence[tuple[Check, Finding]]
    graph: Graph | None
    environ: Mapping[str, str]
    home: str


def pieces(seen: Seen, *, anonymous: bool = False) -> list[Piece]:
    """Everything, covered. A part that cannot be read says so in its place."""
    cover = _cover(seen, anonymous=anonymous)
    more = _ANONYMOUS if anonymous else ""
    found = [Piece("README.txt", _README.format(mark=MARK, anonymous=more).encode())]
    found += [Piece(name, _data(cover.value(each))) for name, each in _documents(seen)]
    for path in _settings():
        name = path.name if path.parent == paths.config_dir() else f"{FOLDER}/{path.name}"
        text = settings_shown.shown(_text(path), cover.value)
        found.append(Piece(f"config/{cover.text(name)}", _data(text)))
    for path in sorted(paths.log_dir().glob(f"{logs.FILE}*")):
        text = "".join(f"{line}\n" for line in _last_lines(path))
        found.append(Piece(f"logs/{path.name}", _data(cover.text(text))))
    if seen.graph:
        covered = _covered(seen.graph, cover)
        found.append(Piece("topology.json", _data(asdict(covered))))
        found.append(Piece("topology.svg", pictures.svg(covered).encode(errors="replace")))
    return found


def archive(what: Iterable[Piece], folder: str, at: float) -> bytes:
    """A ``tar.gz`` that says nothing of who made it. ``at``: Unix seconds."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=at) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for piece in what:
            entry = tarfile.TarInfo(f"{folder}/{piece.name}")
            entry.size, entry.mtime, entry.mode = len(piece.data), int(at), 0o600
            tar.addfile(entry, io.BytesIO(piece.data))
    return packed.getvalue()


def write(path: Path, data: bytes) -> None:
    """Into a new file of the person's own. Raises CmdaiError where there is one already."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            file.write(data)
    except FileExistsError:
        raise CmdaiError(f"{path} is there already", "choose another name: -o FILE") from None


# --- what is in it


def _documents(seen: Seen) -> Iterator[tuple[str, Any]]:
    yield "versions.json", versions()
    yield "status.json", dict(seen.status)
    findings = [
        {"check": check.name, "severity": f.severity, "what": f.what, "cure": f.cure}
        for check, f in seen.findings
    ]
    yield "doctor.json", findings
    yield "environment.json", dict(_variables(seen.environ))


def versions() -> dict[str, Any]:
    """Of us, of what we run on, and of the packages that we need."""
    needed = metadata.requires("cmdai-shell") or () if _is_installed() else ()
    found = {}
    for requirement in needed:
        name = requirement.split(";")[0].split("[")[0].split(">")[0].split("=")[0].strip()
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return {
        "cmdai-shell": __version__,
        "python": sys.version,
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "libc": " ".join(platform.libc_ver()),
        "packages": found,
    }


def _is_installed() -> bool:
    try:
        metadata.version("cmdai-shell")
    except metadata.PackageNotFoundError:
        return False
    return True


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in sorted(environ.items()):
        if covering.is_proxy(name):
            yield name, covering.without_login(value)
        elif name in _SHOWN or name.startswith(_SHOWN_BY_BEGIN):
            yield name, MARK if CREDENTIAL.search(name) else value


def _settings() -> list[Path]:
    """``config.toml`` and those beside it; what they import from elsewhere is not ours to show."""
    main = loading.config_file()
    return [
        path for path in (main, *sorted((main.parent / FOLDER).glob("*.toml"))) if path.is_file()
    ]


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(BYTES).decode(errors="replace")
    except OSError as error:
        return f"# cannot be read: {error.strerror}\n"


def _last_lines(path: Path) -> list[str]:
    """The first of them is left out where it may be half a line."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError as error:
        return [f"cannot be read: {error.strerror}"]
    return list(deque(lines[size > BYTES :], maxlen=LINES))


# --- how it is covered


def _covered(graph: Graph, cover: Cover) -> Graph:
    nodes = (
        replace(
            node,
            title=cover.text(node.title),
            facts=tuple((name, cover.text(value)) for name, value in node.facts),
        )
        for node in graph.nodes
    )
    return replace(graph, nodes=tuple(nodes))


def _cover(seen: Seen, *, anonymous: bool) -> Cover:
    texts = [_text(path) for path in _settings()]
    named = {name for text in texts for name in settings_shown.variables(text)}
    secrets = covering.secrets(seen.environ, named)
    secrets |= {name for name in named if not settings_shown.is_variable(name)}
    names = None
    if anonymous:
        names = covering.hosts(seen.status, _urls()) | _own_names()
    return Cover(secrets, home=seen.home, names=names)


def _urls() -> list[str]:
    try:
        config = loading.load()
    except ConfigError:
        return []
    found = [e.url for one in config.environments.values() for e in environments.endpoints(one)]
    domains = [f"//{name}" for name in config.discovery.dns_domains if name != "search"]
    return [*found, *domains]


def _own_names() -> set[str]:
    host = socket.gethostname()
    found = {host, host.partition(".")[0]}
    with suppress(OSError, KeyError):
        found.add(getpass.getuser())
    return found


def _data(content: Any) -> bytes:
    """Texts as they are, all else as JSON."""
    if not isinstance(content, str):
        content = json.dumps(content, ensure_ascii=False, indent=2, default=str) + "\n"
    return str(content).encode(errors="replace")
