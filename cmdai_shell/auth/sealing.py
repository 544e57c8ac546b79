"""Secrets under a passphrase: scrypt (RFC 7914) for the key, AES-256-GCM for the rest.

A sealed text: MAGIC, log2 of scrypt's N as one byte, salt (16 bytes), nonce (12), ciphertext. All
before the ciphertext is authenticated with it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

MAGIC = b"cmdai sealed 1\n"
COST = 16
"""log2 N: with r = 8 and p = 1 some 64 MB and 0.2 s for each guess."""
_MOST = 20
_SALT, _NONCE = 16, 12
_HEAD = len(MAGIC) + 1 + _SALT + _NONCE


class Seal:
    """``passphrase`` is called once, when it is first needed; it may block."""

    def __init__(self, passphrase: Callable[[], str], cost: int = COST) -> None:
        self._passphrase = passphrase
        self._cost = cost
        self._keys: dict[bytes, bytes] = {}
        self._said: str | None = None

    def __repr__(self) -> str:
        return "Seal()"

    def ask(self) -> None:
        """For the passphrase, if it is not known yet: before a lock that others wait for."""
        if self._said is None:
            self._said = self._passphrase()

    def close(self, plain: bytes, like: bytes = b"") -> bytes:
        """``like``: an earlier sealed text, whose salt is kept, so that its key is used again."""
        old = like[len(MAGIC) : _HEAD - _NONCE]
        salted = old if old in self._keys else bytes([self._cost]) + os.urandom(_SALT)
        nonce = os.urandom(_NONCE)
        head = MAGIC + salted + nonce
        return head + AESGCM(self._key(salted)).encrypt(nonce, plain, head)

    def open(self, sealed: bytes) -> bytes:
        """Raises ConfigError: not ours, damaged, or another passphrase's."""
        head, rest = sealed[:_HEAD], sealed[_HEAD:]
        salted = head[len(MAGIC) : _HEAD - _NONCE]
        if not head.startswith(MAGIC) or len(head) < _HEAD or not 1 <= salted[0] <= _MOST:
            raise ConfigError("this is no file of sealed credentials")
        try:
            return AESGCM(self._key(salted)).decrypt(head[-_NONCE:], rest, head)
        except InvalidTag:
            self._said = None
            self._keys.clear()
            raise ConfigError("the passphrase is wrong, or the file is damaged") from None

    def _key(self, salted: bytes) -> bytes:
        if salted not in self._keys:
            self.ask()
            kdf = Scrypt(salt=salted[1:], length=32, n=1 << salted[0], r=8, p=1)
            self._keys[salted] = kdf.derive((self._said or "").encode())
        return self._keys[salted]
