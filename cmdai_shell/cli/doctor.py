"""``cmdai-shell doctor``: what is wrong, and what to type about it."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from cmdai_shell.cli import output
from cmdai_shell.cli.client import Client
from cmdai_shell.cli.options import as_json
from cmdai_shell.diagnose import mending, model, servers, shells, table
from cmdai_shell.diagnose.check import examine
from cmdai_shell.diagnose.surroundings import here
from cmdai_shell.errors import CmdaiError
from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmdai_shell.diagnose.check import Check, Finding
    from cmdai_shell.diagnose.surroundings import Surroundings

_NAMES = [check.name for check in (*table.CHECKS, *table.ON_REQUEST)]


@click.command(
    epilog="""\b
Examples:
  cmdai-shell doctor
  cmdai-shell doctor --dgx
  cmdai-shell doctor --fix
  cmdai-shell doctor --shells --verify
  cmdai-shell doctor --only model --only memory
  cmdai-shell doctor --json
"""
)
@click.option(
    "--shells", "start_shells", is_flag=True, help="Start each shell, to see who holds the key."
)
@click.option(
    "--dgx", is_flag=True, help="Look at each server that is written down or approved, too."
)
@click.option("--verify", is_flag=True, help="Read the whole model and compare its digest.")
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    type=click.Choice(_NAMES),
    help="Only the check of that name; may be given more than once.",
)
@click.option(
    "--fix", is_flag=True, help="First mend what is safe to mend: rights, leftovers, stale hooks."
)
@click.option("--all", "show_all", is_flag=True, help="Show what is well, too.")
@as_json
@click.pass_context
def doctor(
    ctx: click.Context,
    /,
    *,
    start_shells: bool,
    dgx: bool,
    verify: bool,
    only: tuple[str, ...],
    fix: bool,
    show_all: bool,
    json_: bool,
) -> None:
    """Look for what is wrong or could be better, and say how to cure it.

    Changes nothing unless you say --fix, starts no daemon. With --shells it starts each shell once
    with your own rc files; with --dgx each server computes two small sums. Exit code 1 when
    something does not work; what could merely be better leaves it at 0.
    """
    around = here(Client(start=()).status)
    mended = mending.mend(around) if fix else []
    checks = _chosen(only, around, start_shells=start_shells, dgx=dgx, verify=verify)
    found = examine(checks, around)
    if json_:
        done = [{"check": "fix", "severity": "fixed", "what": it, "cure": ""} for it in mended]
        output.emit([*done, *(_entry(check, finding) for check, finding in found)], "json")
    else:
        for it in mended:
            click.echo(visible(f"fixed  {it}"))
        _show(found, show_all=show_all)
        if not (dgx or only) and _has_servers(around):
            output.say("your servers were not asked: cmdai-shell doctor --dgx", "dim")
    ctx.exit(any(finding.severity == "fail" for _, finding in found))


def _chosen(
    only: tuple[str, ...], around: Surroundings, *, start_shells: bool, dgx: bool, verify: bool
) -> list[Check]:
    if only:
        asked = [name for name in only if name in servers.NAMES]
        named = [c for c in (*table.CHECKS, *table.ON_REQUEST) if c.name in {*only} - {*asked}]
        return [*named, *(servers.checks(around, asked) if asked else ())]
    extra = (*(shells.KEYS if start_shells else ()), *((model.VERIFY,) if verify else ()))
    return [*table.CHECKS, *extra, *(servers.checks(around) if dgx else ())]


def _has_servers(around: Surroundings) -> bool:
    from cmdai_shell.discovery.trust import TrustStore

    with suppress(CmdaiError):  # a check has said what is wrong with the settings
        return bool(around.settings().environments or TrustStore(around.data_dir).approvals())
    return False


def _entry(check: Check, finding: Finding) -> dict[str, str]:
    return {
        "check": check.name,
        "severity": finding.severity,
        "what": finding.what,
        "cure": finding.cure,
    }


def _show(found: Sequence[tuple[Check, Finding]], *, show_all: bool) -> None:
    """Findings on stdout, worst last, nearest to the next prompt; then one line that counts."""
    for severity in ("ok", "warn", "fail"):
        for check, finding in found:
            if finding.severity == severity and (show_all or severity != "ok"):
                _print(check, finding)
    failed = sum(finding.severity == "fail" for _, finding in found)
    warned = sum(finding.severity == "warn" for _, finding in found)
    if not failed and not warned:
        click.echo(f"all {len(found)} checks passed")
        return
    counts = [f"{failed} failed"] * bool(failed) + [f"{warned} could be better"] * bool(warned)
    click.echo(f"{len(found)} checks: {', '.join(counts)}")


def _print(check: Check, finding: Finding) -> None:
    styles: dict[str, output.Style] = {"ok": "green", "warn": "yellow", "fail": "red"}
    word = output.styled(f"{finding.severity:<4}", styles[finding.severity], sys.stdout)
    print(f"{word}  {visible(f'{check.name}: {finding.what}')}")
    if finding.cure:
        print(f"      {visible(finding.cure)}")
