"""A server that was found, as the person sees it; and what is left of an announcement that anybody
in the network may have made up."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

from cmdai_shell.config.environment import Kind
from cmdai_shell.config.environments import checked_url
from cmdai_shell.discovery.policy import Spot, address, spot
from cmdai_shell.errors import ConfigError
from cmdai_shell.text import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from cmdai_shell.core import Endpoint
    from cmdai_shell.discovery.approval import Approval

State = Literal[
    "candidate", "approved", "by-policy", "changed", "moved", "elsewhere", "ignored", "refused"
]
"""Only those that are approved, by the person or by policy, are ever sent anything. ``moved``: a
stranger where an approved server of plain http may be now. ``elsewhere``: approved, and not to be
asked in the network that we are in; said by who knows where we are."""

_LABELS = {
    "host": 255,
    "addresses": 1_000,
    "interface": 64,
    "instance": 255,
    "uuid": 64,
    "spki": 64,
    "auth": 32,
    "namespace": 64,
    "domain": 255,
    "network": 64,
    "via_gateway": 8,
}
"""Characters that are kept of each. Others (``chat_template``) are the configuration's to say."""
_BEFORE_PORT = 40
_KNOWN_NAMES = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One server, however often it was seen."""

    name: str
    """Unique, and the same for as long as we run: letters, digits and ``. _ : -``."""
    endpoint: Endpoint
    """Where it is asked, its ``id`` being ``name``. If it was approved, nothing of this was
    announced: not its path, not its kind, not its model."""
    state: State
    sources: tuple[str, ...] = ()
    """Who sees it now; none for one that is remembered."""
    story: str = ""
    """Why it is in that state, where that is not plain, and"""
    hint: str = ""
    """what to type."""
    approval: Approval | None = None
    """The person's, of it or of whom it claims to be."""
    key: str = ""
    """Of https: the pin of the key that it was seen to have. Checked, no claim."""
    is_key_alone: bool = False
    pin: str = ""
    """The key that it has to show, kept since its first use; empty before."""
    is_quiet: bool = False
    """It says that it is one that is approved already, at another of its addresses."""
    may_have_moved: bool = False
    """Of one that changed: it is a server that we trust, if that is silent at its old address."""
    also: tuple[str, ...] = ()
    """Names of others that claim the same identity. A hint to show, no more."""

    @property
    def is_waiting(self) -> bool:
        """For the person's word, and ``backends trust`` is how it is said."""
        if self.sources == ("probe",):  # the person has just seen it
            return False
        if self.state == "changed":
            return self.is_own
        return self.state == "moved" or (self.state == "candidate" and not self.is_quiet)

    @property
    def is_own(self) -> bool:
        """Of one that changed: it is at the place that is trusted, and no stranger elsewhere."""
        return self.approval is None or self.name == self.approval.name

    @property
    def is_unkept(self) -> bool:
        """It is approved, its key was seen for the first time, and has to be kept
        (``TrustStore.note_pin``, ``note_key``) before it is asked anything."""
        is_used = self.state == "by-policy" or (self.state == "approved" and bool(self.approval))
        return is_used and bool(self.key) and not self.pin

    @property
    def is_to_learn(self) -> bool:
        """Of https: it is worth to look at its key, or to look again."""
        if self.state == "changed":
            return self.is_own
        is_new = self.state == "by-policy" or (bool(self.approval) and not self.pin)
        return not self.key and (self.is_quiet or is_new)


def cleaned(endpoint: Endpoint) -> Endpoint | None:
    """What is heard, so that it can be shown and kept; None if its URL is not one."""
    try:
        url = checked_url(endpoint.url)
    except ConfigError:
        # Public http is shown, with the reason why it is not used.
        if "@" in endpoint.url or not _is_plain(endpoint.url):
            return None
        url = endpoint.url.rstrip("/")
    if spot(url) is None:
        return None
    labels = {
        key: one_line(text, most)
        for key, most in _LABELS.items()
        if (text := endpoint.labels.get(key, ""))
    }
    if "host" in labels:
        labels["host"] = labels["host"].rstrip(".").lower()
    return replace(
        endpoint,
        url=url,
        kind=endpoint.kind if endpoint.kind in get_args(Kind) else "auto",
        model=one_line(endpoint.model, 200),
        priority=max(-1_000, min(endpoint.priority, 1_000)),
        weight=max(1, min(endpoint.weight, 1_000)),
        labels={key: text for key, text in labels.items() if text},
    )


class Names:
    """What each server is called. A name that was shown never comes to mean another server: who
    types it has perhaps read it a while ago."""

    def __init__(self) -> None:
        self._of: dict[Spot, str] = {}
        self._where: dict[str, Spot] = {}

    def reserve(self, where: Spot, name: str) -> None:
        """The person's own name for it goes before."""
        self._drop(where)
        if name in self._where:
            self._drop(self._where[name])
        self._of[where], self._where[name] = name, where

    def of(self, where: Spot, heard: Iterable[Endpoint]) -> str:
        if where not in self._of:
            self._put(where, _base(where, heard))
        return self._of[where]

    def keep(self, present: Collection[Spot]) -> None:
        """Of very many names the oldest go, but for those in use."""
        if len(self._of) > _KNOWN_NAMES:
            for where in [where for where in self._of if where not in present]:
                self._drop(where)
                if len(self._of) <= _KNOWN_NAMES // 2:
                    break

    def _put(self, where: Spot, base: str) -> None:
        name, count = f"{base}:{where.port}", 1
        while name in self._where:
            count += 1
            name = f"{base}-{count}:{where.port}"
        self._of[where], self._where[name] = name, where

    def _drop(self, where: Spot) -> None:
        name = self._of.pop(where, None)
        if name is not None:
            del self._where[name]


def with_hints(found: Sequence[Candidate]) -> Iterator[Candidate]:
    """Each with the names of the others that claim its identity."""
    by_uuid: dict[str, list[str]] = {}
    for each in found:
        if uuid := each.endpoint.labels.get("uuid", ""):
            by_uuid.setdefault(uuid, []).append(each.name)
    for each in found:
        names = by_uuid.get(each.endpoint.labels.get("uuid", ""), [])
        also = tuple(name for name in names if name != each.name)
        yield replace(each, also=also) if also else each


def short(text: str, most: int = 80) -> str:
    """For a sentence."""
    return text if len(text) <= most else f"{text[:most]}…"


def _base(where: Spot, heard: Iterable[Endpoint]) -> str:
    """Of what it calls itself, what can be typed."""
    for endpoint in heard:
        host = endpoint.labels.get("host", "")
        if host and address(host) is None:
            host = host.partition(".")[0] if host.endswith(".local") else host
            if found := _typeable(host):
                return found
        if found := _typeable(endpoint.labels.get("instance", "").partition("._")[0]):
            return found
    return _typeable(where.host) or "server"


def _typeable(text: str) -> str:
    found = re.sub(r"[^A-Za-z0-9._:-]+", "-", text)
    return re.sub(r"-{2,}", "-", found)[:_BEFORE_PORT].strip("-._:")


def _is_plain(url: str) -> bool:
    return len(url) <= 2_000 and url.isascii() and url.isprintable() and not set(url) & set(" ?#")
