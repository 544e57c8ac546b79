"""Whether a text keeps to a JSON schema: a server that accepts one may still ignore it."""

from __future__ import annotations

import json
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "integer": (int,),
    "number": (int, float),
}


def keeps_to(text: str, schema: str) -> bool:
    """Of the vocabulary only what our own schemas use is looked at; the rest passes. A control
    character in a string, which servers' grammars let through, is the answer's fault, not theirs.
    """
    try:
        return _fits(json.loads(text, strict=False), json.loads(schema))
    except (ValueError, RecursionError):
        return False


def _fits(value: Any, schema: Any) -> bool:
    if not isinstance(schema, dict):
        return schema is not False
    if "enum" in schema and value not in schema["enum"]:
        return False
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        return False
    if isinstance(value, dict):
        return _object_fits(value, schema)
    if isinstance(value, list):
        few = len(value) >= schema.get("minItems", 0)
        many = len(value) <= schema.get("maxItems", len(value))
        return few and many and all(_fits(item, schema.get("items", True)) for item in value)
    return True


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool) and kind != "boolean":
        return False
    return isinstance(value, _TYPES.get(kind, (object,)))


def _object_fits(value: dict[str, Any], schema: dict[str, Any]) -> bool:
    properties = schema.get("properties", {})
    if any(name not in value for name in schema.get("required", ())):
        return False
    others = schema.get("additionalProperties", True)
    return all(_fits(item, properties.get(name, others)) for name, item in value.items())
