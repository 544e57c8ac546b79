"""Shells and languages that run a text: where that text stands, and the shell commands in it."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from cmdai_shell.safety.folding import stdin_of
from cmdai_shell.safety.script import names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.safety.script import Call, Word

SHELLS = names("sh bash zsh dash ksh ksh93 mksh fish ash rbash csh tcsh pwsh")

_CODE_OPTIONS: dict[str, str] = {
    "python": "c", "pypy": "c", "perl": "eE", "ruby": "e", "node": "ep", "nodejs": "ep",
    "php": "rBR", "lua": "e", "luajit": "e", "Rscript": "e", "osascript": "e", "tclsh": "",
    "deno": "", "bun": "e", "elixir": "e", "groovy": "e", "julia": "eE", "guile": "c",
    "racket": "e",
}  # fmt: skip
"""Language to the letters of the option that a program text follows."""

_LONG_OPTIONS = frozenset(["--eval", "--print", "--execute", "--run", "--command"])
_VALUED = frozenset(
    ["-o", "-O", "+o", "+O", "--rcfile", "--init-file", "-W", "-X", "-r", "--require", "-I"]
)
_INPUT = frozenset(["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"])
_AWKS = frozenset({"awk", "gawk", "mawk", "nawk", "original-awk"})


def language(program: str) -> str:
    """``python3.12`` and ``python3`` are "python"; empty for what is no language."""
    name = program if program in _CODE_OPTIONS else program.rstrip("0123456789.")
    return name if name in _CODE_OPTIONS else ""


def runs_text(call: Call) -> bool:
    """A shell, a language, or what reads a script into the running shell."""
    return bool(
        call.program in SHELLS
        or language(call.program)
        or call.program in ("eval", "source", ".", "su", "at", "batch", "iex")
    )


def _code_option(call: Call, text: str) -> bool:
    if call.program in SHELLS or call.program == "su":
        short = text[:1] in "-+" and text[:2] != "--" and "c" in text[1:]
    else:
        letters = _CODE_OPTIONS.get(language(call.program), "")
        short = len(text) > 1 and text[0] == "-" and text[1] != "-" and text[-1] in letters
    return short or text in _LONG_OPTIONS or (call.program == "deno" and text == "eval")


def program_words(call: Call) -> list[Word]:
    """The words that hold the program, or name its file; the first word for any other call."""
    if call.program == "eval":
        return list(call.args)
    if not runs_text(call):
        return list(call.words[:1])
    words = list(call.args)
    for at, word in enumerate(words):
        if _code_option(call, word.text):
            return words[at + 1 : at + 2]
    return _operands(call)[:1]


def reads_program(call: Call) -> bool:
    """What comes in on standard input is run: ``bash``, ``bash -s -- x``, ``python3 -``."""
    if not runs_text(call) or call.program == "eval":
        return False
    texts = [word.text for word in call.args]
    if any(_code_option(call, text) for text in texts):
        return False
    if language(call.program) == "python" and "-m" in texts:
        return False
    operands = [word.text for word in _operands(call)]
    if call.program in ("su", "at", "batch"):
        return "-f" not in texts
    if call.program in SHELLS and any(
        t[:1] == "-" and t[:2] != "--" and "s" in t[1:] for t in texts
    ):
        return True
    return not operands or operands[0] in _INPUT


def _operands(call: Call) -> list[Word]:
    found: list[Word] = []
    skip = False
    for word in call.args:
        text = word.text
        if skip:
            skip = False
        elif text in _VALUED:
            skip = True
        elif found or text in _INPUT or not text.startswith(("-", "+")):
            found.append(word)
    return found


def code_of(call: Call) -> str:
    """The program text of a language on this line, or empty."""
    if call.program in _AWKS:
        texts = [w.text for w in call.args if not w.text.startswith("-")]
        return texts[0] if texts else ""
    if not language(call.program):
        return ""
    words = list(call.args)
    codes = [b.text for a, b in pairwise(words) if _code_option(call, a.text)]
    if not codes and reads_program(call):
        codes = [stdin_of(call) or ""]
    return "\n".join(codes)


_TEXT = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`(?:[^`\\]|\\.)*`"
_LITERAL = re.compile(_TEXT)
_STARTS = re.compile(
    r"(?:\b(?:system|popen\d?|exec\w*|spawn\w*|run|call|check_call|check_output|getoutput"
    r"|getstatusoutput|shell_exec|passthru|Popen|capture[23e]*|do shell script)\b\s*)"
    rf"\(?\s*\[?\s*((?:(?:{_TEXT})\s*,?\s*\[?\s*){{1,40}})"
)
_QUOTED_COMMAND = re.compile(
    r"`([^`]*)`|(?:%x|qx)\s*[\[{(/!|]([^\]})/!|]*)|\|\s*\"([^\"]*)\"|\"([^\"]*)\"\s*\|&?\s*getline"
)
_CARRIED = re.compile(
    r"(?:--checkpoint-action=exec=|--to-command=|--use-compress-program=|--rsh=|(?:-o)?ProxyCommand="
    r"|core\.(?:pager|editor|sshCommand|fsmonitor)=|\.(?:shell|system) |\\! ?)(?P<text>.+)",
    re.DOTALL | re.IGNORECASE,
)

_EDITORS = frozenset(
    {"vim", "vi", "nvim", "ex", "view", "less", "more", "man", "ed", "emacs", "gdb", "ftp"}
)
_FROM_EDITOR = re.compile(
    r"[:+]*(?:!|shell |pipe )\s*(.+)|.*(?:shell-command|call-process) \"(.*)\"", re.DOTALL
)
_FROM_SED = re.compile(r"(?:^|[;{\n])\s*[\d$,/]*\s*e\s+([^\n]+)")


def literals(code: str) -> list[str]:
    """The texts between quotes in a piece of a program."""
    return [re.sub(r"\\(.)", r"\1", found[1:-1]) for found in _LITERAL.findall(code)]


def _one_blank(found: re.Match[str]) -> str:
    return "\n" if "\n" in found[0] else " "


def shell_texts(call: Call) -> Iterator[str]:
    """Shell commands inside another program's text or options: ``os.system("…")``, awk's
    ``system()``, ``tar --to-command=…``."""
    code = re.sub(r"\s{2,}", _one_blank, code_of(call)[:8192])  # long runs would take minutes
    if code:
        for found in _STARTS.finditer(code):
            parts = literals(found.group(1))
            yield " ".join(parts)
        if language(call.program) in _BACKTICKS:
            for groups in _QUOTED_COMMAND.findall(code):
                yield next((text for text in groups if text), "")
    if call.program in _FLEETS:
        yield from _for_many(call)
    for word in call.args:
        carried = _CARRIED.match(word.text)
        if carried and call.program not in _SAY_ONLY:
            yield carried["text"]
        if call.program == "git" and word.text.startswith("!"):
            yield word.text[1:]  # an alias
        typed = _FROM_EDITOR.match(word.text) if call.program in _EDITORS else None
        if typed:
            yield typed[1] or typed[2]
        if call.program in ("sed", "gsed"):
            yield from _FROM_SED.findall(word.text)


def _for_many(call: Call) -> Iterator[str]:
    """``ansible all -a '…'``, ``pdsh -w n[1-9] …``: texts, and the words at the end of the line."""
    texts = [word.text.removeprefix("spawn ") for word in call.args]
    yield from (text for text in texts if " " in text)
    for before, text in pairwise(texts):
        if before in ("-a", "--args"):
            yield text
    if call.program in ("pdsh", "clush", "dsh"):
        yield " ".join(texts[2:])


_FLEETS = names("ansible salt salt-ssh pssh parallel-ssh pdsh dsh clush mussh expect fab")
"""Programs that run a command elsewhere, or type it for somebody."""
_BACKTICKS = frozenset({"perl", "ruby", "php", ""})
"""Languages with commands between backticks; awk, which is none here, has its pipes."""
_SAY_ONLY = frozenset({"echo", "printf", "grep", "[", "test"})
