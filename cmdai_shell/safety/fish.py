"""fish text in words of the bash grammar.

The translation keeps every call, redirection, pipe, substitution and loop variable, and nothing
else: a condition is just one more call, so each block becomes ``{ …; }``. What is not understood
beyond doubt is not translated at all; the caller then looks through the text word by word.

Sources: the fish language reference (https://fishshell.com/docs/current/language.html).
"""

from __future__ import annotations

import re

from cmdai_shell.safety.quoting import ansi_c
from cmdai_shell.safety.script import names

_DEEPEST = 30
"""Substitutions inside substitutions that are followed."""

_BLOCKS = frozenset({"begin", "if", "while"})
_HEADED = frozenset({"for", "switch", "function", "case"})
_KEYWORDS = _BLOCKS | _HEADED | {"else", "end", "and", "or", "not", "!"}
_BASH_ONLY = names(
    "then do done fi esac elif until select coproc [[ ]] declare typeset local readonly export "
    "unset unsetenv let"
)
"""Plain programs to fish, but not to the grammar."""

_BLANK = re.compile(r"(?:[ \t]|\\\n)+")
_COMMENT = re.compile(r"#[^\n]*")
_SEPARATOR = re.compile(r"&&|\|\||2>\||&\||>\||[;\n|]|&(?!>)")
_REDIRECT = re.compile(r"(\d*)(>>|>\?|>&|<&|<\?|>|<)|(&>>|&>\??)")
_ESCAPED = re.compile(
    r"\\(?:[xX][0-9a-fA-F]{1,2}|u[0-9a-fA-F]{1,4}|U[0-9a-fA-F]{1,8}|[0-7]{1,3}|c.|.)", re.DOTALL
)
_VARIABLE = re.compile(r"(\$+)(\w+)")
_INDEX = re.compile(r"\[[\w.$ -]*\]")
_BARE = re.compile(r"[^\s;&|<>()\\'\"$*?~{}`\[\]!#]+")
_ENDS_WORD = frozenset(" \t\n;&|<>)")
_SPECIAL = {"status": "?", "pipestatus": "?", "fish_pid": "$", "last_pid": "!"}


class _UnsureError(Exception):
    pass


def from_fish(text: str) -> str | None:
    """``text`` as bash would have it, or None when there is any doubt what it does."""
    try:
        return _Translation(text).whole()
    except _UnsureError:
        return None


class _Translation:
    """One pass over the text. ``_out`` is what has been written of the current list of commands,
    ``_pending`` the separator that is written before the next command."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._begin()

    def _begin(self) -> None:
        self._out: list[str] = []
        self._pending = ""
        self._fresh = True  # the next word is a program or a keyword
        self._closed = False  # right behind "end": only redirections and separators may follow
        self._open: list[str] = []  # what closes each open block

    def whole(self) -> str:
        out = self._list()
        if self._at < len(self._text):
            raise _UnsureError
        return out

    def _list(self) -> str:
        """Commands up to the end of the text, or to the bracket that closes a substitution."""
        while self._skip() and not self._peek(")"):
            separator = self._take(_SEPARATOR)
            if separator:
                self._separate(separator[0])
            elif redirect := self._take(_REDIRECT):
                self._redirect(redirect)
            elif self._fresh:
                self._first()
            elif self._closed:
                raise _UnsureError
            else:
                self._out.append(f" {self._word()}")
        if self._open or self._pending in ("|", "2>&1 |", "&&", "||"):
            raise _UnsureError
        if self._pending == "&":
            self._out.append(" &")
        return "".join(self._out).strip()

    def _skip(self) -> bool:
        """Past blanks and comments; False at the end."""
        while self._take(_BLANK) or (self._peek("#") and self._take(_COMMENT)):
            pass
        return self._at < len(self._text)

    def _peek(self, start: str) -> bool:
        return self._text.startswith(start, self._at)

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        if found:
            self._at = found.end()
        return found

    def _separate(self, operator: str) -> None:
        piped = "|" in operator and operator != "||"
        if self._fresh:
            if operator not in ("\n", ";") or (
                self._pending not in ("", ";", "&") and operator == ";"
            ):
                raise _UnsureError
            return
        self._fresh, self._closed = True, False
        if piped:
            operator = "|" if operator in ("|", ">|") else "2>&1 |"
        self._pending = ";" if operator == "\n" else operator

    def _write(self, text: str) -> None:
        """``text`` as the beginning of a command."""
        if self._pending:
            self._out.append(f" {self._pending} " if self._pending != ";" else "; ")
        self._pending = ""
        self._out.append(text)

    def _first(self) -> None:
        """The first word of a command: a keyword, or the program."""
        start = self._at
        word = self._word()
        raw = self._text[start : self._at]
        if raw in _KEYWORDS:
            self._keyword(raw)
            return
        if re.sub(r"[\\'\"]", "", raw) in _KEYWORDS or raw in ("{", "}"):
            raise _UnsureError
        self._write(f"\\{word}" if word in _BASH_ONLY else word)
        self._fresh = "=" in raw and raw.partition("=")[0].isidentifier()  # A=b program
        if self._fresh:
            self._out.append(" ")
            if not self._skip() or self._text[self._at] in _ENDS_WORD:
                raise _UnsureError

    def _keyword(self, word: str) -> None:
        if word in ("and", "or"):
            if self._pending in (";", "&"):
                self._pending = "&&" if word == "and" else "||"
        elif word in _BLOCKS:
            self._write("{ ")
            self._open.append("}")
        elif word in _HEADED:
            self._headed(word)
        elif word == "else":
            if not self._open:
                raise _UnsureError
            self._skip()
            self._take(re.compile(r"if(?=[\s;])"))  # its end is the one of the first "if"
        elif word == "end":
            self._end()

    def _headed(self, word: str) -> None:
        words = self._header()
        if word == "for":
            if len(words) < 2 or words[1] != "in" or not words[0].isidentifier():
                raise _UnsureError
            self._write(f"for {words[0]} in {' '.join(words[2:]) or chr(34) * 2}; do ")
            self._open.append("done")
        elif word == "switch":
            self._write(f"{{ : {' '.join(words)}")
            self._open.append("}")
            self._pending = ";"
        elif word == "case":
            if not self._open:
                raise _UnsureError
            self._write(f": {' '.join(words)}")
            self._pending = ";"
        else:
            self._function(words)

    def _header(self) -> list[str]:
        words: list[str] = []
        while self._skip():
            if end := self._take(re.compile(r"[;\n]")):
                return words if end else []
            words.append(self._word())
        raise _UnsureError

    def _function(self, words: list[str]) -> None:
        if not words or not re.fullmatch(r"[\w.:@+-]+", words[0]) or words[0].startswith("-"):
            raise _UnsureError
        self._write(f"{words[0]}() {{ : {' '.join(words[1:])}")
        self._pending = ";"
        self._open.append("}")
        named = False
        position = 0
        for word in words[1:]:
            if word.startswith("-"):
                named = word in ("-a", "--argument-names")
            elif named and word.isidentifier():
                position += 1
                self._write(f'{word}="${position}"')
                self._pending = ";"

    def _end(self) -> None:
        if not self._open or self._pending not in ("", ";", "&"):
            raise _UnsureError
        if self._out[-1].endswith(("{ ", "do ")):
            self._out.append(":")  # an empty block
        self._out.append(" & " if self._pending == "&" else "; ")
        self._out.append(self._open.pop())
        self._pending, self._fresh, self._closed = "", False, True

    def _redirect(self, found: re.Match[str]) -> None:
        descriptor, operator, both = found.groups()
        if operator == "<" and self._peek("<"):
            raise _UnsureError  # fish has no here-documents
        self._skip()
        target = self._word()
        written = f"{descriptor or ''}{(operator or both).rstrip('?')}"
        gap = "" if written.endswith("&") else " "
        if self._fresh:
            self._write("")
        self._out.append(f" {written}{gap}{target}")

    def _word(self) -> str:
        """The next word, translated; it is never empty."""
        out = self._pieces(_ENDS_WORD)
        if not out:
            raise _UnsureError
        return out

    def _pieces(self, ends: frozenset[str]) -> str:
        out: list[str] = []
        while self._at < len(self._text) and self._text[self._at] not in ends:
            if "," not in ends and (bare := self._take(_BARE)):
                out.append(bare[0])
                continue
            char = self._text[self._at]
            if char == "\\":
                out.append(self._escape())
            elif char == "'":
                out.append(self._single())
            elif char == '"':
                out.append(self._double())
            elif char == "$":
                out.append(self._dollar())
            elif char == "(":
                out.append(self._substitution())
            elif char == "{":
                out.append(self._brace())
            else:
                self._at += 1
                out.append(f"\\{char}" if char in "`[]!#}" else char)
        return "".join(out)

    def _escape(self) -> str:
        found = self._take(_ESCAPED)
        if found is None:
            raise _UnsureError
        if found[0] == "\\\n":
            return ""
        if found[0][1] == "c":
            raise _UnsureError  # a control character
        if found[0][1] in "xXuU01234567abefnrtv":
            return _quoted(ansi_c(found[0].replace("X", "x")))
        return _quoted(found[0][1])

    def _single(self) -> str:
        found = self._take(re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL))
        if found is None:
            raise _UnsureError
        return _quoted(re.sub(r"\\([\\'])", r"\1", found[1]))

    def _double(self) -> str:
        self._at += 1
        out = ['"']
        while True:
            plain = self._take(re.compile(r'[^"\\$`]*'))
            out.append(plain[0] if plain else "")
            if self._take(re.compile('"')):
                return "".join([*out, '"'])
            if escaped := self._take(re.compile(r'\\(["$\\\n])')):
                out.append(escaped[0] if escaped[1] != "\n" else "")
            elif self._peek("$"):
                out.append(self._dollar())
            elif self._at < len(self._text):
                out.append(f"\\{self._text[self._at]}")  # a backslash, a backtick
                self._at += 1
            else:
                raise _UnsureError

    def _dollar(self) -> str:
        if self._peek("$("):
            self._at += 1
            return self._substitution()
        found = self._take(_VARIABLE)
        if found is None:
            raise _UnsureError
        self._index()
        name = _SPECIAL.get(found[2], found[2])
        return f"${{{'!' if len(found[1]) > 1 else ''}{name}}}"

    def _index(self) -> None:
        while self._peek("["):
            if self._take(_INDEX) is None:
                raise _UnsureError

    def _substitution(self) -> str:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _UnsureError
        outer = self._out, self._pending, self._fresh, self._closed, self._open
        self._at += 1
        self._begin()
        inner = self._list()
        self._out, self._pending, self._fresh, self._closed, self._open = outer
        if not self._peek(")"):
            raise _UnsureError
        self._at += 1
        self._depth -= 1
        self._index()
        return f"$({inner or ':'})"

    def _brace(self) -> str:
        """``{a,b}``; blanks in it are nothing. With one part it is no expansion."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _UnsureError
        parts: list[str] = []
        while not parts or self._peek(","):
            self._at += 1
            self._take(_BLANK)
            parts.append(self._pieces(_ENDS_WORD | {",", "}"}))
            self._take(_BLANK)
        if not self._peek("}"):
            raise _UnsureError
        self._at += 1
        self._depth -= 1
        return "{" + ",".join(parts) + "}" if len(parts) > 1 else "\\{" + parts[0] + "\\}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
