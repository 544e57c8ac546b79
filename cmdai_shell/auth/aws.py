"""Amazon's own chain of credentials, and requests that are signed with them.

The environment's keys, else whatever botocore finds: profiles, SSO, roles, a container's or an
instance's own. Nothing of it is stored by us.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from cmdai_shell.auth import sigv4
from cmdai_shell.auth.blocking import aside
from cmdai_shell.auth.carrying import Allowed, only_this_machine, require
from cmdai_shell.auth.sigv4 import Keys
from cmdai_shell.auth.tls import OverTls
from cmdai_shell.auth.tokens import Tokens
from cmdai_shell.errors import BackendDenied, ConfigError
from cmdai_shell.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmdai_shell.auth.authenticator import Request
    from cmdai_shell.auth.tls import Tls
    from cmdai_shell.core import Clock

SERVICE = "sagemaker"
TIMEOUT_S = 10.0
"""For the chain: it may ask the instance, or a login's server."""
_SHOWN = 200
_REGION = re.compile(r"//runtime\.sagemaker(?:-fips)?\.([a-z0-9-]+)\.")
_HINT = (
    "aws sso login; or export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, then cmdai-shell "
    "daemon restart"
)
_TITLES = {
    "env": "the variables AWS_*",
    "shared-credentials-file": "the profile in ~/.aws/credentials",
    "config-file": "the profile in ~/.aws/config",
    "custom-process": "the profile's credential_process",
    "assume-role": "an assumed role",
    "assume-role-with-web-identity": "this workload's role",
    "sso": "aws sso login",
    "login": "aws login",
    "container-role": "this container's role",
    "iam-role": "this instance's role",
}


class AwsChain:
    """Of one environment. Raises ConfigError where neither the variables have keys nor botocore is
    there to look further."""

    origin = "AWS"

    def __init__(
        self, environ: Mapping[str, str] = os.environ, *, timeout: float = TIMEOUT_S
    ) -> None:
        self._environ = environ
        self._timeout = timeout
        self._found: Any = None
        self._one = asyncio.Lock()
        if self._variables() is None and find_spec("botocore") is None:
            raise ConfigError(
                "without AWS_ACCESS_KEY_ID, auth_type aws needs the package botocore",
                "pip install 'cmdai-shell[sagemaker]'",
            )

    async def keys(self) -> Keys:
        """Good now; those that end are renewed by botocore ahead of it. Raises BackendDenied."""
        if keys := self._variables():
            return keys
        try:
            async with self._one:
                return await aside(self._timeout, self._from_chain)
        except TimeoutError:
            raise BackendDenied("AWS credentials take too long", _HINT) from None

    async def known(self, wall: Clock = time.time) -> Tokens:
        """Whose they are and until when, without them. Raises BackendDenied."""
        await self.keys()
        method = "env" if self._variables() else str(getattr(self._found, "method", ""))
        expires = getattr(self._found, "_expiry_time", None)  # no public name says it
        return Tokens(
            origin=self.origin,
            client="",
            obtained=wall(),
            expires=expires.timestamp() if expires and not self._variables() else 0.0,
            who=_TITLES.get(method, method or "AWS"),
        )

    def forget(self) -> bool:
        had, self._found = self._found is not None, None
        return had

    def _from_chain(self) -> Keys:
        from botocore.session import Session

        try:
            if self._found is None:
                self._found = Session().get_credentials()
            found = self._found and self._found.get_frozen_credentials()
        except Exception as error:  # botocore's, and what a process of theirs causes
            self._found = None
            raise BackendDenied(f"no AWS credentials: {_why(error)}", _HINT) from None
        if found is None:
            raise BackendDenied("there are no AWS credentials here", _HINT)
        keys = (found.access_key, found.secret_key, found.token or "")
        if not all(isinstance(key, str) and key.isascii() and key.isprintable() for key in keys):
            self._found = None
            raise BackendDenied("no AWS credentials: what was given is none", _HINT)
        return Keys(access=keys[0], secret=keys[1], token=keys[2])

    def _variables(self) -> Keys | None:
        def said(name: str) -> str:
            return self._environ.get(name, "").strip()

        access, secret = said("AWS_ACCESS_KEY_ID"), said("AWS_SECRET_ACCESS_KEY")
        token = said("AWS_SESSION_TOKEN")
        return Keys(access=access, secret=secret, token=token) if access and secret else None


class Aws(OverTls):
    """Signs each request to the server at ``url``. ``region`` empty: the one in the URL."""

    def __init__(
        self,
        chain: AwsChain,
        *,
        url: str,
        region: str = "",
        allowed: Allowed = only_this_machine,
        tls: Tls | None = None,
        wall: Clock = time.time,
    ) -> None:
        super().__init__(tls)
        self._chain = chain
        self._url = url
        self._allowed = allowed
        self._wall = wall
        self._region = region or next(iter(_REGION.findall(url)), "")
        if not self._region:
            raise ConfigError(
                f"{url}: which AWS region?",
                "set region, or use https://runtime.sagemaker.REGION.amazonaws.com/endpoints/NAME",
            )

    def __repr__(self) -> str:
        return f"Aws({self._region!r})"

    @property
    def cure(self) -> str:
        return _HINT

    async def headers(self, request: Request | None = None) -> Mapping[str, str]:
        require(self._url, self._allowed)
        await self.tls.refresh()
        keys = await self._chain.keys()
        if request is None:
            return {}
        kind = request.headers.get("Content-Type")
        covered = {"Content-Type": kind} if kind else {}
        signed = sigv4.signed(
            keys,
            method=request.method,
            url=request.url,
            body=request.data or b"",
            headers=covered,
            region=self._region,
            service=SERVICE,
            now=self._wall(),
        )
        return {name: value for name, value in signed.items() if name not in covered}

    async def invalidate(self) -> bool:
        return self._chain.forget()


def _why(error: Exception) -> str:
    """A process of the person's, or a server, may have said it, which may be anything."""
    from botocore.exceptions import BotoCoreError, ClientError

    if isinstance(error, ClientError):
        code = (error.response.get("Error") or {}).get("Code", "no reason given")
        return one_line(f"AWS refuses {error.operation_name} ({code})", _SHOWN)
    if isinstance(error, BotoCoreError):
        provider = getattr(error, "kwargs", {}).get("provider")
        return one_line(f"{provider} gives none" if provider else str(error), _SHOWN)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
