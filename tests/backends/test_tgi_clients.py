"""The fake TGI is one for Hugging Face's own clients, too.

CMDAI_TEST_HF names a Python that has huggingface_hub and text-generation (they need pydantic and
httpx or requests, which nothing else here does).
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sys

import pytest
from aiohttp.test_utils import TestServer

from tests.fakes.fake_tgi import FakeTgi

PYTHON = os.environ.get("CMDAI_TEST_HF") or (
    sys.executable if importlib.util.find_spec("text_generation") else ""
)
ASK = "<|im_start|>user\nWhat is 20+22?<|im_end|>\n<|im_start|>assistant\n"
HUB = """
import json, sys
from huggingface_hub import InferenceClient
url, ask = sys.argv[1:]
client = InferenceClient(url)
whole = client.text_generation(ask, max_new_tokens=8, details=True)
parts = [*client.text_generation(ask, max_new_tokens=8, stream=True, details=True)]
print(json.dumps({
    "whole": whole.generated_text, "reason": whole.details.finish_reason,
    "stream": "".join(part.token.text for part in parts),
    "end": parts[-1].generated_text, "count": parts[-1].details.generated_tokens,
}))
"""
TEXT_GENERATION = """
import json, sys
from text_generation import Client
url, ask = sys.argv[1:]
client = Client(url)
whole = client.generate(ask, max_new_tokens=8)
parts = [*client.generate_stream(ask, max_new_tokens=8)]
print(json.dumps({
    "whole": whole.generated_text, "reason": whole.details.finish_reason,
    "stream": "".join(part.token.text for part in parts),
    "end": parts[-1].generated_text, "count": parts[-1].details.generated_tokens,
}))
"""

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.skipif(
        not PYTHON,
        reason="no Hugging Face clients: pip install text-generation in a venv, and "
        "CMDAI_TEST_HF=that venv's python",
    ),
]


@pytest.mark.parametrize("script", [HUB, TEXT_GENERATION], ids=["hub", "text_generation"])
async def test_they_read_what_it_answers(script: str) -> None:
    async with TestServer(FakeTgi().app()) as server:
        url = str(server.make_url("/")).rstrip("/")
        client = await asyncio.create_subprocess_exec(
            PYTHON, "-c", script, url, ASK, stdout=-1, stderr=-1
        )
        out, err = await client.communicate()
    assert client.returncode == 0, err.decode()
    found = json.loads(out.splitlines()[-1])
    assert found["whole"].startswith("42")
    assert found["stream"] == found["end"] == found["whole"]
    assert found["reason"] == "eos_token"
    assert found["count"] >= 1
