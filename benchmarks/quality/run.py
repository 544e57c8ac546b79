"""Ask a backend the tasks of one half, judge its answers by running them, keep a line for each.

    python -m benchmarks.quality.run --model qwen2.5-coder-0.5b --half dev
    python -m benchmarks.quality.run --model qwen2.5-coder-0.5b --half dev --plain

One request at a time, with the prefix already evaluated; judging starts when all are answered. How
fast this machine is makes no difference: there is always time for a second try. A run that was
interrupted is continued by the same command. ``--seconds`` ends it earlier, and ``--rejudge``
judges the answers anew after tasks were corrected.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import sqlite3
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from benchmarks.quality import judge, records, report
from benchmarks.quality.asking import Counted, Pipeline, Plain, ask
from benchmarks.quality.box import SYSTEM_PATH, Unusable
from benchmarks.quality.records import Head, Record
from benchmarks.quality.referee import rule
from benchmarks.quality.repeats import RECIPES, known_examples, shown, withheld
from benchmarks.quality.sandbox import Sandbox
from benchmarks.quality.tasks import HERE, BadTasks, load
from cmdai_shell.backends import BACKENDS
from cmdai_shell.backends import load as load_backend
from cmdai_shell.config import load as load_config
from cmdai_shell.config import paths
from cmdai_shell.config.schema import KEYS
from cmdai_shell.daemon.compose import Chain
from cmdai_shell.errors import BadCompletion, CmdaiError
from cmdai_shell.suggest import sampling
from cmdai_shell.suggest.recall import Recall, fill

if TYPE_CHECKING:
    from benchmarks.quality.asking import Asker
    from benchmarks.quality.tasks import Task
    from cmdai_shell.config import Config
    from cmdai_shell.core import Backend, Shell

RESULTS = HERE.parent / "results" / "quality"
_SOURCE = HERE.parents[1] / "cmdai_shell" / "suggest"


def new_sandbox() -> Sandbox:
    return Sandbox(paths.cache_dir() / "quality")


def configured(arguments: argparse.Namespace) -> Config:
    """The defaults, but for ``--set`` and no cache: not the person's own configuration, but a file
    that does not exist."""
    chosen = dict(setting.split("=", 1) for setting in arguments.set)
    if unknown := chosen.keys() - KEYS.keys():
        raise SystemExit(f"no such setting: {', '.join(sorted(unknown))}")
    chosen = {"caching.enabled": "false", "embedded.model": arguments.model} | chosen
    return load_config(HERE / "config.toml", {KEYS[k].variable: v for k, v in chosen.items()})


def new_backend(word: str, config: Config, scratch: Path) -> Backend:
    """Of the backends table; ``embedded`` is the engine that is configured."""
    from cmdai_shell.backends.embedded.store import Store

    store = Store(paths.data_dir())
    adapter = load_backend(config.embedded.engine if word == "embedded" else word)
    backend: Backend = adapter(
        model=lambda: store.chosen(config.embedded.model),
        lora=config.embedded.lora,
        threads=config.embedded.threads,
        context_tokens=config.embedded.context_tokens,
        idle_unload_s=0,
        cache_dir=scratch,
        clock=time.monotonic,
    )
    return backend


def known_recipes(*, repeated: bool) -> Recall:
    """The recipes; unless ``repeated``, but for those that repeat any task, of either half."""
    hidden = frozenset() if repeated else withheld(load(), known_examples())
    base = sqlite3.connect(":memory:")
    fill(base, shown((path.read_text("utf-8") for path in sorted(RECIPES.glob("*.toml"))), hidden))
    return Recall(base)


async def answer_all(
    arguments: argparse.Namespace, config: Config, tasks: list[Task], sandbox: Sandbox
) -> bool:
    """Append a record for each task; whether there was time for all."""
    # The facts of the prompt are the sandbox's, not this machine's.
    os.environ["PATH"] = f"{sandbox.tools}:{SYSTEM_PATH}"
    sampling.ANSWER_S = float("inf")
    until = time.monotonic() + (arguments.seconds or float("inf"))
    with tempfile.TemporaryDirectory(prefix="cmdai-quality-") as scratch:
        counted = Counted(new_backend(arguments.backend, config, Path(scratch)))
        asker: Asker = Plain(counted)
        if not arguments.plain:
            repeated = arguments.repeated
            recipes = known_recipes(repeated=repeated) if config.suggest.recipes else None
            chain = Chain(config, time.monotonic, [counted], recipes=recipes)
            if chain.manual:
                await chain.manual.build()  # a daemon does it some time after its start
            asker = Pipeline(chain.suggester)
        try:
            if warm := getattr(counted.backend, "warm", None):
                await warm(asker.prefix(arguments.shell))
            for number, task in enumerate(tasks, 1):
                if time.monotonic() > until:
                    return False
                home = sandbox.fixture(task.fixture).home / "work" if task.fixture else HERE
                record = await ask(asker, counted, task, arguments.shell, home)
                records.append(arguments.out, record)
                said = record.command or record.text
                print(
                    f"{number}/{len(tasks)} {task.id} {record.seconds:.2f} s"
                    f"  {task.asked!r}  {said!r}",
                    flush=True,
                )
        finally:
            await counted.aclose()
    return True


def judged(sandbox: Sandbox, tasks: dict[str, Task], record: Record, shell: Shell) -> Record:
    """The record with what the judges say; untouched if its task is gone."""
    task = tasks.get(record.id)
    if task is None:
        return record
    changed = partial(msgspec.structs.replace, record, expert=task.expert, tags=task.tags)
    if task.kind == "explain":
        return changed(right=judge.explained(task, record.text))
    if task.kind == "vague":
        spoken = record.outcome == "hint" or record.action == "refuse"
        none = record.text.startswith(f"{BadCompletion.code}:")  # an outage is no answer
        return changed(right=spoken or none or judge.acceptable(task, record.command))
    if not record.command:
        return changed(right=False, difference="no command")
    ruling = rule(sandbox, task, record.command, shell)
    return changed(
        right=ruling.right,
        difference=ruling.difference,
        invalid=ruling.invalid,
        refused=ruling.refused,
        harmed=ruling.harmed,
    )


def judge_all(path: Path, tasks: list[Task], sandbox: Sandbox, *, again: bool) -> None:
    head, kept = records.read(path)
    if head is None:
        return
    by_id = {task.id: task for task in tasks}

    def one(record: Record) -> Record:
        if record.right is not None and not again:
            return record
        try:
            return judged(sandbox, by_id, record, head.shell)
        except Unusable as error:
            print(f"{record.id}: not judged: {error}", file=sys.stderr)
            return record

    with ThreadPoolExecutor(2) as pool:
        records.write(path, head, list(pool.map(one, kept)))


def chosen_tasks(arguments: argparse.Namespace) -> list[Task]:
    wanted = [family for family in arguments.families.split(",") if family]
    tasks = [task for task in load(families=wanted) if arguments.half in (task.half, "both")]
    if arguments.plain:
        tasks = [task for task in tasks if task.kind in ("command", "fix")]
    if arguments.limit:  # spread over the families
        tasks.sort(key=lambda task: hashlib.sha256(task.id.encode()).digest())
        tasks = sorted(tasks[: arguments.limit], key=lambda task: task.id)
    return tasks


def code_digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(_SOURCE.rglob("*")):
        if path.suffix in (".py", ".toml"):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def begun(arguments: argparse.Namespace) -> list[Record]:
    """The records there are already; a new file if there are none. Exits if they are of another
    kind of run."""
    head = Head(
        backend=arguments.backend,
        model=arguments.model,
        plain=arguments.plain,
        shell=arguments.shell,
        half=arguments.half,
        settings=tuple(arguments.set),
        repeated=arguments.repeated,
        code="" if arguments.plain else code_digest(),
    )
    old, kept = records.read(arguments.out)
    if old is None:
        records.write(arguments.out, head, [])
    elif old != head and not (
        arguments.mixed and msgspec.structs.replace(old, code=head.code) == head
    ):
        raise SystemExit(
            f"{arguments.out} is of another run ({old}): give another --out,"
            " or --mixed if only the suggester has changed"
        )
    return kept


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--backend", default="embedded", help=f"embedded, or of {', '.join(BACKENDS)}")
    add("--model", default="qwen2.5-coder-0.5b", help="of the models on this machine")
    add("--half", choices=("dev", "test", "both"), default="dev")
    add("--families", default="", help="only these, separated by commas")
    add("--shell", choices=("bash", "zsh", "fish"), default="bash")
    add("--limit", type=int, default=0, help="so many tasks, spread over the families")
    add("--plain", action="store_true", help="the control: the bare model, four fixed examples")
    add("--repeated", action="store_true", help="recipes that repeat a task are shown, too")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of config.toml")
    add("--seconds", type=float, default=0, help="stop asking after so long; continue later")
    add("--no-judge", action="store_true", help="only ask: judge later")
    add("--rejudge", action="store_true", help="ask nothing, judge everything again")
    add("--mixed", action="store_true", help="continue although the suggester has changed")
    add("--out", type=Path, help="default: a name made of the above in benchmarks/results/quality")
    arguments = parser.parse_args()
    if not arguments.out:
        way = "plain" if arguments.plain else "repeated" if arguments.repeated else "pipeline"
        name = f"{arguments.model}-{way}-{arguments.shell}-{arguments.half}.jsonl"
        arguments.out = RESULTS / name
    return arguments


def main() -> int:
    arguments = read_arguments()
    sandbox = new_sandbox()
    try:
        tasks = chosen_tasks(arguments)
        done = True
        if not arguments.rejudge:
            here = {record.id: record.request for record in begun(arguments)}
            left = [task for task in tasks if here.get(task.id) != task.asked]
            done = not left or asyncio.run(
                answer_all(arguments, configured(arguments), left, sandbox)
            )
        if not arguments.no_judge:
            judge_all(arguments.out, load(), sandbox, again=arguments.rejudge)
            print(report.told(arguments.out))
    except (BadTasks, Unusable, CmdaiError) as error:
        print(error, file=sys.stderr)
        return 1
    if not done:
        print("not all are asked yet: run it again")
    return 0 if done else 3


if __name__ == "__main__":
    sys.exit(main())
