"""Every key of ``config.toml``: its type, bounds, default and one sentence of documentation.

The structs are the only list of keys there is: loading, ``config set``, the environment variables
and the help text are derived from them through ``KEYS``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Level = Literal["strict", "moderate", "permissive"]
Engine = Literal["llama-cpp", "llama-server"]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Values that cannot change under a reader, and no key that nobody reads."""


class Rule(_Table, frozen=True):
    """One of the person's own safety rules."""

    match: Annotated[str, Meta(min_length=1, description="regular expression, searched for")]
    risk: Literal["safe", "caution", "dangerous", "critical"]
    reason: Annotated[str, Meta(min_length=1, description="the sentence shown beside the command")]


class Safety(_Table, frozen=True):
    allow: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(description="commands that are never warned about"),
    ] = ()
    rules: Annotated[
        tuple[Rule, ...],
        Meta(description="your own rules: match (regular expression), risk, reason"),
    ] = ()


class Suggest(_Table, frozen=True):
    deadline_ms: Annotated[
        int, Meta(ge=500, le=600_000, description="a press that has no answer by then has failed")
    ] = 30_000
    max_alternatives: Annotated[
        int, Meta(ge=0, le=9, description="further suggestions that a second press can reach")
    ] = 3
    share_cwd: Annotated[
        bool,
        Meta(description="tell the model the current folder's name; small models repeat it"),
    ] = False
    share_listing: Annotated[
        bool,
        Meta(description="tell a large model what the files in the current folder are called"),
    ] = False
    recipes: Annotated[
        int,
        Meta(ge=0, le=8, description="recipes near the request that the model is shown (large: 8)"),
    ] = 3


class Embedded(_Table, frozen=True):
    engine: Annotated[
        Engine, Meta(description="llama-cpp (built in) or llama-server (an installed program)")
    ] = "llama-cpp"
    model: Annotated[
        str, Meta(min_length=1, description="id from `cmdai-shell model list`, or auto")
    ] = "auto"
    threads: Annotated[
        int, Meta(ge=0, le=512, description="threads of the model; 0 chooses from the cores")
    ] = 0
    context_tokens: Annotated[
        int, Meta(ge=512, le=32_768, description="tokens the model can look back on")
    ] = 2048
    idle_unload_s: Annotated[
        int,
        Meta(ge=0, description="seconds without a press until the model leaves memory; 0 keeps it"),
    ] = 900


class Caching(_Table, frozen=True):
    enabled: Annotated[bool, Meta(description="keep answers at all")] = True
    cache_identical_requests: Annotated[
        bool, Meta(description="answer the same words in the same place from the cache")
    ] = True
    cache_ttl_s: Annotated[int, Meta(ge=0, description="seconds an answer stays good")] = 300
    cache_max_entries: Annotated[int, Meta(ge=0, description="answers kept at most")] = 100


class Manual(_Table, frozen=True):
    enabled: Annotated[
        bool,
        Meta(description="index this machine's man pages, to check options and to explain them"),
    ] = True


class History(_Table, frozen=True):
    enabled: Annotated[
        bool,
        Meta(description="keep what became of suggestions, on this machine, and learn from it"),
    ] = True
    max_entries: Annotated[
        int, Meta(ge=1, le=100_000, description="suggestions kept at most; the oldest go first")
    ] = 2_000


class Config(_Table, frozen=True):
    """The whole configuration. ``config.load`` makes it; nothing else should."""

    safety_level: Annotated[
        Level, Meta(description="what is done with a risky command: strict, moderate, permissive")
    ] = "moderate"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="how much the daemon logs")
    ] = "info"
    default_shell: Annotated[
        Literal["bash", "zsh", "fish"],
        Meta(description="shell to write for when the request does not name one"),
    ] = "bash"
    safety: Safety = msgspec.field(default_factory=Safety)
    suggest: Suggest = msgspec.field(default_factory=Suggest)
    embedded: Embedded = msgspec.field(default_factory=Embedded)
    caching: Caching = msgspec.field(default_factory=Caching)
    manual: Manual = msgspec.field(default_factory=Manual)
    history: History = msgspec.field(default_factory=History)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One setting, by its dotted name."""

    name: str
    type: Any
    default: object
    description: str
    variable: str
    """The environment variable that overrides it; empty where there is none (lists and tables)."""


_VAGUE = {"enabled", "max_entries"}
"""Key names that say nothing without their section."""


def _variable(section: str, field: str, default: object) -> str:
    """The one rule: ``CMDAI_`` and the key in capitals, ``embedded.model`` -> ``CMDAI_MODEL``; the
    section goes before it only where the key alone says nothing (``CMDAI_CACHING_ENABLED``)."""
    if isinstance(default, tuple):
        return ""
    return "CMDAI_" + (f"{section}_{field}" if field in _VAGUE else field).upper()


def _keys(table: type[_Table], section: str = "") -> dict[str, Key]:
    found: dict[str, Key] = {}
    for field in msgspec.structs.fields(table):
        if isinstance(field.type, type) and issubclass(field.type, _Table):
            found |= _keys(field.type, field.name)
            continue
        name = f"{section}.{field.name}" if section else field.name
        found[name] = Key(
            name=name,
            type=field.type,
            default=field.default,
            description=field.type.__metadata__[0].description,
            variable=_variable(section, field.name, field.default),
        )
    return found


KEYS = _keys(Config)
SECTIONS = {name.partition(".")[0] for name in KEYS if "." in name}
