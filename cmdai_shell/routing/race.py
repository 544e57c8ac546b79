"""One request as a state machine: who is asked when, whose words are shown, who has answered.

It sees pieces and the time, and neither waits nor asks: the router does. See docs/routing.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmdai_shell.core import Cold, Cut, Notice
from cmdai_shell.errors import (
    BackendError,
    BackendUnavailable,
    CmdaiError,
    ModelUnavailable,
    NoBackendAvailable,
)
from cmdai_shell.routing import failures
from cmdai_shell.routing.attempt import Attempt
from cmdai_shell.routing.failures import Trouble
from cmdai_shell.routing.member import LATE_S, nameless

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmdai_shell.core import Backend
    from cmdai_shell.routing.budget import Budget
    from cmdai_shell.routing.decision import Hedge, Why
    from cmdai_shell.routing.member import Member

STALL_S = 1.0
"""Between two tokens."""
BESIDE_S, BESIDE_ALONE_S = 2.0, 1.5
"""Without a first token for so long the embedded model starts too; sooner where nobody else can."""
BESIDE_SLOW_S = 3.0
"""With one, but without an end; then another server is asked beside it, too."""
REMOTE_SHARE, BESIDE_SHARE, BESIDE_SLOW_SHARE = 0.9, 0.4, 0.6
"""Of a short deadline, in place of the seconds that are for one of 5 s."""


ALONE_TIMES = 3
"""An environment's ``timeout_ms`` for one that nobody can answer in place of: a slow answer is
better than none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the configuration says."""

    remote_s: float = 4.5
    """For servers, while there is an embedded model to answer after them."""
    most: int = 3
    """Servers asked, hedges not counted."""
    hedge: bool = True


class Race:
    """Members run for the answer; the embedded model stands by.

    The first one with a first token leads, and the others are dropped: deltas are its alone, unless
    another one's have been shown already. Beside a leader that does not come to an end another
    server is asked, and whoever is whole first has answered. So it is with the embedded model when
    no server can give an answer any more, or from ``remote_s`` on.
    """

    def __init__(
        self,
        order: Sequence[Member],
        embedded: Backend | None,
        *,
        start: float,
        timeout: float,
        rules: Rules,
        hedges: Budget,
        retries: Budget,
        hedge_after: float = LATE_S,
        is_panic: bool = False,
        barred: Sequence[Trouble] = (),
    ) -> None:
        """``barred``: of members that are not asked, why."""
        self.start = start
        self.deadline = start + timeout
        self.attempts: list[Attempt] = []
        self._troubles = list(barred)
        """What the members tried came to, for the person."""
        self.winner: Attempt | None = None
        self.hedge: Hedge = ""
        self._rules = rules
        self._left = list(order)
        self._has_servers = bool(order or barred)
        self._embedded = embedded
        self._own: Attempt | None = None
        self._own_failed = embedded is None
        self._hedges = hedges
        self._retries = retries
        self._hedge_after = hedge_after
        self._is_panic = is_panic
        self._tries = rules.most
        self._asks_next = True
        """The last one failed, or there is none yet."""
        self._leader: Attempt | None = None
        self._speaker: Attempt | None = None
        self._not_before = start
        """A server that is asked again gets a moment."""
        self._own_error: CmdaiError | None = None

    # --- what the router asks

    def due(self, now: float) -> list[Attempt]:
        """Those to be started now."""
        before = len(self.attempts)
        while (extra := self._extra()) and now >= extra[0] and not self.is_over(now):
            self._begin(extra[1], now)
        if self._embedded and not self._own and now >= self._embedded_at():
            why: Why = "beside" if self._running else "alone"
            self._own = Attempt(self._embedded, None, why, now)
            self.attempts.append(self._own)
        return self.attempts[before:]

    def wake_at(self, now: float) -> float:
        """When to look again, if nothing is heard until then."""
        times = [self.deadline, *map(self._ends_at, self._running)]
        if now < self._remote_until:
            times.append(self._remote_until)
        if extra := self._extra():
            times.append(extra[0])
        if self._embedded and not self._own:
            times.append(self._embedded_at())
        if self._leader and self._has_others():
            times.append(self._leader.heard_at + STALL_S)
        return min(times)

    def hear(self, attempt: Attempt, piece: str | Notice, now: float) -> list[str | Notice]:
        """What of it is shown, and of what the time has changed: whoever talks without a pause must
        not keep us from looking."""
        self._expire(now)
        shown = self._heard(attempt, piece, now) if attempt.is_running else []
        return shown + self.look(now)

    def _heard(self, attempt: Attempt, piece: str | Notice, now: float) -> list[str | Notice]:
        was_silent = attempt.is_silent
        attempt.hear(piece, now)
        if attempt.member and was_silent and not attempt.is_silent:
            attempt.member.began(now - attempt.started, now)
            if not self._leader:
                self._lead(attempt, now)
        if isinstance(piece, Notice):
            is_shown = self._may_speak(attempt, now) and not isinstance(piece, Cut | Cold)
            return [piece] if is_shown else []
        return self._shown(attempt, piece, now)

    def end(self, attempt: Attempt, error: CmdaiError | None, now: float) -> list[str | Notice]:
        """It has said all, or failed; what is shown of that."""
        if not attempt.is_running:
            return []
        if error is None and not attempt.text.strip():
            error = BackendUnavailable("the answer was empty", cause="garbage")
        if error is None:
            attempt.end("answered", now)
            if attempt.member:
                attempt.member.answered(now)
                self._win(attempt, now)
        elif attempt.member:
            self._lose(attempt, failures.of_backend(error), now)
        else:
            attempt.end("failed", now, error)
            self._own_failed = True
            self._note(attempt, error)
        return self.look(now)

    def look(self, now: float) -> list[str | Notice]:
        """What the time changes; what is shown of that."""
        self._expire(now)
        leader = self._leader
        if leader and now >= leader.heard_at + STALL_S and self._has_others():
            stall = f"it stopped in the middle of its answer for {STALL_S:.0f} s"
            self._lose(leader, BackendUnavailable(stall, cause="stall"), now)
        own = self._own
        shown: list[str | Notice] = []
        if own and own.text and not self._own_failed and self._is_taken(now):
            if self._speaker is None:  # it has been silent so far
                self._speaker = own
                shown.append(own.text)
            if own.outcome == "answered" and not self.winner:
                self._win(own, now)
        return shown

    def is_over(self, now: float) -> bool:
        if self.winner or now >= self.deadline:
            return True
        return self._is_exhausted and self._own_failed

    def close(self, now: float, *, cancelled: bool) -> None:
        """Nobody is waited for any longer: ``cancelled`` by the person, or as it is over."""
        for attempt in self.attempts:
            if not attempt.is_running:
                continue
            if not cancelled and not self._was_beside(attempt):
                until = now if self.winner else self.deadline
                self._note(attempt, failures.late(until - attempt.started, attempt.doing))
            self._drop(attempt, now, cancelled=cancelled)

    def _was_beside(self, attempt: Attempt) -> bool:
        """It was asked in case, and the winner did not need it."""
        if not self.winner:
            return False
        return not attempt.member or bool(self.winner.member and attempt.why == "slow")

    @property
    def sentences(self) -> tuple[str, ...]:
        """What the members tried came to, each once."""
        return tuple(dict.fromkeys(trouble.text for trouble in self._troubles))

    @property
    def remedy(self) -> str:
        """What no time mends, and what to type about it; empty where there is no such thing."""
        return next((f"{t.text}: {t.hint}" for t in self._troubles if t.lasts and t.hint), "")

    def failure(self) -> CmdaiError:
        """Why there is no answer: of the servers first, where there are any. Whoever has them need
        not hear that there is no model here."""
        own = self._own_error
        if isinstance(own, ModelUnavailable) and not self._has_servers:
            return own
        said = self.sentences
        hint = next((trouble.hint for trouble in self._troubles if trouble.hint), "")
        if own and not (isinstance(own, ModelUnavailable) and said):
            title = self._embedded.title if self._embedded else ""
            said = (*said, f"{title}: {nameless(own.message, title)}")
            hint = hint or own.hint
        return NoBackendAvailable(
            "; ".join(said) or "no backend is configured",
            hint=hint or "cmdai-shell doctor",
            attempts=said,
        )

    # --- when

    @property
    def _running(self) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.member and attempt.is_running]

    @property
    def _remote_until(self) -> float:
        if self._own_failed:
            return self.deadline
        share = REMOTE_SHARE * (self.deadline - self.start)
        return self.start + min(self._rules.remote_s, share)

    @property
    def _slow_at(self) -> float:
        """From then on a leader that has not come to its end is not waited for alone."""
        return self.start + min(BESIDE_SLOW_S, BESIDE_SLOW_SHARE * (self.deadline - self.start))

    @property
    def _is_exhausted(self) -> bool:
        """No server is at work, and none will be."""
        return not self._running and self._extra() is None

    def _is_taken(self, now: float) -> bool:
        """Whether the embedded model's answer is as good as a server's."""
        return self._is_exhausted or now >= self._remote_until

    def _extra(self) -> tuple[float, Why] | None:
        """When and why the next server is to be asked, as things stand."""
        self._left = [member for member in self._left if not member.is_drained]  # meanwhile
        if not self._left or self._tries <= 0:
            return None
        running = self._running
        if self._leader:
            if len(running) > 1:
                return None
            at, why = max(self._slow_at, self._leader.started + LATE_S, self._last_end()), "slow"
        elif self._asks_next:
            at = max(self._last_end(), self._not_before)
            why = "failed" if self.attempts else "first"
        elif not running:
            return None
        elif len(running) == 1 and self._may_hedge(running[0]):
            at, why = running[0].started + self._hedge_after, "hedge"
        else:
            at, why = running[-1].started + LATE_S, "late"
        return (at, why) if at < self._remote_until else None  # type: ignore[return-value]

    def _last_end(self) -> float:
        return max((attempt.ended for attempt in self.attempts), default=self.start)

    def _may_hedge(self, running: Attempt) -> bool:
        return self._rules.hedge and not self.hedge and self._elsewhere(running) is not None

    def _embedded_at(self) -> float:
        if self._is_panic or self._is_exhausted:
            return self.start
        whole = self.deadline - self.start
        wait = min(BESIDE_S if self._left else BESIDE_ALONE_S, BESIDE_SHARE * whole)
        at = self._slow_at if self._leader else self.start + wait
        return min(at, self._remote_until)

    def _has_others(self) -> bool:
        """Somebody else could answer in the leader's place."""
        if len(self._running) > 1 or not self._own_failed:
            return True
        return bool(self._left and self._tries > 0)

    # --- who

    def _begin(self, why: Why, now: float) -> None:
        running = self._running
        if why == "hedge" and not self._hedges.spend(now):
            self.hedge = "suppressed"
            return
        if why in ("late", "slow") and not self._retries.spend(now):
            self._left.clear()
            return
        near = running[0] if running else None
        member = (self._elsewhere(near) if near else None) or self._left[0]
        self._left.remove(member)
        self._asks_next = False
        if why == "hedge":
            self.hedge = "lost"  # until it leads
        else:
            self._tries -= 1
        member.asked(now)
        self.attempts.append(Attempt(member.server, member, why, now))

    def _elsewhere(self, attempt: Attempt) -> Member | None:
        """The best of those left that stand on another host."""
        host = attempt.member.host if attempt.member else ""
        return next((member for member in self._left if member.host != host), None)

    def _lead(self, attempt: Attempt, now: float) -> None:
        self._leader = attempt
        for other in self._running:
            if other is not attempt:
                if other.started <= attempt.started:
                    silence = f"no first word within {now - other.started:.1f} s"
                    self._note(other, BackendError(silence))
                self._drop(other, now)
                if other.member:  # it has not failed: it may be needed yet
                    place = 0 if other.started > attempt.started else len(self._left)
                    self._left.insert(place, other.member)

    def _lose(self, attempt: Attempt, error: BackendError, now: float) -> None:
        attempt.end("failed", now, error)
        if attempt.member:
            attempt.member.failed(error, now)
            self._left = [m for m in self._left if not failures.same(error, attempt.member, m)]
        self._note(attempt, error)
        if attempt is self._leader:  # who was asked beside it may have begun, too
            self._leader = next((one for one in self._running if not one.is_silent), None)
        if self._running:
            return
        self._ask_again(attempt, error, now)
        if failures.was_there(error):
            if self._left and not failures.was_free(error) and not self._retries.spend(now):
                self._left.clear()
        else:
            self._tries += 1  # a server that is not there has not been asked
        self._asks_next = True

    def _ask_again(self, attempt: Attempt, error: BackendError, now: float) -> None:
        """The same one, if it is the last and has not been asked too often."""
        member = attempt.member
        if not member or self._left or not failures.may_pass(error):
            return
        endpoint = member.server.endpoint
        if sum(other.member is member for other in self.attempts) <= endpoint.retries:
            self._left.append(member)
            self._tries += 1
            self._not_before = now + endpoint.backoff

    def _expire(self, now: float) -> None:
        """Servers have a time of their own for an answer."""
        for attempt in self._running:
            if now >= self._ends_at(attempt):
                late = f"no whole answer within {now - attempt.started:.2g} s"
                hint = attempt.more_time()
                self._lose(attempt, BackendUnavailable(late, hint, "timeout"), now)

    def _ends_at(self, attempt: Attempt) -> float:
        is_alone = self._own_failed and not self._left and len(self._running) == 1
        seconds = attempt.ends_at - attempt.started
        return attempt.started + seconds * (ALONE_TIMES if is_alone else 1)

    def _drop(self, attempt: Attempt, now: float, *, cancelled: bool = False) -> None:
        attempt.end("cancelled" if cancelled else "lost", now)
        if not attempt.member:
            return
        seconds = now - attempt.started
        if attempt is self._leader and self.winner and self.winner.member:
            attempt.member.overtaken(seconds, now)
        else:
            attempt.member.lost(seconds, now, silent=attempt.is_silent, cancelled=cancelled)

    def _win(self, attempt: Attempt, now: float) -> None:
        self.winner = attempt
        if attempt.why == "hedge":
            self.hedge = "won"

    def _may_speak(self, attempt: Attempt, now: float) -> bool:
        if attempt.member is None and not self._is_taken(now):
            return False
        return self._speaker in (None, attempt)

    def _shown(self, attempt: Attempt, piece: str, now: float) -> list[str | Notice]:
        if not piece or not self._may_speak(attempt, now):
            return []
        if self._speaker is None:
            self._speaker = attempt
            return [attempt.text]
        return [piece]

    def _note(self, attempt: Attempt, error: CmdaiError) -> None:
        if attempt.member:
            title = attempt.backend.title
            text = f"{title}: {nameless(error.message, title)}"
            lasts = failures.may_last(error)
            self._troubles.append(Trouble(text=text, hint=error.hint, lasts=lasts))
        else:
            self._own_error = error
