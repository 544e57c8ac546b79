"""The error tree. A class exists only if somebody catches it; ``code`` is stable and kebab-case.

    CmdaiError
    ├── ConfigError            the configuration or a command-line value is wrong
    ├── DaemonUnavailable      no daemon answers, and none could be started
    ├── WireError              bytes that are not a record of the hook protocol
    ├── ModelUnavailable       the embedded model is absent, damaged, or cannot be fetched
    ├── BackendError           one backend failed at one request
    │   ├── BackendUnavailable   unreachable or dead: the circuit breaker counts it
    │   ├── BackendBusy          it says that it has too much to do, and perhaps until when
    │   ├── BackendDenied        it does not know us (401) or does not let us (403)
    │   ├── BackendRejected      it understood and says the request is wrong: ours to mend
    │   ├── ModelMissing         it lives, but has not the model that is wanted
    │   └── BadCompletion        it answered, but there is no command in the answer
    └── NoBackendAvailable     every member was tried

An unsafe command is not an error: it is a ``core.Verdict``.
"""

from __future__ import annotations


class CmdaiError(Exception):
    """Something to act on: what happened (``message``) and what to type next (``hint``)."""

    code = "error"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message


class ConfigError(CmdaiError):
    code = "bad-configuration"


class DaemonUnavailable(CmdaiError):
    code = "no-daemon"


class WireError(CmdaiError):
    code = "bad-record"


class ModelUnavailable(CmdaiError):
    code = "no-model"


class DiscoveryError(CmdaiError):
    code = "discovery-failed"


class BackendError(CmdaiError):
    code = "backend-failed"


class BackendUnavailable(BackendError):
    """``cause`` is refused, dns, tls, connect (no connection in time), timeout (there was one, and
    no answer in time), reset, stall, status or garbage."""

    code = "backend-unavailable"

    def __init__(self, message: str, hint: str = "", cause: str = "status") -> None:
        super().__init__(message, hint)
        self.cause = cause


class BackendBusy(BackendError):
    """``retry_after``: seconds, as the server says; 0 if it does not."""

    code = "backend-busy"

    def __init__(self, message: str, hint: str = "", retry_after: float = 0.0) -> None:
        super().__init__(message, hint)
        self.retry_after = retry_after


class BackendDenied(BackendError):
    code = "backend-denied"


class BackendRejected(BackendError):
    code = "backend-rejected"


class ModelMissing(BackendError):
    code = "model-missing"


class BadCompletion(BackendError):
    code = "bad-completion"


class NoBackendAvailable(CmdaiError):
    """Every member was tried; ``attempts`` says what each one answered."""

    code = "no-backend"

    def __init__(self, message: str, hint: str = "", attempts: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint)
        self.attempts = attempts
