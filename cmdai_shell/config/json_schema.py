"""What an editor needs to check and complete the files: JSON Schema, made from the structs."""

from __future__ import annotations

from typing import Any

import msgspec

from cmdai_shell.config.environment import Environment
from cmdai_shell.config.environment_files import IMPORT, NAME
from cmdai_shell.config.schema import Config

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_IMPORT = {
    "description": "another file's keys, over which those here go",
    "type": "string",
    "minLength": 1,
}


def config() -> dict[str, Any]:
    """Of ``config.toml``."""
    made = _made(Config)
    environments = made["$defs"]["Config"]["properties"]["environments"]
    environments.pop("default", None)
    environments["propertyNames"] = {"pattern": f"^{NAME.pattern}$"}
    return _document(made, "Config", "cmdai-shell: config.toml")


def environment() -> dict[str, Any]:
    """Of ``environments/NAME.toml``."""
    return _document(_made(Environment), "Environment", "cmdai-shell: environments/NAME.toml")


def _made(root: type[msgspec.Struct]) -> dict[str, Any]:
    made: dict[str, Any] = msgspec.json.schema(root)
    keys = made["$defs"]["Environment"]["properties"]
    del keys["id"]
    keys[IMPORT] = _IMPORT
    for table in made["$defs"].values():
        table.pop("description", None)  # docstrings are for who reads the code
    return made


def _document(made: dict[str, Any], root: str, title: str) -> dict[str, Any]:
    definitions = made["$defs"]
    body = definitions.pop(root) | {"title": title}
    return {"$schema": DIALECT, **body, "$defs": definitions}
