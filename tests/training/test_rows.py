"""Each lesson of a row begins where the prefix ends, and none is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from training.rows import LENGTH, laid, packed, read, write

if TYPE_CHECKING:
    from pathlib import Path

OPENINGS = [[1] * 200, [2] * 180]
LESSONS = st.tuples(st.integers(0, 1), st.integers(2, 300))


@given(st.lists(LESSONS, max_size=60))
def test_no_lesson_is_lost_and_no_row_too_long(sizes: list[tuple[int, int]]) -> None:
    lessons = [
        (place, ([number] * size, [0] * (size - 1) + [100]))
        for number, (place, size) in enumerate(sizes)
    ]
    rows = [*packed(iter(lessons), OPENINGS)]
    assert sorted(lesson for row in rows for lesson in row.lessons) == [one for _, one in lessons]
    assert sum(row.counted for row in rows) == len(lessons)
    for row in rows:
        out = laid(row)
        assert {*map(len, (out.tokens, out.places, out.lesson, out.counts))} == {LENGTH}
        start = len(row.opening)
        assert out.tokens[:start] == row.opening
        firsts = [at for at in range(start, LENGTH) if out.lesson[at] != out.lesson[at - 1]]
        assert all(out.places[at] == start for at in firsts if out.lesson[at] >= 0)


def test_rows_are_kept_in_a_file(tmp_path: Path) -> None:
    rows = [*packed(iter([(0, ([5, 6], [0, 100])), (1, ([7], [100]))]), OPENINGS)]
    write(tmp_path / "rows", rows)
    assert read(tmp_path / "rows") == rows
