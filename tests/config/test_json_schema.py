from __future__ import annotations

import re
from typing import Any

from cmdai_shell.config import json_schema
from cmdai_shell.config.environment import ENVIRONMENT_KEYS
from cmdai_shell.config.schema import KEYS


def resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """What a reference, alone or beside a default, refers to."""
    alternatives = [node, *node.get("anyOf", []), *node.get("allOf", [])]
    for alternative in alternatives:
        if "$ref" in alternative:
            found: dict[str, Any] = schema["$defs"][alternative["$ref"].rpartition("/")[2]]
            return found
    return node


def test_every_key_of_config_toml_is_described() -> None:
    schema = json_schema.config()
    for name in KEYS:
        node = schema
        for part in name.split("."):
            node = resolved(schema, node)["properties"][part]
        assert node["description"] == KEYS[name].description
    assert schema["additionalProperties"] is False
    assert schema["title"] == "cmdai-shell: config.toml"


def test_environments_are_tables_by_name() -> None:
    schema = json_schema.config()
    environments = schema["properties"]["environments"]
    assert re.search(environments["propertyNames"]["pattern"], "home-lab")
    assert not re.search(environments["propertyNames"]["pattern"], "a b")
    environment = resolved(schema, environments["additionalProperties"])
    assert set(environment["properties"]) == {*ENVIRONMENT_KEYS, "import"}


def test_every_key_of_an_environment_is_described() -> None:
    schema = json_schema.environment()
    assert schema["title"] == "cmdai-shell: environments/NAME.toml"
    assert set(schema["properties"]) == {*ENVIRONMENT_KEYS, "import"}
    assert schema["additionalProperties"] is False
    assert schema["properties"]["kind"]["enum"] == sorted(schema["properties"]["kind"]["enum"])
    assert schema["properties"]["timeout_ms"]["minimum"] == 100
    assert all(node.get("description") for node in schema["properties"].values())
