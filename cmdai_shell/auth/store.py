"""Where credentials are kept: the keychain, or with none a file of our own, which is said aloud."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal, TypeVar

from cmdai_shell.auth.blocking import aside
from cmdai_shell.auth.keychain import CredentialsUnavailable, Keychain, State
from cmdai_shell.auth.private_folder import PrivateFolder
from cmdai_shell.auth.secret_file import SecretFile
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cmdai_shell.auth.sealing import Seal

T = TypeVar("T")
Choice = Literal["auto", "keychain", "file", "encrypted-file"]
Entry = Literal["tokens", "api-key", "client-secret", "key-passphrase"]
"""What an environment can have in it."""

TIMEOUT_S = 30.0
"""For all of a call: a keychain has its own, shorter one; a passphrase may be asked for."""

log = logging.getLogger(__name__)


class CredentialStore:
    """Secrets by environment and entry. ``choice`` auto: the keychain, or the open file where there
    is none; an entry of that file is then the newer one, since what is written into the keychain
    leaves the file.

    ``get``, ``set`` and ``delete`` are for the event loop, ``read``, ``write`` and ``remove`` do
    the same and block. Each raises CredentialsUnavailable, with what to type. Any number of
    processes can use it at once.
    """

    def __init__(
        self,
        folder: Path,
        *,
        choice: Choice = "auto",
        seal: Seal | None = None,
        keychain: Keychain | None = None,
    ) -> None:
        if (choice == "encrypted-file") != (seal is not None):
            raise ConfigError("an encrypted file needs a passphrase, and nothing else takes one")
        self.folder = PrivateFolder(folder)
        self.choice = choice
        uses_keychain = choice in ("auto", "keychain")
        self._keychain = (keychain or Keychain()) if uses_keychain else None
        self._file = None if choice == "keychain" else SecretFile(self.folder, seal)
        self._is_said = False

    def __repr__(self) -> str:
        return f"CredentialStore({self.choice!r}, {str(self.folder.path)!r})"

    async def get(self, environment: str, entry: Entry) -> str | None:
        return await self._aside(lambda: self.read(environment, entry))

    async def set(self, environment: str, entry: Entry, secret: str) -> None:
        await self._aside(lambda: self.write(environment, entry, secret))

    async def delete(self, environment: str, entry: Entry) -> None:
        await self._aside(lambda: self.remove(environment, entry))

    async def state(self) -> State:
        """Of the keychain; none too where none is to be used."""
        keychain = self._keychain
        return await self._aside(keychain.state) if keychain else "none"

    async def where(self) -> str:
        """Where what is stored now goes to, for a person."""
        state = await self.state()
        if state == "keychain" and self._keychain:
            return f"in {self._keychain.title}"
        if state == "locked" and self._keychain:
            return f"nowhere: {self._keychain.title} is locked"
        if self._file is None:
            return "nowhere: there is no keychain here"
        if self.choice == "encrypted-file":
            return f"in {self._file.path}, under a passphrase"
        why = ": there is no keychain here" if self.choice == "auto" else ""
        return f"in {self._file.path}, not encrypted (mode 0600){why}"

    def read(self, environment: str, entry: Entry) -> str | None:
        name = f"{environment}/{entry}"
        file = self._file
        found = _told(lambda: file.get(name)) if file else None
        if found is not None or self._keychain is None:
            return found
        try:
            return self._keychain.get(name)
        except CredentialsUnavailable as error:
            if error.state == "none" and file:
                return None
            raise

    def write(self, environment: str, entry: Entry, secret: str) -> None:
        name = f"{environment}/{entry}"
        file = self._file
        if self._keychain is not None:
            try:
                self._keychain.set(name, secret)
            except CredentialsUnavailable as error:
                if error.state != "none" or file is None:
                    raise
            else:
                if file:
                    _told(lambda: file.delete(name))
                return
        if file:
            _told(lambda: file.set(name, secret))
            self._say(file)

    def remove(self, environment: str, entry: Entry) -> None:
        name = f"{environment}/{entry}"
        file = self._file
        if file:
            _told(lambda: file.delete(name))
        if self._keychain is None:
            return
        try:
            self._keychain.delete(name)
        except CredentialsUnavailable as error:
            if error.state != "none" or file is None:
                raise

    def check(self) -> None:
        """Blocks. Raises CredentialsUnavailable where nothing could be written now."""
        if self._keychain is None:
            return
        state = self._keychain.state()
        if state == "locked" or (state == "none" and self._file is None):
            self._keychain.get("-/-")  # says why

    def _say(self, file: SecretFile) -> None:
        if self.choice == "auto" and not self._is_said:
            self._is_said = True
            log.warning(
                "no keychain here: credentials are kept in a file, not encrypted, mode 0600",
                extra={"fields": {"file": str(file.path)}},
            )

    async def _aside(self, work: Callable[[], T]) -> T:
        try:
            return await aside(TIMEOUT_S, work)
        except TimeoutError:
            raise CredentialsUnavailable(
                f"the credential store has not answered for {TIMEOUT_S:.0f} s",
                "cmdai-shell doctor",
                "locked",
            ) from None


def _told(work: Callable[[], T]) -> T:
    """What is wrong with the file, as what is wrong with the store."""
    try:
        return work()
    except ConfigError as error:
        raise CredentialsUnavailable(error.message, error.hint) from None
    except TimeoutError as error:
        raise CredentialsUnavailable(str(error), "end the process that holds it") from None
