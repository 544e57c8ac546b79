"""TGI's requests and events, which SageMaker's containers speak, too. Pure.

Sources: huggingface/text-generation-inference, docs/openapi.json and router/src (3.3).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cmdai_shell.backends.server import Usage, count_of, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cmdai_shell.core import Prompt

GRAMMAR = "grammar"
_STATUSES = {
    "overloaded": 429,
    "validation": 422,
    "template_error": 422,
    "tool_error": 422,
    "generation": 424,
    "incomplete_generation": 500,
    "healthcheck": 503,
}
"""The status that TGI gives each ``error_type`` where it still can."""


def body(prompt: Prompt, text: str, stop: Sequence[str], guide: str = "") -> dict[str, Any]:
    """What is posted. A temperature must be above 0 where it is given at all, and makes TGI draw
    whatever ``do_sample`` says; a JSON grammar needs ``properties`` (router/src/validation.rs)."""
    parameters: dict[str, Any] = {
        "max_new_tokens": prompt.max_tokens,
        "do_sample": prompt.temperature > 0,
        "return_full_text": False,
        "details": True,
        "stop": list(stop),
    }
    if prompt.temperature > 0:
        parameters |= {"temperature": prompt.temperature, "seed": prompt.seed}
    if guide and prompt.schema:
        parameters[GRAMMAR] = {"type": "json", "value": json.loads(prompt.schema)}
    return {"inputs": text, "parameters": parameters}


def token(event: dict[str, Any]) -> str:
    """The text of an event; special tokens are none of it."""
    found = event.get("token")
    if not isinstance(found, dict) or found.get("special") is True:
        return ""
    return text_of(found.get("text"))


def usage(event: dict[str, Any]) -> Usage:
    """Of the last event."""
    details = event.get("details")
    told = details if isinstance(details, dict) else {}
    reason = text_of(told.get("finish_reason"))
    return Usage(
        generated=count_of(told.get("generated_tokens")),
        prompt=count_of(told.get("input_length")),
        ending={"length": "length"}.get(reason, "stop"),
    )


def status_of(event: Mapping[str, Any]) -> int:
    """What an event that says an error would have had for a status."""
    return _STATUSES.get(text_of(event.get("error_type")), 500)
