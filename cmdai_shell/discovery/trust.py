"""Whom the person approved: a file of their own, and nobody else's.

Everything here may block, for as long as another process writes: it is called in a thread.
"""

from __future__ import annotations

import logging
import shlex
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from cmdai_shell.config.environments import checked_url
from cmdai_shell.config.owned import LARGEST
from cmdai_shell.config.refusals import nearest
from cmdai_shell.discovery.approval import Approval, Ignored, Pin, Url, approved_again, made
from cmdai_shell.discovery.owned_file import OwnedFile
from cmdai_shell.discovery.policy import spot
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from cmdai_shell.core import Clock, Endpoint
    from cmdai_shell.discovery.candidate import Candidate
    from cmdai_shell.discovery.owned_file import Held

log = logging.getLogger(__name__)

VERSION = 1
FOLDER, NAME = "trust", "trust.json"
MOST = 500
"""Approvals, and as many keys."""
MOST_NAMED = 10
SEEN_AGAIN = 3_600.0
"""Seconds after which it is worth a write that somebody was seen again."""


class _File(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    version: Literal[1] = 1
    approvals: Annotated[tuple[Approval, ...], Meta(max_length=MOST)] = ()
    keys: Annotated[dict[Url, Pin], Meta(max_length=MOST)] = {}
    """Of servers that the configuration approves: URL -> pin at first use."""
    ignored: Annotated[tuple[Ignored, ...], Meta(max_length=MOST)] = ()


class TrustStore:
    """The approvals below a data folder.

    A file that cannot be understood is set aside, never lost, and all have to be approved again.
    Raises ConfigError, with what to type, if the file could have been written by somebody else.
    """

    def __init__(self, data_dir: Path, *, wall: Clock = time.time) -> None:
        self.path = data_dir / FOLDER / NAME
        self._file = OwnedFile(self.path)
        self._wall = wall

    def approvals(self) -> tuple[Approval, ...]:
        """In the order they were approved in."""
        return self._read().approvals

    def keys(self) -> dict[str, str]:
        """Pins of servers that were approved by policy, by their URL."""
        return dict(self._read().keys)

    def ignored(self) -> tuple[Ignored, ...]:
        return self._read().ignored

    def remembered(self) -> tuple[Endpoint, ...]:
        """All that were approved, who was seen last first: to be tried before anybody has been
        found. Their labels say in which networks of ours they were."""
        found = sorted(self.approvals(), key=lambda approval: -approval.last_seen)
        return tuple(approval.endpoint for approval in found)

    def aside(self) -> list[Path]:
        """Files that could not be understood."""
        return self._file.aside()

    def approve(
        self,
        candidate: Candidate,
        *,
        name: str = "",
        environment: str = "",
        routers: Collection[str] = (),
    ) -> Approval:
        """``name`` empty: what the candidate is called. One of the same URL is replaced, but for
        its pin; of one that moved or changed the approval is replaced, its name kept. ``routers``:
        of where we are. Raises ConfigError for a candidate that cannot be approved, or a name that
        is taken."""
        is_another = candidate.state == "changed" and not (candidate.approval and candidate.is_own)
        if candidate.state == "refused" or is_another:
            raise ConfigError(f"{candidate.name}: {candidate.story}", candidate.hint)
        before = candidate.approval if candidate.state in ("changed", "moved") else None
        called = name or (before.name if before else candidate.name)
        new = made(candidate, called, environment, routers, self._wall())

        def change(file: _File) -> _File:
            nonlocal new
            kept = []
            for old in file.approvals:
                if before and old.name == before.name:
                    continue
                if spot(old.url) == spot(new.url):
                    new = approved_again(old, new)
                elif old.name == new.name:
                    hint = f"choose another name, or: {forget_hint(old.name)}"
                    raise ConfigError(f"{old.name} is {old.url} already", hint)
                else:
                    kept.append(old)
            if len(kept) >= MOST:
                raise ConfigError(f"{MOST} servers are approved already", forget_hint("NAME"))
            host, where = candidate.endpoint.labels.get("host", ""), spot(new.url)
            ignored = tuple(
                each for each in file.ignored if not (where and each.covers(where, host))
            )
            return msgspec.structs.replace(file, approvals=(*kept, new), ignored=ignored)

        self._change(change)
        return new

    def ignore(self, candidate: Candidate) -> Ignored:
        """The oldest of too many go. Raises ConfigError for one that is approved."""
        name, endpoint = candidate.name, candidate.endpoint
        if candidate.state == "approved" or (candidate.state == "changed" and candidate.is_own):
            raise ConfigError(f"{name} was trusted", f"to take that back: {forget_hint(name)}")
        new = Ignored(name=name, url=endpoint.url, host=endpoint.labels.get("host", ""))
        self._change(
            lambda file: msgspec.structs.replace(
                file, ignored=(*(each for each in file.ignored if each.url != new.url), new)[-MOST:]
            )
        )
        return new

    def forget(self, name: str) -> Approval | Ignored:
        """What was decided on it. Raises ConfigError for a name that is not there."""
        found: list[Approval | Ignored] = []

        def change(file: _File) -> _File:
            decided: tuple[Approval | Ignored, ...] = (*file.approvals, *file.ignored)
            found[:] = [each for each in decided if each.name == name]
            kept = tuple(approval for approval in file.approvals if approval.name != name)
            ignored = tuple(each for each in file.ignored if each.name != name)
            if not found:
                known = [each.name for each in decided]
                near = nearest(name, known, cutoff=0.5)
                names = ", ".join(known[:MOST_NAMED])
                hint = f"did you mean {near}?" if near else names and f"choose of: {names}"
                raise ConfigError(f"no server {name!r} was approved", hint)
            return msgspec.structs.replace(file, approvals=kept, ignored=ignored)

        self._change(change)
        return found[0]

    def note_seen(self, name: str, endpoint: Endpoint | None = None) -> None:
        """It was there just now; with ``endpoint``, at an address that ``found`` says is its new
        one. Written once an hour, or when it moved."""
        now = self._wall()

        def seen(old: Approval) -> Approval:
            url = endpoint.url if endpoint else old.url
            if url == old.url and 0 <= now - old.last_seen < SEEN_AGAIN:
                return old
            return msgspec.structs.replace(old, last_seen=now, url=checked_url(url))

        self._change_one(name, seen)

    def note_pin(self, name: str, pin: str, *, is_key_alone: bool = False) -> None:
        """What it was known by at its first use. Raises ConfigError if it has another pin."""

        def pinned(old: Approval) -> Approval:
            if old.pin == pin:
                return old
            if old.pin:
                raise ConfigError(f"{name} is pinned to another key", forget_hint(name))
            return msgspec.structs.replace(old, pin=pin, is_key_alone=is_key_alone)

        self._change_one(name, pinned)

    def note_proven(self, name: str) -> None:
        """It has passed a handshake."""
        self._change_one(name, lambda old: msgspec.structs.replace(old, is_proven=True))

    def note_key(self, url: str, pin: str) -> None:
        """The same for a server that the configuration approves. The oldest of too many go."""

        def change(file: _File) -> _File:
            if file.keys.get(url, pin) != pin:
                raise ConfigError(f"{url} is pinned to another key", forget_hint(url))
            keys = {**file.keys, url: pin}
            while len(keys) > MOST:
                del keys[next(iter(keys))]
            return file if keys == file.keys else msgspec.structs.replace(file, keys=keys)

        self._change(change)

    def forget_key(self, url: str) -> bool:
        """False if there was none."""
        was = url in self.keys()
        if was:
            self._change(
                lambda file: msgspec.structs.replace(
                    file, keys={key: pin for key, pin in file.keys.items() if key != url}
                )
            )
        return was

    def _change_one(self, name: str, change: Callable[[Approval], Approval]) -> None:
        """Nothing happens if it was forgotten meanwhile."""
        self._change(
            lambda file: msgspec.structs.replace(
                file,
                approvals=tuple(
                    change(each) if each.name == name else each for each in file.approvals
                ),
            )
        )

    def _read(self) -> _File:
        with suppress(_DamagedError):
            return _understood(self._file.read())
        with self._file.held() as held:
            return _read_or_set_aside(held)

    def _change(self, change: Callable[[_File], _File]) -> None:
        """``change`` is given what is in the file now, and nobody writes until it is written."""
        with self._file.held() as held:
            before = _read_or_set_aside(held)
            after = change(before)
            if after != before:
                held.write(msgspec.json.format(msgspec.json.encode(after)) + b"\n")


def forget_hint(name: str) -> str:
    return f"cmdai-shell backends forget {name}"


def trust_hint(name: str) -> str:
    """``name`` can be a URL, too: of an IPv6 address it has signs that shells take for patterns."""
    return f"cmdai-shell backends trust {shlex.quote(name)}"


class _DamagedError(Exception):
    """Its text is the end of the name under which the file is set aside."""


def _read_or_set_aside(held: Held) -> _File:
    try:
        return _understood(held.read())
    except _DamagedError as error:
        fields = {"file": str(held.set_aside(str(error))), "why": str(error)}
        log.warning("approved servers set aside: approve them again", extra={"fields": fields})
        return _File()


def _understood(raw: bytes | None) -> _File:
    if raw is None:
        return _File()
    if len(raw) > LARGEST:
        raise _DamagedError("damaged")
    try:
        file = msgspec.json.decode(raw, type=_File)
        if len({approval.name for approval in file.approvals}) != len(file.approvals):
            raise _DamagedError("damaged")
        if any(checked_url(approval.url) != approval.url for approval in file.approvals):
            raise _DamagedError("damaged")
    except (msgspec.MsgspecError, ConfigError, RecursionError, UnicodeDecodeError):
        raise _DamagedError(_version(raw)) from None
    return file


def _version(raw: bytes) -> str:
    """A file of a later version of ours is not damaged, and may be wanted again."""

    class Head(msgspec.Struct):
        version: int

    with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        version = msgspec.json.decode(raw, type=Head).version
        if version > VERSION:
            return f"version-{version}"
    return "damaged"
