"""Deleting, overwriting, moving and re-owning files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmdai_shell.safety.finders import selective, starts
from cmdai_shell.safety.rules.rule import CAUTION, CRITICAL, DANGEROUS, Finding, Options, line
from cmdai_shell.safety.script import Word, spoken
from cmdai_shell.safety.targets import NAMES, Place, device, joined, place, system_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cmdai_shell.safety.rules.rule import Check
    from cmdai_shell.safety.script import Call

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
    return max(
        ((place(word, call), word) for word in words), key=lambda pair: pair[0], default=None
    )


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
    elif where is Place.SYSTEM or any(system_file(w.text) for w in options.operands):
        yield Finding(CRITICAL, f"deletes a file the system needs ({spoken(word.text)})")
    elif where is Place.DEVICE:
        yield Finding(DANGEROUS, f"removes the device file {spoken(word.text)}")
    elif where in (Place.HERE, Place.PRECIOUS) and (word.glob or where is Place.PRECIOUS):
        risk = DANGEROUS if where is Place.PRECIOUS else CAUTION
        yield Finding(risk, f"deletes {NAMES[where]}", line("rm -i --", options.operands))
    else:
        yield Finding(CAUTION, "deletes files for good")


def _loss(where: Place, word: Word, safer: str = "") -> Finding:
    risk = LOSING_ALL[where]
    target = spoken(word.text)
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
        elif LOSING_ALL[where] is CRITICAL or where in (Place.PRECIOUS, Place.UNKNOWN):
            yield Finding(DANGEROUS, f"deletes what it finds all over {spoken(word.text)}", looks)
        else:
            yield Finding(CAUTION, "deletes the files it finds", looks)
    for at, word in enumerate(call.args[:-1]):
        if word.text in ("-fprint", "-fprintf", "-fls", "-fprint0"):
            yield from overwrites(call.args[at + 1], call)


def overwrites(word: Word, call: Call, how: str = "overwrites") -> Iterator[Finding]:
    """Findings for a file that is written to; ``how`` is the verb."""
    for folder in call.cwd:
        path = joined(folder, word.text)
        where = place(word, call)
        name = spoken(word.text)
        if device(path):
            yield Finding(CRITICAL, f"writes straight onto the disk {name}, what is on it is lost")
        elif system_file(path):
            yield Finding(CRITICAL, f"{how} {name}, which the system needs")
        elif path.endswith(("/.ssh/authorized_keys", "/.ssh/authorized_keys2")):
            yield Finding(CRITICAL, f"{how} {name}: whoever holds the key in it can log in here")
        elif path.endswith(
            (".bashrc", ".zshrc", ".profile", ".bash_profile", ".zshenv", "config.fish")
        ):
            yield Finding(CAUTION, f"{how} {name}, which runs at every new shell")
        elif path.startswith(("/etc/", "/sys/", "/proc/", "/usr/", "/boot/")):
            yield Finding(DANGEROUS, f"{how} {name}, part of the system's configuration")
        elif where is Place.PRECIOUS:
            yield Finding(DANGEROUS, f"{how} {name}")


def redirects(call: Call) -> Iterator[Finding]:
    """``> file``, for every program."""
    for redirect in call.redirects:
        if redirect.writes:
            how = "adds to" if ">>" in redirect.operator else "overwrites"
            yield from overwrites(redirect.target, call, how)


def _written(call: Call) -> Iterator[Finding]:
    """``tee``, ``truncate``, ``sponge``: every operand is written to."""
    options = Options(call)
    for word in options.operands:
        yield from overwrites(word, call, "adds to" if options.has("a", "append") else "overwrites")
    if call.program == "truncate":
        yield Finding(CAUTION, "cuts files off, what is beyond is lost")


def _copy(call: Call) -> Iterator[Finding]:
    options = Options(call)
    if len(options.operands) > 1:
        goal = options.operands[-1]
        yield from overwrites(goal, call)
        if call.program == "rsync" and options.has(
            "del", "delete", "delete-after", "delete-before"
        ):
            where = place(goal, call)
            risk = CRITICAL if LOSING_ALL[where] is CRITICAL else DANGEROUS
            yield Finding(risk, f"deletes what is only in {spoken(goal.text)}",
                          line("rsync --dry-run", call.args))  # fmt: skip
    if call.program == "mv" and options.operands:
        yield from _moved(call, options)


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


def _permissions(call: Call) -> Iterator[Finding]:
    options = Options(call)
    recursive = options.has("R", "recursive")
    subject = options.operands[1:] if not options.has("reference") else options.operands
    worst = _worst(subject, call)
    what = "who may do what" if call.program == "chmod" else "who owns it"
    if worst and LOSING_ALL[worst[0]] is CRITICAL and (recursive or worst[0] is not Place.HOME):
        deep = recursive or worst[1].glob or worst[0] in (Place.ROOT, Place.DEVICE)
        risk = CRITICAL if deep or system_file(worst[1].text) else DANGEROUS
        yield Finding(risk, f"changes {what} for {NAMES[worst[0]]} ({spoken(worst[1].text)})")
    elif worst and recursive and worst[0] in (Place.PRECIOUS, Place.UNKNOWN):
        yield Finding(DANGEROUS, f"changes {what} for {spoken(worst[1].text)} and all below")
    mode = options.texts[0] if options.texts else ""
    if call.program == "chmod" and _opens(mode, call):
        yield Finding(DANGEROUS if recursive or "s" in mode else CAUTION,
                      "lets every user of this machine change the files"
                      if "s" not in mode else "lets everybody run it with its owner's rights")  # fmt: skip
    else:
        yield Finding(CAUTION, f"changes {what}")


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
        if text in ("-C", "-d", "--directory") and place(call.args[at + 1], call) is Place.ROOT:
            yield Finding(DANGEROUS, "unpacks over the whole system")


def _in_place(call: Call) -> Iterator[Finding]:
    """``sed -i``, ``perl -pi``: the files change."""
    options = Options(call)
    if options.has("i", "in-place"):
        yield Finding(CAUTION, "changes files in place")
        for word in options.operands:
            if word.text.startswith("/") and "/" in word.text[1:]:
                yield from overwrites(word, call)


def _link(call: Call) -> Iterator[Finding]:
    options = Options(call)
    if len(options.operands) > 1 and options.has("f", "force"):
        yield from overwrites(options.operands[-1], call, "replaces")


CHECKS: dict[str, Check] = {
    "rm": _remove, "unlink": _remove, "rmdir": _remove, "grm": _remove, "srm": _shred,
    "shred": _shred, "wipe": _shred, "find": _find, "gfind": _find,
    "tee": _written, "truncate": _written, "sponge": _written,
    "cp": _copy, "mv": _copy, "install": _copy, "rsync": _copy, "scp": _copy, "gcp": _copy,
    "chmod": _permissions, "chown": _permissions, "chgrp": _permissions,
    "tar": _archive, "unzip": _archive, "bsdtar": _archive,
    "sed": _in_place, "gsed": _in_place, "ln": _link,
}  # fmt: skip
