"""What a server's own metrics say of its queue: a reader of Prometheus' text format, and the names
that servers use. A name that is not there is unknown, which is not zero."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from cmdai_shell.core import Load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SAMPLE = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)\s*"
    r'(?:\{(?P<labels>(?:[^"}]|"(?:[^"\\]|\\.)*")*)\})?\s+(?P<value>\S+)(?:\s+-?\d+)?\s*'
)
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")
_LONGEST_LINE = 4_096

Sample = tuple[str, "Mapping[str, str]", float]

_RUNNING: dict[str, Mapping[str, str]] = {
    "vllm:num_requests_running": {},
    "sglang:num_running_reqs": {},
    "llamacpp:requests_processing": {},
    "tgi_batch_current_size": {},
    "trtllm_num_requests_running": {},
    "nv_trt_llm_request_metrics": {"request_type": "active"},
}
_WAITING: dict[str, Mapping[str, str]] = {
    "vllm:num_requests_waiting": {},
    "sglang:num_queue_reqs": {},
    "llamacpp:requests_deferred": {},
    "tgi_queue_size": {},
    "trtllm_num_requests_waiting": {},
    "nv_trt_llm_request_metrics": {"request_type": "waiting"},
    "nv_inference_pending_request_count": {},
}
_CACHE_USED: dict[str, Mapping[str, str]] = {
    "vllm:kv_cache_usage_perc": {},
    "vllm:gpu_cache_usage_perc": {},
    "sglang:token_usage": {},
    "llamacpp:kv_cache_usage_ratio": {},
    "trtllm_kv_cache_utilization": {},
    "nv_trt_llm_kv_cache_block_metrics": {"kv_cache_block_type": "fraction"},
}
_GENERATED: dict[str, Mapping[str, str]] = {
    "vllm:generation_tokens_total": {},
    "sglang:generation_tokens_total": {},
    "llamacpp:tokens_predicted_total": {},
    "tgi_request_generated_tokens_sum": {},
}
"""Name -> the labels that a sample has to have. vLLM docs/usage/metrics.md (until 0.9 it was
``gpu_cache_usage_perc``), SGLang docs/references/production_metrics, llama.cpp tools/server,
TGI docs/source/reference/metrics.md, Triton docs/user_guide/metrics.md, tensorrtllm_backend."""


def samples(text: str) -> Iterator[Sample]:
    """(name, labels, value) of each line that is one; NaN is none."""
    for line in text.splitlines():
        if line[:1] in ("", "#") or len(line) > _LONGEST_LINE:
            continue
        found = _SAMPLE.fullmatch(line)
        if found is None:
            continue
        try:
            value = float(found["value"])
        except ValueError:
            continue
        if not math.isnan(value):
            labels = _LABEL.findall(found["labels"] or "")
            yield found["name"], {name: _unescape(text) for name, text in labels}, value


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda found: "\n" if found[1] == "n" else found[1], text)


def read_load(text: str) -> Load:
    """Of several engines or models behind one address: all their requests, the fullest cache."""
    known: dict[str, list[float]] = {"running": [], "waiting": [], "cache": [], "generated": []}
    tables = zip(known, (_RUNNING, _WAITING, _CACHE_USED, _GENERATED), strict=True)
    wanted = [(known[key], table) for key, table in tables]
    for name, labels, value in samples(text):
        for values, table in wanted:
            if name in table and table[name].items() <= labels.items() and math.isfinite(value):
                values.append(value)
    running, waiting, cache, generated = known.values()
    return Load(
        running=_count(running),
        waiting=_count(waiting),
        cache_used=min(max(0.0, *cache, 0.0), 1.0) if cache else None,
        generated=sum(generated) if generated else None,
    )


def _count(values: list[float]) -> int | None:
    return max(0, round(sum(values))) if values else None
