"""The worker's life and deaths, with a scripted model in a real process."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from cmdai_shell.backends.embedded import child as child_module
from cmdai_shell.core import Cold, Cut, Notice, Prompt
from cmdai_shell.errors import BackendUnavailable, ModelUnavailable
from tests.backends.embedded.conftest import closing, engine, model_file
from tests.contracts import BackendContract, collect
from tests.cores import cores_allowed
from tests.fakes.scripted_worker import PREFIX_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cmdai_shell.backends.embedded.engine import EmbeddedBackend


def ask(user: str) -> Prompt:
    return Prompt(system="one two three", user=user, max_tokens=64)


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  the condition is the kernel's
            await asyncio.sleep(0.02)


class TestContract(BackendContract):
    @pytest.fixture
    def backend(self, scripted: EmbeddedBackend) -> EmbeddedBackend:
        return scripted

    @pytest.fixture
    def endless(self) -> Prompt:
        return ask("slow")


async def test_what_a_library_prints_does_not_enter_the_pipe(scripted: EmbeddedBackend) -> None:
    assert await collect(scripted, ask("some noise here")) == "some noise here "


async def test_an_answer_that_ran_out_of_tokens_says_so(scripted: EmbeddedBackend) -> None:
    pieces = [piece async for piece in scripted.stream(ask("find . endless"), 60)]
    assert isinstance(pieces[-1], Cut)
    whole = [piece async for piece in scripted.stream(ask("find ."), 60)]
    assert not any(isinstance(piece, Cut) for piece in whole)


async def cold(backend: EmbeddedBackend, prompt: Prompt) -> list[float]:
    pieces = [piece async for piece in backend.stream(prompt, 60)]
    return [piece.seconds for piece in pieces if isinstance(piece, Cold)]


async def test_the_seconds_of_a_cold_start_are_told_once(scripted: EmbeddedBackend) -> None:
    (first,) = await cold(scripted, ask("fine"))
    assert first > PREFIX_S  # and the loading
    assert await cold(scripted, ask("again")) == []
    assert await cold(scripted, Prompt(system="other", user="fine")) == [PREFIX_S]
    await scripted.warm(Prompt(system="a third"))
    assert await cold(scripted, Prompt(system="a third", user="fine")) == []


async def test_status_tells_the_life_of_the_worker(scripted: EmbeddedBackend) -> None:
    assert scripted.status().state == "unloaded"
    async with aclosing(scripted.stream(ask("slow"), 60)) as stream:
        async for _ in stream:
            assert scripted.status().state == "busy"
            break
    status = scripted.status()
    assert (status.state, status.model, status.threads) == ("ready", "scripted", 1)
    assert psutil.pid_exists(status.pid)
    assert status.rss_bytes > 1_000_000
    await scripted.unload()
    assert scripted.status().state == "unloaded"
    assert not psutil.pid_exists(status.pid)


async def test_a_worker_killed_in_mid_answer_takes_that_answer_only(
    scripted: EmbeddedBackend,
) -> None:
    with pytest.raises(BackendUnavailable, match="SIGKILL") as error:
        await collect(scripted, ask("so far killed"))
    assert "memory" in error.value.message
    assert error.value.hint == "cmdai-shell model use qwen2.5-coder-0.5b"
    assert scripted.status().state == "failed"
    assert await collect(scripted, ask("fine")) == "fine "
    assert scripted.status().last_error == ""


async def test_a_worker_killed_while_idle_is_not_noticed(scripted: EmbeddedBackend) -> None:
    await collect(scripted, ask("fine"))
    os.kill(scripted.status().pid, signal.SIGKILL)
    await until(lambda: scripted.status().pid == 0)
    assert await collect(scripted, ask("again")) == "again "


async def test_a_worker_killed_while_loading(tmp_path: Path) -> None:
    paths = ["/models/killed.gguf", "/models/good.gguf"]
    backend = engine(lambda: model_file(paths[0]), cache_dir=tmp_path)
    async with closing(backend):
        with pytest.raises(BackendUnavailable, match="SIGKILL"):
            await collect(backend, ask("fine"))
        paths.pop(0)
        assert await collect(backend, ask("fine")) == "fine "


async def test_a_stopped_worker_is_replaced(
    scripted: EmbeddedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "HUNG_S", 1.5)
    await collect(scripted, ask("fine"))
    pid = scripted.status().pid
    with pytest.raises(BackendUnavailable, match="no sign of life"):
        await collect(scripted, ask("so far stopped"))
    assert not psutil.pid_exists(pid)
    assert await collect(scripted, ask("fine")) == "fine "


async def test_a_slow_worker_is_not_a_hung_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "HUNG_S", 1.5)
    backend = engine(lambda: model_file("/models/never.gguf"), cache_dir=tmp_path)
    async with closing(backend):
        notices: list[tuple[float, str | Notice]] = []

        async def listen() -> None:
            async for piece in backend.stream(ask("fine"), 4):
                notices.append((time.monotonic(), piece))

        with pytest.raises(BackendUnavailable, match="no answer within 4 s"):
            await listen()
        assert backend.status().state == "loading"  # for the next press
    times = [at for at, _ in notices]
    assert all(b - a < 1 for a, b in itertools.pairwise(times))
    assert notices[0][1].text.startswith("loading never, 0.")  # type: ignore[union-attr]


async def test_out_of_memory_says_so_and_what_to_do(scripted: EmbeddedBackend) -> None:
    with pytest.raises(BackendUnavailable, match="memory") as error:
        await collect(scripted, ask("memory"))
    assert error.value.hint == "cmdai-shell model use qwen2.5-coder-0.5b"
    assert await collect(scripted, ask("fine")) == "fine "


async def test_no_such_worker(tmp_path: Path) -> None:
    backend = engine(cache_dir=tmp_path, command=[str(tmp_path / "absent")])
    with pytest.raises(BackendUnavailable, match="cannot be started"):
        await collect(backend, ask("fine"))
    assert backend.status().state == "failed"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("print('hello', flush=True)", "frame"),
        ("import sys; sys.exit('no libgomp')", "no libgomp"),
        ("raise MemoryError", "MemoryError"),
    ],
)
async def test_a_worker_that_is_none(tmp_path: Path, script: str, said: str) -> None:
    command = [sys.executable, "-c", script + "\nimport time; time.sleep(60)"]
    async with closing(engine(cache_dir=tmp_path, command=command)) as backend:
        with pytest.raises(BackendUnavailable, match=said) as error:
            await collect(backend, ask("fine"))
        assert error.value.hint
        assert backend.status().pid == 0


async def test_no_model_is_said_at_once(tmp_path: Path) -> None:
    def absent() -> None:
        raise ModelUnavailable("there is no model yet", hint="cmdai-shell model pull")

    async with closing(engine(absent, cache_dir=tmp_path)) as backend:  # type: ignore[arg-type]
        assert backend.model == ""
        with pytest.raises(ModelUnavailable, match="no model yet"):
            await collect(backend, ask("fine"))
        assert backend.status().pid == 0


async def test_another_model_is_loaded_when_it_is_chosen(tmp_path: Path) -> None:
    chosen = [model_file("/models/one.gguf", "a"), model_file("/models/two.gguf", "b")]
    async with closing(engine(lambda: chosen[0], cache_dir=tmp_path)) as backend:
        await collect(backend, ask("fine"))
        first = backend.status()
        await collect(backend, ask("fine"))
        assert backend.status().pid == first.pid
        chosen.pop(0)
        assert await collect(backend, ask("fine")) == "fine "
        assert backend.status().model == backend.model == "two"
        assert not psutil.pid_exists(first.pid)


async def test_the_worker_goes_when_idle_and_comes_back(tmp_path: Path) -> None:
    backend = engine(cache_dir=tmp_path, idle_unload_s=1)
    async with closing(backend), asyncio.TaskGroup() as group:
        life = group.create_task(backend.run())
        for _ in range(2):
            await collect(backend, ask("fine"))
            pid = backend.status().pid
            assert psutil.pid_exists(pid)
            await until(lambda: backend.status().state == "unloaded")
            await until(lambda gone=pid: not psutil.pid_exists(gone))
        life.cancel()


async def test_a_long_answer_is_not_idle(tmp_path: Path) -> None:
    backend = engine(cache_dir=tmp_path, idle_unload_s=0.2)
    async with closing(backend), asyncio.TaskGroup() as group:
        life = group.create_task(backend.run())
        async with aclosing(backend.stream(ask("slow"), 60)) as stream:
            started = time.monotonic()
            async for _ in stream:
                if time.monotonic() - started > 2:
                    break
        life.cancel()


async def test_warm_evaluates_the_prefix_before_anybody_asks(scripted: EmbeddedBackend) -> None:
    await scripted.warm(ask(""))
    assert scripted.status().state == "ready"
    await collect(scripted, ask("only these four words"))
    assert scripted.status().last_prompt_tokens_evaluated == 4


async def test_warm_steps_back_for_a_press_and_goes_on(scripted: EmbeddedBackend) -> None:
    async with asyncio.TaskGroup() as group:
        warming = group.create_task(scripted.warm(Prompt(system="slow")))
        await until(lambda: scripted.status().state == "busy")
        async with asyncio.timeout(5):
            assert await collect(scripted, ask("fine")) == "fine "
        await until(lambda: scripted.status().state == "busy")
        warming.cancel()


async def test_who_waits_for_another_is_told_so(scripted: EmbeddedBackend) -> None:
    async with asyncio.TaskGroup() as group:
        first = group.create_task(collect(scripted, ask("slow")))
        await until(lambda: scripted.status().state == "busy")
        async with aclosing(scripted.stream(ask("fine"), 30)) as second:
            notice = await anext(second)
        first.cancel()
    assert isinstance(notice, Notice)
    assert notice.text.startswith("waiting for the request before this one, 0.")


async def test_a_deaf_worker_does_not_make_closing_wait(scripted: EmbeddedBackend) -> None:
    async with aclosing(scripted.stream(ask("slow deaf"), 60)) as stream:
        await anext(stream)
        started = time.monotonic()
    assert time.monotonic() - started < 2  # it writes for longer


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has an engine and prints its worker's pid."""
    script = textwrap.dedent(f"""
        import asyncio, sys, time
        sys.path.insert(0, {str(Path(__file__).parents[3])!r})
        from pathlib import Path
        from tests.backends.embedded.conftest import engine
        from tests.backends.embedded.test_engine import ask
        async def main():
            backend = engine(cache_dir=Path({str(tmp_path)!r}))
            async for _ in backend.stream(ask("slow"), 60):
                print(backend.status().pid, flush=True)
        asyncio.run(main())
    """)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("stopped", [False, True])
async def test_no_worker_outlives_a_killed_daemon(
    daemon: subprocess.Popen[bytes], stopped: bool
) -> None:
    if stopped and sys.platform != "linux":
        pytest.skip("only Linux ends a stopped child with its parent (prctl)")
    assert daemon.stdout
    pid = int(await asyncio.to_thread(daemon.stdout.readline))
    assert psutil.pid_exists(pid)
    if stopped:
        os.kill(pid, signal.SIGSTOP)
    daemon.kill()
    await until(lambda: not psutil.pid_exists(pid))


async def test_the_worker_sees_little_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    async with closing(engine(cache_dir=tmp_path)) as backend:
        await collect(backend, ask("fine"))
        seen = psutil.Process(backend.status().pid).environ()
        assert "SECRET_TOKEN" not in seen
        assert seen["OMP_WAIT_POLICY"] == "passive"
        assert 0 < int(seen["GOMP_SPINCOUNT"]) < 3000  # never: idle, a half slower; more: busy


@pytest.mark.skipif(sys.platform != "linux", reason="another process's limits are Linux's to tell")
async def test_a_crash_writes_no_memory_to_disk(tmp_path: Path) -> None:
    """What the person typed would be in the core."""
    with cores_allowed():
        async with closing(engine(cache_dir=tmp_path)) as backend:
            await collect(backend, ask("fine"))
            worker = psutil.Process(backend.status().pid)
            assert worker.rlimit(psutil.RLIMIT_CORE)[0] == 1


async def test_a_stopped_worker_is_ended_within_a_second(scripted: EmbeddedBackend) -> None:
    await collect(scripted, ask("fine"))
    pid = scripted.status().pid
    os.kill(pid, signal.SIGSTOP)
    started = time.monotonic()
    await scripted.aclose()
    assert time.monotonic() - started < 1
    assert not psutil.pid_exists(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="oom_score_adj is Linux's")
async def test_the_kernel_is_told_whom_to_take_first(scripted: EmbeddedBackend) -> None:
    await collect(scripted, ask("fine"))
    assert oom_score(scripted.status().pid) > oom_score(os.getpid())


def oom_score(pid: int) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())
