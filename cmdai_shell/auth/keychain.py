"""The operating system's keychain, by keyring, with a backend that we choose ourselves.

keyring's own choice is never asked for: it may take a backend that keeps passwords in the open, or
one that asks for a password at the terminal. Everything here may block, for at most ``timeout``.
"""

from __future__ import annotations

import importlib
import logging
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from cmdai_shell.auth.blocking import begin
from cmdai_shell.errors import CmdaiError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
State = Literal["keychain", "locked", "none"]
"""It opens; it is there but locked; there is none."""

SERVICE = "cmdai-shell"
TIMEOUT_S = 5.0
_BACKENDS = (
    ("macOS", "Keyring", "the macOS keychain"),
    ("SecretService", "Keyring", "the desktop's keychain (Secret Service)"),
    ("libsecret", "Keyring", "the desktop's keychain (libsecret)"),
    ("kwallet", "DBusKeyring", "KWallet"),
)
_UNLOCK = (
    "unlock it on the desktop (seahorse, KWallet, Keychain Access), or from a terminal: "
    "gnome-keyring-daemon --unlock --replace"
)

log = logging.getLogger(__name__)


class CredentialsUnavailable(CmdaiError):
    """The store cannot be read or written now. ``state`` as above."""

    code = "no-credentials"

    def __init__(self, message: str, hint: str = "", state: State = "none") -> None:
        super().__init__(message, hint)
        self.state: State = state


class Keychain:
    """``may_prompt``: a locked one may ask the person to unlock it: then give it the time."""

    def __init__(self, *, timeout: float = TIMEOUT_S, may_prompt: bool = False) -> None:
        self._timeout = timeout
        self._may_prompt = may_prompt
        self._busy = threading.Lock()
        self._backend: Any = None
        self.title = "the keychain"

    def state(self) -> State:
        try:
            return self._call(self._state)
        except CredentialsUnavailable as error:
            return error.state

    def get(self, name: str) -> str | None:
        """Raises CredentialsUnavailable, as the others do."""
        found: str | None = self._call(lambda: self._opened().get_password(SERVICE, name))
        return found

    def set(self, name: str, secret: str) -> None:
        self._call(lambda: self._opened().set_password(SERVICE, name, secret))

    def delete(self, name: str) -> None:
        """No error where there is nothing of that name."""

        def work() -> None:
            backend = self._opened()
            if backend.get_password(SERVICE, name) is not None:
                backend.delete_password(SERVICE, name)

        self._call(work)

    def _call(self, work: Callable[[], T]) -> T:
        """One at a time: a prompt that nobody answers must not leave a thread for each press."""
        if not self._busy.acquire(timeout=self._timeout):
            raise self._locked("does not answer")

        def run() -> T:
            try:
                return work()
            finally:
                self._busy.release()

        try:
            return begin(run).result(self._timeout)
        except TimeoutError:
            raise self._locked(f"has not answered for {self._timeout:.0f} s") from None
        except CredentialsUnavailable:
            raise
        except Exception as error:  # whatever a desktop's D-Bus service may do
            kind = type(error).__name__
            log.info("the keychain failed", extra={"fields": {"error": kind}})
            if kind in ("KeyringLocked", "InitError", "PromptDismissedException"):
                raise self._locked("is locked") from None
            raise CredentialsUnavailable(
                f"{self.title} failed ({kind})", "cmdai-shell doctor", "locked"
            ) from None

    def _locked(self, what: str) -> CredentialsUnavailable:
        return CredentialsUnavailable(f"{self.title} {what}", _UNLOCK, "locked")

    def _opened(self) -> Any:
        state = self._state()
        if state == "locked":
            raise self._locked("is locked")
        if state == "none":
            raise CredentialsUnavailable("there is no keychain here")
        return self._backend

    def _state(self) -> State:
        if self._backend is None:
            self._backend, self.title = _chosen()
        if self._backend is None:
            return "none"
        if "SecretService" not in type(self._backend).__module__ or self._may_prompt:
            return "keychain"
        return _secret_service()


def _chosen() -> tuple[Any, str]:
    """(None, ...) where none of them works here."""
    for module, name, title in _BACKENDS:
        try:
            backend = getattr(importlib.import_module(f"keyring.backends.{module}"), name)
            if backend.priority > 0:
                return backend(), title
        except Exception as error:  # not installed, no such system, no D-Bus
            log.debug(
                "no such keychain", extra={"fields": {"kind": module, "error": str(type(error))}}
            )
    return None, "the keychain"


def _secret_service() -> State:
    """Without a prompt, which keyring would begin, and which nobody sees at a keypress."""
    import secretstorage

    with closing(secretstorage.dbus_init()) as bus:
        try:
            collection = secretstorage.get_collection_by_alias(bus, "default")
        except secretstorage.exceptions.ItemNotFoundException:
            return "none"  # it would have to be made, which asks for a new password
        return "locked" if collection.is_locked() else "keychain"
