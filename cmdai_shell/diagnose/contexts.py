"""What kubeconfigs say (kubectl's rules: files are merged, the first one that says something wins),
as far as it can be wrong before anybody is asked. Never a token, and no program is run."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmdai_shell.errors import DiscoveryError
from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LARGEST = 1 << 20
"""Bytes of a kubeconfig. One with a hundred clusters has some 300 kB."""
LOOK = "kubectl config view"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """A program that gives the login (client.authentication.k8s.io)."""

    command: str
    """A name to be looked for on the PATH, or an absolute path."""
    hint: str = ""
    """How it is installed, as the kubeconfig says."""


@dataclass(slots=True)
class Kubeconfig:
    current: str = ""
    contexts: dict[str, str] = field(default_factory=dict)
    """Name -> its user's."""
    users: dict[str, Plugin | None] = field(default_factory=dict)


def paths(environ: Mapping[str, str], home: Path) -> list[Path]:
    """Of ``$KUBECONFIG``, else the usual one."""
    named = environ.get("KUBECONFIG", "")
    found = [Path(text).expanduser() for text in named.split(os.pathsep) if text]
    return found or [home / ".kube" / "config"]


def read(files: Iterable[Path]) -> Kubeconfig:
    """Of all of them that there are. Raises DiscoveryError for one that cannot be read."""
    found = Kubeconfig()
    for path in files:
        document = _document(path)
        found.current = found.current or _text(document.get("current-context"))
        for name, entry in _entries(document, "contexts", "context"):
            found.contexts.setdefault(name, _text(entry.get("user")))
        for name, entry in _entries(document, "users", "user"):
            found.users.setdefault(name, _plugin(entry.get("exec"), path.parent))
    return found


def _document(path: Path) -> dict[str, Any]:
    import yaml

    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        what = f"{path} cannot be read: {(error.strerror or 'failed').lower()}"
        raise DiscoveryError(what, f"ls -l {path}") from None
    if len(raw) > LARGEST:
        raise DiscoveryError(f"{path} is too large for a kubeconfig", f"ls -l {path}")
    try:
        document = yaml.safe_load(raw)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise DiscoveryError(f"{path} is not YAML{line}", LOOK) from None
    except (yaml.YAMLError, RecursionError, ValueError):
        raise DiscoveryError(f"{path} is not YAML", LOOK) from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise DiscoveryError(f"{path} is not a kubeconfig", LOOK)
    return document


def _entries(document: dict[str, Any], plural: str, kind: str) -> Iterable[tuple[str, Any]]:
    listed = document.get(plural)
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and isinstance(entry := one.get(kind), dict):
            yield _text(one.get("name")), entry


def _plugin(value: object, folder: Path) -> Plugin | None:
    if not isinstance(value, dict) or not (command := _text(value.get("command"))):
        return None
    if "/" in command and not command.startswith("/"):
        command = str(folder / command)
    hint = " ".join(_text(value.get("installHint"), 1_000).split())
    return Plugin(command=command, hint=hint[:300])


def _text(value: object, most: int = 500) -> str:
    return visible(value[:most]).strip() if isinstance(value, str) else ""
