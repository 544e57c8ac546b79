"""Credentials for Amazon's signature: the environment's, else whatever botocore's chain finds."""

from __future__ import annotations

import asyncio
import os
from importlib.util import find_spec
from typing import Any

from cmdai_shell.backends.sigv4 import Keys
from cmdai_shell.errors import BackendDenied, ConfigError

_HINT = "export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in: aws sso login"


class AwsKeys:
    """Read anew for each request, never kept by us, never shown. Raises ConfigError where neither
    the environment has keys nor botocore is there to look further: profiles, SSO, roles, the
    instance's own."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._chain: Any = None
        if _from_environment() is None and find_spec("botocore") is None:
            raise ConfigError(
                f"{server}: without AWS_ACCESS_KEY_ID, SageMaker needs the package botocore",
                "pip install 'cmdai-shell[sagemaker]'",
            )

    async def get(self, timeout: float) -> Keys:
        """Raises BackendDenied."""
        if keys := _from_environment():
            return keys
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.to_thread(self._from_chain)
        except TimeoutError:
            raise BackendDenied(f"{self._server}: AWS credentials take too long", _HINT) from None

    def _from_chain(self) -> Keys:
        """Blocks: it may ask the instance, or a login's server."""
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session

        try:
            if self._chain is None:
                self._chain = Session().get_credentials()
            if self._chain is None:
                raise BackendDenied(f"{self._server}: there are no AWS credentials", _HINT)
            found = self._chain.get_frozen_credentials()
        except BotoCoreError as error:
            raise BackendDenied(f"{self._server}: {error}", _HINT) from error
        return Keys(access=found.access_key, secret=found.secret_key, token=found.token or "")


def _from_environment() -> Keys | None:
    access = os.environ.get("AWS_ACCESS_KEY_ID", "").strip()
    secret = os.environ.get("AWS_SECRET_ACCESS_KEY", "").strip()
    token = os.environ.get("AWS_SESSION_TOKEN", "").strip()
    return Keys(access=access, secret=secret, token=token) if access and secret else None
