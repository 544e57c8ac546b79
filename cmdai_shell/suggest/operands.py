"""Words that a manual explains only in general, put into plain ones: modes, signals, numbers,
patterns, the simplest scripts. Empty where there is nothing sure to say. Pure."""

from __future__ import annotations

import re
import signal

_WHO = {"u": "the owner", "g": "the group", "o": "others", "a": "everybody"}
_MAY = {"r": "read", "w": "write", "x": "run", "X": "enter folders", "s": "setid", "t": "sticky"}
_UNITS = {
    "-mtime": "days since it was changed",
    "-atime": "days since it was read",
    "-ctime": "days since its entry was changed",
    "-mmin": "minutes since it was changed",
    "-amin": "minutes since it was read",
    "-cmin": "minutes since its entry was changed",
}
_SIZES = {"c": "bytes", "k": "KiB", "M": "MiB", "G": "GiB", "b": "blocks of 512 bytes"}
_KINDS = {"f": "files", "d": "folders", "l": "symbolic links", "s": "sockets", "p": "pipes"}
_COUNTED = {"head": "the first {} lines", "tail": "the last {} lines", "git": "only {} of them"}
_SYMBOLIC = re.compile(r"([ugoa]*)([-+=])([rwxXst]+)")
_SUBSTITUTE = re.compile(r"s([/|#,:@!])((?:\\.|(?!\1).)*)\1((?:\\.|(?!\1).)*)\1([gpiI]*)\Z")
_SED_LINES = re.compile(r"(\d+|\$)(?:,(\d+|\$))?([pdq])")
_SED_MATCH = re.compile(r"/((?:\\.|[^/\\])*)/([pd])")
_AWK_FIELDS = re.compile(r"\{\s*print\s+(\$\w+(?:\s*,\s*\$\w+)*)\s*;?\s*\}")


def mode(word: str) -> str:
    """chmod's: "755", "u+x,go-w"."""
    if re.fullmatch(r"[0-7]{3,4}", word):
        shares = [_share(int(digit)) for digit in word[-3:]]
        who = ("the owner", "the group", "others")
        told = ", ".join(f"{one} may {share}" for one, share in zip(who, shares, strict=True))
        special = int(word[0]) if len(word) == 4 else 0
        return told + (", with setuid, setgid or sticky bit" if special else "")
    told_parts = []
    for part in word.split(","):
        found = _SYMBOLIC.fullmatch(part)
        if not found:
            return ""
        who_text = " and ".join(_WHO[one] for one in found[1] or "a")
        verb = {"+": "may also", "-": "may no longer", "=": "may only"}[found[2]]
        told_parts.append(f"{who_text} {verb} {' and '.join(_MAY[c] for c in found[3])}")
    return ", ".join(told_parts)


def _share(bits: int) -> str:
    granted = [word for bit, word in ((4, "read"), (2, "write"), (1, "run")) if bits & bit]
    return ", ".join(granted) or "do nothing"


def signalled(word: str) -> str:
    """kill's "-9", "-KILL", "-SIGTERM"."""
    name = word.removeprefix("-").removeprefix("SIG")
    try:
        found = signal.Signals(int(name)) if name.isdigit() else signal.Signals[f"SIG{name}"]
    except (KeyError, ValueError):
        return ""
    ends = {"SIGKILL": ", which ends it at once", "SIGTERM": ", which asks it to end"}
    return f"sends {found.name}{ends.get(found.name, '')}"


def amount(option: str, value: str) -> str:
    """find's "+7" of -mtime, "-10M" of -size, "f" of -type, "*.log" of -name."""
    if option in ("-name", "-iname"):
        return f"whose name fits {value}{', in small letters or capitals' * (option != '-name')}"
    if option == "-type":
        kinds = [_KINDS.get(letter, "") for letter in value.split(",")]
        return f"only {' and '.join(kinds)}" if all(kinds) else ""
    found = re.fullmatch(r"([-+]?)(\d+)([cwbkMG]?)", value)
    if not found:
        return ""
    how = {"+": "more than ", "-": "less than ", "": "exactly "}[found[1]]
    if option == "-size":
        unit = _SIZES.get(found[3] or "b", "")
        return f"size {how}{found[2]} {unit}" if unit else ""
    unit = _UNITS.get(option, "")
    return f"{how}{found[2]} {unit}" if unit and not found[3] else ""


def counted(program: str, word: str) -> str:
    """ "-20" of head and its like."""
    found = re.fullmatch(r"-(\d+)", word)
    return _COUNTED[program].format(found[1]) if found and program in _COUNTED else ""


def pattern(word: str) -> str:
    """A glob: "*.log"."""
    if "/" not in word:
        if found := re.fullmatch(r"\*([^*?\[\]{}]+)", word):
            return f"every name here that ends in {found[1]}"
        if found := re.fullmatch(r"([^*?\[\]{}]+)\*", word):
            return f"every name here that begins with {found[1]}"
        if word == "*":
            return "every name here, hidden ones left out"
    if word == "**" or "**/" in word:
        return "names that fit, in folders below too"
    return "every name that fits, * standing for anything"


def sed(script: str) -> str:
    """The commands that are nearly all of sed."""
    if found := _SUBSTITUTE.match(script):
        _, old, new, flags = found.groups()
        what = f"replaces {old} by {new}" if new else f"takes {old} out"
        return what + (", everywhere in a line" if "g" in flags else ", once a line")
    verbs = {"p": "prints", "d": "deletes", "q": "ends after"}
    if found := _SED_LINES.fullmatch(script):
        first, last, verb = found.groups()
        first, last = (("the last" if n == "$" else n) for n in (first, last or ""))
        lines = f"lines {first} to {last}" if last else f"line {first}"
        return f"{verbs[verb]} {lines}"
    if found := _SED_MATCH.fullmatch(script):
        return f"{verbs[found[2]]} lines that match {found[1]}"
    return ""


def awk(program: str) -> str:
    """``{print $1, $3}``, with a condition that is a pattern or none."""
    condition, _, _ = program.partition("{")
    found = _AWK_FIELDS.fullmatch(program[len(condition) :].strip())
    if not found:
        return ""
    names = [field.strip() for field in found[1].split(",")]
    told = [_field(name) for name in names]
    if not all(told):
        return ""
    what = f"prints {' and '.join(told)} of each line"
    if not condition.strip():
        return what
    if match := re.fullmatch(r"\s*/((?:\\.|[^/\\])*)/\s*", condition):
        return f"{what} that matches {match[1]}"
    return ""


def _field(name: str) -> str:
    if name == "$0":
        return "all"
    if name == "$NF":
        return "the last field"
    return f"field {name[1:]}" if name[1:].isdigit() else ""


def redirected(written: str, target: str) -> str:
    """A redirection in words; ``written`` is its operator with the file descriptor ("2>")."""
    operator = written.lstrip("0123456789")
    descriptor = written[: len(written) - len(operator)]
    what = {"": "the output", "1": "the output", "2": "error messages"}.get(
        descriptor, f"what is written to descriptor {descriptor}"
    )
    if operator.startswith("&>") or (operator == ">&" and not target.isdigit() and target != "-"):
        what, operator = "the output and error messages", operator.replace("&", "")
    if operator == ">&":
        into = {"1": "where the output goes", "2": "where error messages go"}.get(target, target)
        return f"sends {what} {into}"
    if target == "/dev/null" and ">" in operator:
        return f"throws {what} away"
    if operator.startswith("<<"):
        return "gives it this text to read"
    if operator.startswith("<"):
        return f"reads from {target}"
    return f"{'adds' if '>>' in operator else 'writes'} {what} to {target}" + (
        "" if ">>" in operator else ", replacing what was there"
    )
