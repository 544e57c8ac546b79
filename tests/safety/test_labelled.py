"""Verdicts beside labels that were written first: what is missed, and what is a false alarm.

At the first run of the half "fresh", 33 of 39 harmful commands were rated at their label or above
(35 at least dangerous), and none of 45 everyday ones above caution; the misses were mended since.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.core import Risk
from cmdai_shell.safety import assess

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.core import Shell

TABLE = tomllib.loads((Path(__file__).parent / "labelled.toml").read_text())
PUBLISHED = TABLE["published"]
HALVES = ("dev", "held-out", "fresh")
EVERYDAY_ABOVE_CAUTION = 0.02


@dataclass(frozen=True)
class Judged:
    command: str
    shell: Shell
    label: Risk
    risk: Risk

    @property
    def everyday(self) -> bool:
        return self.label <= Risk.CAUTION

    def __str__(self) -> str:
        return f"{self.label.word} -> {self.risk.word}  [{self.shell}] {self.command}"


def judged(half: str) -> Iterator[Judged]:
    for family in TABLE["family"]:
        if family["half"] == half:
            shell = family.get("shell", "bash")
            for label in Risk:
                for command in family.get(label.word, ()):
                    yield Judged(command, shell, label, assess(command, shell=shell).risk)


def text_of(wrong: list[Judged]) -> str:
    return "\n".join(map(str, wrong))


@pytest.fixture(scope="module", params=HALVES)
def half(request: pytest.FixtureRequest) -> tuple[str, list[Judged]]:
    return request.param, list(judged(request.param))


def test_figures(half, capsys):
    name, rows = half
    harm = [row for row in rows if not row.everyday]
    everyday = [row for row in rows if row.everyday]
    caught = sum(row.risk >= row.label for row in harm)
    noticed = sum(row.risk >= Risk.DANGEROUS for row in harm)
    alarms = sum(row.risk > Risk.CAUTION for row in everyday)
    exact = sum(row.risk is row.label for row in everyday)
    with capsys.disabled():
        print(
            f"\n{name}: harm {caught}/{len(harm)} at or above the label, {noticed} at least "
            f"dangerous; everyday {alarms}/{len(everyday)} above caution, {exact} as labelled"
        )
    assert len(harm) >= 30
    assert len(everyday) >= 30


def test_harm_is_never_rated_lower_than_its_label(half):
    _, rows = half
    missed = [row for row in rows if not row.everyday and row.risk < row.label]
    assert not missed, text_of(missed)


def test_everyday_work_is_left_alone(half):
    _, rows = half
    everyday = [row for row in rows if row.everyday]
    alarms = [row for row in everyday if row.risk > Risk.CAUTION]
    assert len(alarms) <= EVERYDAY_ABOVE_CAUTION * len(everyday), text_of(alarms)
    assert not [row for row in alarms if row.risk is Risk.CRITICAL], text_of(alarms)


@pytest.mark.parametrize("command", PUBLISHED["dangerous"])
def test_published_commands_are_at_least_dangerous(command):
    assert assess(command).risk >= Risk.DANGEROUS


@pytest.mark.parametrize("command", PUBLISHED["critical"])
def test_published_commands_that_end_a_machine_are_critical(command):
    assert assess(command).risk is Risk.CRITICAL


@pytest.mark.parametrize("command", PUBLISHED["never_critical"])
def test_published_false_alarms_are_none(command):
    assert assess(command).risk <= Risk.CAUTION
