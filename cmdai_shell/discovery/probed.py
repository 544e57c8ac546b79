"""What the person's own probe found last, so that ``backends trust`` knows it by its name.

A file of the person's, and nobody else's: the probe is a program of its own, and nobody in the
network is heard here.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from cmdai_shell.core import Endpoint
from cmdai_shell.discovery.owned_file import OwnedFile
from cmdai_shell.discovery.policy import is_in, spot
from cmdai_shell.discovery.trust import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from cmdai_shell.config.trusting import IPNetwork
    from cmdai_shell.core import Clock

SOURCE = "probe"
NAME = "probed.json"
KEPT_S = 900.0
"""Seconds."""
_MOST = 200


class _One(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    url: str
    kind: str = "auto"
    model: str = ""
    labels: dict[str, str] = {}


class _File(msgspec.Struct, frozen=True):
    at: float
    found: tuple[_One, ...] = ()


class Probed:
    """Below a data folder. May block: it is called in a thread. Raises ConfigError, with what to
    type, if the file could have been written by somebody else."""

    def __init__(self, data_dir: Path, *, wall: Clock = time.time) -> None:
        self._file = OwnedFile(data_dir / FOLDER / NAME)
        self._wall = wall

    def keep(self, found: Iterable[Endpoint], networks: Sequence[IPNetwork]) -> None:
        """In the place of what was found before. ``networks``: those that this machine is in."""
        kept = tuple(_placed(each, networks) for each in found)[:_MOST]
        with self._file.held() as held:
            held.write(msgspec.json.encode(_File(at=self._wall(), found=kept)) + b"\n")

    def recent(self) -> tuple[Endpoint, ...]:
        raw = self._file.read()
        if raw is None:
            return ()
        try:
            file = msgspec.json.decode(raw, type=_File)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return ()
        if not 0 <= self._wall() - file.at < KEPT_S:
            return ()
        known = (msgspec.structs.asdict(each) for each in file.found)
        return tuple(Endpoint(source=SOURCE, **each) for each in known)


def _placed(endpoint: Endpoint, networks: Sequence[IPNetwork]) -> _One:
    """With the network of ours that it is in: over http it is used there, and nowhere else."""
    where = spot(endpoint.url)
    own = next((str(each) for each in networks if where and is_in(where.host, each)), "")
    labels = {**endpoint.labels, "network": own} if own else dict(endpoint.labels)
    return _One(
        id=endpoint.id, url=endpoint.url, kind=endpoint.kind, model=endpoint.model, labels=labels
    )
