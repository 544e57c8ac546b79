"""What metrics say of a queue."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.backends.prometheus import read_load, samples
from cmdai_shell.core import Load

SEEN = (Path(__file__).parent / "captures/vllm-0.32.0-metrics.txt").read_text()
VALUES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=20)


def test_a_real_vllm() -> None:
    assert read_load(SEEN) == Load(running=0, waiting=0, cache_used=0.0, generated=195.0)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", Load()),
        ("up 1\n", Load()),
        ('vllm:num_requests_waiting{engine="0"} 2\nvllm:num_requests_waiting{engine="1"} 3\n', 5),
        ("vllm:gpu_cache_usage_perc 0.5", Load(cache_used=0.5)),
        ("vllm:kv_cache_usage_perc 7", Load(cache_used=1.0)),
        ("sglang:num_queue_reqs{} 4\nsglang:token_usage 0.1", Load(waiting=4, cache_used=0.1)),
        (
            "llamacpp:requests_processing 1\nllamacpp:requests_deferred 0",
            Load(running=1, waiting=0),
        ),
        ("tgi_queue_size 2\ntgi_batch_current_size 1", Load(running=1, waiting=2)),
        (
            'nv_trt_llm_request_metrics{model="m",request_type="waiting"} 6\n'
            'nv_trt_llm_request_metrics{model="m",request_type="active"} 2\n'
            'nv_trt_llm_request_metrics{model="m",request_type="max"} 64\n',
            Load(running=2, waiting=6),
        ),
        ("vllm:num_requests_waiting NaN\nvllm:num_requests_running +Inf", Load()),
        ("vllm:num_requests_waiting\nvllm:num_requests_waiting x\n{} 3\n=", Load()),
        ("vllm:num_requests_waiting 3 1795385234000", 3),
    ],
)
def test_each_server(text: str, wanted: Load | int) -> None:
    assert read_load(text) == (Load(waiting=wanted) if isinstance(wanted, int) else wanted)


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), VALUES, max_size=3))
def test_labels_come_back(labels: dict[str, str]) -> None:
    escaped = {
        name: value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        for name, value in labels.items()
    }
    inner = ",".join(f'{name}="{value}"' for name, value in escaped.items())
    (found,) = samples(f"some:name{{{inner}}} 1.5")
    assert found == ("some:name", labels, 1.5)


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    read_load(text)
    read_load("vllm:num_requests_waiting" + text)
