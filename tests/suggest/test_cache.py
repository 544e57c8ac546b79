"""The cache of answers, on a clock of our own."""

from __future__ import annotations

from cmdai_shell.suggest.cache import Cache


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_answer_is_good_for_its_time():
    clock = Clock()
    cache = Cache[str](entries=5, ttl=300, clock=clock)
    cache.put("a", "ls")
    clock.now += 299
    assert cache.get("a") == "ls"
    clock.now += 1
    assert cache.get("a") is None
    assert len(cache) == 0


def test_reading_does_not_make_it_younger():
    clock = Clock()
    cache = Cache[str](entries=5, ttl=300, clock=clock)
    cache.put("a", "ls")
    clock.now += 200
    cache.get("a")
    clock.now += 100
    assert cache.get("a") is None


def test_the_least_recently_used_goes_first():
    cache = Cache[int](entries=2, ttl=300, clock=Clock())
    cache.put("a", 1)
    cache.put("b", 2)
    cache.get("a")
    cache.put("c", 3)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1, None, 3)


def test_no_entries_no_time_no_cache():
    for entries, ttl in ((0, 300), (5, 0)):
        cache = Cache[int](entries=entries, ttl=ttl, clock=Clock())
        cache.put("a", 1)
        assert cache.get("a") is None
