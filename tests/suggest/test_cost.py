"""What a pasted line or a babbling model can cost: every pure step stays far below a press."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.core import SuggestRequest, Verdict
from cmdai_shell.errors import BadCompletion
from cmdai_shell.observe import redact as logs
from cmdai_shell.suggest import context, extract, verify

if TYPE_CHECKING:
    from collections.abc import Callable

PIECES = ["a", "a-", ".a", "a/", "` ", "``` `", "<think>", "token ", "password  ", "://a:", "eyJ-"]
PIECES += ["-----BEGIN ", "bearer ", "sk-", "ls -la\n", "\x1b[", "\x1b]", '"', "'", "(", "$(", "| "]
PIECES += [
    "curl -u ",
    "docker login -p | ",
    'echo "',
    "htpasswd -b a b ",
    "openssl -k;",
    "mysql -p'",
]


def _extract(text: str) -> object:
    try:
        return extract.extract(text)
    except BadCompletion:
        return None


def _verify(text: str) -> object:
    request = SuggestRequest(line=text, path="/bin")
    return verify.findings("ls", request, Verdict(risk=0), context.Here())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "step",
    [context.redact, logs.redact, extract.clean, _extract, extract.extract_partial, _verify],
    ids=lambda step: f"{step.__module__}.{step.__name__}",
)
@pytest.mark.parametrize("piece", PIECES, ids=ascii)
def test_sixteen_thousand_characters_are_no_burden(
    step: Callable[[str], object], piece: str
) -> None:
    text = (piece * 16_384)[:16_384]
    began = time.process_time()  # of the CPU: other work on the machine does not count
    step(text)
    assert time.process_time() - began < 2
