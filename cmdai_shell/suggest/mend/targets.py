"""Names that a file lists: targets of a Makefile, scripts of package.json, units of systemd."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from cmdai_shell.safety.script import names
from cmdai_shell.suggest.mend.near import nearest
from cmdai_shell.suggest.mend.roles import operands
from cmdai_shell.suggest.mend.scene import Mend, before, swap
from cmdai_shell.suggest.mend.subcommands import SUBCOMMANDS
from cmdai_shell.suggest.mend.tools import tool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.suggest.mend.scene import Part, Scene

_TARGET = re.compile(r"^([A-Za-z0-9][\w./-]*)\s*:(?!=)", re.MULTILINE)
_UNIT_FOLDERS = ("/etc/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system")
_UNIT_VERBS = names(
    "start stop restart reload status enable disable mask unmask cat edit is-active is-enabled "
    "try-restart reload-or-restart show kill reenable"
)


def target(scene: Scene) -> Iterator[Mend]:
    for part in scene.parts:
        if part.program == "make":
            yield from _make(scene, part)
        elif part.program in ("npm", "yarn", "pnpm"):
            yield from _scripts(scene, part)
        elif part.program == "systemctl":
            yield from _units(scene, part)
        elif part.program == "service":
            yield from _service(scene, part)


def _make(scene: Scene, part: Part) -> Iterator[Mend]:
    if part.elsewhere or part.has("C", "f", "--directory", "--file") or not scene.cwd:
        return
    texts = (scene.look.text(f"{scene.cwd}/{name}") for name in ("Makefile", "makefile"))
    known = frozenset(_TARGET.findall("\n".join(texts)))
    for word in operands(part):
        if word.plain and "=" not in word.text and word.text not in known:
            for name in nearest(word.text, known):
                yield (swap(word, name),)


def _scripts(scene: Scene, part: Part) -> Iterator[Mend]:
    known = _package(scene, part)
    found = tool(part)
    words = [word for word in found.rest if not word.text.startswith("-")]
    if not known or not words:
        return
    word = words[0]
    if found.name in ("npm run", "npm run-script", "yarn run", "pnpm run"):
        if word.text not in known:
            yield from ((swap(word, name),) for name in nearest(word.text, known))
    elif part.program == "npm" and found.name == "npm" and word.text in known:
        yield (before(word, "run "),)
    elif found.name in ("npm", "yarn", "pnpm") and word.text not in SUBCOMMANDS[found.name]:
        near = nearest(word.text, known, limit=1)
        run = "run " if found.name == "npm" else ""
        yield from ((swap(word, f"{run}{name}"),) for name in near if word.text not in known)


def _package(scene: Scene, part: Part) -> frozenset[str]:
    if part.elsewhere or not scene.cwd:
        return frozenset()
    try:
        scripts = json.loads(scene.look.text(f"{scene.cwd}/package.json"))["scripts"]
        return frozenset(name for name in scripts if re.fullmatch(r"[\w:.-]+", name))
    except (ValueError, KeyError, TypeError, RecursionError):
        return frozenset()


def _units(scene: Scene, part: Part) -> Iterator[Mend]:
    words = [word for word in part.args if not word.text.startswith("-") and word.plain]
    if len(words) < 2:
        return
    verb, unit = words[0], words[1]
    if verb.text not in SUBCOMMANDS["systemctl"] and unit.text in _UNIT_VERBS:
        yield (swap(verb, unit.raw), swap(unit, verb.raw))
    elif verb.text in _UNIT_VERBS and "--user" not in part.texts and scene.failed(1, 3, 4, 5):
        yield from _near_unit(scene, part, words[1].text, verb_place=1)


def _service(scene: Scene, part: Part) -> Iterator[Mend]:
    """``service restart nginx``: the name comes first."""
    if len(part.args) != 2:
        return
    first, second = part.args
    if first.text in _UNIT_VERBS and second.text not in _UNIT_VERBS:
        yield (swap(first, second.raw), swap(second, first.raw))
    elif second.text in _UNIT_VERBS:
        yield from _near_unit(scene, part, first.text, verb_place=0)


def _near_unit(scene: Scene, part: Part, name: str, *, verb_place: int) -> Iterator[Mend]:
    files = {unit for folder in _UNIT_FOLDERS for unit in scene.look.entries(folder)}
    known = {unit.removesuffix(".service") for unit in files if unit.endswith(".service")} | files
    if not known or name in known or "@" in name or "*" in name:
        return
    word = [word for word in part.args if not word.text.startswith("-")][verb_place]
    short = {unit for unit in known if "." in name or "." not in unit}
    yield from ((swap(word, other),) for other in nearest(name, short))
