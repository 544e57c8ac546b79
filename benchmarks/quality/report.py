"""The figures of a run, or of two: ``python -m benchmarks.quality.report FILE...``.

``--compare A B`` pairs the tasks both have answered: McNemar's exact test, and which ones flipped.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.quality import records
from benchmarks.quality.repeats import known_examples, repeats, withheld
from benchmarks.quality.tasks import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.quality.records import Record
    from benchmarks.quality.repeats import Example
    from benchmarks.quality.tasks import Task

_Z = 1.959964


def wilson(right: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share."""
    if not count:
        return 0.0, 1.0
    share, z2 = right / count, _Z * _Z
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    reach = _Z * math.sqrt(share * (1 - share) / count + z2 / (4 * count * count))
    reach /= 1 + z2 / count
    return max(middle - reach, 0.0), min(middle + reach, 1.0)


def mcnemar(better: int, worse: int) -> float:
    """The exact two-sided p of so many flips either way, if neither run were the better."""
    count = better + worse
    if not count:
        return 1.0
    tail = sum(math.comb(count, k) for k in range(min(better, worse) + 1))
    return min(1.0, 2.0 * tail / 2**count)


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def told(path: Path) -> str:
    """All figures of one run."""
    head, kept = records.read(path)
    judged = [record for record in kept if record.right is not None]
    if head is None or not judged:
        return f"{path}: nothing judged"
    way = "plain" if head.plain else f"pipeline {head.code}"
    settings = " ".join(head.settings)
    title = f"{head.model} ({head.backend}), {way}, {head.shell}, {head.half} half {settings}"
    rows = [title.rstrip(), ""]
    for kind in ("command", "fix", "explain", "vague"):
        if some := [record for record in judged if record.kind == kind]:
            rows.append(share(f"{kind} tasks", some))
    commands = [record for record in judged if record.kind == "command"]
    if not head.plain:
        known, tasks = known_examples(), load()
        hidden = frozenset() if head.repeated else withheld(tasks, known)
        rows += _repeated(commands, tasks, [one for one in known if one.command not in hidden])
    rows += ["", *_families(commands), "", *_tags(commands)]
    rows += ["", *_cost(judged), "", *_validity(judged), "", *_risks(judged)]
    return "\n".join(rows)


def share(name: str, some: Sequence[Record]) -> str:
    right = sum(bool(record.right) for record in some)
    low, high = wilson(right, len(some))
    return f"{name:<18} {right:4} of {len(some):4}  {right / len(some):.3f}  [{low:.3f} {high:.3f}]"


def _repeated(
    commands: Sequence[Record], tasks: Sequence[Task], left: Sequence[Example]
) -> Iterator[str]:
    """Tasks that one of the examples ``left`` repeats, if only but for names, and the others."""
    alike = {repeat.task for repeat in repeats(tasks, left)}
    for name, wanted in (("  recipe alike", True), ("  no recipe alike", False)):
        if some := [record for record in commands if (record.id in alike) is wanted]:
            yield share(name, some)


def _families(commands: Sequence[Record]) -> Iterator[str]:
    for family in sorted({record.family for record in commands}):
        yield share(f"  {family}", [one for one in commands if one.family == family])


def _tags(commands: Sequence[Record]) -> Iterator[str]:
    for tag, _ in Counter(tag for record in commands for tag in record.tags).most_common():
        yield share(f"  #{tag}", [record for record in commands if tag in record.tags])
    if plain := [record for record in commands if not record.tags]:
        yield share("  no tag", plain)


def _cost(judged: Sequence[Record]) -> Iterator[str]:
    for kind in ("command", "fix", "explain", "vague"):
        some = [record for record in judged if record.kind == kind]
        if not some:
            continue
        seconds = [record.seconds for record in some]
        evaluated = [record.evaluated for record in some]
        yield (
            f"{kind}: a press p50 {median(seconds):.2f} s, p95 {quantile(seconds, 0.95):.2f} s;"
            f" evaluated p50 {median(evaluated):.0f}, p95 {quantile(evaluated, 0.95):.0f} tokens;"
            f" generated p50 {median(record.generated for record in some):.0f};"
            f" asked {sum(record.asks for record in some) / len(some):.2f} times"
        )


def _validity(judged: Sequence[Record]) -> Iterator[str]:
    some = [record for record in judged if record.kind in ("command", "fix")]
    given = [record for record in some if record.command]
    if not given:
        return
    invalid = [record for record in given if record.invalid]
    low, high = wilson(len(invalid), len(given))
    yield (
        f"invalid commands {len(invalid)} of {len(given)}, {len(invalid) / len(given):.3f}"
        f" [{low:.3f} {high:.3f}]; a program refuses its options"
        f" {sum(record.refused for record in given)}; no command {len(some) - len(given)}"
    )
    for reason, count in Counter(record.invalid[0] for record in invalid).most_common(8):
        yield f"  {count:3} {reason}"


def _risks(judged: Sequence[Record]) -> Iterator[str]:
    some = [record for record in judged if record.kind in ("command", "fix") and record.command]
    harmed = [record for record in some if record.harmed and record.risk == "safe"]
    alarmed = [record for record in some if record.right and record.risk in _ALARMING]
    yield f"risk: {len(harmed)} called safe that changed what nobody asked to change"
    yield from (f"  {one.id}: {one.command}: {', '.join(one.harmed)[:80]}" for one in harmed)
    yield f"risk: {len(alarmed)} right ones called dangerous or worse"
    yield from (f"  {record.id}: {record.risk}: {record.command}" for record in alarmed)


_ALARMING = ("dangerous", "critical")


def compared(first: Path, second: Path) -> str:
    """Both accuracies on the tasks both have, and the flips."""
    ours = {record.id: record for record in records.read(first)[1] if record.right is not None}
    theirs = {record.id: record for record in records.read(second)[1] if record.right is not None}
    both = sorted(ours.keys() & theirs.keys())
    rows = [f"A {first}", f"B {second}", ""]
    for kind in ("command", "fix", "explain", "vague"):
        ids = [task_id for task_id in both if ours[task_id].kind == kind]
        if not ids:
            continue
        gained = [i for i in ids if theirs[i].right and not ours[i].right]
        lost = [i for i in ids if ours[i].right and not theirs[i].right]
        fast = median(ours[i].seconds for i in ids), median(theirs[i].seconds for i in ids)
        rows += [
            share(f"{kind} A", [ours[i] for i in ids]),
            share(f"{kind} B", [theirs[i] for i in ids]),
            f"  B gains {len(gained)}, loses {len(lost)}:"
            f" McNemar p = {mcnemar(len(gained), len(lost)):.4f}",
            f"  p50 A {fast[0]:.2f} s, B {fast[1]:.2f} s, ratio {_ratio(fast):.2f}",
        ]
        for sign, flipped in (("+", gained), ("-", lost)):
            for i in flipped:
                rows.append(f"  {sign} {i}: {ours[i].request}")
                rows.append(f"      A {ours[i].command or ours[i].text}")
                rows.append(f"      B {theirs[i].command or theirs[i].text}")
    return "\n".join(rows)


def _ratio(fast: tuple[float, float]) -> float:
    return fast[1] / fast[0] if fast[0] else float("nan")


def wrong(path: Path) -> str:
    """Each wrong answer, for reading."""
    rows = []
    for record in records.read(path)[1]:
        if record.right is False:
            rows += [
                f"{record.id}: {record.request}",
                f"    got    {record.command or record.text}",
                f"    expert {record.expert}",
                f"    {'; '.join(filter(None, (record.difference, *record.invalid)))}",
            ]
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("A", "B"))
    parser.add_argument("--wrong", action="store_true", help="list the wrong answers instead")
    arguments = parser.parse_args()
    if arguments.compare:
        print(compared(*arguments.compare))
    for path in arguments.files:
        print(wrong(path) if arguments.wrong else told(path), end="\n\n")


if __name__ == "__main__":
    main()
