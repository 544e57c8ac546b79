"""What every table of the configuration is made of: a frozen struct whose fields are its keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Values that cannot change under a reader, and no key that nobody reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One setting, by its dotted name."""

    name: str
    type: Any
    default: object
    description: str
    variable: str
    """The environment variable that overrides it; empty where there is none (lists and tables)."""


_VAGUE = {"enabled", "keep_on_disk", "max_entries", "port", "propagate", "strategy"}
"""Key names that say nothing without their section."""


def keys_of(table: type[Table], section: str = "") -> dict[str, Key]:
    """The table's keys, and those of the tables in it, by dotted name. A field that is not
    described is no key."""
    found: dict[str, Key] = {}
    for field in msgspec.structs.fields(table):
        if isinstance(field.type, type) and issubclass(field.type, Table):
            found |= keys_of(field.type, field.name)
        elif meta := getattr(field.type, "__metadata__", ()):
            name = f"{section}.{field.name}" if section else field.name
            found[name] = Key(
                name=name,
                type=field.type,
                default=field.default,
                description=meta[0].description,
                variable=_variable(section, field.name, field.default),
            )
    return found


def _variable(section: str, field: str, default: object) -> str:
    """The one rule: ``CMDAI_`` and the key in capitals, ``embedded.model`` -> ``CMDAI_MODEL``; the
    section goes before it only where the key alone says nothing (``CMDAI_CACHING_ENABLED``)."""
    if isinstance(default, tuple):
        return ""
    return "CMDAI_" + (f"{section}_{field}" if field in _VAGUE else field).upper()
