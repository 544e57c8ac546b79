"""What a server's refusal means: its status, its words and its wish to be left alone for a while.

Texts of servers are hostile: made visible, on one line, cut, and without what looks like a secret.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from cmdai_shell.errors import (
    BackendBusy,
    BackendDenied,
    BackendError,
    BackendRejected,
    BackendUnavailable,
    ModelMissing,
)
from cmdai_shell.observe.redact import MARK, redact
from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

LONGEST_TEXT = 200
_READ = 16_384
"""Bytes of a refusal that are looked at."""
_LONGEST_WAIT_S = 3_600.0

_BUSY = re.compile(r"busy|overload|queue|capacity|too many|loading|warming|rate limit", re.I)
"""A 503 with one of these passes by itself: Ollama "server busy ... maximum pending requests"
(server/sched.go), llama.cpp "Loading model" (tools/server), gateways' "overloaded"."""
_LOADING = re.compile(r"loading|warming", re.I)
_MODEL = re.compile(r"model|deployment|adapter", re.I)
_ABSENT = re.compile(r"not.?found|not exist|unknown|no such|not loaded|not available", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """What a server said is wrong. ``code`` is its own word for it, of any kind, as text."""

    text: str = ""
    code: str = ""


def complaint(body: bytes | str, secrets: Collection[str] = ()) -> Complaint:
    """Read one of the five shapes there are.

    An object (``{"error": {"message", "type", "code"}}``: OpenAI, vLLM >= 0.10, llama.cpp, SGLang,
    Azure); a string (``{"error": "..."}``: Ollama, TGI, Triton, vLLM's 401); a message at the top
    (``{"object": "error", "message"}``: older vLLM, TensorRT-LLM); FastAPI's ``detail``, a text or
    a list (Triton's OpenAI front end, validation errors); plain text (TGI's 422, proxies).
    """
    text = body[:_READ].decode("utf-8", "replace") if isinstance(body, bytes) else body[:_READ]
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return Complaint(text=tidy(_without_tags(text), secrets))
    said, code = _said(found)
    return Complaint(text=tidy(said, secrets), code=tidy(code, secrets))


def _said(found: Any) -> tuple[str, str]:
    if not isinstance(found, dict):
        return (found, "") if isinstance(found, str) else ("", "")
    for key in ("error", "message", "detail", "errors"):
        value = found.get(key)
        if isinstance(value, dict):
            text = value.get("message") or value.get("detail") or value.get("msg") or ""
            code = value.get("code") or value.get("type") or ""
            return str(text), str(code)
        if isinstance(value, list) and value:
            return "; ".join(_of_list(item) for item in value[:3]), ""
        if isinstance(value, str) and value:
            code = found.get("code") or found.get("error_type") or found.get("type") or ""
            return value, str(code)
    return "", ""


def _of_list(item: Any) -> str:
    """One complaint of FastAPI's list. Never its ``input``, which quotes the person."""
    if not isinstance(item, dict):
        return str(item)
    where = item.get("loc")
    place = ".".join(map(str, where)) if isinstance(where, list) else ""
    return ": ".join(filter(None, (place, str(item.get("msg") or item.get("message") or ""))))


def _without_tags(text: str) -> str:
    """A proxy's page of HTML is its title."""
    if title := re.search(r"<title[^>]*>([^<]{1,500})", text, re.I):
        return title[1]
    return "" if re.match(r"\s*<(!doctype|html|\?xml)", text, re.I) else text


def tidy(text: str, secrets: Collection[str] = ()) -> str:
    """One short line that may be shown and logged. ``secrets``: what was sent, if it comes back."""
    for secret in secrets:
        text = text.replace(secret, MARK)
    line = " ".join(redact(visible(text[: _READ * 2])).split())
    return line if len(line) <= LONGEST_TEXT else f"{line[: LONGEST_TEXT - 3].rstrip()}..."


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """Seconds that the server wants to be left alone; 0 if it does not say. ``now`` is Unix time.

    ``Retry-After`` is seconds or a date (RFC 9110 10.2.3); ``retry-after-ms`` is Azure OpenAI's and
    OpenAI's, and finer.
    """
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        if (ms := _number(headers.get(name, ""))) is not None:
            return _clamped(ms / 1000)
    value = headers.get("retry-after", "").strip()
    if (seconds := _number(value)) is not None:
        return _clamped(seconds)
    try:
        return _clamped(parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0


def _number(text: str) -> float | None:
    try:
        value = float(text) if len(text) < 32 else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _clamped(seconds: float) -> float:
    return min(max(seconds, 0.0), _LONGEST_WAIT_S)


def refusal(
    status: int,
    said: Complaint,
    headers: Mapping[str, str],
    *,
    server: str,
    hint: str,
    now: float,
    cure: str = "",
) -> BackendError:
    """The error that a status other than 200 is. ``hint`` is what to type for a server in doubt,
    ``cure`` for one that does not accept who asks."""
    words = f"{server} answered {status}" + (f": {said.text}" if said.text else "")
    wait = retry_after(headers, now)
    if status in (401, 402, 403, 407):
        return BackendDenied(words, cure or hint)
    if status == 503 and _LOADING.search(said.text):
        return BackendBusy(words, "it loads its model: press again in a moment", retry_after=wait)
    if status == 429 or (status == 503 and (wait or _BUSY.search(said.text))):
        return BackendBusy(words, hint, retry_after=wait)
    if is_model_missing(status, said):
        return ModelMissing(words, hint)
    if status in (404, 405, 410, 421) or 300 <= status < 400:
        return BackendUnavailable(words, "no such service there: check its url and kind", "status")
    if 400 <= status < 500 and status not in (408, 424, 425):
        return BackendRejected(words, hint)
    return BackendUnavailable(words, hint, "status")


def is_model_missing(status: int, said: Complaint) -> bool:
    """404 everywhere ("The model `x` does not exist", vLLM); OpenAI's code word; 400 with the same
    words from LM Studio and LiteLLM. A 404 that speaks of no model is a wrong address."""
    if said.code in ("model_not_found", "DeploymentNotFound"):
        return True
    if status == 404:
        return bool(_MODEL.search(said.text))
    return status == 400 and bool(_MODEL.search(said.text) and _ABSENT.search(said.text))
