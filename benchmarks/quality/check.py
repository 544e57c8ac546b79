"""Whether the tasks can be trusted: ``python -m benchmarks.quality.check [--families find,git]``.

Each expert's command runs and does something, each accepted one runs; there are as many tasks as
docs/quality.md says; no recipe and no fixed example repeats a task. Ends with 1 if not.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.quality import judge
from benchmarks.quality.box import Unusable
from benchmarks.quality.repeats import known_examples, repeats, withheld
from benchmarks.quality.run import new_sandbox
from benchmarks.quality.tasks import HERE, BadTasks, load, read
from cmdai_shell.core import Risk
from cmdai_shell.safety import assess

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.quality.sandbox import Sandbox
    from benchmarks.quality.tasks import Task

LEAST = {"command": 400, "fix": 60, "explain": 40, "vague": 40}
LEAST_FAMILIES = 14


def troubles(sandbox: Sandbox, task: Task) -> Iterator[str]:
    """What is wrong with one task, found by running its commands."""
    if task.kind in ("explain", "vague"):
        return
    place = sandbox.fixture(task.fixture).place
    idle = sandbox.run(task.fixture, ":")
    expert = sandbox.run(task.fixture, task.expert)
    if judge.trivial(task.match, expert, idle, place):
        yield f"the expert does nothing to be seen: {task.expert}: {expert.stderr.strip()[-150:]}"
    for name, command in (("expert", task.expert), *(("accept", one) for one in task.accept)):
        result = sandbox.run(task.fixture, command)
        if result.cut:
            yield f"{name} takes or writes too much: {command}"
        elif result.status in (2, 126, 127) and result.stderr.strip():
            yield f"{name} says {result.stderr.strip()[-150:]!r}: {command}"
        elif name == "accept" and judge.trivial(task.match, result, idle, place):
            yield f"accept does nothing to be seen: {command}"
    if task.fish:
        result = sandbox.run(task.fixture, task.fish, "fish")
        if not judge.right(
            task, result, [sandbox.run(task.fixture, one) for one in task.references], place
        ):
            yield f"fish differs: {judge.difference(result, expert)}: {task.fish}"
    if task.kind == "fix":
        failed = sandbox.run(task.fixture, task.last_command)
        if judge.same(task.match, failed, expert, place):
            yield f"the last command was right already: {task.last_command}"
        if not failed.status:
            yield f"the last command does not fail: {task.last_command}"


def unstable(sandbox: Sandbox, task: Task) -> bool:
    """Whether the expert's command gives another result the second time."""
    if not task.expert:
        return False
    built = sandbox.fixture(task.fixture)
    first = sandbox.run(task.fixture, task.expert)
    return not judge.same(task.match, sandbox.afresh(built, task.expert), first, built.place)


def counts(tasks: Sequence[Task]) -> Iterator[str]:
    kinds = Counter(task.kind for task in tasks)
    for kind, least in LEAST.items():
        if kinds[kind] < least:  # type: ignore[index]
            yield f"{kinds[kind]} tasks of kind {kind}, {least} are needed"  # type: ignore[index]
    families = {task.family for task in tasks if task.kind == "command"}
    if len(families) < LEAST_FAMILIES:
        yield f"{len(families)} families, {LEAST_FAMILIES} are needed"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--families", default="", help="only these, separated by commas")
    parser.add_argument("--twice", action="store_true", help="run experts again: same result?")
    parser.add_argument("--quick", action="store_true", help="run nothing")
    parser.add_argument("--shapes", action="store_true", help="also repeats that differ by names")
    arguments = parser.parse_args()
    wanted = [family for family in arguments.families.split(",") if family]
    said: list[str] = []
    tasks: list[Task] = []
    for path in sorted((HERE / "tasks").glob("*.toml")):
        try:
            tasks += read(path) if not wanted or path.stem in wanted else []
        except BadTasks as error:
            said.append(str(error))
    try:
        load(families=wanted)
    except BadTasks as error:
        said += [] if str(error) in said else [str(error)]
    if not arguments.quick:
        said += _run(tasks, twice=arguments.twice)
    said += [] if wanted else counts(tasks)
    known = known_examples()
    hidden = withheld(load(), known)
    alike = list(repeats(tasks, [one for one in known if one.command not in hidden]))
    for repeat in alike:
        if repeat.exact or arguments.shapes:
            example = repeat.example
            row = f"{repeat.task}: {example.where}: {example.phrase!r} {example.command!r}"
            said.append(f"{row}: {repeat.why}")
    print(*said, sep="\n")
    for family, count in Counter(task.family for task in tasks).items():
        halves = Counter(task.half for task in tasks if task.family == family)
        print(f"  {family:<14} {count:4}  dev {halves['dev']:3}  test {halves['test']:3}")
    tags = Counter(tag for task in tasks for tag in task.tags)
    print("  " + ", ".join(f"{tag} {count}" for tag, count in tags.most_common()))
    print(f"  {len(hidden)} recipes repeat a task: no run is shown them")
    near = len({repeat.task for repeat in alike if not repeat.exact})
    print(
        f"{len(tasks)} tasks, {len(said)} troubles; {near} tasks have a recipe alike but for names"
    )
    return bool(said)


def _run(tasks: Sequence[Task], *, twice: bool) -> list[str]:
    sandbox = new_sandbox()

    def one(task: Task) -> list[str]:
        try:
            found = [f"{task.id}: {trouble}" for trouble in troubles(sandbox, task)]
            if twice and unstable(sandbox, task):
                found.append(f"{task.id}: another result the second time: {task.expert}")
        except Unusable as error:
            return [f"{task.id}: {error}"]
        harm = assess(task.expert, shell="bash").risk if task.expert else Risk.SAFE
        if harm >= Risk.DANGEROUS:
            print(f"  note: {task.id}: assessed as {harm.word}: {task.expert}")
        return found

    with ThreadPoolExecutor(2) as pool:
        return [trouble for found in pool.map(one, tasks) for trouble in found]


if __name__ == "__main__":
    sys.exit(main())
