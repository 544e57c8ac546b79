"""What turns finished requests, decisions, breakers and handshakes into numbers.

All of it after the reply is sent, or in a few microseconds.
"""

from __future__ import annotations

import os
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

from cmdai_shell import __version__
from cmdai_shell.core import ANYBODY, EMBEDDED, Completion, Explanation, Suggestion
from cmdai_shell.daemon import tracing
from cmdai_shell.observe import audit
from cmdai_shell.observe.metrics import Metrics, gauge
from cmdai_shell.observe.otlp import About, Outbox, Words, spans
from cmdai_shell.observe.traces import Traces, begun, present
from cmdai_shell.suggest.history import YOUR_HISTORY
from cmdai_shell.suggest.mend import OWN_RULES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator
    from pathlib import Path

    from cmdai_shell.config import Config
    from cmdai_shell.core import (
        Clock,
        Completer,
        Handshake,
        Notice,
        Prompt,
        SuggestRequest,
        Target,
        Update,
    )
    from cmdai_shell.daemon.compose import Chain
    from cmdai_shell.errors import CmdaiError
    from cmdai_shell.observe.metrics import Family, Labels
    from cmdai_shell.observe.traces import Call, Trace
    from cmdai_shell.routing.decision import Decision
    from cmdai_shell.routing.pool import Pool

_BREAKER = {"closed": 0.0, "half-open": 1.0, "open": 2.0}
_OWN = {YOUR_HISTORY: "history", OWN_RULES: "rules"}


class Meter:
    """Handed from chain to chain: numbers do not begin anew with a reload."""

    def __init__(self, clock: Clock, *, wall: Clock, folder: Path) -> None:
        self.metrics = Metrics()
        self.traces = Traces()
        self._clock = clock
        self._wall = wall
        self._started_at = wall()
        self._breakers: dict[str, str] = {}
        self._about: dict[str, About] = {}
        self._audit = audit.Lines(folder / audit.AUDIT_FILE)
        self._written = audit.Lines(folder / audit.TRACE_FILE)
        self._outbox = Outbox("")
        self._port_problem = ""

    def close(self) -> None:
        """What was noted is on the disk then and at the collector, as far as it is to be."""
        self._audit.close()
        self._written.close()
        self._outbox.close()

    # --- while a request runs

    def begin(self, config: Config, request: SuggestRequest, began: float) -> Trace:
        """``began``: when it came, on our clock."""
        at = self._wall() - (self._clock() - began)
        trace = begun(self._clock, at, began)
        trace.op, trace.shell = request.op, request.shell
        trace.propagates = config.tracing.propagate
        self.traces.begin(trace)
        return trace

    def decided(self, decision: Decision) -> None:
        """Called by the pool, in the request's own context."""
        trace = present.get()
        if trace and trace.calls:
            trace.calls[-1].decision = decision

    # --- after its reply

    def end(
        self,
        chain: Chain,
        trace: Trace,
        final: Update | CmdaiError | None,
        account: dict[str, Any],
        *,
        line: str = "",
        is_private: bool = False,
    ) -> None:
        """``line``: what the person typed."""
        trace.elapsed = self._clock() - trace.began
        trace.account = {**account, "origin": _origin(trace, final)}
        if isinstance(final, Suggestion):
            trace.account |= {"action": final.action, "is_fallback": final.is_fallback}
        self.traces.end(trace)
        self.look(chain.pool)
        self._count(trace, final)
        config = chain.config
        if config.tracing.keep_on_disk and not is_private:
            self._written.write(lambda: tracing.document(trace, is_whole=False))
        if config.audit.enabled and config.history.enabled and not is_private:
            self._note(trace, final)
        if config.tracing.otlp_endpoint and not is_private:
            command = final.command if isinstance(final, Suggestion) else ""
            words = Words(line=line, command=command) if config.tracing.otlp_words else None
            about = self._asked(trace)
            self._outbox_of(config).put(
                lambda: spans(tracing.document(trace, is_whole=False), about, words)
            )

    def told_of_port(self, problem: str) -> None:
        self._port_problem = problem

    def shown(self, config: Config) -> dict[str, Any] | None:
        """Where Prometheus finds the numbers, and why it does not; None where it is not to."""
        if not config.metrics.enabled:
            return None
        return {"port": config.metrics.port, "problem": self._port_problem}

    def exported(self, config: Config) -> dict[str, Any] | None:
        """How many traces the collector got, and what is wrong; None where there is none."""
        return self._outbox_of(config).status() if config.tracing.otlp_endpoint else None

    def _outbox_of(self, config: Config) -> Outbox:
        """The settings may have changed: then nobody waits for the end of the one before."""
        former = self._outbox
        if former.endpoint != config.tracing.otlp_endpoint:
            self._outbox = Outbox(config.tracing.otlp_endpoint)
            threading.Thread(target=former.close, daemon=True).start()
        return self._outbox

    def _asked(self, trace: Trace) -> dict[str, About]:
        own = next((call.model for call in trace.calls if call.backend == EMBEDDED), "")
        here = About(kind=EMBEDDED, model=own)
        return {span.name: self._about.get(span.name, here) for span in trace.spans}

    def _note(self, trace: Trace, final: Update | CmdaiError | None) -> None:
        if isinstance(final, Suggestion) and final.action != "restore":
            at = self._wall()
            self._audit.write(lambda: audit.suggested(final, trace.op, trace.shell, trace.id, at))

    def _count(self, trace: Trace, final: Update | CmdaiError | None) -> None:
        add, observe = self.metrics.add, self.metrics.observe
        outcome, origin = trace.account["outcome"], trace.account["origin"]
        add("cmdai_requests", trace.op, trace.shell, outcome, origin)
        observe("cmdai_key_to_reply_seconds", trace.elapsed, trace.op, outcome, origin)
        if isinstance(final, Suggestion):
            add("cmdai_suggestions", final.verdict.risk.word, final.action)
            if origin in ("cache", EMBEDDED, "server"):
                add("cmdai_cache_requests", "hit" if origin == "cache" else "miss")
        if len(trace.calls) > 1 and trace.op != "next":
            add("cmdai_checks_repeated", amount=len(trace.calls) - 1)
        for call in trace.calls:
            self._count_call(call)

    def _count_call(self, call: Call) -> None:
        decision: Decision | None = call.decision
        if decision is None:
            if call.backend:
                about = self._labels(call.backend, call.model)
                self._operation(about, call.ended - call.began, call.ttft, call.tokens, "")
            return
        add, observe = self.metrics.add, self.metrics.observe
        if decision.tried:
            began = decision.tried[0].began
            observe("cmdai_router_overhead_seconds", began, decision.strategy)
        if decision.hedge:
            add("cmdai_hedges", decision.hedge)
        if decision.is_panic:
            add("cmdai_panics")
        if call.is_fallback:
            add("cmdai_embedded_fallbacks", _reason(decision))
        for tried in decision.tried:
            name = self.metrics.bounded("backend", tried.id)
            add("cmdai_route_decisions", name, tried.why, tried.outcome)
            about = self._labels(tried.id, call.model if tried.id == call.backend else "")
            error = tried.cause if tried.outcome == "failed" else ""
            if tried.outcome in ("answered", "failed"):
                self._operation(about, tried.elapsed, tried.ttft, tried.tokens, error)
            if tried.outcome == "failed" and (later := tracing.next_of(decision, tried)):
                lost = later.began - tried.began
                observe("cmdai_failover_seconds", lost, name, error or "unknown")

    def _operation(
        self, about: Labels, seconds: float, ttft: float, tokens: int, error: str
    ) -> None:
        observe = self.metrics.observe
        observe("gen_ai_client_operation_duration_seconds", seconds, *about, error)
        if ttft:
            observe("gen_ai_client_operation_time_to_first_chunk_seconds", ttft, *about)
        if tokens:
            observe("gen_ai_client_token_usage", tokens, *about, "output")
        if tokens > 1 and ttft:
            name = "gen_ai_client_operation_time_per_output_chunk_seconds"
            observe(name, max(seconds - ttft, 0.0) / (tokens - 1), *about)

    def _labels(self, backend: str, model: str) -> Labels:
        """As the conventions have them: operation, software, model, and the server's name."""
        bounded = self.metrics.bounded
        about = self._about.get(backend, About(kind=backend if backend == EMBEDDED else ""))
        return (
            "chat",
            bounded("kind", about.kind or "unknown"),
            bounded("model", model or about.model or "unknown"),
            bounded("backend", backend),
        )

    # --- of servers

    def handshaken(self, backend: str, found: Handshake) -> None:
        name = self.metrics.bounded("backend", backend)
        self.metrics.observe("cmdai_handshake_seconds", found.elapsed, name, found.state)

    def look(self, pool: Pool) -> None:
        """Note what has changed of the members since the last look."""
        members = {member.id: member for member in pool}
        for name, member in members.items():
            state = member.breaker.state
            if self._breakers.get(name, "closed") != state:
                bounded = self.metrics.bounded("backend", name)
                self.metrics.add("cmdai_breaker_changes", bounded, state)
            self._breakers[name] = state
            url, model = member.server.endpoint.url, member.server.model
            self._about[name] = About(kind=member.kind, model=model, url=url)
        for name in self._breakers.keys() - members.keys():
            del self._breakers[name], self._about[name]

    # --- asked for

    def families(self, chain: Chain | None, in_flight: int) -> list[Family]:
        """All there is now; a copy that another thread may read."""
        import psutil

        if chain:
            self.look(chain.pool)
        memory = float(psutil.Process(os.getpid()).memory_info().rss)
        now: dict[str, list[tuple[Labels, float]]] = {
            "cmdai_build_info": [((__version__,), 1.0)],
            "cmdai_start_time_seconds": [((), self._started_at)],
            "cmdai_resident_memory_bytes": [((), memory)],
            "cmdai_requests_in_flight": [((), float(in_flight))],
        }
        for name, labels, value in self._standing(chain) if chain else ():
            now.setdefault(name, []).append((labels, value))
        return [*(gauge(name, values) for name, values in now.items()), *self.metrics.families()]

    def _standing(self, chain: Chain) -> Iterator[tuple[str, Labels, float]]:
        for one in chain.pool.snapshot(self._clock()):
            name = self.metrics.bounded("backend", one.id)
            where = self.metrics.bounded("environment", one.environment)
            up = one.breaker == "closed" and one.state in ("new", "ok", "slow")
            yield "cmdai_backend_up", (name, where, one.state), float(up)
            yield "cmdai_backend_drained", (name,), float(one.is_drained)
            yield "cmdai_breaker_state", (name,), _BREAKER[one.breaker]
            yield "cmdai_backend_in_flight", (name,), float(one.in_flight)
            yield "cmdai_backend_expected_seconds", (name,), one.ttft
            if one.load and one.load.waiting is not None:
                yield "cmdai_backend_queue", (name,), float(one.load.waiting)
        yield from self._found(chain)
        if chain.engine:
            model = chain.engine.status()
            yield "cmdai_embedded_loaded", (), float(model.state in ("ready", "busy"))
            yield "cmdai_embedded_memory_bytes", (), float(model.rss_bytes or 0)

    def _found(self, chain: Chain) -> Iterator[tuple[str, Labels, float]]:
        if chain.finder is None:
            return
        found = chain.finder.status()
        for source in found["sources"]:
            kind = self.metrics.bounded("source", source["name"].partition(":")[0])
            yield "cmdai_discovery_up", (kind,), float(source["state"] != "failed")
        for server in found["found"]:
            by = server["sources"][0].partition(":")[0] if server["sources"] else "unknown"
            labels = self.metrics.bounded("source", by), server["state"]
            yield "cmdai_discovered_backends", labels, 1.0


class Metered:
    """``core.Completer`` whose answers are noted in the present trace."""

    def __init__(self, completer: Completer, clock: Clock) -> None:
        self._completer = completer
        self._clock = clock

    async def complete(
        self, prompt: Prompt, timeout: float, target: Target = ANYBODY
    ) -> AsyncIterator[str | Notice | Completion]:
        trace = present.get()
        call = trace.call() if trace else None
        pieces = self._completer.complete(prompt, timeout, target)
        stream = cast("AsyncGenerator[str | Notice | Completion, None]", pieces)
        try:
            async with aclosing(stream):
                async for piece in stream:
                    if call and isinstance(piece, Completion):
                        call.backend, call.model = piece.backend, piece.model
                        call.ttft, call.tokens = piece.ttft, piece.tokens
                        call.is_fallback, call.ended = piece.is_fallback, self._clock()
                    yield piece
        finally:
            if call:
                call.ended = call.ended or self._clock()

    def could_ask(self, target: Target = ANYBODY) -> bool:
        return self._completer.could_ask(target)


def _origin(trace: Trace, final: Update | CmdaiError | None) -> str:
    """Where the answer is from."""
    if not isinstance(final, Suggestion | Explanation):
        return "none"
    if isinstance(final, Suggestion) and final.backend in _OWN:
        return _OWN[final.backend]
    answered = [call for call in trace.calls if call.backend]
    if answered:
        return EMBEDDED if answered[-1].backend == EMBEDDED else "server"
    return "cache" if isinstance(final, Suggestion) else "manual"


def _reason(decision: Decision) -> str:
    """Why no server answered, in a word."""
    if decision.is_panic or not decision.order:
        return "none-well"
    servers = [tried for tried in decision.tried if tried.id != EMBEDDED]
    return next((t.cause for t in reversed(servers) if t.cause), "late" if servers else "none")
