"""The services that are there, and when each is looked at."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.core import Added, Endpoint
from cmdai_shell.discovery.multicast.announcement import Announcement
from cmdai_shell.discovery.multicast.listing import (
    AGAIN_S,
    BUSY_S,
    EACH_S,
    RETRIES_S,
    SETTLE_S,
    Agenda,
    Listing,
)

HEARD = Announcement(
    instance="x", service="_inference._tcp", host="", port=80, txt={}, addresses=()
)


def put(listing: Listing, key: str, id_: str = "", url: str = "http://10.0.0.1:80") -> None:
    listing.put(key, HEARD, Endpoint(id=id_ or key, url=url))


def said(listing: Listing) -> list[str]:
    return [
        f"+{each.endpoint.id}" if isinstance(each, Added) else f"-{each.id}"
        for each in listing.changes()
    ]


def test_what_is_told():
    listing = Listing()
    put(listing, "a")
    put(listing, "b")
    assert said(listing) == ["+a", "+b"]
    put(listing, "a")
    assert said(listing) == []
    put(listing, "a", url="http://10.0.0.2:80")
    assert said(listing) == ["+a"]
    listing.remove("a")
    assert said(listing) == ["-a"]
    assert said(listing) == []


def test_what_came_and_went_between_is_not_told():
    listing = Listing()
    put(listing, "a")
    listing.remove("a")
    assert said(listing) == []


def test_another_id_is_another_endpoint():
    listing = Listing()
    put(listing, "a", "x:80")
    said(listing)
    put(listing, "a", "x:81")
    assert said(listing) == ["-x:80", "+x:81"]


def test_ids_are_unique_and_stay():
    listing = Listing()
    put(listing, "a", "x")
    put(listing, "b", "x")
    assert said(listing) == ["+x", "+x~2"]
    listing.remove("a")
    put(listing, "b", "x", "http://10.0.0.9:80")
    assert said(listing) == ["-x", "+x~2"]


def test_who_does_not_say_again_that_he_is_there_goes():
    listing = Listing()
    put(listing, "a")
    put(listing, "b")
    said(listing)
    listing.doubt()
    put(listing, "b")
    assert said(listing) == []
    listing.sweep()
    assert said(listing) == ["-a"]


def test_begun_anew_it_tells_again_what_it_hears_again():
    listing = Listing()
    put(listing, "a")
    put(listing, "b")
    said(listing)
    listing.begin()
    assert said(listing) == []
    put(listing, "b")
    assert said(listing) == ["+b"]
    listing.sweep()
    assert said(listing) == ["-a"]


def test_of_too_many_the_oldest_of_the_largest_group_goes():
    listing = Listing(most=4)
    put(listing, "old", url="http://10.0.0.1:80")
    for n in range(6):
        put(listing, f"many{n}", url="http://10.0.0.66:80")
    put(listing, "new", url="http://10.0.0.2:80")
    assert len(listing) == 4
    assert said(listing) == ["+old", "+many1", "+many2", "+new"]
    assert listing.dropped == 4


def test_of_too_many_at_places_of_their_own_the_latest_stay():
    listing = Listing(most=3)
    for n in range(6):
        put(listing, f"s{n}", url=f"http://10.0.0.{n}:80")
    assert said(listing) == ["+s3", "+s4", "+s5"]


def test_judged_anew():
    listing = Listing()
    put(listing, "a")
    put(listing, "b")
    said(listing)
    listing.judge(lambda heard, old: Endpoint(id="a", url="http://10.0.0.7:80"))
    assert said(listing) == ["-b", "+a", "+a~2"]
    listing.judge(lambda heard, old: None)
    assert said(listing) == ["-a", "-a~2"]


KEYS = st.sampled_from("abcdef")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, st.sampled_from("xy"), st.integers(1, 3)),
        st.tuples(st.just("remove"), KEYS, st.just(""), st.just(0)),
        st.tuples(st.sampled_from(["doubt", "sweep", "tell"]), KEYS, st.just(""), st.just(0)),
    ),
    max_size=60,
)


@given(STEPS)
def test_what_was_told_is_what_is_there(steps: list[tuple[str, str, str, int]]):
    listing = Listing(most=4)
    there: dict[str, Endpoint] = {}
    for word, key, id_, host in [*steps, ("sweep", "", "", 0), ("tell", "", "", 0)]:
        if word == "put":
            put(listing, key, id_, f"http://10.0.0.{host}:80")
        elif word == "remove":
            listing.remove(key)
        elif word == "doubt":
            listing.doubt()
        elif word == "sweep":
            listing.sweep()
        else:
            for each in listing.changes():
                if isinstance(each, Added):
                    there[each.endpoint.id] = each.endpoint
                else:
                    del there[each.id]
            assert len(there) <= len(listing) <= 4
    assert len(there) == len(listing)


def test_a_change_is_looked_at_when_it_has_settled_and_once_more():
    agenda = Agenda()
    agenda.note("A", 10)
    agenda.note("a", 10.05)
    assert agenda.next() == 10 + SETTLE_S
    assert agenda.take(10.05, 9) == []
    assert agenda.take(10.2, 9) == ["A"]
    agenda.done("A", 10.2, is_found=True)
    assert agenda.next() == 10.2 + AGAIN_S
    assert agenda.take(12, 9) == ["A"]
    agenda.done("A", 12, is_found=True)
    assert (len(agenda), agenda.next()) == (0, inf)


def test_a_change_while_it_is_looked_at_is_a_look_of_its_own():
    agenda = Agenda()
    agenda.note("a", 10)
    agenda.take(11, 9)
    agenda.note("a", 11.5)
    agenda.done("a", 11.6, is_found=True)
    assert agenda.next() == 11 + EACH_S


def test_it_is_tried_again_and_given_up():
    agenda, now, waits = Agenda(), 0.0, []
    agenda.note("a", now)
    while len(agenda):
        waits.append(agenda.next() - now)
        now = agenda.next()
        agenda.take(now, 9)
        agenda.done("a", now, is_found=False)
    assert waits == [SETTLE_S, *RETRIES_S]


def test_not_oftener_than_once_a_second():
    agenda, looks = Agenda(), 0
    for n in range(1_000):
        now = n / 100
        agenda.note("a", now)
        for name in agenda.take(now, 9):
            looks += 1
            agenda.done(name, now, is_found=True)
    assert 9 <= looks <= 11


def test_of_too_many_the_oldest_goes():
    agenda = Agenda(most=3)
    for name in "abcde":
        agenda.note(name, 0)
    assert agenda.take(1, 2) == ["c", "d"]
    assert agenda.dropped == 2
    agenda.postpone("c", 1)
    assert agenda.take(1, 9) == ["e"]
    assert agenda.next() == 1 + BUSY_S
    agenda.forget("C")
    agenda.done("c", 2, is_found=True)
    assert agenda.take(9, 9) == []
