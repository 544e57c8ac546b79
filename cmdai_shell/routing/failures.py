"""What a failure says of the member, and of who is worth asking next. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmdai_shell.errors import (
    BackendBusy,
    BackendDenied,
    BackendError,
    BackendRejected,
    BackendUnavailable,
    CmdaiError,
    ModelMissing,
)
from cmdai_shell.text import timeless

if TYPE_CHECKING:
    from cmdai_shell.routing.member import Member

_ABSENT = frozenset({"refused", "dns", "tls", "connect"})
"""Causes: nothing was asked of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why a member has not answered, in a sentence with its name, and what to type; ``lasts``
    until somebody does that."""

    text: str
    hint: str = ""
    lasts: bool = False


def may_last(error: CmdaiError) -> bool:
    """Time alone mends nothing: it wants a login, or has not the model."""
    return isinstance(error, BackendDenied | ModelMissing)


def late(seconds: float, doing: str) -> BackendError:
    """``doing``: the member's last notice, if it had not begun to answer."""
    if doing:
        return BackendError(f"not ready yet ({timeless(doing)})", hint="press again in a moment")
    length = f"{round(seconds, 1 if seconds > 0.5 else 2):g}" if seconds < 10 else f"{seconds:.0f}"
    return BackendError(
        f"no answer within {length} s",
        hint="try again in a moment, or raise suggest.deadline_ms",
    )


def of_backend(error: CmdaiError) -> BackendError:
    return error if isinstance(error, BackendError) else BackendError(error.message, error.hint)


def was_there(error: BackendError) -> bool:
    return not (isinstance(error, BackendUnavailable) and error.cause in _ABSENT)


def same(error: BackendError, one: Member, other: Member) -> bool:
    """The other one would say the same: it is the same software, and our request was wrong; or it
    is the same host, which knows our credentials already."""
    match error:
        case BackendRejected():
            return one.kind == other.kind != "auto"
        case BackendDenied():
            login = one.server.endpoint.login
            return bool(login) and (login, one.host) == (other.server.endpoint.login, other.host)
    return False


def may_pass(error: BackendError) -> bool:
    causes = ("status", "reset", "connect")
    return isinstance(error, BackendUnavailable) and error.cause in causes


def was_free(error: BackendError) -> bool:
    """It refused before it did any work."""
    return isinstance(error, BackendBusy | BackendDenied | BackendRejected | ModelMissing)
