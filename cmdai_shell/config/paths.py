"""Where everything lives. The hooks follow the same rule (shell-hooks/README.md)."""

from __future__ import annotations

import os
from pathlib import Path

APP = "cmdai-shell"
SOCKET_PATH_LIMIT = 100
"""Bytes. sun_path holds 104 on macOS and 108 on Linux, the closing NUL included (unix(7))."""


def runtime_dir() -> Path:
    """The 0700 folder of the two sockets: ``$CMDAI_RUNTIME_DIR``, ``$XDG_RUNTIME_DIR/cmdai-shell``,
    or a per-user folder below ``$TMPDIR``; a path too long for a socket falls back to ``/tmp``."""
    short = Path("/tmp") / f"{APP}-{os.getuid()}"  # noqa: S108  mode and owner are checked before use
    if chosen := os.environ.get("CMDAI_RUNTIME_DIR"):
        folder = Path(chosen)
    elif chosen := os.environ.get("XDG_RUNTIME_DIR"):
        folder = Path(chosen) / APP
    else:
        folder = Path(os.environ.get("TMPDIR") or "/tmp") / short.name  # noqa: S108
    fits = len(os.fsencode(folder / "hook.sock")) <= SOCKET_PATH_LIMIT
    return folder if fits else short


def api_socket() -> Path:
    return runtime_dir() / "api.sock"


def _user_dir(variable: str, kind: str) -> Path:
    if chosen := os.environ.get(variable):
        return Path(chosen)
    import platformdirs  # not on the path of a daemon that is being started by a keypress

    found: Path = getattr(platformdirs, f"user_{kind}_path")(APP, appauthor=False)
    return found


def config_dir() -> Path:
    return _user_dir("CMDAI_CONFIG_DIR", "config")


def data_dir() -> Path:
    """Models and rendered hooks."""
    return _user_dir("CMDAI_DATA_DIR", "data")


def cache_dir() -> Path:
    """What can be made again: evaluated prompt prefixes, the cache of answers."""
    return _user_dir("CMDAI_CACHE_DIR", "cache")


def log_dir() -> Path:
    return _user_dir("CMDAI_LOG_DIR", "log")


def resource(name: str) -> Path:
    """A data file by its path in the checkout ("shell-hooks/cmdai.bash"): a wheel carries it inside
    the package, an editable install reads it in place."""
    package = Path(__file__).resolve().parent.parent
    packed = package / name
    return packed if packed.exists() else package.parent / name
