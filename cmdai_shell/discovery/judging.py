"""Whether what is seen is what was approved, and the sentences that say why not. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cmdai_shell.discovery.candidate import short
from cmdai_shell.discovery.policy import DNS_SOURCES, Spot, address, is_in, network, spot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cmdai_shell.core import Endpoint
    from cmdai_shell.discovery.approval import Approval
    from cmdai_shell.discovery.facts import Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One announcement by one source."""

    source: str
    endpoint: Endpoint
    """``candidate.cleaned``."""
    where: Spot

    @property
    def word(self) -> str:
        return self.source.partition(":")[0]

    def says(self, label: str) -> str:
        return self.endpoint.labels.get(label, "")

    @property
    def addresses(self) -> set[str]:
        """All that it says it has."""
        found = (address(text) for text in self.says("addresses").split())
        return {str(each) for each in found if each}


@dataclass(slots=True, kw_only=True)
class Box:
    """Sightings of one server: of one place, or of several that showed the same key."""

    spots: list[Spot]
    sightings: list[Sighting] = field(default_factory=list)
    key: str = ""

    def at(self, where: Spot) -> list[Sighting]:
        return [sighting for sighting in self.sightings if sighting.where == where]


def boxes(heard: Iterable[Sighting], facts: Facts) -> dict[Spot, Box]:
    """Each by every place it is at."""
    found: dict[Spot, Box] = {}
    for sighting in heard:
        where = facts.place(sighting.where)
        if where not in found:
            found[where] = Box(spots=[where], key=facts.key(where)[0])
        found[where].sightings.append(replace(sighting, where=where))
    by_key: dict[str, Box] = {}
    for where, box in tuple(found.items()):
        if box.key and (same := by_key.setdefault(box.key, box)) is not box:
            same.spots += box.spots
            same.sightings += box.sightings
            found[where] = same
    return found


def each(boxes: Mapping[Spot, Box]) -> Iterator[Box]:
    """Once, at however many places it is."""
    yield from {id(box): box for box in boxes.values()}.values()


class Identities:
    """Who was approved, by what each is known by."""

    def __init__(self, approvals: Iterable[Approval]) -> None:
        self._of: dict[tuple[str, str], Approval] = {}
        for approval in approvals:
            for kind, text in (
                ("uuid", approval.uuid),
                ("spki", approval.pin),
                ("host", approval.host.rstrip(".").lower()),
                (f"instance {_word(approval.source)}", approval.instance),
            ):
                if text:
                    self._of.setdefault((kind, text), approval)

    def claimed(self, sighting: Sighting) -> Approval | None:
        """The one that it says it is."""
        for kind in ("uuid", "spki", "host", "instance"):
            key = f"instance {sighting.word}" if kind == "instance" else kind
            if found := self._of.get((key, sighting.says(kind))):
                return found
        return None


def contradiction(approval: Approval, heard: Sequence[Sighting]) -> Sighting | None:
    """At the place that was approved: somebody who is not the one that was, if nobody is.

    One who says nothing of himself contradicts nothing, and who only adds a wrong word beside the
    right one does not stop the right one."""
    wrong = [sighting for sighting in heard if _is_another(approval, sighting)]
    others = [sighting for sighting in heard if sighting not in wrong]
    return wrong[0] if wrong and not others else None


def _is_another(approval: Approval, sighting: Sighting) -> bool:
    uuid, host = sighting.says("uuid"), sighting.says("host")
    if uuid and approval.uuid:
        return uuid != approval.uuid
    # A server has one name in mDNS and another in the domain: only of one source can they differ.
    is_comparable = sighting.word == _word(approval.source)
    return bool(is_comparable and host and approval.host and host != approval.host)


def new_place(
    approval: Approval, boxes: Iterable[Box], foreign: set[Spot]
) -> tuple[Box, Spot] | None:
    """Where a server of plain http may have moved (its address came by DHCP), its old one being
    silent: the one place in its old networks that calls itself the same. A guess, for the person to
    confirm: anybody can copy both. ``foreign`` places are somebody else's. Two: nobody knows."""
    old = spot(approval.url)
    if old is None or old.scheme != "http" or not (approval.host and approval.networks):
        return None
    networks = [each for text in approval.networks if (each := network(text))]
    found: list[tuple[Box, Spot]] = []
    for box in boxes:
        for where in box.spots:
            heard = box.at(where)
            if (
                (where.scheme, where.port) == ("http", old.port)
                and where not in foreign
                and any(is_in(where.host, each) for each in networks)
                and any(_is_it(approval, sighting) for sighting in heard)
            ):
                if any(_is_another(approval, sighting) for sighting in heard):
                    return None
                found.append((box, where))
    return found[0] if len(found) == 1 else None


def _is_it(approval: Approval, sighting: Sighting) -> bool:
    return sighting.says("host") == approval.host and sighting.says("uuid") == approval.uuid


def is_twin(approval: Approval, sighting: Sighting) -> bool:
    """By its own word it is the approved server at another of its addresses."""
    old = spot(approval.url)
    host = address(old.host) if old else None
    there = address(sighting.where.host)
    known = {str(found) for text in approval.addresses if (found := address(text))}
    return (host is not None and str(host) in sighting.addresses) or str(there) in known


def is_neighbour(approval: Approval, where: Spot) -> bool:
    """Another server on the same machine: it rightly has the same name."""
    old = spot(approval.url)
    return old is not None and old.host == where.host and old.port != where.port


def pretence(claimed: Approval, box: Box, claiming: Sighting) -> tuple[bool, str]:
    """Of one that calls itself like an approved one elsewhere: whether it is another for sure, as
    far as anybody can tell, and the sentence."""
    if claimed.pin and box.key:
        return True, not_that_key(claimed, box.key)
    if is_twin(claimed, claiming) or (claimed.pin and claiming.where.scheme == "https"):
        return False, twin(claimed)
    return True, elsewhere(claimed)


def reached(
    heard: Iterable[Sighting], where: Spot, resolved: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """All that connections to it there could go to: a name may stand for more than the place."""
    named = (urlsplit(sighting.endpoint.url).hostname or "" for sighting in heard)
    hosts = sorted({where.host, *(host.rstrip(".") for host in named)})
    found = [(host,) if address(host) else resolved.get(host, ()) for host in hosts]
    return tuple(dict.fromkeys(text for texts in found for text in texts))


def known_by(approval: Approval, there: Sighting) -> Endpoint:
    """The approved server, but for what it would be known by if that one were it: nothing else that
    is announced comes into an approval again."""
    own = {key: there.says(key) for key in ("host", "instance", "uuid", "addresses")}
    endpoint = approval.endpoint
    return replace(endpoint, labels={**endpoint.labels, **own})


def in_order(approved: Endpoint, box: Box | None) -> Endpoint:
    """With the priority and the weight that a name server gives it now: they order its own servers
    among each other, and say nothing of who it is."""
    if approved.source.partition(":")[0] not in DNS_SOURCES:
        return approved
    for sighting in box.sightings if box else ():
        said = sighting.endpoint
        if sighting.word in DNS_SOURCES and spot(said.url) == spot(approved.url):
            return replace(approved, priority=said.priority, weight=said.weight)
    return approved


def moved_to(url: str, where: Spot) -> str:
    """The same URL at another place."""
    host = f"[{where.host}]" if ":" in where.host else where.host
    return urlsplit(url)._replace(netloc=f"{host}:{where.port}").geturl()


def rank(where: Spot) -> tuple[bool, int, bool, str, int]:
    """Of several places of one server the best first: what every machine can reach."""
    found = address(where.host)
    if found is None:
        return (False, 0, where.scheme != "https", where.host, where.port)
    return (found.is_link_local, found.version, where.scheme != "https", where.host, where.port)


def another_here(approval: Approval, there: Sighting) -> str:
    expected = _described(approval.host, approval.uuid)
    found = _described(there.says("host"), there.says("uuid"))
    return f"at {approval.url} {expected} was approved, and {found} is there now"


def another_key(name: str, expected: str, there: str) -> str:
    return (
        f"{name} showed another key: expected {expected}, it has {there}; "
        "somebody renewed it, or is in its place"
    )


def elsewhere(approval: Approval) -> str:
    return (
        f"it calls itself {_described(approval.host, approval.uuid)}, which was approved as "
        f"{approval.name} at {approval.url}: it has moved, or somebody pretends"
    )


def moved(approval: Approval, where: Spot) -> str:
    return (
        f"{approval.name} does not answer at {approval.url}, and "
        f"{_described(approval.host, approval.uuid)} is announced at {where.host}: "
        "it has moved, or somebody pretends; over http nobody can tell"
    )


def not_that_key(approval: Approval, there: str) -> str:
    return (
        f"it calls itself {approval.name}, but its key is {there} "
        f"and the one approved is {approval.pin}"
    )


def twin(approval: Approval) -> str:
    return f"it says that it is {approval.name}, which is asked at {approval.url}"


def _described(host: str, uuid: str) -> str:
    found = short(host) or "a server without a name"
    return f"{found} (id {short(uuid, 40)})" if uuid else found


def _word(source: str) -> str:
    return source.partition(":")[0]
