"""Checking one value against its key, and saying in words for people what is wrong with it."""

from __future__ import annotations

import difflib
import json
import re
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from cmdai_shell.config.table import Table
from cmdai_shell.config.toml import Path, dotted, lines_of
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from cmdai_shell.config.table import Key


class BadSetting(ConfigError):
    """A wrong value, and where in its text it stands."""

    def __init__(self, path: Path, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.path = path


def placed(error: ConfigError, name: str, text: str) -> ConfigError:
    """The error with file and line before it, if it knows its place in ``text``; values that are
    in no file have no ``name``."""
    if not isinstance(error, BadSetting) or not name:
        return error
    # A key that is missing has its table's line, or the file's.
    line = max(lines_of(text, error.path), default=1)
    where = f"{name}:{line}" if line else name
    return ConfigError(f"{where}: {error.message}", error.hint)


def checked(key: Key, value: object, path: Path, *, strict: bool = True) -> Any:
    """``value`` as the key's own type; ``strict=False`` reads it from text ("8", "true").

    Raises BadSetting.
    """
    try:
        return msgspec.convert(value, key.type, strict=strict)
    except msgspec.ValidationError as error:
        raise _bad_value(key, value, path, str(error)) from None
    except (RecursionError, OverflowError):
        raise BadSetting(path, f"{dotted(path)}: not a value for this key") from None


def nearest(word: str, known: Collection[str], cutoff: float = 0.7) -> str:
    """The known word most like this one, or empty."""
    return next(iter(difflib.get_close_matches(word[:100], known, n=1, cutoff=cutoff)), "")


def nearest_dotted(name: str, known: Collection[str]) -> str:
    """The known key most like it, or empty: ``threads`` finds ``embedded.threads``."""
    if near := nearest(name, known):
        return near
    by_last = {key.rpartition(".")[2]: key for key in known}
    return by_last.get(nearest(name.rpartition(".")[2], by_last), "")


_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}


def _bad_value(key: Key, value: object, path: Path, found: str) -> BadSetting:
    """msgspec's sentence in words for people; an enumeration lists its choices."""
    what, _, inner = found.partition(" - at `$")
    steps = tuple(_steps(inner))
    path += steps
    if what.startswith("Invalid enum value"):
        what = "choose " + ", ".join(_choices(_type_at(key.type, steps)))
    elif field := re.search("unknown field `(.*)`", what, re.DOTALL):
        what = "unknown key"
        near = nearest(field[1], _fields(_type_at(key.type, steps)))
        path = (*path, field[1])
        return BadSetting(path, f"{dotted(path)}: {what}", f"did you mean {near}?" if near else "")
    elif missing := re.search("missing required field `(.*)`", what):
        what = f"{missing[1]} is missing"
    else:
        what = re.sub("`([^`]*)`", lambda match: _worded(match[1]), what)
        what = what[:1].lower() + what[1:]
    is_private = steps or "api_key" in key.name or key.name.endswith("_env")  # perhaps the key
    shown = "" if is_private else _shown(value)
    hint = ""
    if what == "expected a list, got text" and isinstance(value, str) and not is_private:
        listed = json.dumps([value], ensure_ascii=False)
        hint = f"a list is written {listed}; at a shell in quotes: '{listed}'"
    return BadSetting(path, f"{dotted(path)}{shown}: {what}", hint)


def _worded(types: str) -> str:
    return " or ".join(_WORDS.get(word, word) for word in types.split(" | "))


def _steps(inner: str) -> Iterator[str | int]:
    for index, name in re.findall(r"\[(\d+)\]|\.([A-Za-z_0-9]+)", inner):
        yield int(index) if index else name


def _type_at(kind: Any, steps: Path) -> Any:
    """What may stand at the end of the steps: the one alternative of a union that goes so far."""
    for step in steps:
        if isinstance(step, int):
            kind = next(a for a in _alternatives(kind) if get_origin(a) is tuple).__args__[0]
        else:
            struct = next(a for a in _alternatives(kind) if _is_table(a))
            kind = next(f.type for f in msgspec.structs.fields(struct) if f.name == step)
    return kind


def _alternatives(kind: Any) -> Iterator[Any]:
    if get_origin(kind) is Annotated:
        yield from _alternatives(kind.__origin__)
    elif get_origin(kind) in (Union, UnionType):
        for alternative in get_args(kind):
            yield from _alternatives(alternative)
    else:
        yield kind


def _is_table(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Table)


def _choices(kind: Any) -> Iterator[str]:
    for alternative in _alternatives(kind):
        if get_origin(alternative) is Literal:
            yield from (word or "''" for word in get_args(alternative))


def _fields(kind: Any) -> list[str]:
    return [name for a in _alternatives(kind) if _is_table(a) for name in a.__struct_fields__]


def _shown(value: object) -> str:
    """The value as TOML would write it, if that is short."""
    if isinstance(value, bool):
        return f" = {str(value).lower()}"
    if isinstance(value, str):
        return f' = "{value}"' if len(value) < 60 and value.isprintable() else ""
    if isinstance(value, float) or (isinstance(value, int) and abs(value) < 10**20):
        return f" = {value}"
    return ""
