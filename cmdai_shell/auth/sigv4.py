"""Amazon's request signature, version 4. Pure: the time is passed in.

"Create a signed AWS API request" of the IAM User Guide; tests hold it against botocore's signer.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Who signs. Never shown."""

    access: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)
    """Of temporary credentials."""


def signed(
    keys: Keys,
    *,
    method: str,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    region: str,
    service: str,
    now: float,
) -> dict[str, str]:
    """``headers`` and those that sign them. ``now`` is Unix time; ``url`` has no query."""
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    sent = {**headers, "X-Amz-Date": stamp}
    if keys.token:
        sent["X-Amz-Security-Token"] = keys.token
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}[parts.scheme]
    host = parts.netloc.removesuffix(f":{default}")  # as every client sends it
    names, canonical = _canonical({**sent, "Host": host})
    payload = hashlib.sha256(body).hexdigest()
    # Every service but S3 wants the path, which is encoded already, encoded once more.
    request = "\n".join((method, quote(parts.path or "/"), "", canonical, names, payload))
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join((_ALGORITHM, stamp, scope, digest))
    signature = hmac.new(_key(keys.secret, scope), text.encode(), hashlib.sha256).hexdigest()
    credential = f"Credential={keys.access}/{scope}"
    sent["Authorization"] = (
        f"{_ALGORITHM} {credential}, SignedHeaders={names}, Signature={signature}"
    )
    return sent


def _canonical(headers: Mapping[str, str]) -> tuple[str, str]:
    """Names by semicolons; name and value by lines, with an empty one after the last."""
    lower = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    lines = "".join(f"{name}:{lower[name]}\n" for name in sorted(lower))
    return ";".join(sorted(lower)), lines


def _key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
