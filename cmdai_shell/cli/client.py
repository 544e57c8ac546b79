"""The command line's end of the daemon's HTTP API on ``api.sock``: standard library only.

Every call first makes sure that a daemon of this very version and with these folders answers: an
absent one is started, another one is replaced. What cannot be mended raises DaemonUnavailable with
a cure.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from cmdai_shell import __version__
from cmdai_shell.cli import output
from cmdai_shell.config import paths
from cmdai_shell.errors import (
    CmdaiError,
    ConfigError,
    DaemonUnavailable,
    DiscoveryError,
    ModelUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from cmdai_shell.core import SuggestRequest

Reply = dict[str, Any]
"""One JSON object of the API; its keys are those of ``daemon.api``."""

START = (sys.executable, "-I", "-m", "cmdai_shell.daemon", "start")
"""Returns as soon as the sockets listen; the daemon goes on in the background."""

ANSWER_WITHIN = 5.0
"""Seconds for a call that needs no model, of a daemon that has been there for"""

SETTLED_AFTER = 30.0
"""seconds: a new one listens before it has imported anything, which a busy machine makes long."""

SILENCE = 120.0
"""Seconds without a line of a stream before the daemon counts as dead; its own deadline
(``suggest.deadline_ms``, 30 s) ends an ordinary request long before."""

LOGS = "see what it said: cmdai-shell daemon logs"


class Client:
    """One daemon, found by its socket. ``start``: the command that starts one, empty for never."""

    def __init__(self, path: Path | None = None, *, start: Sequence[str] = START) -> None:
        self._path = path or paths.api_socket()
        self._start = start

    def status(self) -> Reply:
        """What the daemon says of itself. Starts nothing; raises DaemonUnavailable."""
        return self._call("GET", "/v1/status")

    def stop(self) -> None:
        """Ask the daemon to end, and wait until it has let go of its socket."""
        patience = self._patience()
        self._call("POST", "/v1/stop")
        until = time.monotonic() + patience
        while self._listens():
            if time.monotonic() > until:
                raise DaemonUnavailable(f"the daemon did not stop in {patience:.0f} s", LOGS)
            time.sleep(0.02)

    def reload(self) -> Reply:
        """Make the daemon read its configuration and its model again."""
        return self._call("POST", "/v1/reload")

    def metrics(self, form: str) -> bytes:
        """The daemon's numbers, as it writes them: ``prometheus`` or ``json``. Starts nothing."""
        return self._read("GET", f"/v1/metrics?format={form}")

    def traces(self, trace_id: str = "", most: int = 0) -> list[Reply]:
        """What happened to the last requests (all that are kept for 0), the newest last. Starts
        nothing."""
        found: list[Reply] = self._call("GET", f"/v1/traces?id={trace_id}&last={most}")["traces"]
        return found

    def decide(self, what: str, /, **names: str) -> Reply:
        """Have the daemon ``trust`` or ``forget`` a server that was found, ``drain`` or ``undrain``
        any. Raises DaemonUnavailable, and what the daemon refuses it with."""
        self.ensure()
        return self._told(what, names)

    def forget_login(self, environment: str, variables: Mapping[str, str]) -> None:
        """Have the daemon forget what it has of an environment's login, and take the values that
        its variables have here. Starts nothing. Raises DaemonUnavailable, and what the daemon
        refuses it with."""
        self._told("forget-login", {"name": environment, "variables": dict(variables)})

    def suggest(self, request: SuggestRequest, *, traceparent: str = "") -> Iterator[Reply]:
        """The daemon's updates, one dictionary each, the final one last. Leaving the iterator early
        closes the connection, which cancels the work. ``traceparent``: as the W3C has it, for
        the request's trace. Raises DaemonUnavailable."""
        self.ensure()
        body = json.dumps(asdict(request)).encode()
        connection = _Connection(self._path, SILENCE)
        try:
            told = {"traceparent": traceparent} if traceparent else {}
            response = self._ask(connection, "POST", "/v1/suggest", body, told)
            for line in self._lines(response):
                yield _decoded(line)
        finally:
            connection.close()

    def ensure(self) -> Reply:
        """The status of a daemon of this version, with these folders, started or replaced if need
        be: without XDG_RUNTIME_DIR one socket serves every HOME and every CMDAI_DATA_DIR."""
        try:
            status = self.status()
        except DaemonUnavailable:
            if not self._start:
                raise
        else:
            other = _other(status)
            if not other or not self._start:
                return status
            output.say(f"the daemon {other}: it is replaced", "dim")
            self.stop()
        self._launch()
        return self.status()

    def _launch(self) -> None:
        environ = {k: v for k, v in os.environ.items() if not k.startswith("READLINE_")}
        try:
            done = subprocess.run(
                self._start,
                env=environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=30,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DaemonUnavailable(f"the daemon could not be started ({error})", LOGS) from error
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise DaemonUnavailable(said or "the daemon could not be started", LOGS)

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(os.fspath(self._path)) == 0

    def _patience(self) -> float:
        """By the age of the socket's file, which a daemon makes as it starts."""
        try:
            age = max(0.0, time.time() - self._path.stat().st_mtime)
        except OSError:
            age = 0.0  # connecting fails next, and says so
        return max(ANSWER_WITHIN, SETTLED_AFTER - age)

    def _told(self, what: str, said: Mapping[str, Any]) -> Reply:
        connection = _Connection(self._path, self._patience())
        try:
            answer = self._ask(connection, "POST", f"/v1/{what}", json.dumps(said).encode())
            return _decoded(b"".join(self._lines(answer)))
        finally:
            connection.close()

    def _call(self, method: str, target: str) -> Reply:
        return _decoded(self._read(method, target))

    def _read(self, method: str, target: str) -> bytes:
        connection = _Connection(self._path, self._patience())
        try:
            return b"".join(self._lines(self._ask(connection, method, target, None)))
        finally:
            connection.close()

    def _ask(
        self,
        connection: _Connection,
        method: str,
        target: str,
        body: bytes | None,
        told: Mapping[str, str] | None = None,
    ) -> http.client.HTTPResponse:
        self._refuse_foreign_folder()
        headers = {**({"Content-Type": "application/json"} if body else {}), **(told or {})}
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
        except TimeoutError as error:
            raise DaemonUnavailable("the daemon does not answer", _restart()) from error
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise DaemonUnavailable(
                "no daemon is running", "start one: cmdai-shell daemon start"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise DaemonUnavailable(
                f"the daemon cannot be reached ({error})", _restart()
            ) from error
        if response.status >= 400:
            raise _refusal(response.status, b"".join(self._lines(response)))
        return response

    def _lines(self, response: http.client.HTTPResponse) -> Iterator[bytes]:
        try:
            yield from iter(response.readline, b"")
        except (OSError, http.client.HTTPException) as error:
            raise DaemonUnavailable(f"the daemon stopped answering ({error})", LOGS) from error

    def _refuse_foreign_folder(self) -> None:
        """Anybody can make a folder in /tmp: words go only to a daemon of the person's own."""
        folder = self._path.parent
        try:
            owner = folder.lstat().st_uid
        except FileNotFoundError:
            return  # connecting fails next, and says so
        if owner != os.getuid():
            raise DaemonUnavailable(
                f"{folder} belongs to user {owner}, not to you: nothing is sent there",
                "choose another folder: export CMDAI_RUNTIME_DIR=~/.cache/cmdai-run",
            )


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket; ``timeout`` is for each read, in seconds."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("cmdai", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(cast("float", self.timeout))
        self.sock.connect(os.fspath(self._path))


_KINDS = ConfigError, DaemonUnavailable, DiscoveryError, ModelUnavailable


def error_of(said: Mapping[str, Any]) -> CmdaiError:
    """The error the daemon met; of its own class where this side treats that class apart."""
    kinds = {kind.code: kind for kind in _KINDS}
    kind = kinds.get(said.get("code", ""), CmdaiError)
    return kind(str(said.get("message", "the daemon failed")), str(said.get("hint", "")))


def _other(status: Reply) -> str:
    """What makes the daemon not the one this command line would start, or empty."""
    if (version := status.get("version")) != __version__:
        return f"is version {version}, this is {__version__}"
    if (data := status.get("data_dir")) != str(paths.data_dir()):
        return f"has its models in {data}, not in {paths.data_dir()}"
    if (config := status.get("config_dir")) != str(paths.config_dir()):
        return f"has its settings in {config}, not in {paths.config_dir()}"
    return ""


def _refusal(status: int, said: bytes) -> CmdaiError:
    try:
        return error_of(json.loads(said)["error"])
    except (ValueError, TypeError, KeyError, AttributeError):
        text = said[:4096].decode(errors="replace").strip()
        return DaemonUnavailable(f"the daemon answered {status}: {text}", _restart())


def _decoded(line: bytes) -> Reply:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise DaemonUnavailable("the daemon's answer is not JSON", _restart()) from error
    if not isinstance(value, dict):
        raise DaemonUnavailable("the daemon's answer is not a JSON object", _restart())
    return value


def _restart() -> str:
    return "start it anew: cmdai-shell daemon restart"
