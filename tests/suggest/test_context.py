"""Facts for the prompt, and what never leaves: credentials."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.suggest.context import facts, redact, restore, shortened
from tests.fakes.dict_look import DictLook


def test_facts_name_the_machine_and_its_tools():
    found = facts(DictLook(["ss", "git", "nothing-we-ask-for"]))
    assert (found.system, found.userland) == ("Debian GNU/Linux 12", "GNU")
    assert found.tools == {"ss", "git"}


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (
            "curl -H 'Authorization: Bearer abcdef1234567890XYZ' api.example.com",
            "abcdef1234567890XYZ",
        ),
        ("log in with password: hunter2", "hunter2"),
        ('mysql --password "my pass" db', '"my pass"'),
        ("the api key is k-123-456 for example.com", "k-123-456"),
        ("export DB_PASSWORD=s3cr3t", "s3cr3t"),
        ("clone https://me:tok3n@example.com/x.git", "tok3n"),
        (
            "use ghp_abcdefghijklmnopqrstuvwxyz0123456789",
            "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        ),
        ("aws key AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
        ("sk-proj-abcdefghijklmnop1234 please", "sk-proj-abcdefghijklmnop1234"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----", "MIIE"),
    ],
)
def test_credentials_do_not_leave_and_come_back(text, secret):
    told, secrets = redact(text)
    assert secret not in told
    assert "SECRET_1" in told
    assert restore(told, secrets) == text


@pytest.mark.parametrize(
    "text",
    [
        "list the files",
        "echo $PASSWORD",
        "export TOKEN=$(pass show token)",
        "git show 8a5a247bc91d0e0f3a6f8a5a247bc91d0e0f3a6f",
        "https://example.com/a:b",
        "which files mention password",
        "change my password",
    ],
)
def test_ordinary_text_is_left_alone(text):
    assert redact(text) == (text, {})


def test_the_same_credential_has_one_placeholder():
    told, secrets = redact("token=abc123 and token=abc123 and token=xyz789")
    assert told == "token=SECRET_1 and token=SECRET_1 and token=SECRET_2"
    assert secrets == {"SECRET_1": "abc123", "SECRET_2": "xyz789"}


def test_a_placeholder_of_the_persons_own_stays_theirs():
    text = "SECRET_1 token=abc123"
    told, secrets = redact(text)
    assert "abc123" not in told
    assert restore(told, secrets) == text


def test_placeholders_that_were_never_given_out_stay():
    assert restore("echo SECRET_7", {"SECRET_1": "x"}) == "echo SECRET_7"


@given(st.text())
def test_redaction_is_undone_exactly(text):
    told, secrets = redact(text)
    assert restore(told, secrets) == text


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(20, 200))
def test_shortened_fits(text, most):
    short = shortened(text, most)
    assert len(short.encode()) <= most + len(" … ".encode())
    assert short == text or "…" in short


def test_shortened_keeps_head_and_tail():
    short = shortened("head " + "x" * 10_000 + " tail", 100)
    assert short.startswith("head ")
    assert short.endswith(" tail")
