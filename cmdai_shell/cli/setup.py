"""``cmdai-shell setup``: a few questions, and an environment is written down."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import click

from cmdai_shell.cli import output, trying
from cmdai_shell.cli.environments import warn_if_shared
from cmdai_shell.cli.reload import reload_daemon
from cmdai_shell.config import edit, environment_files, environments, loading
from cmdai_shell.config.environment import Environment
from cmdai_shell.errors import CmdaiError, ConfigError
from cmdai_shell.hooks.install import hook_file, shells_here

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from prompt_toolkit.document import Document
    from prompt_toolkit.validation import Validator

Identify: TypeAlias = "Callable[..., str]"
"""An address, and perhaps the variable with the key -> a sentence about what answers there. Raises
CmdaiError where nothing does."""

Check: TypeAlias = "Callable[[str], object]"
"""Raises CmdaiError for an answer that will not do."""


class Questions(Protocol):
    """How the person is asked; tests have the answers ready."""

    def choose(self, question: str, choices: Sequence[str]) -> int:
        """The index of one of them; the first is what Enter means."""

    def text(self, question: str, default: str, check: Check) -> str: ...

    def confirm(self, question: str, *, default: bool) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """A kind of place: what it is called, and what is usual there."""

    title: str
    name: str
    place: str
    url: str
    key: str = ""
    timeout_ms: int = 5_000


KINDS = (
    _Kind(
        title="home lab: a GPU box in my own network",
        name="home-lab",
        place="local",
        url="http://192.168.1.100:8000",
    ),
    _Kind(
        title="office: servers that a team shares",
        name="office",
        place="local",
        url="http://gpu.lan:8000",
        key="CMDAI_DGX_API_KEY",
    ),
    _Kind(
        title="cloud: servers on the internet",
        name="cloud",
        place="cloud",
        url="https://gpu.example.com",
        key="CMDAI_CLOUD_KEY",
        timeout_ms=15_000,
    ),
    _Kind(
        title="company: a cluster with its own rules",
        name="company",
        place="enterprise",
        url="https://gpu.corp.internal",
        key="CMDAI_DGX_API_KEY",
        timeout_ms=10_000,
    ),
)
ONLY_HERE = "only this machine: no server at all"
INSTEAD = "cmdai-shell config add-environment home-lab --url http://HOST:8000"


@click.command()
def setup() -> None:
    """Ask a few questions, and write down a server to use.

    Where there is nobody to ask, `cmdai-shell config add-environment` does the same.

    \b
    Example:
      cmdai-shell setup
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError(f"setup asks questions, and needs a terminal; without: {INSTEAD}")
    try:
        run(Terminal(), identify=_identified)
    except (EOFError, KeyboardInterrupt):
        output.say("nothing was changed")
        raise click.Abort from None


def _identified(url: str, variable: str = "") -> str:
    made = Environment(
        endpoints=(url,),
        api_key_env=variable,
        allow_http_credentials=True,
    )
    (result,) = trying.found(made)
    if result.is_usable:
        return result.text
    if result.state == "login" and not variable:
        return "it answers, and wants an API key"
    raise CmdaiError(result.text, result.hint)


def run(ask: Questions, identify: Identify | None, environ: Mapping[str, str] = os.environ) -> None:
    """Everything but the asking. ``identify``: tries an address; None: it is not tried."""
    path = loading.config_file()
    config = loading.load(path)
    titles = [kind.title for kind in KINDS]
    chosen = ask.choose("Where does the model run?", [*titles, ONLY_HERE])
    if chosen == len(KINDS):
        edit.set_value(path, "active_environment", environments.NONE)
        reload_daemon()
        output.say("no server is used; the model on this machine answers", "green")
        _next(["cmdai-shell model list", "cmdai-shell install"])
        return
    kind = KINDS[chosen]
    url = _url(ask, kind, identify)
    name = ask.text(
        "What shall it be called?",
        _free(kind.name, config.environments),
        lambda text: _check_name(text, config.environments),
    )
    variable = ask.text(
        "Which environment variable holds the API key? (empty: no key)", kind.key, _check_variable
    )
    if identify and variable and environ.get(variable):
        _say_what_answers(identify, url, variable)
    values: dict[str, object] = {"place": kind.place, "endpoints": [url]}
    if variable:
        values |= {"auth_type": "api_key", "api_key_env": variable}
        if url.startswith("http:"):
            values["allow_http_credentials"] = True  # the person has just named both
    if kind.timeout_ms != KINDS[0].timeout_ms:
        values["timeout_ms"] = kind.timeout_ms
    active = config.active_environment
    is_used = active not in (environments.AUTO, name) and ask.confirm(
        f"In use is {active}. Use {name} from now on?", default=True
    )
    # Nothing is written before the last question: to leave at any of them changes nothing.
    file = edit.add_environment(path, name, values)
    if is_used:
        edit.set_value(path, "active_environment", name)
    output.say(f"wrote {file}", "green")
    warn_if_shared(name)
    reload_daemon()
    _next(_steps(name, variable, environ))


def _url(ask: Questions, kind: _Kind, identify: Identify | None) -> str:
    if kind.place == "local":
        output.say("those that announce themselves need none: cmdai-shell backends discover", "dim")
    question, typed = f"What is its address? (such as {kind.url})", ""
    while True:
        typed = ask.text(question, typed, _address)
        url = _address(typed)
        if "://" not in typed:
            output.say(f"taken for {url}")
        if identify is None:
            output.say("not tested whether something answers there", "dim")
            return url
        if _say_what_answers(identify, url) or ask.confirm("Keep this address?", default=False):
            return url


def _address(text: str) -> str:
    """What was typed as a server's URL, for which host and port are enough. Raises ConfigError."""
    if text and "://" not in text:
        host = text.partition("/")[0].rpartition(":")[0] or text
        text = f"{'http' if environments.is_near(host.strip('[]')) else 'https'}://{text}"
    return environments.checked_url(text)


def _say_what_answers(identify: Identify, *asked: str) -> bool:
    """Whether somebody does."""
    try:
        output.say(identify(*asked), "green")
    except CmdaiError as error:
        output.say(error.message, "yellow")
        if error.hint:
            output.say(f"  {error.hint}")
        return False
    return True


def _check_name(text: str, known: Collection[str]) -> None:
    environment_files.from_table(text, {})
    if text in known:
        raise ConfigError(f"there is {text} already")


def _check_variable(text: str) -> None:
    if text and not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", text):
        raise ConfigError("the name of a variable, not the key itself: letters, digits and _")


def _free(name: str, known: Collection[str]) -> str:
    number, free = 1, name
    while free in known:
        number += 1
        free = f"{name}-{number}"
    return free


def _steps(name: str, variable: str, environ: Mapping[str, str]) -> list[str]:
    is_installed = all(hook_file(shell).exists() for shell in shells_here())
    press = "type what you want at your prompt, and press Ctrl-G"
    steps = [
        press if is_installed else "cmdai-shell install   # then Ctrl-G at your prompt",
        f"cmdai-shell config edit {name}   # to change it",
    ]
    if variable and not environ.get(variable):
        export = f"export {variable}=...   # in your shell's rc file"
        steps = [export, "cmdai-shell daemon restart", *steps]
    return steps


def _next(steps: Sequence[str]) -> None:
    output.say("next:")
    for step in steps:
        output.say(f"  {step}")


class Terminal:
    """Questions by prompt_toolkit: a line that can be edited, checked before it is taken."""

    def choose(self, question: str, choices: Sequence[str]) -> int:
        from prompt_toolkit import print_formatted_text

        print_formatted_text(question)
        for number, choice in enumerate(choices, start=1):
            print_formatted_text(f"  {number}  {choice}")

        def check(text: str) -> None:
            if not (text.isdecimal() and 1 <= int(text) <= len(choices)):
                raise ConfigError(f"a number from 1 to {len(choices)}")

        return int(self.text("Number:", "1", check)) - 1

    def text(self, question: str, default: str, check: Check) -> str:
        from prompt_toolkit import prompt

        answer: str = prompt(
            f"{question} ",
            default=default,
            validator=_validator(check),
            validate_while_typing=False,
        )
        return answer.strip()

    def confirm(self, question: str, *, default: bool) -> bool:
        def check(text: str) -> None:
            if text.strip().lower() not in ("y", "yes", "n", "no"):
                raise ConfigError("y or n")

        answer = self.text(f"{question} (y/n)", "y" if default else "n", check)
        return answer.lower().startswith("y")


def _validator(check: Check) -> Validator:
    from prompt_toolkit.validation import ValidationError, Validator

    class Checked(Validator):
        def validate(self, document: Document) -> None:
            try:
                check(document.text.strip())
            except CmdaiError as error:
                raise ValidationError(len(document.text), str(error)) from None

    return Checked()
