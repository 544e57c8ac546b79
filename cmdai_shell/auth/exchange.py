"""Talking to an identity provider: by requests-oauthlib, which blocks; so does all in here.

A request is bounded in time and in what is read, follows no redirect, takes no password from
``~/.netrc``, and goes over https or to a host that was allowed.
"""

from __future__ import annotations

import json
import logging
import re
import shlex
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from requests_oauthlib import OAuth2Session, oauth2_session

from cmdai_shell.auth import token_answer
from cmdai_shell.auth.carrying import Allowed, may_carry, only_this_machine
from cmdai_shell.errors import CmdaiError, ConfigError
from cmdai_shell.text import one_line, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TIMEOUT_S = 10.0
"""For all of one exchange."""
LARGEST = 512 << 10
_SHOWN = 200

for _name in ("requests_oauthlib", "oauthlib"):
    logging.getLogger(_name).setLevel(logging.WARNING)  # below, they log tokens
oauth2_session.is_secure_transport = lambda _: True
"""``may_carry`` is asked for each request instead: it allows a host, where the library's own switch
(an environment variable) would allow all, to our children too."""


class ExchangeFailed(CmdaiError):
    """It gave no proper answer; it may later."""

    code = "no-identity-provider"


class ExchangeRefused(CmdaiError):
    """It answered, and said no. ``error`` is OAuth's code: invalid_grant, invalid_client, ..."""

    code = "login-refused"

    def __init__(self, message: str, hint: str = "", error: str = "") -> None:
        super().__init__(message, hint)
        self.error = error


class Exchange:
    """``context`` is called for each exchange, so that changed files are seen."""

    def __init__(
        self,
        *,
        allowed: Allowed = only_this_machine,
        context: Callable[[], ssl.SSLContext] | None = None,
        timeout: float = TIMEOUT_S,
    ) -> None:
        self._allowed = allowed
        self._context = context
        self._timeout = timeout

    def session(self, client: Any, redirect_uri: str | None = None) -> Any:
        """An OAuth2Session for one grant. What it raises: ExchangeFailed, ExchangeRefused."""
        made = _Session(client=client, redirect_uri=redirect_uri)
        made.trust_env = False
        made.exchange = self
        made.register_compliance_hook("access_token_response", _usable)
        made.mount("https://", _Adapter((self._context or ssl.create_default_context)()))
        return made

    def get(self, url: str) -> bytes:
        """A JSON document."""
        with self.session(None) as session:
            data: bytes = session.request("GET", url).content
        return data

    def post(
        self,
        url: str,
        fields: Mapping[str, str],
        auth: tuple[str, str] | None = None,
        *,
        may_be_empty: bool = False,
    ) -> bytes:
        """A form; the answer is JSON, or may be nothing."""
        with self.session(None) as session:
            session.may_be_empty = may_be_empty
            data: bytes = session.request("POST", url, data=dict(fields), auth=auth).content
        return data

    def check(self, url: str) -> None:
        """Raises ConfigError for a URL to which nothing secret may go."""
        if not may_carry(url, self._allowed):
            raise ConfigError(f"{shown(url)} is no https:// address", "a login needs https://")

    @property
    def timeout(self) -> float:
        return self._timeout


def basic(client: str, secret: str) -> tuple[str, str]:
    """Encoded as RFC 6749, 2.3.1 asks."""
    return quote_plus(client), quote_plus(secret)


def shown(url: str) -> str:
    """Scheme, host and path: nothing that could be secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "what is given"
    return visible(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")[:_SHOWN]


class _Session(OAuth2Session):  # type: ignore[misc]
    exchange: Exchange
    may_be_empty = False

    def request(self, method: str, url: str, **options: Any) -> Any:
        """Of requests' own options those that a grant needs; no token is ever added."""
        exchange = self.exchange
        exchange.check(url)
        until = time.monotonic() + exchange.timeout
        proxies = get_environ_proxies(url) if url.startswith("https") else {}
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        try:
            response = requests.Session.request(
                self,
                method,
                url,
                data=options.get("data"),
                auth=options.get("auth"),
                headers={**headers, **(options.get("headers") or {})},
                timeout=exchange.timeout,
                proxies=proxies,
                allow_redirects=False,
                stream=True,
            )
            with response:
                response._content = _read(response, until)  # noqa: SLF001  as if read by it
        except (requests.RequestException, TimeoutError, OSError, ValueError) as error:
            raise ExchangeFailed(
                f"the identity provider {visible(urlsplit(url).netloc)} {_why(error)}",
                _look(error, url),
            ) from None
        if self.may_be_empty and response.status_code == 200:
            return response
        return _checked(response, url)


class _Adapter(HTTPAdapter):  # type: ignore[misc]
    """One SSL context, and no authorities beside those in it."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, ssl_context=self._context, **options)

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> Any:
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        pass


def _read(response: Any, until: float) -> bytes:
    data = bytearray()
    for piece in response.iter_content(8_192):
        data += piece
        if len(data) > LARGEST:
            raise ValueError("too long")
        if time.monotonic() > until:
            raise TimeoutError
    return bytes(data)


def _usable(response: Any) -> Any:
    """A token endpoint's answer, before oauthlib sees it."""
    said = token_answer.usable(token_answer.read(response.content))
    response._content = json.dumps(said).encode()  # noqa: SLF001  as if read by it
    return response


def _checked(response: Any, url: str) -> Any:
    status, host = response.status_code, visible(urlsplit(url).netloc)
    if 300 <= status < 400:
        target = shown(response.headers.get("Location", ""))
        raise ExchangeFailed(
            f"the identity provider {host} redirects to {target}: no credential follows",
            "put the address that it redirects to into the environment, if you trust it",
        )
    if status >= 500 or status == 429:
        raise ExchangeFailed(f"the identity provider {host} is in trouble (status {status})")
    try:
        body = token_answer.read(response.content)
    except ValueError:
        body = {}
    else:
        if status < 400:
            return response
    if (
        response.request.method == "GET" and status >= 400
    ):  # it was not told who asks: no client is refused
        raise ExchangeFailed(
            f"there is no OpenID configuration at {shown(url)} (HTTP {status})",
            "check oidc_issuer in the environment: it has to be the identity provider's address",
        )
    if isinstance(body.get("error"), str):
        raise _refused(host, body)
    if status in (401, 403):
        raise _refused(host, {"error": "invalid_client"})
    what = f"has nothing at {urlsplit(url).path}" if status == 404 else "did not answer in JSON"
    raise ExchangeFailed(
        f"the identity provider {host} {what} (status {status})",
        "see oidc_issuer and oauth_token_url in the environment",
    )


_HINTS = {
    "invalid_client": "see the client's id and secret",
    "unauthorized_client": "allow this grant for the client, at the identity provider",
    "invalid_scope": "see oauth_scope in the environment",
    "unsupported_grant_type": "allow this grant for the client, at the identity provider",
}


_LIKE_A_SECRET = re.compile(r"(?<!\S)(?!AADSTS\d+:?\s)(?:(?=\S*\d)\S{12,}|\S{24,})")
"""A word with a digit, or one that is longer than words are; but for the codes of Entra's refusals,
which are what a person looks up."""


def quoted(words: str) -> str:
    """What an identity provider says, without what looks like a secret."""
    return _LIKE_A_SECRET.sub("…", one_line(words, _SHOWN))


def _refused(host: str, body: dict[str, Any]) -> ExchangeRefused:
    error = visible(body["error"]).replace("\n", " ")[:60]
    if error in ("server_error", "temporarily_unavailable"):
        raise ExchangeFailed(f"the identity provider {host} is in trouble ({error})")
    more = body.get("error_description")
    # Some repeat what they were sent, of which nothing may be shown.
    words = quoted(more) if isinstance(more, str) and error != "invalid_client" else ""
    says = f"{error}: {words}" if words else error
    return ExchangeRefused(
        f"the identity provider {host} refuses: {says}", _HINTS.get(error, ""), error
    )


def _why(error: Exception) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return f"cannot be trusted: {_reason(error)}"
    if isinstance(error, requests.Timeout | TimeoutError):
        return "does not answer in time"
    if isinstance(error, requests.exceptions.ProxyError):
        return "cannot be reached through the proxy"
    if isinstance(error, ValueError) and not isinstance(error, requests.RequestException):
        return "sends too much"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "broke off in mid-answer"
    if isinstance(error, requests.ConnectionError):
        return _unreached(error)
    return "did not answer in HTTP"


def _look(error: Exception, url: str) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return "if its authority is your own: set tls_ca_path in the environment to its file"
    return f"curl -v {shlex.quote(shown(url))}"


def _unreached(error: requests.ConnectionError) -> str:
    """urllib3 keeps what the kernel said as the cause of its own error."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    cause = getattr(reason, "__cause__", None) or getattr(reason, "__context__", None)
    if isinstance(cause, socket.gaierror):
        return "cannot be reached: its name cannot be resolved"
    if isinstance(cause, ConnectionRefusedError):
        return "cannot be reached: the connection was refused"
    if isinstance(cause, TimeoutError) or "timed out" in str(error):
        return "does not answer in time"
    said = getattr(cause, "strerror", None)
    return f"cannot be reached: {said.lower()}" if said else "cannot be reached"


def _reason(error: BaseException) -> str:
    """OpenSSL's own words, if they are to be found."""
    at: Any = error
    for _ in range(6):
        message = getattr(at, "verify_message", "")
        if message:
            return str(message)
        inner = [it for it in getattr(at, "args", ()) if isinstance(it, BaseException)]
        at = getattr(at, "reason", None) or (inner[0] if inner else None)
        if not isinstance(at, BaseException):
            break
    return "its certificate or its TLS"
