"""A member of the pool: a server, and all that is known of how it does."""

from __future__ import annotations

import shlex
from collections import deque
from typing import TYPE_CHECKING, Literal, TypeAlias

from cmdai_shell.core import Load
from cmdai_shell.errors import (
    BackendBusy,
    BackendDenied,
    BackendError,
    BackendRejected,
    BackendUnavailable,
    ModelMissing,
)
from cmdai_shell.routing.breaker import Breaker
from cmdai_shell.routing.policies import View
from cmdai_shell.routing.ttft import Ttft

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmdai_shell.core import Handshake, Probe, Server, ServerState

MemberState: TypeAlias = 'Literal["new"] | ServerState'

LOAD_FRESH_S = 5.0
"""An older account of a queue is worth nothing."""
BUSY_S = 5.0
"""One that says that it is too busy is left alone for as long as it says, and at least so long."""
BARRED_S = 60.0
"""Where a login or a model is missing: until that is looked at again."""
FLAT_S = 5.0
"""Requests run, and no token was made for so long: wedged."""
LATE_S = 1.5
"""Silence that starts to be a failure; more for a server that is known to be slow:"""
LATE_FACTOR = 4.0
CONNECT_S = 0.05
"""Seconds to a new connection, until a probe has measured them."""
LATENCIES = 3
"""Of so many the best counts: one that was measured while we were busy moves nobody."""
_UNKNOWN = Load()


class Member:
    """Decides and remembers; asks nobody. Times are passed in."""

    def __init__(
        self,
        server: Server,
        *,
        random: Callable[[], float],
        failures: int = 3,
        successes: int = 1,
        is_proven: bool = True,
    ) -> None:
        self.server = server
        self.id = server.endpoint.id
        self.host = host(server.endpoint.url)
        self.breaker = Breaker(failures=failures, successes=successes, random=random)
        self.ttft = Ttft()
        self.in_flight = 0
        self.state: MemberState = "new"
        self.why = ""
        """A sentence, where it is not well."""
        self.hint = ""
        self.probe: Probe | None = None
        self.checked_at: float | None = None
        """The last handshake's end."""
        self.load: Load | None = None
        self.load_at = float("-inf")
        self.has_metrics = True
        """It tells of its queue, as far as is known."""
        self.asked_at = float("-inf")
        self.is_active = True
        """It is asked unless a request names others: its environment is in use."""
        self.is_proven = is_proven
        """It may be sent words: it is written down, or has passed a handshake since it was trusted.
        Whoever has not done so is sent none, whatever the others do."""
        self.is_drained = False
        """No new request goes to it, not even one that names it; those that it has go on."""
        self.latencies: deque[float] = deque(maxlen=LATENCIES)
        """Seconds until it answered a small request, the last times since it came."""
        self.busy_until = float("-inf")
        """It has said so: others go first."""
        self._barred_at = float("-inf")
        self._recovered_at = float("-inf")
        self._flat_since: float | None = None

    @property
    def kind(self) -> str:
        return self.probe.kind if self.probe else self.server.endpoint.kind

    @property
    def environment(self) -> str:
        return self.server.endpoint.environment

    @property
    def latency(self) -> float | None:
        return min(self.latencies, default=None)

    @property
    def is_barred(self) -> bool:
        """No request can mend it: it waits for a login, or for its model."""
        return self.state in ("login", "no-model")

    @property
    def is_candidate(self) -> bool:
        is_well = self.breaker.state == "closed" and self.state in ("new", "ok", "slow")
        return is_well and self.may_be_asked

    @property
    def may_be_asked(self) -> bool:
        """Even where nobody else is well."""
        return self.is_proven and not self.is_drained

    def is_due(self, now: float) -> bool:
        """A request may try it, where nobody else sees to it."""
        was_barred = self.state in ("login", "no-model", "loading")
        if was_barred and now < self._barred_at + BARRED_S:
            return False
        return self.may_be_asked and (self.breaker.state == "closed" or self.breaker.is_due(now))

    @property
    def why_not(self) -> str:
        """Why it is not asked, in a sentence; empty where nothing is known."""
        if self.is_drained:
            return f"drained: {undrain_hint(self.id)}"
        return self.why or ("" if self.is_proven else "it has yet to pass its first check")

    @property
    def limit(self) -> float:
        """Seconds without a first token that are a failure."""
        return max(LATE_S, LATE_FACTOR * self.ttft.expected)

    def view(self, now: float) -> View:
        load = self.load if self.load and now - self.load_at <= LOAD_FRESH_S else None
        warm = self.server.is_warm
        endpoint = self.server.endpoint
        return View(
            id=self.id,
            priority=endpoint.priority,
            weight=endpoint.weight,
            ttft=self.ttft.expected,
            in_flight=self.in_flight,
            waiting=(load.waiting or 0) if load else 0,
            running=(load.running or 0) if load else 0,
            cache_used=(load.cache_used or 0.0) if load else 0.0,
            connect=0.0 if warm else (self.probe.latency if self.probe else CONNECT_S),
            recovered=now - self._recovered_at,
        )

    # --- what requests tell

    def asked(self, now: float) -> None:
        self.in_flight += 1
        self.asked_at = now

    def began(self, seconds: float, now: float) -> None:
        """Its first token came."""
        self.ttft.observe(seconds, now)

    def answered(self, now: float) -> None:
        self.in_flight -= 1
        self._live(now, "ok")

    def failed(self, error: BackendError, now: float) -> None:
        """Only what says something of its health counts against it."""
        self.in_flight -= 1
        match error:
            case BackendUnavailable(cause=cause):
                self._ail(now, cause, error)
            case BackendBusy(retry_after=seconds):
                self._rest(seconds, now)
                self._explain(error)
            case BackendDenied():
                self._bar("login", error, now)
            case ModelMissing():
                self._bar("no-model", error, now)
            case BackendRejected():
                pass  # our request was wrong
            case _:
                self._ail(now, "garbage", error)

    def lost(self, seconds: float, now: float, *, silent: bool, cancelled: bool = False) -> None:
        """Its answer is not waited for any longer; ``silent``: not one token had come. That the
        person cancelled says nothing against it, but how long they had waited is known."""
        self.in_flight -= 1
        if not silent:
            return
        is_wedged = seconds >= self.limit and not cancelled
        self.ttft.observe_at_least(seconds, now)
        if is_wedged:
            silence = f"no first word within {seconds:.1f} s"
            self._ail(now, "wedge", BackendUnavailable(silence, cause="timeout"))

    def overtaken(self, seconds: float, now: float) -> None:
        """It had begun, and one that was asked much later was whole first: no fault of its health,
        but others are to be asked before it for a while."""
        self.in_flight -= 1
        self.ttft.expect_at_least(seconds, now)

    # --- what the keeper learns

    def note_load(self, load: Load, now: float) -> None:
        former, self.load, self.load_at = self.load, load, now
        self.has_metrics = load != _UNKNOWN
        is_flat = bool(
            former
            and former.running
            and load.running
            and load.generated is not None
            and former.generated == load.generated
            and not (self.probe and self.probe.via_gateway)  # then these are not one engine's
        )
        if not is_flat:
            self._flat_since = now
        elif self._flat_since is not None and now - self._flat_since >= FLAT_S:
            self._flat_since = now
            stuck = "it makes no tokens, though requests wait for them"
            self._ail(now, "wedge", BackendUnavailable(stuck, cause="stall"))

    def note_handshake(self, found: Handshake, now: float) -> None:
        self.checked_at = now
        self.probe = found.probe or self.probe
        error = BackendUnavailable(found.detail or found.state, found.hint)
        match found.state:
            case "ok" | "slow":
                self.is_proven = True
                if found.ttft > 0:
                    self.ttft.observe(found.ttft, now, is_handshake=True)
                if found.probe:
                    self.latencies.append(found.probe.latency)
                self._live(now, found.state)
            case "unreachable":
                self._ail(now, "refused", error)
            case "tls":
                self._ail(now, "tls", error)
            case "wrong-answer":
                self._ail(now, "wedge", error)
                self.state = found.state
            case "loading" | "login" | "no-model":
                self.breaker.succeed(now)  # there is life
                self._bar(found.state, error, now)
                if found.retry_after:
                    self._rest(found.retry_after, now)

    def _live(self, now: float, state: ServerState) -> None:
        if self.breaker.succeed(now):
            self._recovered_at = now
        if self.breaker.state == "closed":
            self.state, self.why, self.hint = state, "", ""

    def _ail(self, now: float, cause: str, error: BackendError) -> None:
        self.breaker.fail(now, cause)
        self._explain(error)
        if self.breaker.state != "closed":
            self.latencies.clear()
            self.state = "tls" if cause == "tls" else "unreachable"

    def _bar(self, state: ServerState, error: BackendError, now: float) -> None:
        self.state, self._barred_at = state, now
        self._explain(error)

    def _rest(self, seconds: float, now: float) -> None:
        self.busy_until = max(self.busy_until, now + max(seconds, BUSY_S))

    def _explain(self, error: BackendError) -> None:
        self.why, self.hint = nameless(error.message, self.server.title), error.hint


def undrain_hint(member_id: str) -> str:
    """What to type, so that it is asked again."""
    return f"cmdai-shell backends undrain {shlex.quote(member_id)}"


def nameless(message: str, title: str) -> str:
    """What happened, without to whom: adapters name themselves, and so does who tells it."""
    return message.removeprefix(title).lstrip(": ") if message.startswith(title) else message


def host(url: str) -> str:
    """Of an address: two ports of one machine fail together."""
    place = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    if place.startswith("["):
        return place.partition("]")[0][1:].lower()
    return place.partition(":")[0].lower()
