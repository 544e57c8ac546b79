"""The desk and its chain: reload, warming, and the account of what was done."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from cmdai_shell.config import Config, load
from cmdai_shell.config.schema import Suggest
from cmdai_shell.core import Notice, Partial, Prompt, Suggestion, SuggestRequest
from cmdai_shell.daemon import compose
from cmdai_shell.daemon.compose import Chain
from cmdai_shell.daemon.desk import Desk
from cmdai_shell.errors import CmdaiError, ConfigError, ModelUnavailable
from tests.daemon.conftest import until
from tests.fakes import scripted_server as does
from tests.fakes.scripted_backend import ScriptedBackend
from tests.fakes.scripted_server import ScriptedServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from cmdai_shell.core import Clock


class Engine(ScriptedBackend):
    """The embedded backend's surface over the scripted one."""

    def __init__(self, trouble: CmdaiError | None = None) -> None:
        super().__init__(name="embedded")
        self.warmed: list[Prompt] = []
        self.trouble = trouble

    async def warm(self, prompt: Prompt) -> None:
        self.warmed.append(prompt)
        if self.trouble:
            raise self.trouble

    async def run(self) -> None:
        await asyncio.Event().wait()


def desk_over(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(compose, "_engine", lambda config, clock: engine)
    return Desk(lambda _: Chain(Config(), time.monotonic), clock=time.monotonic)


async def last(desk: Desk, line: str) -> object:
    return [update async for update in desk.answer(SuggestRequest(line=line))][-1]


async def test_the_model_is_warmed_with_the_login_shells_prompt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compose, "WARM_AFTER", 0.01)
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    engine = Engine()
    desk = desk_over(engine, monkeypatch)
    async with asyncio.TaskGroup() as group:
        life = group.create_task(desk.live())
        await until(lambda: bool(engine.warmed))
        assert engine.warmed == [desk.chain().suggester.prefix("fish")]
        life.cancel()
    assert engine.closed


async def test_a_press_at_once_needs_no_warming(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compose, "WARM_AFTER", 0.2)
    engine = Engine()
    desk = desk_over(engine, monkeypatch)
    async with asyncio.TaskGroup() as group:
        life = group.create_task(desk.live())
        await last(desk, "list files")
        await asyncio.sleep(0.3)
        assert engine.warmed == []
        life.cancel()


@pytest.mark.parametrize("trouble", [ModelUnavailable("none"), CmdaiError("what"), None])
async def test_warming_that_fails_leaves_a_daemon_that_answers(
    monkeypatch: pytest.MonkeyPatch, trouble: CmdaiError | None
) -> None:
    monkeypatch.setattr(compose, "WARM_AFTER", 0.0)
    engine = Engine(trouble)
    desk = desk_over(engine, monkeypatch)
    async with asyncio.TaskGroup() as group:
        life = group.create_task(desk.live())
        await until(lambda: bool(engine.warmed))
        assert isinstance(await last(desk, "list files"), Suggestion)
        life.cancel()


async def test_reload_lets_the_request_in_flight_finish() -> None:
    made: list[ScriptedBackend] = []

    def chain(former: Chain | None) -> Chain:
        made.append(ScriptedBackend({"slowly": ["find", 0.2, " ."]}))
        return Chain(Config(), time.monotonic, made[-1:])

    desk = Desk(chain, clock=time.monotonic)
    async with asyncio.TaskGroup() as group:
        life = group.create_task(desk.live())
        slow = group.create_task(last(desk, "slowly"))
        await until(lambda: bool(made) and bool(made[0].prompts))
        desk.reload()
        await until(lambda: len(made) == 2)
        assert not made[0].closed
        found = await slow
        assert isinstance(found, Suggestion)
        assert found.command == "find ."
        await until(lambda: made[0].closed)
        assert not made[1].closed
        life.cancel()


async def test_every_chain_of_a_flurry_of_reloads_is_closed() -> None:
    made: list[ScriptedBackend] = []

    def chain(former: Chain | None) -> Chain:
        made.append(ScriptedBackend())
        return Chain(Config(), time.monotonic, made[-1:])

    desk = Desk(chain, clock=time.monotonic)
    async with asyncio.TaskGroup() as group:
        life = group.create_task(desk.live())
        await until(lambda: bool(made))
        for _ in range(3):
            desk.reload()
        await until(lambda: [backend.closed for backend in made] == [True, True, True, False])
        life.cancel()


async def test_what_fails_beside_the_presses_does_not_end_the_daemon() -> None:
    """Composing at the start, closing at a reload."""

    class Stubborn(ScriptedBackend):
        async def aclose(self) -> None:
            raise RuntimeError("will not close")

    troubles = [ZeroDivisionError()]

    def chain(former: Chain | None) -> Chain:
        if troubles:
            raise troubles.pop()
        return Chain(Config(), time.monotonic, [Stubborn()])

    desk = Desk(chain, clock=time.monotonic)
    async with asyncio.TaskGroup() as group:
        life = group.create_task(desk.live())
        await until(lambda: not troubles)
        for _ in range(2):
            desk.reload()
            await asyncio.sleep(0)
            assert isinstance(await last(desk, "list files"), Suggestion)
        assert not life.done()
        life.cancel()


async def test_an_empty_line_says_what_to_do_where_nobody_could_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = Engine()
    desk = desk_over(engine, monkeypatch)
    press = SuggestRequest(line="", shell_version="5.2")
    (found,) = [update async for update in desk.answer(press)]
    assert "type what you want" in found.text
    engine.model = ""
    (found,) = [update async for update in desk.answer(press)]
    assert "cmdai-shell model pull" in found.text
    assert "cmdai-shell setup" in found.text


async def test_shells_are_remembered_by_the_dozen_not_by_the_thousand(desk: Desk) -> None:
    for number in range(100):
        request = SuggestRequest(op="explain", shell_version=f"{number}" + "x" * 1000)
        assert [update async for update in desk.answer(request)]
    seen = desk.status()["hooks_seen"]
    assert len(seen) == 32
    assert seen[-1]["version"].startswith("99x")
    assert max(len(shell["version"]) for shell in seen) < 100


class TestWhatWasSent:
    """The account of the last press says what a backend was given, whatever came of it."""

    async def sent(
        self, desk: Desk, line: str, leave_at: type = CmdaiError, **fields: Any
    ) -> list[dict[str, Any]]:
        request = SuggestRequest(**({"line": line, "cwd": "/home/me/files"} | fields))
        found = desk.answer(request)
        async with aclosing(found):
            async for update in found:
                if isinstance(update, leave_at):
                    break
        account: list[dict[str, Any]] = desk.status()["last_request"]["sent"]
        return account

    async def test_a_press_that_failed(self, desk: Desk) -> None:
        (sent,) = await self.sent(desk, "fail")
        assert (sent["to"], sent["fields"]) == ("scripted", ["line"])
        assert sent["characters"] > 100
        assert sent["own_characters"] < 100

    async def test_a_press_that_was_cancelled(self, desk: Desk) -> None:
        (sent,) = await self.sent(desk, "slowly find", Partial)
        assert desk.status()["last_request"]["outcome"] == "cancelled"
        assert (sent["to"], sent["fields"]) == ("scripted", ["line"])

    async def test_an_answer_that_was_known(self, desk: Desk) -> None:
        await self.sent(desk, "list files")
        assert await self.sent(desk, "list files") == []

    async def test_no_model_is_asked_nothing(self) -> None:
        backend = ScriptedBackend({"any": [ModelUnavailable("none is here")]})
        desk = Desk(lambda _: Chain(Config(), time.monotonic, [backend]), clock=time.monotonic)
        assert await self.sent(desk, "any") == []

    async def test_the_folder_only_when_it_was_shared(self, desk: Desk) -> None:
        """Its name may stand in the line, and is then the line's."""
        assert (await self.sent(desk, "list files"))[0]["fields"] == ["line"]
        config = Config(suggest=Suggest(share_cwd=True))
        sharing = Desk(
            lambda _: Chain(config, time.monotonic, [ScriptedBackend()]), clock=time.monotonic
        )
        assert (await self.sent(sharing, "say hello"))[0]["fields"] == ["line", "cwd"]

    async def test_the_failed_command(self, desk: Desk) -> None:
        (sent,) = await self.sent(desk, "", last_command="frob all", last_status=2)
        assert sent["fields"] == ["last_command"]

    async def test_each_member_that_was_sent_something_and_all_that_it_was_told(self) -> None:
        large = ScriptedServer("spark", does.ERROR_500, abilities=frozenset({"large"}))
        config = Config(suggest=Suggest(share_listing=True))
        desk = Desk(
            lambda _: Chain(config, time.monotonic, [ScriptedBackend()], remote=[large]),
            clock=time.monotonic,
        )
        spark, own = await self.sent(desk, "list files", cwd="/usr", shell_version="5.2")
        assert (spark["to"], own["to"]) == ("spark", "scripted")
        assert {"line", "system", "tools", "shell_version", "listing"} <= set(spark["fields"])
        assert "cwd" not in spark["fields"]
        assert own["fields"] == ["line"]
        assert own["own_characters"] == len("list files") < spark["own_characters"]

    async def test_a_member_that_was_not_reached_was_sent_nothing(self) -> None:
        away = ScriptedServer("spark", does.REFUSED)
        desk = Desk(
            lambda _: Chain(Config(), time.monotonic, [ScriptedBackend()], remote=[away]),
            clock=time.monotonic,
        )
        (own,) = await self.sent(desk, "count files here")
        assert (own["to"], own["own_characters"]) == ("scripted", len("count files here"))

    async def test_a_member_that_was_asked_again_is_counted_once(self) -> None:
        busy = ScriptedServer("spark", does.ERROR_500, retries=2, backoff=0.01)
        desk = Desk(
            lambda _: Chain(Config(), time.monotonic, [ScriptedBackend()], remote=[busy]),
            clock=time.monotonic,
        )
        spark, _ = await self.sent(desk, "count files here")
        assert (spark["times"], spark["own_characters"]) == (3, len("count files here"))

    async def test_a_line_with_a_credential_is_still_a_line_that_was_sent(self, desk: Desk) -> None:
        (sent,) = await self.sent(desk, "say password=hunter2hunter2")
        assert sent["fields"] == ["line"]


class TestAnEditByHand:
    """config.toml is looked at with every press."""

    @pytest.fixture
    def edit(self, tmp_path: Path) -> Callable[[str], object]:
        (tmp_path / "config").mkdir()
        return (tmp_path / "config" / "config.toml").write_text

    @pytest.fixture
    def engines(self, monkeypatch: pytest.MonkeyPatch) -> list[Engine]:
        made: list[Engine] = []

        def engine(config: Config, clock: Clock) -> Engine:
            made.append(Engine())
            return made[-1]

        monkeypatch.setattr(compose, "_engine", engine)
        return made

    @pytest.fixture
    def desk(self) -> Desk:
        clock = time.monotonic
        return Desk(lambda former: compose.compose(clock, None, former), clock=clock)

    async def test_counts_from_the_next_press(
        self, desk: Desk, edit: Callable[[str], object], engines: list[Engine]
    ) -> None:
        for level, action in (("moderate", "arm"), ("strict", "refuse"), ("moderate", "arm")):
            edit(f'safety_level = "{level}"\n')
            found = await last(desk, "wipe the root")
            assert isinstance(found, Suggestion)
            assert found.action == action

    async def test_that_breaks_it_is_said_until_it_is_repaired(
        self, desk: Desk, edit: Callable[[str], object], engines: list[Engine]
    ) -> None:
        assert isinstance(await last(desk, "list files"), Suggestion)
        edit("nonsense = 1\n")
        for _ in range(2):
            error = await last(desk, "list files")
            assert isinstance(error, CmdaiError)
            assert error.code == "bad-configuration"
        edit("")
        assert isinstance(await last(desk, "list files"), Suggestion)

    async def test_keeps_the_loaded_model_unless_it_is_about_the_model(
        self, desk: Desk, edit: Callable[[str], object], engines: list[Engine]
    ) -> None:
        async with asyncio.TaskGroup() as group:
            life = group.create_task(desk.live())
            await last(desk, "list files")
            edit('safety_level = "strict"\n')
            await last(desk, "list files")
            assert len(engines) == 1
            edit('safety_level = "strict"\n[embedded]\nthreads = 1\n')
            await last(desk, "list files")
            assert len(engines) == 2
            await until(lambda: engines[0].closed)
            assert not engines[1].closed
            life.cancel()
        assert engines[1].closed


class TestAnEditOfAnEnvironment:
    """So are environments/*.toml and what is imported."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "config" / "environments").mkdir(parents=True)
        return tmp_path / "config"

    @pytest.fixture
    def desk(self) -> Desk:
        class Reading(Chain):
            def __init__(self) -> None:
                self.config = load()

            def retire(self, successor: Chain) -> None: ...

        return Desk(lambda _: Reading(), clock=time.monotonic)

    def priorities(self, desk: Desk) -> dict[str, int]:
        return {name: e.priority for name, e in desk.chain().config.environments.items()}

    def test_counts_from_the_next_press(self, desk: Desk, folder: Path) -> None:
        address = "endpoints = ['http://a']\n"
        assert self.priorities(desk) == {}
        (folder / "environments" / "lab.toml").write_text(address)
        assert self.priorities(desk) == {"lab": 0}
        (folder / "environments" / "lab.toml").write_text(f"import = '../base.toml'\n{address}")
        with pytest.raises(ConfigError, match="does not exist"):
            desk.chain()
        (folder / "base.toml").write_text("priority = 3")
        assert self.priorities(desk) == {"lab": 3}
        (folder / "base.toml").write_text("priority = 40")
        assert self.priorities(desk) == {"lab": 40}
        (folder / "environments" / "lab.toml").unlink()
        assert self.priorities(desk) == {}

    def test_nothing_is_read_again_while_nothing_changes(self, desk: Desk, folder: Path) -> None:
        (folder / "environments" / "lab.toml").write_text("endpoints = ['http://a']\n")
        chain = desk.chain()
        assert desk.chain() is chain


async def test_an_error_of_our_own_is_an_answer_without_its_words(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: object, request: SuggestRequest) -> AsyncIterator[Notice]:
        raise ZeroDivisionError(request.line)
        yield

    monkeypatch.setattr(compose.Suggester, "suggest", broken)
    error = await last(desk, "my secret plan")
    assert isinstance(error, CmdaiError)
    assert "ZeroDivisionError" in error.message
    assert "secret" not in str(error)
    assert desk.in_flight == 0


def test_the_embedded_model_is_named_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine()
    engine.status = lambda: type("Status", (), {"model": "qwen"})()  # type: ignore[attr-defined]
    desk = desk_over(engine, monkeypatch)
    desk.chain()
    assert desk.maker("embedded") == "qwen on this CPU"
    assert desk.maker("spark-1") == "spark-1"
