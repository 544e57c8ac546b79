"""The files of the configuration as somebody else may see them: keys that we know with their
values, of others only the names. Comments are left out: people keep old keys in them."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from cmdai_shell.config.environment import ENVIRONMENT_KEYS
from cmdai_shell.config.environment_files import FOLDER, IMPORT
from cmdai_shell.config.schema import KEYS, SECTIONS
from cmdai_shell.observe.redact import MARK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_ADDRESS = ("url", "kind", "model", "name", "weight", "priority")
_KNOWN = {
    *(name.rpartition(".")[2] for name in KEYS),
    *ENVIRONMENT_KEYS,
    *SECTIONS,
    *_ADDRESS,
    FOLDER,
    IMPORT,
}
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]{0,31}(?:_[A-Z0-9]{1,32}){1,4}")


def shown(text: str, cover: Callable[[Any], Any]) -> str:
    """As TOML again; of a file that is none the lines that set one known key. ``cover`` gets the
    values: a name beside a value, as in ``api_key_env = "GPU_KEY"``, would mislead it."""
    try:
        document = tomlkit.parse(text).unwrap()
    except TOMLKitError:
        return "".join(f"{cover(line)}\n" for line in _lines(text))
    return tomlkit.dumps(cover(_kept(document)))


def variables(text: str) -> set[str]:
    """What ``*_env`` keys name: variables, or by mistake the credential itself."""
    return set(re.findall(r"""\w_env["']?\s*=\s*["']([^"'\n]+)["']""", text))


def _program(command: Any) -> str:
    """Of a command, as text or as list, the program alone: a credential may be in what follows."""
    try:
        words = shlex.split(command) if isinstance(command, str) else list(map(str, command))
    except (ValueError, TypeError):
        return MARK
    if not words:
        return ""
    if "=" in words[0]:  # meant for a shell: a variable and its value
        return MARK
    return f"{words[0]} {MARK}" if words[1:] else words[0]


def _kept(table: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    return {key: covered(key, each, above) for key, each in table.items()}


def covered(key: str, value: Any, above: str = "") -> Any:
    """A setting's value; of a command the program, and no credential where a variable's name should
    be. ``above``: the table the key is in."""
    is_name = above == FOLDER  # of an environment: any word
    if not (isinstance(value, dict) if is_name else key in _KNOWN):
        return MARK
    if isinstance(value, dict):
        return _kept(value, key)
    if key.endswith("_command"):
        return _program(value)
    if isinstance(value, list):
        return [_kept(each, key) if isinstance(each, dict) else each for each in value]
    if key.endswith("_env") and not (isinstance(value, str) and is_variable(value)):
        return MARK
    return value


def is_variable(text: str) -> bool:
    """And not the credential itself, which people write there by mistake."""
    return not text or _VARIABLE.fullmatch(text) is not None


def _lines(text: str) -> Iterator[str]:
    yield "# not valid TOML: lines that set a key that we know, and no others"
    for line in text.splitlines():
        found = re.fullmatch(r"\s*([\w.-]+)\s*=\s*(.*?)\s*", line)
        if found and found[1].rpartition(".")[2] in _KNOWN:
            key, value = found[1], found[2].partition("#")[0].strip()
            may_be_one = key.endswith(("_env", "_command"))
            is_safe = re.fullmatch(r"-?[\d.]+|true|false", value) or not may_be_one
            yield f"{key} = {value if is_safe else MARK}"
        elif re.fullmatch(r"\s*\[\[?[\w.-]+\]\]?\s*", line):
            yield line.strip()
