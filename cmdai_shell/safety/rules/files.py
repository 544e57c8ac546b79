"""Deleting, overwriting, moving and re-owning files."""

from __future__ import annotations

from itertools import dropwhile, pairwise, takewhile
from typing import TYPE_CHECKING

from cmdai_shell.safety.finders import selective, starts
from cmdai_shell.safety.interpreters import SHELLS
from cmdai_shell.safety.rules.rule import CAUTION, CRITICAL, DANGEROUS, Finding, Options, line
from cmdai_shell.safety.rules.writes import overwrites, paths, vital
from cmdai_shell.safety.script import Call, Word, names, spoken
from cmdai_shell.safety.targets import NAMES, Place, place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cmdai_shell.core import Risk
    from cmdai_shell.safety.rules.rule import Check

LOSING_ALL = {
    Place.ROOT: CRITICAL,
    Place.DEVICE: CRITICAL,
    Place.SYSTEM: CRITICAL,
    Place.HOME: CRITICAL,
    Place.UNKNOWN: DANGEROUS,
    Place.PRECIOUS: DANGEROUS,
    Place.HERE: DANGEROUS,
    Place.ORDINARY: CAUTION,
    Place.SCRATCH: CAUTION,
}
"""Risk of losing a place with all that is below it."""


def _worst(words: Iterable[Word], call: Call) -> tuple[Place, Word] | None:
    """The word whose loss would be worst, and what it names."""
    found = [(place(word, call), word) for word in words]
    return max(found, key=lambda pair: (pair[0], _holds_work(pair[1].text)), default=None)


def _remove(call: Call) -> Iterator[Finding]:
    options = Options(call)
    worst = _worst(options.operands, call)
    if worst is None:
        return
    where, word = worst
    if call.program == "rmdir":
        yield Finding(CAUTION, "removes empty folders")
    elif options.has("r", "R", "recursive"):
        yield _loss(where, word, line("ls -la --", [word]))
    elif word.glob and where in (Place.ROOT, Place.SYSTEM, Place.HOME):
        yield Finding(DANGEROUS, f"deletes every file in {NAMES[where]} ({spoken(word.text)})")
    elif any(vital(path) for each in options.operands for path in paths(each, call)):
        yield Finding(CRITICAL, f"deletes a file the system needs ({spoken(word.text)})")
    elif where is Place.SYSTEM:
        yield Finding(DANGEROUS, f"deletes a part of the system ({spoken(word.text)})")
    elif where is Place.DEVICE:
        yield Finding(DANGEROUS, f"removes the device file {spoken(word.text)}")
    elif where in (Place.HERE, Place.PRECIOUS) and (word.glob or where is Place.PRECIOUS):
        risk = DANGEROUS if where is Place.PRECIOUS else CAUTION
        yield Finding(risk, f"deletes {NAMES[where]}", line("rm -i --", options.operands))
    else:
        yield Finding(CAUTION, "deletes files for good")


_WORK = names(
    "src lib app apps docs doc tests test data db database databases projects project work code "
    "backup backups photos pictures documents migrations .github uploads repos sources workspace"
)


def _holds_work(path: str) -> bool:
    """A folder whose name says that people's work is in it, or a glob for all that is in one."""
    return path.removesuffix("/*").rstrip("/").rpartition("/")[2].lower() in _WORK


def _loss(where: Place, word: Word, safer: str = "") -> Finding:
    risk = LOSING_ALL[where]
    target = spoken(word.text)
    if where is Place.ORDINARY and _holds_work(word.text):
        return Finding(DANGEROUS, f"deletes {target} with the work in it", safer)
    if risk is CAUTION:
        return Finding(risk, f"deletes {target} and all that is in it")
    return Finding(risk, f"deletes {NAMES[where]} ({target})", safer)


def _find(call: Call) -> Iterator[Finding]:
    texts = {word.text for word in call.args}
    if "-delete" in texts:
        worst = _worst(starts(call), call)
        assert worst is not None  # noqa: S101 - starts() is never empty
        where, word = worst
        looks = line("find", (w for w in call.args if w.text != "-delete"))
        if not selective(call):
            yield _loss(where, word, looks)
        elif (
            LOSING_ALL[where] is CRITICAL
            or where is Place.UNKNOWN
            or (where is Place.PRECIOUS and word.text.startswith("/"))
        ):
            yield Finding(DANGEROUS, f"deletes what it finds all over {spoken(word.text)}", looks)
        else:
            yield Finding(CAUTION, "deletes the files it finds", looks)
    if texts & _ON_EACH and not texts & _BY_NAME and _removes_folders(call):
        looks = line("find", takewhile(lambda w: w.text not in _ON_EACH, call.args))
        yield Finding(DANGEROUS, "deletes whole folders, whatever their names", looks)
    for at, word in enumerate(call.args[:-1]):
        if word.text in ("-fprint", "-fprintf", "-fls", "-fprint0"):
            yield from overwrites(call.args[at + 1], call)


_ON_EACH = names("-exec -execdir")
_BY_NAME = names("-name -iname -path -ipath -wholename -regex -iregex -empty -inum -samefile")


def _removes_folders(call: Call) -> bool:
    """``find … -exec rm -r {} +``."""
    words = list(dropwhile(lambda word: word.text not in _ON_EACH, call.args))[1:]
    return Call(tuple(words)).program == "rm" and Options(Call(tuple(words))).has(
        "r", "R", "recursive"
    )


def _written(call: Call) -> Iterator[Finding]:
    """``tee``, ``truncate``, ``sponge``: every operand is written to."""
    options = Options(call)
    for word in options.operands:
        yield from overwrites(word, call, "adds to" if options.has("a", "append") else "overwrites")
    if call.program == "truncate":
        many = not {"find", "xargs", "fd"}.isdisjoint(call.wrappers)
        yield Finding(DANGEROUS if many else CAUTION, "cuts files off, what is beyond is lost")


def _copy(call: Call) -> Iterator[Finding]:
    options = Options(call)
    if call.program == "rsync":
        if options.has("n", "dry-run", "list-only"):
            return
        yield from _mirrored(call, options)
    for goal in _goals(call, options):
        yield from overwrites(goal, call)
    if call.program == "install":
        modes = [b.text for a, b in pairwise(call.args) if a.text in ("-m", "--mode")]
        if any(_sets_owner(mode) for mode in modes):
            risk = _setuid(options.operands)
            yield Finding(risk, "lets everybody run it with its owner's rights")
    if call.program == "mv" and options.operands:
        yield from _moved(call, options)


def _goals(call: Call, options: Options) -> Iterator[Word]:
    """The files a copy writes: the last operand, or what comes to lie in that folder."""
    named = [b for a, b in pairwise(call.args) if a.text in ("-t", "--target-directory")]
    goal = named[0] if named else options.operands[-1] if len(options.operands) > 1 else None
    if goal is None:
        return
    yield goal
    for source in options.operands if named else options.operands[:-1]:
        name = source.text.rstrip("/").rpartition("/")[2]
        inside = Word(f"{goal.text.rstrip('/')}/{name}", source.glob)
        if goal.text.endswith("/") or any(vital(path) for path in paths(inside, call)):
            yield inside


def _mirrored(call: Call, options: Options) -> Iterator[Finding]:
    """``rsync --delete``."""
    if options.operands and options.has("del", "delete", "delete-after", "delete-before"):
        goal = options.operands[-1]
        risk = CRITICAL if LOSING_ALL[place(goal, call)] is CRITICAL else DANGEROUS
        safer = line("rsync --dry-run", call.args)
        yield Finding(risk, f"deletes what is only in {spoken(goal.text)}", safer)


def _moved(call: Call, options: Options) -> Iterator[Finding]:
    worst = _worst(options.operands[:-1], call)
    goal = options.operands[-1]
    if goal.text == "/dev/null":
        yield Finding(CRITICAL, "moves files to /dev/null, where nothing comes back from")
    if worst and LOSING_ALL[worst[0]] is CRITICAL:
        yield Finding(CRITICAL, f"moves {NAMES[worst[0]]} away ({spoken(worst[1].text)})")
    elif worst:
        yield Finding(
            CAUTION, "moves files, and may replace others", line("mv -i --", options.operands)
        )


_SERVED = names(
    "/var/www /srv /opt /mnt /media /usr/local /usr/local/bin /usr/local/lib /var/log /Users /home"
)
"""Parts of the system that people give to a service or to each other."""


def _permissions(call: Call) -> Iterator[Finding]:
    options = Options(call)
    recursive = options.has("R", "recursive")
    mode = options.texts[0] if options.texts else ""
    opens = call.program == "chmod" and _opens(mode, call)
    what = "who may do what" if call.program == "chmod" else "who owns it"
    subject = options.operands if options.has("reference") else options.operands[1:]
    for word in subject:
        where = place(word, call)
        target = f"{NAMES.get(where, 'a part of it')} ({spoken(word.text)})"
        deep = recursive or word.glob
        if any(path in _SERVED for path in paths(word, call)):
            continue
        if where is Place.HOME and deep:
            yield Finding(DANGEROUS, f"changes {what} in {target}")
        elif LOSING_ALL[where] is CRITICAL and where is not Place.HOME:
            whole = where in (Place.ROOT, Place.DEVICE)
            risky = deep or whole or any(vital(path) for path in paths(word, call))
            yield Finding(CRITICAL if risky else DANGEROUS, f"changes {what} for {target}")
        elif deep and (where is Place.UNKNOWN or (where is Place.PRECIOUS and not _handed(word))):
            yield Finding(DANGEROUS, f"changes {what} for {spoken(word.text)} and all below")
    if opens and _sets_owner(mode):
        yield Finding(_setuid(subject), "lets everybody run it with its owner's rights")
    elif opens:
        yield Finding(
            DANGEROUS if recursive else CAUTION, "lets every user of this machine change the files"
        )
    else:
        yield Finding(CAUTION, f"changes {what}")


def _sets_owner(mode: str) -> bool:
    return "s" in mode or (len(mode) == 4 and mode[0] in "4567")


def _handed(word: Word) -> bool:
    return word.text.startswith(("/srv/", "/var/www/", "/opt/", "/mnt/", "/media/", "/usr/local/"))


def _setuid(subject: list[Word]) -> Risk:
    """A shell that runs with its owner's rights makes everybody root."""
    shells = any(word.text.rpartition("/")[2] in SHELLS | {"python3", "env"} for word in subject)
    return CRITICAL if shells else DANGEROUS


def _opens(mode: str, call: Call) -> bool:
    """World-writable, or setuid."""
    if any(word.text in ("u+s", "+s", "g+s") for word in call.args):
        return True
    if mode.isdigit():
        return mode[-1] in "2367" or (len(mode) == 4 and mode[0] in "4567")
    return any(
        part in mode for part in ("o+w", "a+w", "a+rw", "o+rw", "+rwx", "ugo+w", "a=rw", "o=rw")
    )


def _shred(call: Call) -> Iterator[Finding]:
    worst = _worst(Options(call).operands, call)
    if worst and LOSING_ALL[worst[0]] is CRITICAL:
        yield Finding(
            CRITICAL, f"wipes {NAMES[worst[0]]} beyond recovery ({spoken(worst[1].text)})"
        )
    else:
        yield Finding(DANGEROUS, "wipes files beyond recovery")


def _archive(call: Call) -> Iterator[Finding]:
    texts = [word.text for word in call.args]
    if "--remove-files" in texts:
        yield Finding(DANGEROUS, "deletes the files after packing them")
    for at, text in enumerate(texts[:-1]):
        packs = text.lstrip("-")[:1] in ("c", "r", "u") or "c" in text.lstrip("-")
        if call.program != "unzip" and text.endswith("f") and packs and not text.startswith("--"):
            yield from overwrites(call.args[at + 1], call)
        if text in ("-C", "-d", "--directory") and place(call.args[at + 1], call) is Place.ROOT:
            yield Finding(DANGEROUS, "unpacks over the whole system")


def _in_place(call: Call) -> Iterator[Finding]:
    """``sed -i``, ``perl -pi``: the files change."""
    options = Options(call)
    if options.has("i", "in-place"):
        yield Finding(CAUTION, "changes files in place")
        for word in options.operands:
            if word.text.startswith("/") and "/" in word.text[1:]:
                yield from overwrites(word, call, "changes")


def _link(call: Call) -> Iterator[Finding]:
    options = Options(call)
    if len(options.operands) > 1 and options.has("f", "force"):
        yield from overwrites(options.operands[-1], call, "replaces")


CHECKS: dict[str, Check] = {
    "rm": _remove,
    "unlink": _remove,
    "rmdir": _remove,
    "grm": _remove,
    "srm": _shred,
    "shred": _shred,
    "wipe": _shred,
    "find": _find,
    "gfind": _find,
    "tee": _written,
    "truncate": _written,
    "sponge": _written,
    "cp": _copy,
    "mv": _copy,
    "install": _copy,
    "rsync": _copy,
    "scp": _copy,
    "gcp": _copy,
    "chmod": _permissions,
    "chown": _permissions,
    "chgrp": _permissions,
    "tar": _archive,
    "unzip": _archive,
    "bsdtar": _archive,
    "sed": _in_place,
    "gsed": _in_place,
    "ln": _link,
}
