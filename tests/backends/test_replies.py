"""What a server's refusal means."""

from __future__ import annotations

import json
from email.utils import formatdate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.backends.replies import (
    LONGEST_TEXT,
    Complaint,
    complaint,
    refusal,
    retry_after,
    tidy,
)
from cmdai_shell.errors import (
    BackendBusy,
    BackendDenied,
    BackendError,
    BackendRejected,
    BackendUnavailable,
    ModelMissing,
)

NOW = 1_795_385_234.0
SEEN = json.loads((Path(__file__).parent / "captures/vllm-0.32.0-replies.json").read_text())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "detail", "msg", "code", "type", "loc", "errors"]),
            inner,
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("body", "text", "code"),
    [
        ('{"error":{"message":"no","type":"BadRequestError","code":400}}', "no", "400"),
        ('{"error":{"code":"model_not_found","message":"no"}}', "no", "model_not_found"),
        ('{"error":"Unauthorized"}', "Unauthorized", ""),
        ('{"error":"too long","error_type":"validation"}', "too long", "validation"),
        ('{"object":"error","message":"no","type":"x","code":404}', "no", "404"),
        ('{"detail":"Not Found"}', "Not Found", ""),
        (
            '{"detail":[{"loc":["body","n"],"msg":"Extra inputs","input":"rm secret"}]}',
            "body.n: Extra inputs",
            "",
        ),
        ("Failed to deserialize the JSON body", "Failed to deserialize the JSON body", ""),
        ("<html><head><title>502 Bad Gateway</title>...", "502 Bad Gateway", ""),
        ("<!DOCTYPE html><p>x", "", ""),
        ("", "", ""),
        ("[1]", "", ""),
        ('"a text"', "a text", ""),
        ('{"error":null,"message":"m"}', "m", ""),
        ("\x1b[31mred\x1b[0m\n\nand\x00 more", "red and more", ""),
    ],
)
def test_the_shapes(body: str, text: str, code: str) -> None:
    assert complaint(body.encode()) == Complaint(text=text, code=code)


@given(JSON | st.text())
def test_any_shape_is_one_short_visible_line(body: object) -> None:
    found = complaint(json.dumps(body).encode())
    assert len(found.text) <= LONGEST_TEXT
    assert found.text.isprintable()
    assert found.code.isprintable()


@given(st.binary(max_size=400))
def test_any_bytes_too(body: bytes) -> None:
    assert complaint(body).text.isprintable()


def test_deep_json_is_no_crash() -> None:
    assert complaint(b"[" * 20_000).text


def test_a_key_that_comes_back_is_not_shown() -> None:
    body = b'{"error":{"message":"Incorrect API key provided: abcdefgh-0123. password: hunter2"}}'
    found = complaint(body, {"abcdefgh-0123"})
    assert "abcdefgh" not in found.text
    assert "hunter2" not in found.text
    assert "Incorrect API key" in found.text


@pytest.mark.parametrize("seen", [row for row in SEEN if row["status"] >= 400])
def test_what_a_real_vllm_refuses(seen: dict[str, str]) -> None:
    found = complaint(seen["body"].encode())
    assert found.text
    error = refusal(int(seen["status"]), found, {}, server="s", hint="h", now=NOW)
    assert isinstance(error, ModelMissing if seen["status"] == 404 else BackendRejected)


@pytest.mark.parametrize(
    ("status", "text", "headers", "error"),
    [
        (401, "Unauthorized", {}, BackendDenied),
        (403, "", {}, BackendDenied),
        (429, "", {}, BackendBusy),
        (503, "", {"retry-after": "3"}, BackendBusy),
        (503, "Loading model", {}, BackendBusy),
        (503, "server busy, please try again.", {}, BackendBusy),
        (503, "", {}, BackendUnavailable),
        (500, "EngineCore died", {}, BackendUnavailable),
        (424, "Request failed during generation", {}, BackendUnavailable),
        (404, "model 'x' not found", {}, ModelMissing),
        (404, "Not Found", {}, BackendUnavailable),
        (400, "The deployment for this resource is not available", {}, ModelMissing),
        (400, "context length exceeded", {}, BackendRejected),
        (422, "", {}, BackendRejected),
        (301, "", {}, BackendUnavailable),
    ],
)
def test_each_status_its_error(
    status: int, text: str, headers: dict[str, str], error: type[BackendError]
) -> None:
    found = refusal(status, Complaint(text=text), headers, server="lab", hint="h", now=NOW)
    assert type(found) is error
    assert found.message.startswith(f"lab answered {status}")


def test_a_server_that_loads_is_to_be_asked_again() -> None:
    said = Complaint(text="Loading model")
    found = refusal(503, said, {}, server="lab", hint="h", now=NOW)
    assert found.hint == "it loads its model: press again in a moment"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"retry-after": "20"}, 20),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": formatdate(NOW + 30, usegmt=True)}, 30),
        ({"retry-after": formatdate(NOW - 30, usegmt=True)}, 0),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "soon"}, 0),
        ({"retry-after": "nan"}, 0),
        ({"retry-after": "9" * 400}, 0),
        ({"retry-after": "99999999"}, 3600),
    ],
)
def test_how_long_it_wants_to_be_left_alone(headers: dict[str, str], seconds: float) -> None:
    assert retry_after(headers, NOW) == pytest.approx(seconds, abs=1)


@given(st.text(max_size=60))
def test_no_retry_after_breaks_it(value: str) -> None:
    assert 0 <= retry_after({"retry-after": value}, NOW) <= 3600


def test_tidy_cuts() -> None:
    assert tidy("word " * 100).endswith("...")
