"""Small tools called in a way they do not know."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from cmdai_shell.safety.script import names
from cmdai_shell.suggest.mend.line import quoted
from cmdai_shell.suggest.mend.roles import operands
from cmdai_shell.suggest.mend.scene import Edit, Mend, after, before, swap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.suggest.mend.line import Token
    from cmdai_shell.suggest.mend.scene import Part, Scene

_MODE = re.compile(r"[0-7]{3,4}|[ugoa]*[-+=][rwxXst]+")
_BARE_MODE = re.compile(r"[rwx]{1,3}")
_GLOBBED = names("-name -iname -path -ipath -wholename")
_SIGNAL = re.compile(r"-(?:\d{1,2}|[A-Z]{3,7}|SIG[A-Z]+)\Z")


def habit(scene: Scene) -> Iterator[Mend]:
    for part in scene.parts:
        rule = _RULES.get(part.program)
        if rule:
            yield from rule(scene, part)


def _lines(scene: Scene, part: Part) -> Iterator[Mend]:
    """``head 20 file``."""
    words = operands(part)
    if len(words) < (1 if part.opens == "|" else 2):
        return
    if words[0].text.isdigit() and scene.absent(part, words[0].text):
        yield (before(words[0], "-n "),)


def _chmod(scene: Scene, part: Part) -> Iterator[Mend]:
    """``chmod file 755``, ``chmod x file``."""
    words = operands(part)
    if len(words) != 2:
        return
    first, second = words
    if _MODE.fullmatch(second.text) and scene.exists(part, first.text):
        if not _MODE.fullmatch(first.text):
            yield (swap(first, second.raw), swap(second, first.raw))
    elif _BARE_MODE.fullmatch(first.text) and scene.exists(part, second.text):
        yield (before(first, "+"),)


def _kill(scene: Scene, part: Part) -> Iterator[Mend]:
    """``kill firefox``: it wants a number."""
    words = [word for word in part.args if not _SIGNAL.match(word.text)]
    if len(words) != 1 or not words[0].plain or not scene.which("pkill"):
        return
    if re.fullmatch(r"[A-Za-z][\w.-]+", words[0].text):
        yield (swap(part.words[0], "pkill"),)


def _killall(scene: Scene, part: Part) -> Iterator[Mend]:
    words = [word for word in part.args if not _SIGNAL.match(word.text)]
    if words and all(re.fullmatch(r"\d{2,}", word.text) for word in words):
        yield (swap(part.words[0], "kill"),)


def _to_here(scene: Scene, part: Part) -> Iterator[Mend]:
    """``cp ../x``: to where, but here."""
    words = operands(part)
    if len(words) != 1 or words[0] is not part.words[-1] or not words[0].plain or part.has("t"):
        return
    path = words[0].text.rstrip("/")
    if "/" in path and scene.exists(part, path) and not path.endswith(".."):
        yield (after(words[0], " ."),)


def _find(scene: Scene, part: Part) -> Iterator[Mend]:
    """A pattern the shell got hold of; the folder behind the tests."""
    args = part.args
    edits = [
        swap(word, f"'{word.raw}'")
        for last, word in itertools.pairwise(args)
        if last.text in _GLOBBED and word.glob and word.raw == word.text and "'" not in word.raw
    ]
    if edits:
        yield tuple(edits)
    if len(args) < 3 or not args[0].text.startswith("-") or "-exec" in part.texts:
        return
    last, previous = args[-1], args[-2]
    if last.plain and not previous.text.startswith("-") and scene.is_folder(part, last.text):
        yield (before(args[0], f"{last.raw} "), Edit(previous.end, last.end, ""))


def _sed(scene: Scene, part: Part) -> Iterator[Mend]:
    """``-i`` takes a value on BSD, and none of its own word with GNU."""
    args = part.args
    userland = scene.look.platform().get("userland")
    place = next((i for i, word in enumerate(args) if word.text == "-i"), None)
    if place is None or place + 1 >= len(args):
        return
    following = args[place + 1]
    if userland == "BSD" and re.match(r"[sy]([/|#,]).*\1|\d*[,$]?\d*d\Z", following.text):
        yield (after(args[place], " ''"),)
    elif userland == "GNU" and following.raw in ("''", '""'):
        yield (Edit(args[place].end, following.end, ""),)


def _awk(scene: Scene, part: Part) -> Iterator[Mend]:
    """``awk {print $1} file`` without quotes; a brace that is not closed."""
    found = re.search(r"(?<=\s)\{[^{}'\"]*\}(?=\s|$)", scene.line[part.words[0].end :])
    if found and not any(word.raw[:1] in ("'", '"') for word in part.args):
        start = part.words[0].end + found.start()
        yield (Edit(start, start + len(found[0]), f"'{found[0]}'"),)
        return
    for word in part.args:
        if word.raw[:1] == "'" and word.text.count("{") == word.text.count("}") + 1:
            yield (swap(word, f"{word.raw[:-1]}}}'"),)
            return


def _grep(scene: Scene, part: Part) -> Iterator[Mend]:
    """A pattern that is none: it is meant letter for letter."""
    words = operands(part)
    if not scene.failed(2) or not words or part.has("F", "P", "--fixed-strings"):
        return
    pattern = words[0].text
    extended = part.has("E", "--extended-regexp") or part.program == "egrep"
    is_open = pattern.count("[") > pattern.count("]")
    if extended:
        return
    if is_open or re.search(r"\\\((?!.*\\\))", pattern):
        yield (after(part.words[0], " -F"),)


def _python(scene: Scene, part: Part) -> Iterator[Mend]:
    """``python -m script.py``."""
    args = part.args
    if len(args) < 2 or args[0].text != "-m" or not args[1].text.endswith(".py"):
        return
    if scene.is_file(part, args[1].text):
        yield (Edit(args[0].start, args[1].start, ""),)


def _source(scene: Scene, part: Part) -> Iterator[Mend]:
    """``source .venv``; the one for this shell."""
    if not part.args or not part.args[0].plain:
        return
    word = part.args[0]
    path = word.text.rstrip("/")
    ending = ".fish" if scene.shell == "fish" else ""
    for tail in ("bin/activate", "activate"):
        base = path.removesuffix("/activate").removesuffix("/bin")
        script = f"{base}/bin/activate{ending}"
        right = path.endswith(tail) or scene.is_folder(part, path)
        if right and scene.is_file(part, script) and script != word.text:
            yield (swap(word, quoted(script)),)
            return


def _requirements(scene: Scene, part: Part) -> Iterator[Mend]:
    """``pip install requirements.txt``."""
    words = operands(part)
    for word in words:
        name = word.text
        if re.search(r"requirements.*\.txt\Z", name) and scene.is_file(part, name):
            yield (before(word, "-r "),)
            return


def _go(scene: Scene, part: Part) -> Iterator[Mend]:
    texts = part.texts
    if texts == ("run",) and scene.exists(part, "go.mod"):
        yield (after(part.words[-1], " ."),)
    elif texts[-1:] == ("./..",):
        yield (after(part.words[-1], "."),)


def _journalctl(scene: Scene, part: Part) -> Iterator[Mend]:
    """``journalctl nginx``: a unit wants ``-u``."""
    valued = names("-u -n -p -t -o -g --since --until -S -U -b -k -D --unit -M --priority --lines")
    for place, word in enumerate(part.args):
        last = part.args[place - 1].text if place else ""
        is_value = last in valued or last.startswith("--") or scene.exists(part, word.text)
        if re.fullmatch(r"[a-z][\w@.-]*", word.text) and not is_value:
            yield (before(word, "-u "),)
            return


def _mkdir(scene: Scene, part: Part) -> Iterator[Mend]:
    """It is there already, and the line goes on."""
    words = operands(part)
    goes_on = (
        any(other.opens == "&&" for other in scene.parts if other.start.start > words[0].start)
        if words
        else False
    )
    if goes_on and not part.has("p", "--parents") and any(_is_there(scene, part, w) for w in words):
        yield (after(part.words[0], " -p"),)


def _is_there(scene: Scene, part: Part, word: Token) -> bool:
    return word.plain and scene.is_folder(part, word.text)


_RULES = {
    "head": _lines,
    "tail": _lines,
    "chmod": _chmod,
    "kill": _kill,
    "killall": _killall,
    "cp": _to_here,
    "mv": _to_here,
    "find": _find,
    "sed": _sed,
    "awk": _awk,
    "gawk": _awk,
    "grep": _grep,
    "egrep": _grep,
    "python": _python,
    "python3": _python,
    "source": _source,
    ".": _source,
    "pip": _requirements,
    "pip3": _requirements,
    "go": _go,
    "journalctl": _journalctl,
    "mkdir": _mkdir,
}
