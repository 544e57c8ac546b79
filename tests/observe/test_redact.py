"""Nothing that looks like a credential is written."""

from __future__ import annotations

import pytest

from cmdai_shell.observe.redact import MARK, redact


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("curl -H 'Authorization: Bearer abcdef1234567890'", "abcdef1234567890"),
        ("export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG", "wJalrXUtnFEMI"),
        ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
        ("git push https://me:hunter22@example.com/x", "hunter22"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "ghp_abc"),
        ("sk-proj-abcdefghijklmnop", "sk-proj-abc"),
        ('{"api_key": "s3cr3tv4lue"}', "s3cr3tv4lue"),
        ("mysql --password=letmein now", "letmein"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "eyJzdWIi"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "MIIE"),
    ],
)
def test_a_secret_goes(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert MARK in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "ls -la /home/me/tokens",
        "risk-based disk usage",
        '{"event": "request", "op": "suggest", "elapsed_ms": 12.5}',
        "https://example.com:8080/path@2",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert redact(text) == text
