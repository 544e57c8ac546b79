"""What an identity provider says of itself, where it would lead a login astray."""

from __future__ import annotations

import json

import pytest

from cmdai_shell.auth.discovery_document import parse
from cmdai_shell.errors import ConfigError

ENDPOINTS = (
    "token_endpoint",
    "jwks_uri",
    "authorization_endpoint",
    "device_authorization_endpoint",
    "revocation_endpoint",
)


def document(issuer: str, **more: str) -> bytes:
    usual = {name: f"{issuer}/{name}" for name in ENDPOINTS}
    return json.dumps({"issuer": issuer, **usual, **more}).encode()


@pytest.mark.parametrize("name", ENDPOINTS)
def test_what_came_over_https_leads_nowhere_else(name: str) -> None:
    """Even in a network of one's own in which http is allowed."""
    issuer = "https://id.lan"
    parse(document(issuer), issuer)
    with pytest.raises(ConfigError, match="over plain http"):
        parse(document(issuer, **{name: "http://id.lan/x"}), issuer)


def test_an_issuer_over_http_may_name_its_own_kind() -> None:
    issuer = "http://127.0.0.1:8080"
    assert parse(document(issuer), issuer).token_endpoint == f"{issuer}/token_endpoint"
