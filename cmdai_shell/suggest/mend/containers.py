"""docker and kubectl: options behind the image, a build without its folder, a file without -f."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cmdai_shell.safety.script import names
from cmdai_shell.suggest.mend.scene import Edit, Mend, after, before, swap
from cmdai_shell.suggest.mend.tools import tool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cmdai_shell.suggest.mend.line import Token
    from cmdai_shell.suggest.mend.scene import Part, Scene

_ALONE = names(
    "-d -i -t -it -ti -dit -itd -P --rm --detach --interactive --tty --privileged --init"
)
_VALUED = names(
    "-p -v -e -w -u -m -h -l -a -c --name --publish --volume --env --env-file --network --workdir "
    "--user --memory --cpus --gpus --entrypoint --restart --hostname --label --mount --platform "
    "--link --add-host --dns --ip --cap-add --cap-drop --shm-size --ulimit --pull --device --tmpfs"
)
_MOVED = re.compile(r"(--[a-z-]+)=|-[pve]\S")
_BUILD_VALUED = names(
    "-t --tag -f --file --build-arg --target --platform --network --label --secret --ssh "
    "--progress --cache-from --cache-to -o --output --add-host --memory -m --builder"
)
_MANIFEST = re.compile(r".*\.(?:ya?ml|json)\Z|https?://.*")


def container(scene: Scene) -> Iterator[Mend]:
    for part in scene.parts:
        if part.program in ("docker", "podman"):
            yield from _docker(scene, part)
        elif part.program in ("kubectl", "oc"):
            yield from _kubectl(scene, part)


def _docker(scene: Scene, part: Part) -> Iterator[Mend]:
    found = tool(part)
    sub = found.name.partition(" ")[2]
    if sub in ("run", "container run", "create"):
        yield from _options_behind(found.rest)
    elif sub in ("build", "image build", "buildx build"):
        last = found.rest[-1].text if found.rest else ""
        if not _operands(found.rest, _BUILD_VALUED) and last not in _BUILD_VALUED:
            yield (after(part.words[-1], " ."),)
    elif sub in ("exec", "container exec") and scene.failed(1, 125):
        words = _operands(found.rest, _VALUED)
        if len(words) == 1 and words[0] is part.words[-1] and part.has("t", "--tty"):
            yield (after(words[0], " sh"),)


def _operands(rest: Sequence[Token], valued: frozenset[str]) -> list[Token]:
    left, at = [], 0
    while at < len(rest):
        text = rest[at].text
        if text in valued:
            at += 1
        elif not text.startswith("-"):
            left.append(rest[at])
        at += 1
    return left


def _options_behind(rest: Sequence[Token]) -> Iterator[Mend]:
    """``docker run IMAGE -d -p 80:80``: what stands behind the image is for the program in it."""
    image = next(iter(_operands(rest, _VALUED)), None)
    if image is None:
        return
    behind = [word for word in rest if word.start > image.start]
    moved, at = 0, 0
    while at < len(behind):
        text = behind[at].text
        if text in _ALONE or _is_joined(text):
            at += 1
        elif text in _VALUED and at + 1 < len(behind):
            at += 2
        else:
            break
        moved = at
    if moved:
        options = " ".join(word.raw for word in behind[:moved])
        yield (before(image, f"{options} "), Edit(image.end, behind[moved - 1].end, ""))


def _is_joined(text: str) -> bool:
    found = _MOVED.match(text)
    return found is not None and (not found[1] or found[1] in _VALUED)


def _kubectl(scene: Scene, part: Part) -> Iterator[Mend]:
    found = tool(part)
    sub = found.name.partition(" ")[2]
    if sub in ("apply", "create", "delete", "replace"):
        first = found.rest[0] if found.rest else None
        if first and _MANIFEST.match(first.text) and not part.has("f", "--filename", "-k"):
            yield (before(first, "-f "),)
    elif sub == "exec" and scene.failed(1) and "--" not in part.texts:
        words = _operands(found.rest, names("-n --namespace -c --container"))
        if len(words) > 1:
            yield (before(words[1], "-- "),)
    elif sub == "logs" and found.rest and found.rest[0].text == "pod" and len(found.rest) == 2:
        yield (Edit(found.rest[0].start, found.rest[1].start, ""),)
    elif sub == "exec" and "--" in part.texts and part.words[-1].text == "--":
        yield (after(part.words[-1], " sh"),)
    elif sub in ("log", "describes"):
        yield (swap(part.args[0], {"log": "logs", "describes": "describe"}[sub]),)
