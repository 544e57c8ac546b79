"""All that the sources found, as one set: who is who, and who is approved. No I/O.

Anybody in the network can announce anything, a server's name and identity included. So what is
announced is never proof: two announcements are one server only if a connection would go to the
same place, or if both showed the same key; and an approval holds for the place that was approved,
or for the key. What we learned by ourselves comes in by ``saw_key``, ``saw_silence``, ``resolved``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from cmdai_shell.core import Added
from cmdai_shell.discovery import judging
from cmdai_shell.discovery.candidate import Candidate, Names, cleaned, with_hints
from cmdai_shell.discovery.facts import Facts
from cmdai_shell.discovery.judging import Box, Identities, Sighting
from cmdai_shell.discovery.policy import Policy, Spot, refusal, spot
from cmdai_shell.discovery.trust import forget_hint, trust_hint

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from cmdai_shell.core import Endpoint, Removed
    from cmdai_shell.discovery.approval import Approval, Ignored
    from cmdai_shell.discovery.candidate import State

MOST = 500
"""Announcements that are kept. Of too many those of the source that says most go first, and never
those of places that were approved, of which"""
MOST_AT_A_PLACE = 16
"""each has this many at most."""
_TO_LEARN = 16


class Found:
    """``written``: the servers of the configuration, which it knows by themselves. ``keys``: pins
    of those that the policy approved before, by their URL."""

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        approvals: Iterable[Approval] = (),
        written: Iterable[Endpoint] = (),
        keys: Mapping[str, str] | None = None,
        ignored: Iterable[Ignored] = (),
        most: int = MOST,
    ) -> None:
        self.dropped = 0
        """Announcements that there was no room for."""
        self._most = most
        self._heard: dict[tuple[str, str], Sighting] = {}
        self._facts = Facts()
        self._names = Names()
        self._now: tuple[Candidate, ...] | None = None
        self._moved: dict[Spot, Approval] = {}
        """Where an approved one may be now, if it is silent."""
        self.settle(
            policy or Policy(),
            approvals=approvals,
            written=written,
            keys=keys or {},
            ignored=ignored,
        )

    def settle(
        self,
        policy: Policy | None = None,
        *,
        approvals: Iterable[Approval] | None = None,
        written: Iterable[Endpoint] | None = None,
        keys: Mapping[str, str] | None = None,
        ignored: Iterable[Ignored] | None = None,
    ) -> None:
        """What the person decided since; what is None stays."""
        if policy is not None:
            self._policy = policy
        if approvals is not None:
            self._approvals = tuple(approvals)
            self._identities = Identities(self._approvals)
            self._approved = {
                where: each for each in self._approvals if (where := spot(each.url)) is not None
            }
            for where, approval in self._approved.items():
                self._names.reserve(where, approval.name)
        if written is not None:
            self._written = {
                where: each for each in written if (where := spot(each.url)) is not None
            }
        if keys is not None:
            self._pinned = {
                where: pin for url, pin in keys.items() if (where := spot(url)) is not None
            }
        if ignored is not None:
            self._ignored = tuple(ignored)
            taken = {each.name for each in self._approvals}
            for one in self._ignored:
                if (where := spot(one.url)) and not (where in self._approved or one.name in taken):
                    self._names.reserve(where, one.name)
        self._now = None

    def apply(self, source: str, event: Added | Removed) -> None:
        """What a source says; ``source`` is its name as we know it, not as it says."""
        self._now = None
        if not isinstance(event, Added):
            self._remove((source, event.id))
            return
        key = source, event.endpoint.id
        endpoint = cleaned(event.endpoint)
        where = spot(endpoint.url) if endpoint else None
        if endpoint is None or where is None:
            self._remove(key)
            self.dropped += 1
            return
        if key in self._heard and self._heard[key].where != where:
            self._remove(key)
        if key in self._heard or self._makes_room(source, where):
            self._heard[key] = Sighting(source=source, endpoint=endpoint, where=where)
            self._names.of(self._facts.place(where), [endpoint])  # who comes first has it
        else:
            self.dropped += 1

    def end(self, source: str) -> None:
        """The source is listened to no longer: what it said is void."""
        self._now = None
        for key in [key for key in self._heard if key[0] == source]:
            self._remove(key)

    def saw_key(self, url: str, pin: str, *, is_key_alone: bool = False) -> None:
        """A connection to that URL showed this key; empty: nobody knows any longer."""
        where = spot(url)
        if where is not None and where.scheme == "https":
            self._facts.saw_key(where, pin, is_key_alone=is_key_alone)
            self._now = None

    def saw_silence(self, url: str, *, is_silent: bool) -> None:
        """Whether the server at that URL, which we had approved, is out of reach. Only then is it
        used at another place, if that has its key; or, of http, offered there."""
        where = spot(url)
        if where is not None:
            self._facts.saw_silence(where, is_silent=is_silent and where in self._approved)
            self._now = None

    def resolved(self, host: str, addresses: Sequence[str]) -> None:
        """Our own look-up of a name."""
        self._facts.saw_addresses(host, addresses)
        self._now = None

    def place(self, url: str) -> Spot | None:
        """What it comes to: over http two names of one address are one place."""
        return self._facts.place(where) if (where := spot(url)) else None

    def candidates(self) -> tuple[Candidate, ...]:
        """Approved ones first, then by their names."""
        if self._now is None:
            self._now = self._judged()
        return self._now

    def waiting(self) -> tuple[Candidate, ...]:
        """Those that the person has yet to decide on: first what became of those approved."""
        found = [each for each in self.candidates() if each.is_waiting]
        return tuple(sorted(found, key=lambda each: each.state == "candidate"))

    def unverified(self, but: Collection[str] = ()) -> tuple[str, ...]:
        """URLs whose key it is worth to look at (``pins.learn``), a few at a time: approved ones
        that have no pin, or showed another key when they were looked at last (a hotel's network
        does that to all), and who says that he is one that has. ``but``: not these."""
        urls = [each.endpoint.url for each in self.candidates() if each.is_to_learn]
        tls = [url for url in urls if url.startswith("https:") and url not in but]
        return tuple(tls[:_TO_LEARN])

    def _remove(self, key: tuple[str, str]) -> None:
        gone = self._heard.pop(key, None)
        if gone is None or self._is_known(gone.where):
            return
        if not any(sighting.where == gone.where for sighting in self._heard.values()):
            # Who comes there next may be another.
            self._facts.saw_key(gone.where, "", is_key_alone=False)

    def _makes_room(self, source: str, where: Spot) -> bool:
        if self._is_known(where):
            here = sum(sighting.where == where for sighting in self._heard.values())
            return here < MOST_AT_A_PLACE
        unknown = [key for key, each in self._heard.items() if not self._is_known(each.where)]
        if len(unknown) < self._most:
            return True
        (largest, _), *_ = Counter(name for name, _ in unknown).most_common(1)
        if largest == source:
            return False
        self._remove(next(key for key in reversed(unknown) if key[0] == largest))
        self.dropped += 1
        return True

    def _is_known(self, where: Spot) -> bool:
        return where in self._approved or where in self._written

    def _judged(self) -> tuple[Candidate, ...]:
        heard = (each for _, each in sorted(self._heard.items()))
        boxes = judging.boxes(heard, self._facts)
        self._names.keep(boxes)
        taken: set[Spot] = set()
        found = [
            self._of_approval(approval, boxes, taken)
            for approval in self._approvals
            if not self._is_written(approval)
        ]
        self._moved = self._moves(boxes, taken)
        for box in judging.each(boxes):
            if taken.isdisjoint(box.spots):
                found.append(self._of_stranger(box))
        return tuple(with_hints(sorted(found, key=lambda e: (e.state != "approved", e.name))))

    def _of_approval(
        self, approval: Approval, boxes: dict[Spot, Box], taken: set[Spot]
    ) -> Candidate:
        where = spot(approval.url)
        assert where is not None  # noqa: S101  checked when it was approved, and when it was read
        place = self._facts.place(where)
        if approval.pin and where.scheme == "https":
            return self._by_key(approval, place, boxes, taken)
        here = boxes.get(place)
        heard = here.at(place) if here else []
        taken.update(here.spots if here else [place])
        if wrong := judging.contradiction(approval, heard):
            story = judging.another_here(approval, wrong)
            return self._changed(approval, story, here, wrong)
        return self._approved_as(approval, approval.url, here)

    def _moves(self, boxes: dict[Spot, Box], taken: set[Spot]) -> dict[Spot, Approval]:
        foreign = {*self._approved, *self._written, *taken}
        gone = [where for where in self._approved if self._facts.place(where) not in boxes]
        found = {}
        for where in sorted(gone, key=self._facts.is_silent):  # those go before, being last
            approval = self._approved[where]
            if new := judging.new_place(approval, judging.each(boxes), foreign):
                found[new[1]] = approval
        return found

    def _by_key(
        self, approval: Approval, place: Spot, boxes: dict[Spot, Box], taken: set[Spot]
    ) -> Candidate:
        """The key decides, wherever it is seen."""
        here = boxes.get(place)
        same = next((box for box in judging.each(boxes) if box.key == approval.pin), None)
        if same:
            taken.update(same.spots)
            if not self._facts.key(place)[0]:  # for all we know it is there, too
                taken.update(here.spots if here else ())
                if not self._facts.is_silent(place):  # the other may be a relay of it
                    return self._approved_as(approval, approval.url, same)
            spots = [each for each in same.spots if not self._facts.is_silent(each)] or same.spots
            url = judging.moved_to(approval.url, min(spots, key=judging.rank))
            return self._approved_as(approval, approval.url if place in spots else url, same)
        taken.update(here.spots if here else [place])
        there = self._facts.key(place)[0]
        if there not in ("", approval.pin):
            story = judging.another_key(approval.name, approval.pin, there)
            return self._changed(approval, story, here)
        return self._approved_as(approval, approval.url, here)

    def _approved_as(self, approval: Approval, url: str, box: Box | None) -> Candidate:
        endpoint = judging.in_order(replace(approval.endpoint, url=url), box)
        return self._candidate(approval.name, endpoint, "approved", box, approval=approval)

    def _changed(
        self, approval: Approval, story: str, box: Box | None, there: Sighting | None = None
    ) -> Candidate:
        """``there``: who is announced in its place."""
        endpoint = judging.known_by(approval, there) if there else approval.endpoint
        name = approval.name
        hint = f"if that is meant: {trust_hint(name)}"
        return self._candidate(
            name, endpoint, "changed", box, approval=approval, story=story, hint=hint
        )

    def _of_stranger(self, box: Box) -> Candidate:
        spots = sorted(box.spots, key=judging.rank)
        for where in spots:
            if written := self._written_at(where):
                return self._candidate(written.id, written, "approved", box)
        refused = {where: self._refusal(box, where) for where in spots}
        usable = [where for where in spots if not refused[where]]
        best = box.at((usable or spots)[0])[0]
        name = self._names.of(spots[0], [best.endpoint])
        if spots[0] in self._approved:  # which the approved one has left, and its name with it
            name = self._names.of(spots[0]._replace(scheme="another"), [best.endpoint])
        if not usable:
            return self._candidate(name, best.endpoint, "refused", box, story=refused[spots[0]])
        if apart := self._set_apart(name, box, best):
            return apart
        for sighting in box.sightings:
            claimed = self._identities.claimed(sighting)
            if claimed and not judging.is_neighbour(claimed, sighting.where):
                return self._of_pretender(name, box, best, sighting, claimed)
        return self._by_policy(name, box, usable) or self._candidate(
            name, best.endpoint, "candidate", box
        )

    def _set_apart(self, name: str, box: Box, best: Sighting) -> Candidate | None:
        """What is neither new nor to be judged by what it says."""
        said = [(each.where, each.says("host")) for each in box.sightings]
        if any(each.covers(*one) for each in self._ignored for one in said):
            hint = f"to use it after all: {trust_hint(best.endpoint.url)}"
            story = "you do not want to hear of it"
            return self._candidate(name, best.endpoint, "ignored", box, story=story, hint=hint)
        for where in box.spots:
            approval = self._moved.get(where)
            if approval and self._facts.is_silent(spot(approval.url)):
                endpoint = judging.known_by(approval, box.at(where)[0])
                endpoint = replace(endpoint, url=judging.moved_to(approval.url, where))
                return self._candidate(
                    name,
                    endpoint,
                    "moved",
                    box,
                    approval=approval,
                    story=judging.moved(approval, where),
                    hint=f"if it has: {trust_hint(endpoint.url)}",
                )
        return None

    def _of_pretender(
        self, name: str, box: Box, best: Sighting, claiming: Sighting, claimed: Approval
    ) -> Candidate:
        is_changed, story = judging.pretence(claimed, box, claiming)
        state: State = "changed" if is_changed else "candidate"
        may_have_moved = is_changed and not self._moved.keys().isdisjoint(box.spots)
        anew = trust_hint(best.endpoint.url)
        if not may_have_moved:
            anew = f"{forget_hint(claimed.name)}; {anew}"
        hint = f"if it is the same: {anew}" if is_changed else ""
        made = self._candidate(
            name, best.endpoint, state, box, approval=claimed, story=story, hint=hint
        )
        return replace(made, is_quiet=not is_changed, may_have_moved=may_have_moved)

    def _by_policy(self, name: str, box: Box, usable: Sequence[Spot]) -> Candidate | None:
        for where in usable:
            for sighting in box.at(where):
                endpoint = sighting.endpoint
                why = self._policy.why(
                    sighting.source, endpoint, self._facts.reached(box.at(where), where)
                )
                if not why:
                    continue
                expected = self._pinned.get(where, "")
                if expected and box.key and box.key != expected:
                    story = judging.another_key(name, expected, box.key)
                    hint = f"if that is meant: {trust_hint(name)}"
                    return self._candidate(name, endpoint, "changed", box, story=story, hint=hint)
                return self._candidate(name, endpoint, "by-policy", box, story=why)
        return None

    def _candidate(
        self,
        name: str,
        endpoint: Endpoint,
        state: State,
        box: Box | None,
        *,
        approval: Approval | None = None,
        story: str = "",
        hint: str = "",
    ) -> Candidate:
        where = spot(endpoint.url)
        key, is_key_alone = self._facts.key(where)
        pins = {"by-policy": self._pinned.get(where, "") if where else ""}
        if approval:
            pins["approved"] = approval.pin
        return Candidate(
            name=name,
            endpoint=replace(endpoint, id=name),
            state=state,
            sources=tuple(dict.fromkeys(each.source for each in box.sightings)) if box else (),
            story=story,
            hint=hint,
            approval=approval,
            key=key,
            is_key_alone=is_key_alone,
            pin=pins.get(state, ""),
        )

    def _is_written(self, approval: Approval) -> bool:
        """It has become one of the configuration's since: one member, not two."""
        where = spot(approval.url)
        return where is not None and self._written_at(self._facts.place(where)) is not None

    def _written_at(self, where: Spot) -> Endpoint | None:
        return next(
            (each for known, each in self._written.items() if self._facts.place(known) == where),
            None,
        )

    def _refusal(self, box: Box, where: Spot) -> str:
        url = judging.moved_to(f"{where.scheme}://x", where)
        return refusal(box.at(where)[0].source, url, self._facts.reached(box.at(where), where))
