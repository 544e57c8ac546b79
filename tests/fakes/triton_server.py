"""The real tritonserver, which the package nvidia-pytriton brings, with models of the three shapes.

    CMDAI_TEST_TRITON=/path/to/a/venv/bin/python   an interpreter that has nvidia-pytriton

Its models are Python and small, but they compute: they add, subtract or multiply the numbers of the
question. "hang" never ends, "error" fails, "late error" fails after the first piece, and whatever
else is asked is answered with "ls -la". What the last requests looked like, and whether the last
one was cancelled, is written into the folder that the server gets as ``TRITON_SEEN``.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON = os.environ.get("CMDAI_TEST_TRITON") or (
    sys.executable if importlib.util.find_spec("pytriton") else ""
)
"""A Python that has nvidia-pytriton, or empty; read at import, as tests run in a clean
environment."""
_START_S = 60.0

_COMMON = '''
import json, os, pathlib, re, time
import numpy as np
import triton_python_backend_utils as pb

SEEN = pathlib.Path(os.environ["TRITON_SEEN"])

def first(request, name, default=None):
    tensor = pb.get_input_tensor_by_name(request, name)
    return default if tensor is None else tensor.as_numpy().reshape(-1)[0]

def every(request, name):
    tensor = pb.get_input_tensor_by_name(request, name)
    return [] if tensor is None else [x.decode() for x in tensor.as_numpy().reshape(-1)]

def note(kind, **what):
    part = SEEN / f"{kind}.part"
    part.write_text(json.dumps(what))
    part.rename(SEEN / kind)

def question(text):
    """What stands in the last turn of the person."""
    turns = re.split(r"<\\|im_start\\|>user\\n", text)
    return turns[-1].split("<|im_end|>")[0] if len(turns) > 1 else text

def answer(text, schema):
    asked = question(text)
    found = re.search(r"(-?\\d+)\\s*([-+*x\\u00d7\\u2212]|plus|minus|times)\\s*(-?\\d+)", asked)
    said = "ls -la"
    if found:
        a, how, b = int(found[1]), found[2], int(found[3])
        plus, minus = how in ("+", "plus"), how in ("-", "minus", "\\u2212")
        said = str(a + b if plus else a - b if minus else a * b)
    return json.dumps({"command": said}) if schema else said

def out(text, **more):
    tensors = [pb.Tensor("text_output", np.array([text.encode()], dtype=np.object_))]
    return pb.InferenceResponse(output_tensors=tensors)

def failed(words):
    return pb.InferenceResponse(error=pb.TritonError(words))

def pieces(text):
    return re.findall(r"\\s*\\S+", text) if text else [""]

def decoupled(request, text, said, stream, limit):
    sender, last = request.get_response_sender(), pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL
    asked = question(text)
    if asked.startswith("error"):
        sender.send(failed("boom: asked for an error"), flags=last)
        return
    if asked.startswith("hang"):
        parts = (" word" for _ in range(limit))
    else:
        parts = pieces(said) if stream else [said]
    for index, part in enumerate(parts):
        if sender.is_cancelled():
            note("cancelled", after=index)
            break
        sender.send(out(part))
        if asked.startswith("late error"):
            sender.send(failed("boom: after a piece"), flags=last)
            return
        time.sleep(0.02 if stream else 0)
    sender.send(flags=last)

class TritonPythonModel:
'''

_VLLM = """
    def execute(self, requests):
        for request in requests:
            text = first(request, "text_input").decode()
            parameters = json.loads(first(request, "sampling_parameters", b"{}"))
            stream = bool(first(request, "stream", False))
            exclude = first(request, "exclude_input_in_output")
            note("vllm", text=text, parameters=parameters, stream=stream)
            if "structured_outputs" in parameters and MODE == "older":
                request.get_response_sender().send(
                    failed("'NoneType' object has no attribute 'lora_name'"),
                    flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
                continue
            schema = parameters.get("structured_outputs") or parameters.get("guided_decoding")
            said = answer(text, schema and json.loads(schema)["json"])
            echo = exclude is not None and not exclude or exclude is None and not stream
            decoupled(request, text, (text if echo else "") + said, stream,
                      parameters.get("max_tokens", 16))
"""

_ENSEMBLE = """
    def execute(self, requests):
        replies = []
        for request in requests:
            text = first(request, "text_input").decode()
            stop = every(request, "stop_words")
            note("ensemble", text=text, stop=stop, top_k=int(first(request, "top_k", 0)),
                 guide=every(request, "guided_decoding_guide_type"))
            asked = question(text)
            if asked.startswith("error"):
                replies.append(failed("boom: asked for an error"))
                continue
            if asked.startswith("hang"):
                time.sleep(3)
            said = answer(text, first(request, "guided_decoding_guide", b"") != b"")
            # As TensorRT-LLM does: the prompt comes back without its special tokens, and the stop
            # word that was met is part of the text.
            echo = re.sub(r"<\\|[^|]*\\|>", "", text)
            replies.append(out(echo + said + (stop[0] if stop else "")))
        return replies
"""

_LLMAPI = """
    def execute(self, requests):
        for request in requests:
            text = first(request, "text_input").decode()
            note("llmapi", text=text, stop=every(request, "sampling_param_stop"))
            decoupled(request, text, answer(text, None), bool(first(request, "streaming", False)),
                      int(first(request, "sampling_param_max_tokens", 16)))
"""

_BOOL, _TEXT, _INT, _FLOAT, _LONG = "BOOL", "STRING", "INT32", "FP32", "UINT64"
_INPUTS: dict[str, dict[str, str]] = {
    "vllm": {
        "stream": _BOOL,
        "sampling_parameters": _TEXT,
        "exclude_input_in_output": _BOOL,
        "return_finish_reason": _BOOL,
    },
    "ensemble": {
        "bad_words": _TEXT,
        "stop_words": _TEXT,
        "top_k": _INT,
        "temperature": _FLOAT,
        "seed": _LONG,
        "stream": _BOOL,
        "guided_decoding_guide_type": _TEXT,
        "guided_decoding_guide": _TEXT,
    },
    "llmapi": {
        "streaming": _BOOL,
        "sampling_param_max_tokens": _INT,
        "sampling_param_top_k": _INT,
        "sampling_param_temperature": _FLOAT,
        "sampling_param_seed": _LONG,
        "sampling_param_stop": _TEXT,
    },
}
_MANY = ("stop_words", "bad_words", "sampling_param_stop")
"""Inputs of several words: dims [ -1 ]."""


@dataclass(frozen=True)
class Model:
    shape: str
    code: str
    is_decoupled: bool
    mode: str = ""


MODELS = {
    "vllm_model": Model("vllm", _VLLM, True),
    "older_vllm": Model("vllm", _VLLM, True, "older"),
    "ensemble": Model("ensemble", _ENSEMBLE, False),
    "llmapi": Model("llmapi", _LLMAPI, True),
}


@dataclass(frozen=True)
class Triton:
    url: str
    metrics_port: int
    folder: Path
    seconds: float
    """From the start to ready."""

    def seen(self, kind: str) -> dict[str, Any]:
        """The last request of that shape, or ``cancelled``."""
        path = self.folder / "seen" / kind
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def post(self, path: str) -> None:
        request = urllib.request.Request(f"{self.url}{path}", b"{}", method="POST")
        urllib.request.urlopen(request, timeout=10).close()


@contextlib.contextmanager
def serving(folder: Path, *options: str) -> Iterator[Triton]:
    """A tritonserver with all MODELS; ``options`` are further ones of its own."""
    package = Path(_ask(PYTHON, "import pytriton; print(pytriton.__file__)")).parent
    version = _ask(PYTHON, "import sys; print('%d.%d' % sys.version_info[:2])")
    _write_backend(folder, package, version)
    for name, model in MODELS.items():
        _write_model(folder / "models" / name, name, model)
    (folder / "seen").mkdir()
    http, grpc, metrics = _free_ports(3)
    command = [
        str(package / "tritonserver/bin/tritonserver"),
        f"--model-repository={folder / 'models'}",
        f"--backend-directory={folder / 'backends'}",
        "--model-control-mode=explicit",
        "--load-model=*",
        "--disable-auto-complete-config",
        "--allow-gpu-metrics=false",
        "--exit-timeout-secs=1",
        *(f"--{kind}-address=127.0.0.1" for kind in ("http", "grpc", "metrics")),
        f"--http-port={http}",
        f"--grpc-port={grpc}",
        f"--metrics-port={metrics}",
        *options,
    ]
    begun = time.monotonic()
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=_environ(package, folder))
    url = f"http://127.0.0.1:{http}"
    try:
        while not _is_ready(url):
            said = (folder / "log").read_text(errors="replace")[-2000:]
            assert server.poll() is None, f"tritonserver ended: {said}"
            assert time.monotonic() < begun + _START_S, f"tritonserver is not ready: {said}"
            time.sleep(0.05)
        yield Triton(url, metrics, folder, time.monotonic() - begun)
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _ask(python: str, code: str) -> str:
    found = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return found.stdout.strip()


def _write_backend(folder: Path, package: Path, version: str) -> None:
    backend = folder / "backends/python"
    backend.mkdir(parents=True)
    server = package / "tritonserver"
    for name in ("libtriton_python.so", "triton_python_backend_utils.py"):
        (backend / name).symlink_to(server / "backends/python" / name)
    stub = server / "python_backend_stubs" / version / "triton_python_backend_stub"
    shutil.copy(stub, backend)


def _write_model(folder: Path, name: str, model: Model) -> None:
    (folder / "1").mkdir(parents=True)
    code = _COMMON.replace("class Triton", f"MODE = {model.mode!r}\n\nclass Triton") + model.code
    (folder / "1/model.py").write_text(code)
    inputs = [_input("text_input", _TEXT, optional=False)]
    if model.shape == "ensemble":
        inputs.append(_input("max_tokens", _INT, optional=False))
    inputs += [_input(*one, optional=True) for one in _INPUTS[model.shape].items()]
    policy = "model_transaction_policy { decoupled: True }" if model.is_decoupled else ""
    (folder / "config.pbtxt").write_text(
        f'name: "{name}"\nbackend: "python"\nmax_batch_size: 0\n{policy}\n'
        f"input [ {', '.join(inputs)} ]\n"
        'output [ { name: "text_output" data_type: TYPE_STRING dims: [ -1 ] } ]\n'
        "instance_group [ { kind: KIND_CPU count: 1 } ]\n"
    )


def _input(name: str, kind: str, *, optional: bool) -> str:
    size = "-1" if name in _MANY else "1"
    may = "true" if optional else "false"
    return f'{{ name: "{name}" data_type: TYPE_{kind} dims: [ {size} ] optional: {may} }}'


def _environ(package: Path, folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "LD_LIBRARY_PATH": str(package.parent / "nvidia_pytriton.libs"),
        "PATH": f"{Path(PYTHON).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(package.parent),
        "CUDA_VISIBLE_DEVICES": "",
        "TRITON_SEEN": str(folder / "seen"),
    }


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/v2/health/ready", timeout=2) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False
