"""All rules at once: what they say can be read, and what they offer can be run."""

from __future__ import annotations

import tomllib
from pathlib import Path

from cmdai_shell.core import Risk
from cmdai_shell.safety import assess, parse
from cmdai_shell.safety.rules.table import CHECKS

LABELLED = tomllib.loads((Path(__file__).parent.parent / "labelled.toml").read_text())
COMMANDS = sorted(
    {
        command
        for family in LABELLED["family"]
        if family.get("shell", "bash") == "bash" and family["half"] == "dev"
        for risk in Risk
        for command in family.get(risk.word, ())
    }
)


def test_reasons_are_plain_and_offers_can_be_run():
    for command in COMMANDS:
        verdict = assess(command)
        for text in (*verdict.reasons, verdict.safer):
            assert not any("\ue000" <= char < "\ue200" for char in text), command
        for reason in verdict.reasons:
            assert reason[0].islower(), reason
            assert not reason.endswith("."), reason
        assert bool(verdict.reasons) is (verdict.risk > Risk.SAFE), command
        assert "…" not in verdict.safer, command
        if verdict.safer:
            assert not parse(verdict.safer).broken, verdict.safer
            assert assess(verdict.safer).risk <= verdict.risk, command


def test_odd_arguments_are_judged_without_an_error():
    for program in sorted(CHECKS):
        for rest in ("", "--", "-- -", "''", "-x", "-o", "= a * $x", "a b c d"):
            assess(f"echo x | {program} {rest}")


def test_help_and_version_are_harmless():
    for program in sorted(CHECKS):
        assert assess(f"{program} --help").risk <= Risk.CAUTION, program
        assert assess(f"{program} --version").risk <= Risk.CAUTION, program
