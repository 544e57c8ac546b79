from __future__ import annotations

from cmdai_shell.backends.embedded.turns import Turns


async def test_first_come_first_served_also_for_who_looks_up_meanwhile() -> None:
    turns = Turns()
    first, second, third = turns.join(), turns.join(), turns.join()
    assert await turns.served(first, 1)
    assert not await turns.served(second, 0.01)
    assert not await turns.served(third, 0)
    turns.leave(first)
    assert not await turns.served(third, 0)
    assert await turns.served(second, 1)
    assert turns.wanted


async def test_who_gives_up_waiting_is_passed_over() -> None:
    turns = Turns()
    first, second, third = turns.join(), turns.join(), turns.join()
    turns.leave(second)
    turns.leave(first)
    assert await turns.served(third, 1)
    assert not turns.wanted
    turns.leave(third)
    assert not turns.taken
