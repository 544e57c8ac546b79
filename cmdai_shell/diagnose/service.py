"""Checks of the daemon: its folder, its sockets, itself."""

from __future__ import annotations

import errno
import socket
import stat
from contextlib import suppress
from shlex import quote
from typing import TYPE_CHECKING

from cmdai_shell import __version__
from cmdai_shell.backends.faults import test_hint
from cmdai_shell.config.paths import SOCKET_PATH_LIMIT
from cmdai_shell.diagnose import reasons
from cmdai_shell.diagnose.check import Check, fail, ok, warn
from cmdai_shell.diagnose.known_servers import health
from cmdai_shell.errors import DaemonUnavailable

if TYPE_CHECKING:
    from pathlib import Path

    from cmdai_shell.diagnose.check import Finding
    from cmdai_shell.diagnose.surroundings import Surroundings

START = "cmdai-shell daemon start"
RESTART = "cmdai-shell daemon restart"
_ELSEWHERE = "export CMDAI_RUNTIME_DIR=~/.cache/cmdai-shell/run"


def runtime_folder(around: Surroundings) -> Finding:
    """Whoever can write there could answer in the daemon's place."""
    path = around.runtime_dir
    remove = f"rm {quote(str(path))}"
    try:
        found = path.lstat()
    except FileNotFoundError:
        if around.writable(path):
            return ok(f"{path} is made when the daemon starts")
        return fail(f"{path} cannot be made", _ELSEWHERE)
    if stat.S_ISLNK(found.st_mode):
        return fail(
            f"{path} is a symbolic link, which anybody could turn", f"rm {quote(str(path))}"
        )
    if not stat.S_ISDIR(found.st_mode):
        return fail(f"{path} is not a folder", remove)
    if found.st_uid != around.uid:
        return fail(f"{path} belongs to another user ({found.st_uid})", _ELSEWHERE)
    if found.st_mode & 0o777 != 0o700:
        what = "others can write in" if found.st_mode & 0o022 else "not yours alone:"
        return fail(f"{what} {path}", f"chmod 700 {quote(str(path))}")
    return ok(f"{path} is yours alone")


def socket_path(around: Surroundings) -> Finding:
    """A socket's path has little room; ``paths.runtime_dir`` then goes elsewhere."""
    names = ("CMDAI_RUNTIME_DIR", "XDG_RUNTIME_DIR")
    wanted = next(filter(None, map(around.environ.get, names)), "")
    if not wanted or around.runtime_dir.is_relative_to(wanted):
        return ok(f"the sockets are in {around.runtime_dir}")
    return warn(
        f"{wanted} is too long for a socket (over {SOCKET_PATH_LIMIT} bytes): "
        f"{around.runtime_dir} is used instead",
        _ELSEWHERE,
    )


def sockets(around: Surroundings) -> Finding:
    """A socket nobody listens on is what a killed daemon leaves behind."""
    for name in ("hook.sock", "api.sock"):
        path = around.runtime_dir / name
        try:
            kind = path.lstat().st_mode
        except FileNotFoundError:
            continue
        if not stat.S_ISSOCK(kind):
            return fail(f"{path} is not a socket", f"rm {quote(str(path))}")
        if not _listens(path):
            return warn(f"nobody listens on {path}: a daemon was killed", START)
    return ok("no socket without a daemon")


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2)
        with suppress(TimeoutError):
            return probe.connect_ex(str(path)) in (0, errno.EAGAIN)  # or its queue is full
    return True


def daemon(around: Surroundings) -> Finding:
    try:
        status = around.daemon()
    except DaemonUnavailable as error:
        if isinstance(error.__cause__, FileNotFoundError | ConnectionRefusedError):
            return ok("none is running: the first key starts one")
        return fail(error.message, error.hint or RESTART)
    if (version := status["version"]) != __version__:
        return warn(f"the daemon is version {version}, this is {__version__}", RESTART)
    for key, ours in (("data_dir", around.data_dir), ("config_dir", around.config_dir)):
        if (theirs := status.get(key)) != str(ours):
            return warn(f"the daemon's {key} is {theirs}, here it is {ours}", RESTART)
    return ok(f"version {version} answers, process {status['pid']}")


def last_error(around: Surroundings) -> Finding:
    """What the daemon's model died of, if it did."""
    try:
        said = around.daemon().get("model", {}).get("last_error", "")
    except DaemonUnavailable:
        said = ""
    if said:
        return fail(f"the model last failed: {said}", "cmdai-shell daemon logs")
    return ok("no failure of the model is known")


def logins(around: Surroundings) -> Finding:
    """Whether servers let the daemon in: it has the variables of whoever started it, so that a key
    can be right in this shell, and be missing there."""
    try:
        found = around.daemon().get("servers") or ()
    except DaemonUnavailable:
        found = ()
    refused = [one for one in found if one["is_active"] and one["state"] == "login"]
    if not refused:
        return ok("no server is known to refuse the daemon")
    first = refused[0]
    more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
    what = f"the daemon cannot use {first['id']}: {first['why']}{more}"
    return fail(what, first["hint"] or "cmdai-shell auth status")


def servers(around: Surroundings) -> Finding:
    """Whether those in use answer the daemon, and those that were trusted are used; nobody is
    asked here."""
    try:
        status = around.daemon()
    except DaemonUnavailable:
        return ok("no daemon is running, so none knows")
    used = [one for one in status.get("servers") or () if one["is_active"]]
    down = [one for one in used if one["state"] != "login" and health(one) == "down"]
    if down:
        first, more = down[0], f" (and {len(down) - 1} more)" if len(down) > 1 else ""
        state = reasons.STATES.get(first["state"], first["state"])
        what = f"{first['id']} {state}{': ' + first['why'] if first['why'] else ''}{more}"
        made = fail if len(down) == len(used) else warn
        return made(what, first["hint"] or test_hint(first["id"]))
    for one in (status.get("discovery") or {}).get("found") or ():
        is_away = one["state"] == "elsewhere" and not one["hint"]  # where its network is not
        if one["state"] in ("elsewhere", "changed", "moved") and not is_away:
            return warn(f"{one['name']}: {one['story']}", one["hint"] or "cmdai-shell status")
    return ok(f"servers that answer, as far as the daemon knows: {len(used)}")


def traces(around: Surroundings) -> Finding:
    """Whether the collector gets them, where the settings name one."""
    try:
        found = around.daemon().get("traces")
    except DaemonUnavailable:
        found = None
    if not found:
        return ok("traces are sent to nobody")
    if not found["problem"]:
        return ok(f"traces are sent to {found['endpoint']}")
    cure = found["hint"] or (
        f"correct tracing.otlp_endpoint, or see whether it answers: "
        f"curl -i {quote(found['endpoint'])}/v1/traces"
    )
    return warn(
        f"{found['lost']} traces did not get to {found['endpoint']}: {found['problem']}", cure
    )


def metrics(around: Surroundings) -> Finding:
    """Whether the daemon has the port for Prometheus, where the settings want one."""
    try:
        found = around.daemon().get("metrics")
    except DaemonUnavailable:
        found = None
    if not found:
        return ok("no metrics are wanted at a port, as far as a daemon knows")
    if not found["problem"]:
        return ok(f"metrics are at port {found['port']}")
    cure = f"cmdai-shell config set metrics.port {reasons.other_port(found['port'])}"
    return fail(f"metrics cannot be read, port {found['port']}: {found['problem']}", cure)


CHECKS = (
    Check("runtime-folder", runtime_folder),
    Check("socket-path", socket_path),
    Check("sockets", sockets),
    Check("daemon", daemon),
    Check("last-error", last_error),
    Check("logins", logins),
    Check("servers", servers),
    Check("traces", traces),
    Check("metrics", metrics),
)
