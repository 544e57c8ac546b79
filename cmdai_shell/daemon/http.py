"""The API: ``POST /v1/suggest|stop|reload|trust|forget|ignore|drain|undrain|forget-login``,
``GET /v1/status|metrics|traces``. See ``api``."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from cmdai_shell.core import (
    Explanation,
    Hint,
    Notice,
    Partial,
    Suggestion,
    SuggestRequest,
    Update,
)
from cmdai_shell.daemon import peer, wire
from cmdai_shell.daemon.pump import pump
from cmdai_shell.errors import CmdaiError, DaemonUnavailable, WireError
from cmdai_shell.observe import traces
from cmdai_shell.text import visible

if TYPE_CHECKING:
    import socket

    from cmdai_shell.core import Clock
    from cmdai_shell.daemon.desk import Desk
    from cmdai_shell.observe.metrics import Family

log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def serve(
    listener: socket.socket, desk: Desk, *, clock: Clock, stop: Callable[[], None]
) -> None:
    """Serve until cancelled; closes ``listener``."""
    api = _Api(desk, clock, stop)
    app = web.Application(middlewares=[_ours_only, _failed], client_max_size=wire.LIMIT)
    app.add_routes(
        [
            web.post("/v1/suggest", api.suggest),
            web.get("/v1/status", api.status),
            web.get("/v1/metrics", api.metrics),
            web.get("/v1/traces", api.traces),
            web.post("/v1/stop", api.stop),
            web.post("/v1/reload", api.reload),
            web.post("/v1/trust", api.trust),
            web.post("/v1/forget", api.forget),
            web.post("/v1/ignore", api.ignore),
            web.post("/v1/forget-login", api.forget_login),
            web.post("/v1/drain", api.drain),
            web.post("/v1/undrain", api.undrain),
        ]
    )
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.4)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


class _Api:
    def __init__(self, desk: Desk, clock: Clock, stop: Callable[[], None]) -> None:
        self._desk = desk
        self._clock = clock
        self._stop = stop

    async def suggest(self, request: web.Request) -> web.StreamResponse:
        """SuggestRequest as JSON in, one update a line out."""
        try:
            given = msgspec.json.decode(await request.read(), type=dict[str, Any])
            given.setdefault("any_shell", "shell" not in given)
            asked = msgspec.convert(given, SuggestRequest)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _refused(WireError(f"not a request: {error}"))
        traces.incoming.set(request.headers.get("traceparent", ""))
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)

        async def send(update: Update | CmdaiError) -> None:
            with suppress(ConnectionError):  # the client has gone: we are about to be cancelled
                told = to_json(update)
                if made := told.get("suggestion"):
                    made["maker"] = self._desk.maker(made["backend"])
                await response.write(json.dumps(told).encode() + b"\n")

        try:
            await pump(self._desk.answer(asked), send, self._clock)
        except asyncio.CancelledError:  # the client has gone, or the daemon ends: then say so
            await send(DaemonUnavailable("the daemon was stopped", "ask again to start it"))
            raise
        return response

    async def status(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(_clean(self._desk.status()))

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """In Prometheus' text form; ``?format=json``: the same as JSON."""
        try:
            families = self._desk.families()
        except CmdaiError as error:
            return _refused(error)
        return await measured(families, is_json=request.query.get("format") == "json")

    async def traces(self, request: web.Request) -> web.StreamResponse:
        """``?id=``: those of that trace; ``?last=``: so many."""
        asked = request.query.get("last", "0")
        most = int(asked) if asked.isascii() and asked.isdigit() else 0
        found = self._desk.traces(request.query.get("id", ""), most)
        return web.json_response({"traces": _clean(found)})

    async def stop(self, request: web.Request) -> web.StreamResponse:
        asyncio.get_running_loop().call_soon(self._stop)
        return web.json_response({"stopping": True})

    async def reload(self, request: web.Request) -> web.StreamResponse:
        try:
            self._desk.reload()
        except CmdaiError as error:
            return _refused(error)
        return web.json_response({"reloaded": True})

    async def trust(self, request: web.Request) -> web.StreamResponse:
        """``{"name", "called", "environment"}`` in, the server's account out."""

        async def decide(asked: _Decision) -> Any:
            names = {"called": asked.called, "environment": asked.environment}
            finder = self._desk.finder()
            return finder.shown(await finder.decisions.trust(asked.name, **names))

        return await _decided(request, decide)

    async def forget(self, request: web.Request) -> web.StreamResponse:
        async def decide(asked: _Decision) -> Any:
            return {"forgotten": await self._desk.finder().decisions.forget(asked.name)}

        return await _decided(request, decide)

    async def ignore(self, request: web.Request) -> web.StreamResponse:
        async def decide(asked: _Decision) -> Any:
            return {"ignored": await self._desk.finder().decisions.ignore(asked.name)}

        return await _decided(request, decide)

    async def drain(self, request: web.Request) -> web.StreamResponse:
        """``{"name"}`` in; out its id, and how many requests it has yet."""

        async def decide(asked: _Decision) -> Any:
            return self._desk.drain(asked.name)

        return await _decided(request, decide)

    async def undrain(self, request: web.Request) -> web.StreamResponse:
        async def decide(asked: _Decision) -> Any:
            return self._desk.drain(asked.name, is_drained=False)

        return await _decided(request, decide)

    async def forget_login(self, request: web.Request) -> web.StreamResponse:
        """``{"name", "variables"}`` in: an environment, and what its login is made with that is in
        variables of the caller."""

        async def decide(asked: _Decision) -> Any:
            from cmdai_shell.daemon.relogin import forget_login

            await forget_login(self._desk.chain(), self._clock, asked.name, asked.variables)
            return {"forgotten": asked.name}

        return await _decided(request, decide)


async def measured(families: Sequence[Family], *, is_json: bool = False) -> web.Response:
    """Written in a thread: what serves Prometheus is not imported before, and thousands of lines
    take milliseconds."""

    def write() -> bytes:
        from cmdai_shell.observe import exposition

        if is_json:
            return json.dumps({"metrics": _clean(exposition.as_json(families))}).encode()
        return exposition.prometheus(families)

    kind = "application/json" if is_json else "text/plain; version=0.0.4; charset=utf-8"
    return web.Response(body=await asyncio.to_thread(write), headers={"Content-Type": kind})


class _Decision(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    called: str = ""
    environment: str = ""
    variables: dict[str, str] = msgspec.field(default_factory=dict)

    def __repr__(self) -> str:
        return f"_Decision({self.name!r})"


async def _decided(
    request: web.Request, decide: Callable[[_Decision], Awaitable[Any]]
) -> web.StreamResponse:
    try:
        asked = msgspec.json.decode(await request.read(), type=_Decision)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _refused(WireError(f"not a request: {error}"))
    try:
        return web.json_response(_clean(await decide(asked)))
    except CmdaiError as error:
        return _refused(error)


@web.middleware
async def _ours_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    transport = request.transport
    if transport is None or not peer.is_us(transport.get_extra_info("socket")):
        raise web.HTTPForbidden(text="this daemon belongs to another user")
    return await handler(request)


@web.middleware
async def _failed(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except Exception as error:
        log.exception("a call failed")
        what = f"the daemon met an error of its own ({type(error).__name__})"
        return _refused(CmdaiError(what, "cmdai-shell daemon logs"), status=500)


def to_json(update: Update | CmdaiError) -> dict[str, Any]:
    """One line of the stream; texts as clean as those for the hooks."""
    cleaned: dict[str, Any] = _clean(_to_json(update))
    return cleaned


def _clean(value: Any) -> Any:
    match value:
        case str():
            return visible(value)
        case list() | tuple():
            return [_clean(item) for item in value]
        case dict():
            return {key: _clean(item) for key, item in value.items()}
    return value


def _to_json(update: Update | CmdaiError) -> dict[str, Any]:
    match update:
        case Partial(text=text):
            return {"partial": text}
        case Notice(text=text):
            return {"notice": text}
        case Hint(text=text):
            return {"hint": text}
        case Explanation():
            return {
                "explanation": {
                    "text": update.text,
                    "risk": update.verdict.risk.word,
                    "reasons": update.verdict.reasons,
                    "safer": update.verdict.safer,
                    "elapsed_ms": _milliseconds(update.elapsed),
                }
            }
        case Suggestion():
            return {"suggestion": _suggestion(update)}
        case CmdaiError(code=code, message=message, hint=hint):
            return {"error": {"code": code, "message": message, "hint": hint}}


def _suggestion(found: Suggestion) -> dict[str, Any]:
    fields = asdict(found)
    verdict = fields.pop("verdict")
    elapsed = fields.pop("elapsed")
    return {
        "command": fields.pop("command"),
        "risk": found.verdict.risk.word,
        "reasons": verdict["reasons"],
        "safer": verdict["safer"],
        "elapsed_ms": _milliseconds(elapsed),
        **fields,
    }


def _refused(error: CmdaiError, status: int = 400) -> web.Response:
    return web.json_response(to_json(error), status=status)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)
