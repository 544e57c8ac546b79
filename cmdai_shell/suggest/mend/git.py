"""git's own traps: branches, remotes, a message without quotes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cmdai_shell.suggest.mend.line import quoted
from cmdai_shell.suggest.mend.near import nearest
from cmdai_shell.suggest.mend.repository import repository
from cmdai_shell.suggest.mend.roles import operands
from cmdai_shell.suggest.mend.scene import Edit, Mend, after, before, swap
from cmdai_shell.suggest.mend.tools import tool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cmdai_shell.suggest.mend.line import Token
    from cmdai_shell.suggest.mend.repository import Repository
    from cmdai_shell.suggest.mend.scene import Part, Scene

_BRANCH = re.compile(r"[A-Za-z][\w./-]*")
_HOSTED = re.compile(r"(?:github\.com|gitlab\.com|bitbucket\.org|codeberg\.org)/[\w.-]+/[\w./-]+")
_EITHER = {"master": "main", "main": "master"}
_CREATORS = {"git checkout": ("-b", "-B"), "git switch": ("-c", "-C", "--create")}


def git(scene: Scene) -> Iterator[Mend]:
    for part in scene.parts:
        if part.program != "git" or "-C" in part.texts:
            continue
        name = tool(part).name
        yield from _without_repository(part, name)
        found = None if part.elsewhere else repository(scene.look, scene.cwd)
        if found is None:
            continue
        words = [word for word in operands(part) if word.plain]
        if name in ("git checkout", "git switch", "git merge", "git rebase"):
            yield from _branch(scene, part, name, words, found)
        elif name == "git branch" and part.has("d", "D", "--delete"):
            yield from _renamed(words[:1], found.branches)
        elif name in ("git push", "git pull", "git fetch"):
            yield from _remote(part, name, words, found)
        elif name == "git remote add" and words and words[0].text in found.remotes:
            add = next(word for word in part.args if word.text == "add")
            yield (swap(add, "set-url"),)
        elif name == "git commit":
            yield from _message(scene, part)


def _without_repository(part: Part, name: str) -> Iterator[Mend]:
    """``git clone github.com/a/b``."""
    words = operands(part)
    if name == "git clone" and words and _HOSTED.fullmatch(words[0].text):
        yield (before(words[0], "https://"),)


def _branch(
    scene: Scene, part: Part, name: str, words: Sequence[Token], found: Repository
) -> Iterator[Mend]:
    creators = [word for word in part.args if word.text in _CREATORS.get(name, ())]
    if creators and not creators[0].text.endswith("B"):
        target = next((w for w in part.args if w.start > creators[0].end), None)
        if target and target.text in found.branches:
            yield (Edit(creators[0].start, target.start, ""),)
        return
    if not words or "--" in part.texts or not _BRANCH.fullmatch(words[0].text):
        return
    word = words[0]
    known = found.branches | found.remote_branches
    short = {other.partition("/")[2] for other in found.remote_branches}
    is_path = name in ("git checkout", "git switch") and scene.exists(part, word.text)
    if word.text in known | short or is_path or _is_commit(scene, found, word.text):
        return
    near = [*_renamed([word], known | short)]
    yield from near
    if not near and name in _CREATORS and len(words) == 1 and "." not in word.text:
        yield (before(word, f"{_CREATORS[name][0]} "),)


def _is_commit(scene: Scene, found: Repository, name: str) -> bool:
    """A tag, HEAD or an abbreviated hash."""
    tag = scene.look.place(f"{found.common}/refs/tags/{name}").kind
    packed = f"refs/tags/{name}\n" in scene.look.text(f"{found.common}/packed-refs")
    hashed = re.fullmatch(r"[0-9a-f]{7,40}", name)
    return bool(tag or packed or hashed) or name.upper().endswith("HEAD")


def _renamed(words: Sequence[Token], known: frozenset[str]) -> Iterator[Mend]:
    for word in words:
        if word.text in known or not _BRANCH.fullmatch(word.text):
            continue
        if _EITHER.get(word.text) in known:
            yield (swap(word, _EITHER[word.text]),)
            continue
        for other in nearest(word.text, known):
            yield (swap(word, other),)


def _remote(part: Part, name: str, words: Sequence[Token], found: Repository) -> Iterator[Mend]:
    if not words:
        yield from _upstream(part, name, found)
        return
    word = words[0]
    remote, slash, branch = word.text.partition("/")
    if slash and remote in found.remotes and len(words) == 1:
        yield (swap(word, f"{remote} {branch}"),)
    elif word.text not in found.remotes and _BRANCH.fullmatch(word.text) and not slash:
        remotes = [(swap(word, other),) for other in nearest(word.text, found.remotes)]
        yield from remotes
        if not remotes and word.text in found.branches and "origin" in found.remotes:
            yield (before(word, "origin "),)
    elif name == "git push" and len(words) == 2 and found.branches and ":" not in words[1].text:
        yield from _renamed(words[1:], found.branches)
    elif name != "git push" and len(words) == 2 and found.remote_branches:
        start = f"{word.text}/"
        theirs = {b.removeprefix(start) for b in found.remote_branches if b.startswith(start)}
        yield from _renamed(words[1:], frozenset(theirs | found.branches))


def _upstream(part: Part, name: str, found: Repository) -> Iterator[Mend]:
    """``git push`` of a branch that has none."""
    if not found.branch or found.has_upstream or not found.remotes:
        return
    remote = "origin" if "origin" in found.remotes else found.remotes[0]
    last = part.words[-1]
    if name == "git push" and not part.has("u", "--set-upstream", "--all", "--tags", "--mirror"):
        yield (after(last, f" -u {remote} {quoted(found.branch)}"),)
    elif name == "git pull" and f"{remote}/{found.branch}" in found.remote_branches:
        yield (after(last, f" {remote} {quoted(found.branch)}"),)


def _message(scene: Scene, part: Part) -> Iterator[Mend]:
    """``git commit -m fix the bug``: git takes all but the first word for files."""
    args = part.args
    at = next((i for i, w in enumerate(args) if re.fullmatch(r"-[a-z]*m|--message", w.text)), None)
    if at is None or at + 2 >= len(args):
        return
    message = args[at + 1 :]
    options = [i for i, word in enumerate(message) if word.text.startswith("-")]
    message = message[: options[0]] if options else message
    if len(message) < 2 or not all(word.bare and word.plain for word in message):
        return
    if any(scene.exists(part, word.text) for word in message[1:]):
        return
    start, end = message[0].start, message[-1].end
    yield (Edit(start, end, quoted(scene.line[start:end])),)
