"""``cmdai-shell WORDS``: words to a command on stdout.

What the safety level does not allow never reaches stdout, in any format: a dangerous command under
``strict``, a critical one under ``strict`` and ``moderate``. It is shown on stderr with its
reasons, and the exit code is 1: ``$(cmdai-shell ...)`` only ever holds what was allowed.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, get_args

import click

from cmdai_shell import errors
from cmdai_shell.cli import output
from cmdai_shell.cli.client import Client, Reply, error_of
from cmdai_shell.core import Risk, Shell, SuggestRequest
from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from click.shell_completion import CompletionItem

LONGEST = 64 * 1024
"""Bytes of a request."""

PATIENCE = 120.0
"""Seconds: more than a press has, for a script can wait while a model is loaded."""

KEYS = (
    "command",
    "explanation",
    "risk",
    "reasons",
    "safer",
    "alternatives",
    "backend",
    "is_fallback",
    "elapsed_ms",
)
"""Of a suggestion in JSON and YAML, in this order; a stable interface."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the options ask for besides the words."""

    count: int = 1
    explain: bool = False
    form: output.Format = "plain"
    safety: str = ""
    fetch: bool = False
    """Fetch a missing model without asking."""
    timeout: float = PATIENCE
    environment: str = ""
    backend: str = ""


def run(words: Sequence[str], shell: str, wish: Wish, client: Client | None = None) -> int:
    """Print the suggestion; the exit code. Raises CmdaiError."""
    client = client or Client()
    request = replace(
        surroundings(),
        line=_line(words),
        timeout=wish.timeout,
        safety_level=wish.safety,
        environment=wish.environment,
        backend=wish.backend,
    )
    if shell:
        request = replace(request, shell=shell, any_shell=False)  # type: ignore[arg-type]
    with output.LiveLine() as live:
        found = list(_suggestions(client, request, wish, live))
        best = found[0]
        if wish.explain and not best["explanation"] and _allowed(best):
            best["explanation"] = _explanation(client, request, best["command"], live)
    return _print(found, wish)


def _line(words: Sequence[str]) -> str:
    """The request itself: the words, or standard input for none and for ``-``."""
    if words and tuple(words) != ("-",):
        text = " ".join(words)
    else:
        raw = sys.stdin.buffer.read(LONGEST + 1)
        text = raw.decode("utf-8", errors="surrogateescape").strip()
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise click.UsageError("the request is not UTF-8 text") from error
    if not text.strip():
        raise click.UsageError("no words: say what the command should do")
    if "\0" in text:
        raise click.UsageError("the request has a NUL byte in it")
    if size > LONGEST:
        raise click.UsageError(f"the request is longer than {LONGEST // 1024} KiB")
    return text


def surroundings() -> SuggestRequest:
    """A request without words, as this process sees itself."""
    try:
        cwd = os.getcwd()  # noqa: PTH109  a string is what is sent
    except FileNotFoundError:
        cwd = ""  # the folder was removed under us
    return SuggestRequest(
        any_shell=True,
        cwd=cwd.encode(errors="replace").decode(),
        path=os.environ.get("PATH", "").encode(errors="replace").decode(),
        width=shutil.get_terminal_size().columns,
    )


def _suggestions(
    client: Client, request: SuggestRequest, wish: Wish, live: output.LiveLine
) -> Iterator[Reply]:
    """The suggestion, then its alternatives as long as there are any."""
    try:
        yield _final(client, request, "suggestion", live)
    except errors.ModelUnavailable:
        live.clear()
        _fetch_model(client, wish)
        yield _final(client, request, "suggestion", live)
    for alternative in range(1, wish.count):
        again = replace(request, op="next", alternative=alternative)
        found = _final(client, again, "suggestion", live)
        if found["action"] == "restore":
            return
        yield found


def _fetch_model(client: Client, wish: Wish) -> None:
    from cmdai_shell.cli.model import offer_pull

    offer_pull(yes=wish.fetch)
    client.reload()


def _explanation(
    client: Client, request: SuggestRequest, command: str, live: output.LiveLine
) -> str:
    asked = replace(request, op="explain", line=command)
    return str(_final(client, asked, "explanation", live)["text"])


def _final(client: Client, request: SuggestRequest, kind: str, live: output.LiveLine) -> Reply:
    """Follow one request to its end, and give the final update of that kind."""
    for update in client.suggest(request):
        if kind in update:
            final: Reply = update[kind]
            return final
        if text := update.get("notice") or update.get("partial"):
            live.show(str(text))
        elif "error" in update:
            raise error_of(update["error"])
        elif "hint" in update:
            raise errors.CmdaiError(str(update["hint"]))
    raise errors.DaemonUnavailable(
        "the daemon stopped answering", "see what it said: cmdai-shell daemon logs"
    )


def _allowed(suggestion: Reply) -> bool:
    """Whether the command may go to stdout, by the level this call has."""
    return bool(suggestion["action"] == "insert")


def _print(found: Sequence[Reply], wish: Wish) -> int:
    best = found[0]
    printed = [s for s in found if _allowed(s)]
    for suggestion in found:
        _remark(suggestion, withheld=suggestion not in printed)
    if best["is_fallback"] and (wish.backend or wish.environment or sys.stderr.isatty()):
        output.say(stood_in(best), "yellow")
    if wish.form == "plain":
        for suggestion in printed:
            print(visible(suggestion["command"]), flush=True)
        if best["explanation"] and best in printed:
            output.say(best["explanation"], "dim")
    else:
        document = {key: best.get(key) for key in KEYS}
        document["command"] = best["command"] if best in printed else ""
        document["alternatives"] = [s["command"] for s in printed if s is not best]
        output.emit(document, wish.form)
    return 0 if best in printed else 1


def _remark(suggestion: Reply, *, withheld: bool) -> None:
    """What a person should know before running it: on a terminal always, else from caution on."""
    risk = Risk[suggestion["risk"].upper()]
    if risk >= Risk.CAUTION:
        style: output.Style = "yellow" if risk is Risk.CAUTION else "red"
        output.say(f"{risk.word}: {'; '.join(suggestion['reasons']) or 'look twice'}", style)
        if safer := suggestion.get("safer"):
            output.say(f"safer: {safer}")
    if withheld:
        output.say(f"not printed: {suggestion['command']}")
        output.say("to have it all the same: --safety permissive")
    elif sys.stderr.isatty():
        seconds = suggestion["elapsed_ms"] / 1000
        output.say(f"{suggestion['maker']}, {seconds:.1f} s", "dim")


def stood_in(suggestion: Reply) -> str:
    """Why no server answered, and who did in its place."""
    why = suggestion["remedy"] or "; ".join(suggestion["attempts"]) or "no server answered"
    return f"{why}; answered by {suggestion['maker']}"


def _names(
    of: str, ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from cmdai_shell.cli import environments  # what reads the settings is not for every call

    found: list[CompletionItem] = getattr(environments, of)(ctx, parameter, incomplete)
    return found


SHELLS: tuple[str, ...] = get_args(Shell)
LEVELS = ("strict", "moderate", "permissive")


@click.command
@click.argument("words", nargs=-1, metavar="[WORDS]...", type=click.UNPROCESSED)
@click.option(
    "-n",
    "count",
    type=click.IntRange(1, 10),
    default=1,
    metavar="N",
    help="Print up to N different commands, best first, one after the other.",
)
@click.option("--explain", is_flag=True, help="Say on stderr what each part of the command does.")
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["plain", "json", "yaml"]),
    default="plain",
    help="How to print it.",
    show_default=True,
)
@click.option("--json", "json_", is_flag=True, help="The same as -o json.")
@click.option(
    "--shell",
    type=click.Choice(SHELLS),
    envvar="CMDAI_DEFAULT_SHELL",
    help="The shell to write for; without it, default_shell of the configuration.",
)
@click.option(
    "--safety",
    type=click.Choice(LEVELS),
    envvar="CMDAI_SAFETY_LEVEL",
    help="Be stricter or looser with risky commands, for this one call.",
)
@click.option(
    "--environment",
    metavar="NAME",
    envvar="CMDAI_ENVIRONMENT",
    shell_complete=lambda *given: _names("environment_names", *given),
    help="Ask only the servers of this environment; none: no server.",
)
@click.option(
    "--backend",
    metavar="NAME",
    shell_complete=lambda *given: _names("backend_names", *given),
    help="Ask only this server, or those of this environment; embedded: only this machine's model.",
)
@click.option("--yes", is_flag=True, help="Fetch a missing language model without asking.")
@click.option(
    "--timeout",
    type=click.FloatRange(1, 600),
    default=PATIENCE,
    metavar="SECONDS",
    help="Give up after this long; loading a model takes part of it.",
    show_default=True,
)
@click.pass_context
def suggest(
    ctx: click.Context,
    /,
    words: tuple[str, ...],
    count: int,
    explain: bool,
    form: output.Format,
    json_: bool,
    shell: str | None,
    safety: str | None,
    environment: str | None,
    backend: str | None,
    yes: bool,
    timeout: float,
) -> None:
    """Print a command that does what WORDS say."""
    wish = Wish(
        count,
        explain,
        "json" if json_ else form,
        safety or "",
        yes,
        timeout,
        environment or "",
        backend or "",
    )
    ctx.exit(run(words, shell or "", wish))
