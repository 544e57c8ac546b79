"""Our signature is botocore's, and shows no secret."""

from __future__ import annotations

from datetime import UTC, datetime

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.auth.sigv4 import Keys, signed

NOW = datetime(2026, 11, 26, 12, 0, 0, tzinfo=UTC)
keys = st.builds(
    Keys,
    access=st.text("ABCDEFGH0123456789", min_size=16, max_size=20),
    secret=st.text("abcXYZ+/019", min_size=1, max_size=40),
    token=st.text("abcXYZ+/=019", max_size=60),
)
urls = st.sampled_from(
    [
        "https://runtime.sagemaker.eu-central-1.amazonaws.com/endpoints/llm-1/invocations",
        "https://runtime.sagemaker.eu-central-1.amazonaws.com/endpoints/a%20b/invocations",
        "http://127.0.0.1:8080/endpoints/x/invocations-response-stream",
        "https://runtime.sagemaker.eu-central-1.amazonaws.com",
        "https://runtime.sagemaker.eu-central-1.amazonaws.com:443/endpoints/x/invocations",
    ]
)


@given(keys, urls, st.binary(max_size=200), st.text("abc ", max_size=10))
def test_the_same_signature(mine: Keys, url: str, body: bytes, accept: str):
    headers = {"Content-Type": "application/json", "X-Amzn-SageMaker-Accept": accept}
    request = AWSRequest("POST", url, data=body, headers=dict(headers))
    credentials = Credentials(mine.access, mine.secret, mine.token or None)
    with_botocore(request, credentials)
    ours = signed(
        mine,
        method="POST",
        url=url,
        body=body,
        headers=headers,
        region="eu-central-1",
        service="sagemaker",
        now=NOW.timestamp(),
    )
    assert ours["Authorization"] == request.headers["Authorization"]
    assert ours["X-Amz-Date"] == request.headers["X-Amz-Date"]
    assert ours.get("X-Amz-Security-Token") == request.headers.get("X-Amz-Security-Token")


def with_botocore(request: AWSRequest, credentials: Credentials) -> None:
    """Its signer reads the clock itself: here the stamp is given, the rest is its own code."""
    signer = SigV4Auth(credentials, "sagemaker", "eu-central-1")
    request.context["timestamp"] = NOW.strftime("%Y%m%dT%H%M%SZ")
    signer._modify_request_before_signing(request)
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    signer._inject_signature_to_request(request, signature)


def test_no_secret_in_its_text():
    shown = repr(Keys(access="AKIA", secret="wJalrXUtnFEMI", token="FwoGZXIvYXdzEJr"))
    assert "wJalrXUtnFEMI" not in shown
    assert "FwoGZXIvYXdzEJr" not in shown
