"""Secrets in one file of a private folder, as JSON, open or sealed. Everything here may block."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from cmdai_shell.auth.private_folder import PrivateFolder
    from cmdai_shell.auth.sealing import Seal

OPEN, SEALED = "credentials.json", "credentials.sealed"


class SecretFile:
    """Names and their secrets. Every method raises ConfigError, and a change TimeoutError too."""

    def __init__(self, folder: PrivateFolder, seal: Seal | None = None) -> None:
        self._folder = folder
        self._seal = seal
        self._name = SEALED if seal else OPEN

    def __repr__(self) -> str:
        return f"SecretFile({str(self.path)!r})"

    @property
    def path(self) -> Path:
        return self._folder.path / self._name

    def get(self, name: str) -> str | None:
        return self._parsed(self._folder.read(self._name)).get(name)

    def set(self, name: str, secret: str) -> None:
        self._change(name, secret)

    def delete(self, name: str) -> None:
        if self._folder.read(self._name) is not None:
            self._change(name, None)

    def _change(self, name: str, secret: str | None) -> None:
        if self._seal:
            self._seal.ask()
        with self._folder.held():
            before = self._folder.read(self._name)
            secrets = self._parsed(before)
            if secrets.get(name) == secret:
                return
            secrets.pop(name, None)
            if secret is not None:
                secrets[name] = secret
            if not secrets:
                self._folder.remove(self._name)
                return
            data = json.dumps(secrets).encode()
            self._folder.write(
                self._name, self._seal.close(data, before or b"") if self._seal else data
            )

    def _parsed(self, data: bytes | None) -> dict[str, str]:
        if data is None:
            return {}
        try:
            found = json.loads(self._seal.open(data) if self._seal else data)
            if isinstance(found, dict) and all(isinstance(it, str) for it in found.values()):
                return found
        except ConfigError as error:
            raise ConfigError(f"{self.path}: {error.message}") from None
        except ValueError:
            pass
        raise ConfigError(f"{self.path} is damaged", f"rm {self.path}, then log in again")
