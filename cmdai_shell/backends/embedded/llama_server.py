"""The embedded engine on an installed ``llama-server``, where llama-cpp-python cannot be built.

The same worker process and pipe; only, instead of loading the model itself, this worker starts the
server on a private Unix socket and asks it. What it cannot do: keep an evaluated prefix on disk, so
the first request after a start evaluates it (the server keeps it in memory from then on).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmdai_shell.backends.embedded import pipe, worker
from cmdai_shell.backends.embedded.answer import LEAST_ANSWER, TooLong
from cmdai_shell.backends.embedded.engine import EmbeddedBackend
from cmdai_shell.backends.embedded.llama import SPLIT, Aborted, LoadFailed, without
from cmdai_shell.backends.embedded.output import looping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAM = "llama-server"
_PROMPT_CACHE_MIB = 128
_LOOK_S = 0.05
_FOLDER = "cmdai-llama-"
_STALE_S = 60.0
"""Age from which a folder that no process holds is taken for a dead one's."""
_ENDINGS: dict[str, pipe.Ending] = {"eos": "done", "word": "stop", "limit": "length"}


class LlamaServerBackend(EmbeddedBackend):
    """core.Backend on this machine's own CPU, by llama.cpp's server."""

    worker = (sys.executable, "-I", "-m", "cmdai_shell.backends.embedded.llama_server")
    cure = "install llama.cpp so that the daemon finds llama-server on its PATH"


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


class ServerAnswerer:
    """Raises FileNotFoundError without the program, LoadFailed when it ends instead of serving."""

    def __init__(self, load: pipe.Load) -> None:
        program = shutil.which(PROGRAM)
        if program is None:
            raise FileNotFoundError(f"there is no {PROGRAM} on PATH")
        self._context = load.context_tokens
        self._has_lora = Path(load.lora).is_file() if load.lora else False
        self._lacks = without(load.lora) if load.lora and not self._has_lora else ""
        self._folder, self._hold = _make_folder()
        self._socket = Path(self._folder) / "server.sock"
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the server
        self._server = subprocess.Popen(
            _command(program, load, self._socket),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
            preexec_fn=_dies_with_us,
        )
        self._frames: dict[int, list[str]] = {}
        self._await_health()
        threading.Thread(target=self._end_with_it, daemon=True).start()

    def _end_with_it(self) -> None:
        """A worker without its server is of no use: the engine starts another."""
        sys.stderr.write(f"{PROGRAM} ended with status {self._server.wait()}\n")
        shutil.rmtree(self._folder, ignore_errors=True)
        os._exit(1)

    def _await_health(self) -> None:
        while self._server.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self._get("/health") == 200:
                    return
            time.sleep(_LOOK_S)
        self._said.seek(0)
        log = self._said.read().decode("utf-8", "replace").splitlines()
        self.close()
        raise LoadFailed(f"{PROGRAM} ended with status {self._server.returncode}", log[-40:])

    def close(self) -> None:
        self._server.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def lacks(self) -> str:
        return self._lacks

    # --- asking

    def answer(
        self, ask: pipe.Ask, send: Callable[[pipe.Reply], None], cancelled: Callable[[], bool]
    ) -> pipe.Finished:
        """Send the text as it comes. Raises TooLong, Aborted, OSError."""
        prompt, own = self._prompt(ask)
        if len(prompt) > self._context - LEAST_ANSWER:
            size = f"a prompt of {len(prompt)} tokens, the context holds {self._context}"
            raise TooLong(f"the line makes {size}")
        if ask.user is None:
            send(pipe.Reading(id=ask.id, done=0, total=len(prompt)))
        drawn: list[int] = []
        with self._events(self._body(ask, prompt), cancelled) as events:
            for event in events:
                drawn += event.get("tokens") or []
                if text := event.get("content"):
                    send(pipe.Text(id=ask.id, text=text))
                if event.get("stop"):
                    return _finished(ask.id, event, own)
                if looping(drawn):
                    return pipe.Finished(id=ask.id, ending="loop", generated=len(drawn))
        raise Aborted if cancelled() else ConnectionError(f"{PROGRAM} broke off")

    def _body(self, ask: pipe.Ask, prompt: list[int]) -> dict[str, Any]:
        body: dict[str, Any] = {
            "prompt": prompt,
            "n_predict": 0 if ask.user is None else ask.max_tokens,
            "temperature": ask.temperature,
            "seed": ask.seed,
            "top_k": 40,
            "top_p": 0.95,
            "min_p": 0.0,
            "stop": list(ask.stop),
            "stream": True,
            "cache_prompt": True,
            "return_tokens": True,
        }
        if self._has_lora:
            body["lora"] = [{"id": 0, "scale": 1.0 if ask.lora else 0.0}]
        return body

    def _prompt(self, ask: pipe.Ask) -> tuple[list[int], int]:
        """All tokens, and how many of them come after the prefix. Like ``Llama.chat``: special
        tokens come from the template alone."""
        turns = [text for pair in (*ask.examples, *ask.near) for text in pair]
        texts = [ask.system, *turns] + ([] if ask.user is None else [ask.user])
        if sum(map(len, texts)) > self._context * 128:
            raise TooLong(f"the line is too long for a context of {self._context} tokens")
        frames = self._template(len(turns) + 2)
        tokens = self._tokens(frames[0], special=True)
        prefix = 0
        for number, (text, frame) in enumerate(zip(texts, frames[1:], strict=False)):
            if number == 1 + 2 * len(ask.examples):
                prefix = len(tokens)
            tokens += self._tokens(text, special=False) + self._tokens(frame, special=True)
        return tokens, len(tokens) - prefix if prefix else 0

    def _template(self, count: int) -> list[str]:
        if count not in self._frames:
            roles = ["system", *(("user", "assistant") * count)][:count]
            messages = [{"role": role, "content": SPLIT} for role in roles]
            rendered = self._post("/apply-template", {"messages": messages})["prompt"]
            self._frames[count] = rendered.split(SPLIT)
        if len(self._frames[count]) != count + 1:
            raise ValueError("this model's chat template cannot be used")
        return self._frames[count]

    def _tokens(self, text: str, *, special: bool) -> list[int]:
        body = {"content": text, "add_special": False, "parse_special": special}
        return list(self._post("/tokenize", body)["tokens"])

    # --- HTTP

    def _get(self, path: str) -> int:
        with contextlib.closing(_Connection(self._socket)) as connection:
            connection.request("GET", path)
            return connection.getresponse().status

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        with contextlib.closing(_Connection(self._socket)) as connection:
            connection.request("POST", path, json.dumps(body))
            response = connection.getresponse()
            found = json.loads(response.read())
        if response.status != 200:
            raise ValueError(f"{PROGRAM} answered {response.status} to {path}")
        return found

    @contextlib.contextmanager
    def _events(
        self, body: dict[str, Any], cancelled: Callable[[], bool]
    ) -> Iterator[Iterator[dict[str, Any]]]:
        """Server-sent events; they end early when the request is cancelled meanwhile."""
        over = threading.Event()
        with contextlib.closing(_Connection(self._socket)) as connection:
            connection.request("POST", "/completion", json.dumps(body))
            line = connection.sock

            def watch() -> None:
                while not over.wait(_LOOK_S):
                    if cancelled():
                        with contextlib.suppress(OSError):
                            line.shutdown(socket.SHUT_RDWR)
                        return

            watcher = threading.Thread(target=watch, daemon=True)
            watcher.start()
            try:
                yield _server_sent(connection)
            finally:
                over.set()
                watcher.join()


def _make_folder() -> tuple[str, int]:
    """A 0700 folder and the descriptor that marks it as in use, for as long as this process lives.
    Those that killed workers left behind are removed."""
    for left in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        with contextlib.suppress(OSError):
            found = left.lstat()
            if found.st_uid == os.getuid() and time.time() - found.st_mtime > _STALE_S:
                os.close(_hold(left))
                shutil.rmtree(left)
    folder = tempfile.mkdtemp(prefix=_FOLDER)
    return folder, _hold(folder)


def _hold(folder: str | Path) -> int:
    """Raises OSError for a folder that another process holds, and for what is no folder."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise
    return fd


def _server_sent(connection: http.client.HTTPConnection) -> Iterator[dict[str, Any]]:
    with contextlib.suppress(OSError, http.client.HTTPException):
        response = connection.getresponse()
        while line := response.readline():
            if line.startswith(b"data: {"):
                yield json.loads(line[len(b"data: ") :])


def _command(program: str, load: pipe.Load, path: Path) -> list[str]:
    options = {
        "--model": load.path,
        "--host": str(path),
        "--threads": str(load.threads),
        "--threads-batch": str(load.threads),
        "--ctx-size": str(load.context_tokens),
        "--parallel": "1",
        "--n-gpu-layers": "0",
        "--poll": "0",
        "--cache-ram": str(_PROMPT_CACHE_MIB),
        "--log-verbosity": "2",
    }
    if load.lora and Path(load.lora).is_file():
        options["--lora"] = load.lora
    if load.template:
        options["--chat-template"] = load.template
    words = [word for option in options.items() for word in option]
    return [program, *words, "--no-webui", "--no-warmup"]


def _finished(request: int, event: dict[str, Any], own: int) -> pipe.Finished:
    """``own``: tokens of the prompt that were no prefix's."""
    timings = event.get("timings", {})
    evaluated = timings.get("prompt_n", 0)
    share = max(evaluated - own, 0) / evaluated if evaluated else 0.0
    return pipe.Finished(
        id=request,
        ending=_ENDINGS.get(event.get("stop_type", ""), "done"),
        evaluated=evaluated,
        prefix_s=share * timings.get("prompt_ms", 0.0) / 1000,
        generated=timings.get("predicted_n", 0),
        decode_s=timings.get("predicted_ms", 0.0) / 1000,
    )


def _dies_with_us() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(worker.PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setpgid(0, 0)


if __name__ == "__main__":
    worker.main(ServerAnswerer)
