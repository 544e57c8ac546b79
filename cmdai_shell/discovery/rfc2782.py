"""The order of SRV records (RFC 2782): pure, chance is passed in."""

from __future__ import annotations

from itertools import accumulate, groupby
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Record(NamedTuple):
    """One SRV record. ``target`` is a name as DNS writes it, with a dot at its end or without."""

    priority: int
    """Lower is asked first: the reverse of ours."""
    weight: int
    port: int
    target: str

    @property
    def is_denial(self) -> bool:
        """The service is decidedly not available. dnsmasq writes it with port 1, others with 0."""
        return self.target in ("", ".")


def order(records: Iterable[Record], random: Callable[[], float]) -> list[Record]:
    """By priority, and among equals by chance: first is each one as often as its weight says, and
    the others follow by the same rule. ``random`` is from 0 to below 1."""
    ranked = sorted(records)
    return [
        record
        for _, equals in groupby(ranked, key=attrgetter("priority"))
        for record in _drawn(list(equals), random)
    ]


def ranks(records: Iterable[Record]) -> dict[int, int]:
    """Priority -> how many better ones there are in the set."""
    return {priority: rank for rank, priority in enumerate(sorted({r.priority for r in records}))}


def _drawn(left: list[Record], random: Callable[[], float]) -> Iterator[Record]:
    """The RFC's number from 0 to the sum of weights, both included, gives the weights 1 and 1 not
    half and half but two thirds to whoever stands first; its 0 is there for records of weight 0
    ("a very small chance"). So 0 is drawn only while there are such, and among them all are equal.
    """
    while left:
        total = sum(record.weight for record in left)
        idle = [record for record in left if not record.weight]
        number = int(random() * (total + 1)) if idle else 1 + int(random() * total)
        chosen = idle[int(random() * len(idle))] if not number else _at(left, number)
        left.remove(chosen)
        yield chosen


def _at(records: list[Record], number: int) -> Record:
    """The first one at which the running sum of weights reaches the number."""
    running = accumulate(record.weight for record in records)
    return next(record for record, sum_ in zip(records, running, strict=True) if sum_ >= number)
