"""What servers of the OpenAI dialect do differently: one table, and nothing else knows of it.

A field that a server does not know is either ignored or refused by name; a refused one is left out
from then on (``openai``), so what stands here need not be known to every version of a server.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    SchemaForm = Callable[[dict[str, Any], str], dict[str, Any]]
    """(the schema, the server's version) -> fields of the request that hold an answer to it."""


def response_format(schema: dict[str, Any], _: str = "") -> dict[str, Any]:
    """OpenAI's own: developers.openai.com, "Structured model outputs"; taken over by most."""
    named = {"name": "answer", "strict": True, "schema": schema}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def _vllm(schema: dict[str, Any], version: str) -> dict[str, Any]:
    """``structured_outputs`` since 0.11 (docs/features/structured_outputs.md), the only one of the
    two left in 0.12, which ignores ``guided_json`` without a word; before, ``guided_json``.
    Its ``disable_any_whitespace`` is of no effect in a request (seen on 0.32.0), only as the
    server's own option.
    """
    known = version_of(version)
    if known is None:
        return response_format(schema)
    if known >= (0, 11):
        return {"structured_outputs": {"json": schema}}
    return {"guided_json": schema}


def _nim(schema: dict[str, Any], version: str) -> dict[str, Any]:
    """``nvext.guided_json`` (NIM LLM 1.x, "Structured Generation"); 2.x is vLLM inside."""
    if (version_of(version) or (1, 0)) >= (2, 0):
        return response_format(schema)
    return {"nvext": {"guided_json": schema}}


def version_of(text: str) -> tuple[int, int] | None:
    """Major and minor of "0.11.0rc2+cu129" or "v1.8.4"; None for what is no version."""
    parts = text.lstrip("vV").split(".")
    try:
        return int(parts[0]), int("".join(filter(str.isdigit, parts[1][:4])))
    except (ValueError, IndexError):
        return None


_NO_THOUGHT = {"chat_template_kwargs": {"enable_thinking": False}}
"""Qwen3, GLM, Granite and others read it in their chat template; templates that do not know it
take no notice. A command has to come within a second or two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """``extra``: fields of every request. ``most_stops``: of the stop words it takes at most so
    many."""

    title: str
    schema: SchemaForm | None = response_format
    extra: Mapping[str, Any] = field(default_factory=dict)
    tokens: str = "max_tokens"
    has_seed: bool = True
    most_stops: int = 16
    health: str = "/health"
    metrics: str = "/metrics"
    key_header: str = ""
    """Of an API key; empty: Authorization, as a bearer."""


DIALECTS: dict[str, Dialect] = {
    # https://docs.vllm.ai serving/openai_compatible_server; seen on 0.32.0
    "vllm": Dialect(
        title="vLLM",
        schema=_vllm,
        extra=_NO_THOUGHT,
    ),
    # https://docs.nvidia.com/nim/large-language-models API reference, 1.x
    "nim": Dialect(
        title="NVIDIA NIM",
        schema=_nim,
        health="/v1/health/live",
        metrics="/v1/metrics",
    ),
    # https://docs.sglang.ai openai_api_completions, structured_outputs, production_metrics
    "sglang": Dialect(title="SGLang", extra=_NO_THOUGHT),
    # TensorRT-LLM docs/source/commands/trtllm-serve; /metrics is JSON there
    "trtllm": Dialect(
        title="TensorRT-LLM",
        metrics="/prometheus/metrics",
    ),
    # llama.cpp tools/server/README.md; seen on b6xxx of Debian sid
    "llama.cpp": Dialect(
        title="llama.cpp",
        extra={"cache_prompt": True, **_NO_THOUGHT},
    ),
    # https://lmstudio.ai/docs/app/api, "Structured Output"
    "lmstudio": Dialect(title="LM Studio", health="/v1/models", metrics=""),
    # https://docs.ray.io serve/llm; the engine's own metrics are not at this address
    "ray": Dialect(title="Ray Serve LLM", extra=_NO_THOUGHT, health="/-/healthz", metrics=""),
    # triton-inference-server/server python/openai/README.md: no response_format of json_schema
    "triton-openai": Dialect(title="Triton (OpenAI)", schema=None, health="/health/ready"),
    # https://learn.microsoft.com/azure/ai-services/openai/reference: at most 4 stop words
    "azure": Dialect(
        title="Azure OpenAI", most_stops=4, health="/", metrics="", key_header="api-key"
    ),
    # https://platform.openai.com/docs/api-reference/chat: at most 4 stop words
    "openai": Dialect(title="OpenAI", most_stops=4, health="/v1/models", metrics=""),
}


def schema_of(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found
