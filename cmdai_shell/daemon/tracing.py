"""A trace as it is shown: milliseconds from the request's arrival, and names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.observe.traces import Call, Span, Trace
    from cmdai_shell.routing.decision import Decision, Tried


def document(trace: Trace, *, is_whole: bool = True) -> dict[str, Any]:
    """For ``GET /v1/traces``; ``is_whole``: with the reasons why members were not asked, which may
    quote a server, and are for no disk."""
    return {
        **trace.account,
        "trace_id": trace.id,
        "span_id": trace.span_id,
        "parent_id": trace.parent_id,
        "at": round(trace.at, 4),
        "op": trace.op,
        "shell": trace.shell,
        "is_running": not trace.elapsed,
        "elapsed_ms": _ms(trace.elapsed or trace.clock() - trace.began),
        "stages": list(_stages(trace)),
        "calls": [_call(trace, call, is_whole) for call in trace.calls],
        "attempts": _attempts(trace),
    }


def next_of(decision: Decision, tried: Tried) -> Tried | None:
    """Who was asked next, after that one had failed."""
    ended = tried.began + tried.elapsed
    later = [other for other in decision.tried if other.began >= ended and other is not tried]
    return min(later, key=lambda other: other.began, default=None)


def _stages(trace: Trace) -> Iterator[dict[str, Any]]:
    """What the time went to: one after the other, without gaps, up to now."""
    steps = [("ready", trace.ready_at)]
    for call in trace.calls:
        first = min((s.began for s in trace.spans if s.began >= call.began), default=call.began)
        steps += [("prompt", call.began), ("route", first), ("model", call.ended)]
    steps.append(("checks", trace.began + trace.elapsed if trace.elapsed else 0.0))
    begins = trace.began
    for name, ends in steps:
        if not ends:
            break
        yield {"name": name, "began_ms": _ms(begins - trace.began), "ms": _ms(ends - begins)}
        begins = ends


def _call(trace: Trace, call: Call, is_whole: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "began_ms": _ms(call.began - trace.began),
        "elapsed_ms": _ms((call.ended or trace.clock()) - call.began),
        "backend": call.backend,
        "model": call.model,
        "ttft_ms": _ms(call.ttft),
        "tokens": call.tokens,
        "is_fallback": call.is_fallback,
    }
    decision: Decision | None = call.decision
    if decision:
        found |= {
            "strategy": decision.strategy,
            "considered": [{"id": name, "score_ms": _ms(at)} for name, at in decision.order],
            "passed_over": [
                {"id": name, "why": why} if is_whole else {"id": name}
                for name, why in decision.passed_over
            ],
            "is_panic": decision.is_panic,
            "hedge": decision.hedge,
            "hedge_after_ms": _ms(decision.hedge_after),
        }
    return found


def _attempts(trace: Trace) -> list[dict[str, Any]]:
    """Each backend that was asked, in order; what the router says of it once it has."""
    told = [
        (call.decision.at + tried.began, tried)
        for call in trace.calls
        if call.decision
        for tried in call.decision.tried
    ]
    found = []
    for span in trace.spans:
        near = [pair for pair in told if pair[1].id == span.name and pair[0] <= span.began + 0.001]
        chosen = max(near, key=lambda pair: pair[0], default=None)
        if chosen:
            told.remove(chosen)
        found.append(_asked(trace, span) | (_said(trace, *chosen) if chosen else {}))
    found += [{"id": t.id, "span_id": "", **_said(trace, at, t)} for at, t in told]
    return sorted(found, key=lambda one: float(one["began_ms"]))


def _asked(trace: Trace, span: Span) -> dict[str, Any]:
    ended = span.ended or trace.clock()
    return {
        "id": span.name,
        "span_id": span.id,
        "why": "",
        "began_ms": _ms(span.began - trace.began),
        "elapsed_ms": _ms(ended - span.began),
        "ttft_ms": _ms(span.first_at - span.began) if span.first_at else 0.0,
        "outcome": span.outcome,
        "cause": span.cause,
        "tokens": 0,
    }


def _said(trace: Trace, at: float, tried: Tried) -> dict[str, Any]:
    return {
        "why": tried.why,
        "began_ms": _ms(at - trace.began),
        "elapsed_ms": _ms(tried.elapsed),
        "ttft_ms": _ms(tried.ttft),
        "outcome": tried.outcome,
        "cause": tried.cause,
        "tokens": tried.tokens,
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
