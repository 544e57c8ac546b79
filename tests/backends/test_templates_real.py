"""Our forms of a chat beside llama.cpp's own renderings of the same families."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.backends.templates import FAMILIES
from cmdai_shell.core import Prompt
from tests.models import model_path

if TYPE_CHECKING:
    from pathlib import Path

PROMPT = Prompt(system="SYS.", examples=(("list files", "ls"),), user="free space")
MESSAGES = [
    {"role": "system", "content": PROMPT.system},
    {"role": "user", "content": "list files"},
    {"role": "assistant", "content": "ls"},
    {"role": "user", "content": PROMPT.user},
]

pytestmark = [
    pytest.mark.model,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not shutil.which("llama-server"), reason="there is no llama-server on PATH"),
]


@pytest.mark.parametrize(
    ("family", "theirs"),
    [
        ("chatml", "chatml"),
        ("llama3", "llama3"),
        ("mistral-v7", "mistral-v7-tekken"),
        ("gemma", "gemma"),
        ("phi3", "phi3"),
        ("phi4", "phi4"),
    ],
)
def test_the_same_as_llama_cpps(family: str, theirs: str) -> None:
    assert FAMILIES[family].render(PROMPT) == rendered(model_path("smollm2-135m"), theirs)


@pytest.mark.parametrize(
    ("family", "theirs"), [("mistral", "mistral-v3"), ("deepseek", "deepseek3")]
)
def test_the_same_but_for_blanks(family: str, theirs: str) -> None:
    """The blanks of [INST] differ between Mistral's own versions; llama.cpp parts DeepSeek's system
    text from the first turn, which the publisher's template does not."""
    ours, other = FAMILIES[family].render(PROMPT), rendered(model_path("smollm2-135m"), theirs)
    assert "".join(ours.split()) == "".join(other.split())


def rendered(weights: Path, template: str) -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--model", str(weights), "--port", str(port), "--ctx-size", "256", "--threads", "1"]
    options += ["--no-jinja", "--chat-template", template, "--no-webui", "--no-warmup"]
    server = subprocess.Popen(
        ["llama-server", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/apply-template",
        json.dumps({"messages": MESSAGES}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        until = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(request, timeout=10) as response:
                    return str(json.load(response)["prompt"])
            except (OSError, urllib.error.HTTPError):
                assert server.poll() is None, f"llama-server ended with {server.returncode}"
                assert time.monotonic() < until
                time.sleep(0.1)
    finally:
        server.kill()
        server.wait()
