"""Why a command failed, where that can be seen without its message, and which answers of a model
are then no cure. Only what is sure."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cmdai_shell.safety import parse
from cmdai_shell.safety.script import names
from cmdai_shell.suggest.mend.glance import Glance, TimeUp
from cmdai_shell.suggest.mend.line import tokens
from cmdai_shell.suggest.mend.roles import AFTER_FIRST, LAST_MADE, VALUED, operands, uses
from cmdai_shell.suggest.mend.roots import needs_root
from cmdai_shell.suggest.mend.scene import Scene
from cmdai_shell.suggest.mend.tools import tool
from cmdai_shell.suggest.usage import NESTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cmdai_shell.core import Look, SuggestRequest
    from cmdai_shell.suggest.mend.scene import Part

_NOT_FOUND = 127
_HERE: dict[str, tuple[str, ...]] = {
    "make": ("Makefile", "makefile", "GNUmakefile"),
    "mvn": ("pom.xml",),
    "docker build": ("Dockerfile",),
}
"""What a tool works by, and looks for in this folder;"""
_ABOVE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (f"cargo {verb}" for verb in ("build", "run", "test", "check", "bench", "clippy", "doc")),
        ("Cargo.toml",),
    ),
    **dict.fromkeys(
        (f"{tool} {verb}" for tool in ("npm", "yarn", "pnpm") for verb in ("run", "test", "start")),
        ("package.json",),
    ),
    **dict.fromkeys(
        ("docker compose", "docker-compose"),
        ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"),
    ),
    "bundle": ("Gemfile",),
    "vagrant": ("Vagrantfile",),
    "git": (".git",),
}
"""and in those above it, too."""
_ELSEWHERE = ("C", "f", "--file", "--directory", "--manifest-path", "--prefix", "--git-dir")
"""Options that say where it is."""
_NO_REPOSITORY = 128
_ANYWHERE = names("init clone config help version ls-remote credential")
_TELLS = names("--verbose --help --version --debug --dry-run --quiet --silent")
"""Options that only say more."""
_LETTERS: dict[str, str] = {
    **dict.fromkeys(("cp", "rm", "scp", "grep", "chmod", "chown"), "rR"),
    **dict.fromkeys(("docker", "podman", "git"), "frRdu"),
    **dict.fromkeys(("kill", "pkill", "killall"), "9"),
    "mkdir": "p",
    "ln": "s",
}
"""Options of one letter that cure something where they are only added. Another is a guess, unless
it gives a meaning to the word behind it."""
_INSTALLERS = names(
    "apt apt-get dnf yum zypper pacman apk brew port snap flatpak nix-env pip pip3 pipx npm cargo "
    "go gem conda"
)
_DEEPEST = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """``hint``: why, for the person; empty where nobody knows."""

    hint: str = ""
    is_sure: bool = False
    """No other command could be meant: nobody need be asked."""
    absent: frozenset[str] = field(default_factory=frozenset)
    """Names in it that are not there."""
    missing: str = ""
    """The program, if it is that."""
    may_be_roots: bool = True
    """Perhaps only root may do it."""


UNKNOWN = Failure()


def failure(
    request: SuggestRequest, look: Look, is_over: Callable[[], bool] = lambda: False
) -> Failure:
    """Of the last command. It reads folders: not on the event loop."""
    with suppress(TimeUp):
        scene = Scene(
            line=request.last_command,
            status=request.last_status,
            mended=False,
            shell=request.shell,
            cwd=request.cwd,
            path=request.path,
            look=Glance(look, is_over),
        )
        is_seen = not scene.cwd or scene.look.place(scene.cwd).kind == "folder"  # no container's
        if len(scene.parts) == 1 and is_seen:  # of several nobody knows which one failed
            return _of(scene, scene.parts[0])
    return UNKNOWN


def is_cure(command: str, request: SuggestRequest, known: Failure) -> bool:
    """Whether ``command`` may be one: not half a command, nor if it names again what is not there,
    or only adds a sudo that cannot help or options that only say more."""
    if parse(command, request.shell).broken:
        return False
    before, now = _words(request.last_command), _words(command)
    bare = now[1:] if now[:1] == ["sudo"] else now
    if known.missing and bare[:1] != before[:1] and not _INSTALLERS.isdisjoint(bare[:1]):
        return True
    if now != bare and before[:1] != ["sudo"]:
        now = bare
        if not known.may_be_roots:
            return False
        if now == before:
            return True
    added = [place for place, word in enumerate(now) if word not in before]
    if [word for word in now if word in before] == before and not any(
        _may_cure(now, place) for place in added
    ):
        return False
    if known.missing and re.search(rf"(?<![\w.-]){re.escape(known.missing)}(?![\w-])", command):
        return False
    makes = any(f"{maker} " in command for maker in ("mkdir", "touch", ">", "clone", "init"))
    values = {place + 1 for place in added if _takes_value(now, place)}
    return makes or known.absent.isdisjoint(w for place, w in enumerate(now) if place not in values)


def _may_cure(words: list[str], place: int) -> bool:
    """The word there, which is the only kind that was added."""
    added, program = words[place], words[0]
    if added[:1] != "-" or len(added) > 2:
        return added not in _TELLS
    return added[1:] in _LETTERS.get(program, "") or _takes_value(words, place)


def _takes_value(words: list[str], place: int) -> bool:
    option, program = words[place], words[0]
    is_short = option[:1] == "-" and len(option) == 2 and place + 1 < len(words)
    return is_short and (option[1] in VALUED.get(program, "") or program in NESTED)


def _words(line: str) -> list[str]:
    """As they are written: quotes make another command."""
    return [token.raw for token in tokens(line) or () if not token.is_operator]


def _of(scene: Scene, part: Part) -> Failure:
    may_be_roots = not scene.look.is_root() and needs_root(scene, part)
    if reason := _unequipped(scene, part):
        return Failure(hint=reason, is_sure=True, may_be_roots=may_be_roots)
    absent = tuple(dict.fromkeys(_absent(scene, part)))
    if absent:
        return Failure(
            hint=f"there is no {absent[0]}{'' if absent[0][:1] in '/~' else ' here'}",
            is_sure=len(absent) == 1 and _is_only_one(part, absent[0]),
            absent=frozenset(absent),
            may_be_roots=may_be_roots,
        )
    program = part.program
    is_name = scene.status == _NOT_FOUND and re.fullmatch(r"[\w.+-]+", program)
    if is_name and not scene.which(program):
        hint = f"{program} is not installed here"
        return Failure(hint=hint, missing=program, may_be_roots=False)
    return Failure(may_be_roots=may_be_roots)


def _unequipped(scene: Scene, part: Part) -> str:
    """It lacks the file that it works by."""
    name = tool(part).name
    if part.elsewhere or not scene.cwd or part.has(*_ELSEWHERE):
        return ""
    if any(text.startswith(("--file=", "--directory=", "-C", "-f")) for text in part.texts):
        return ""
    for key in (name, " ".join((part.program, *part.texts[:1])), part.program):
        if wanted := _HERE.get(key):
            if not any(scene.exists(part, file) for file in wanted):
                return f"there is no {wanted[0]} in this folder"
            return ""
        if wanted := _ABOVE.get(key):
            if not _is_above(scene, wanted):
                return _none_above(scene, part, wanted[0])
            return ""
    return ""


def _none_above(scene: Scene, part: Part, file: str) -> str:
    if part.program != "git":
        return f"there is no {file} in this folder or above it"
    verb = next((text for text in part.texts if text[:1] != "-"), "")
    if scene.status != _NO_REPOSITORY or verb in _ANYWHERE or "--no-index" in part.texts:
        return ""
    return "this folder is in no git repository"


def _is_above(scene: Scene, files: tuple[str, ...]) -> bool:
    folder = scene.cwd.rstrip("/")
    for _ in range(_DEEPEST):
        if any(scene.look.place(f"{folder}/{file}").kind for file in files):
            return True
        if not folder:
            break
        folder = folder.rpartition("/")[0]
    return False


def _absent(scene: Scene, part: Part) -> Iterator[str]:
    """Paths that it needs and that are not there. What git names may be gone from the folder, and
    some programs add an ending."""
    if part.program == "git":
        return
    for use in uses(part):
        path = use.token.text
        if use.role in ("made", "guess") or "://" in path or not scene.absent(part, path):
            continue
        folder, slash, name = path.rpartition("/")
        longer = (other.startswith(f"{name}.") for other in scene.entries(part, folder + slash))
        if not any(longer) and not (not slash and scene.which(path)):
            yield path


def _is_only_one(part: Part, path: str) -> bool:
    """No other word of the command could have been meant for it."""
    if path == part.program or path in [target.text for _, target in part.redirects]:
        return True
    two = part.program in LAST_MADE or part.program in AFTER_FIRST
    return len(operands(part)) == (2 if two else 1)
