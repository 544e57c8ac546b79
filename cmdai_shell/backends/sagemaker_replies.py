"""What SageMaker answers: frames that carry the container's own bytes, and refusals of two kinds,
the service's and the container's (``ModelError``)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from cmdai_shell.backends import tgi_shapes
from cmdai_shell.backends.eventstream import BadFrame, Frame, FrameReader
from cmdai_shell.backends.exchange import parsed
from cmdai_shell.backends.replies import Complaint, tidy
from cmdai_shell.backends.server import Usage, count_of, text_of
from cmdai_shell.backends.streams import EventReader, LineReader, TooLong
from cmdai_shell.errors import (
    BackendBusy,
    BackendDenied,
    BackendError,
    BackendUnavailable,
    ModelMissing,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.backends.exchange import Answer

_DENIED = re.compile(r"AccessDenied|Signature|Token|Unrecognized|NotAuthorized|MissingAuth", re.I)
_THROTTLED = re.compile(r"Throttl|TooManyRequests|ModelNotReady|LimitExceeded", re.I)
_ABSENT = re.compile(r"endpoint .*(not found|does not exist)|could not find endpoint", re.I)
MOST_WHOLE = 1 << 20


def refusal(answer: Answer, body: bytes) -> BackendError:
    """A status other than 200."""
    told = _object(body)
    kind = answer.headers.get("x-amzn-errortype", "").partition(":")[0]
    kind = kind or text_of(told.get("__type")).rpartition("#")[2]
    words = text_of(told.get("Message")) or text_of(told.get("message"))
    original = count_of(told.get("OriginalStatusCode"))
    if original:  # the container said it, in its own words
        said = answer.complaint(text_of(told.get("OriginalMessage")) or words)
        return answer.refused(said, original if 400 <= original < 600 else 500)
    said = Complaint(text=tidy(words, answer.secrets), code=kind)
    error = answer.refused(said)
    if _THROTTLED.search(kind):
        return BackendBusy(error.message, error.hint)
    if answer.status in (401, 403) or _DENIED.search(kind):
        return BackendDenied(error.message, "aws sts get-caller-identity says who you are there")
    if _ABSENT.search(words):
        return ModelMissing(error.message, "aws sagemaker list-endpoints")
    return error


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


class Parts:
    """Bytes of the event stream to pieces of text. How the container cut its own answer into
    events has nothing to do with how SageMaker cut it into frames."""

    def __init__(self, answer: Answer, server: str) -> None:
        self._answer = answer
        self._server = server
        self._frames = FrameReader()
        content = answer.headers.get("X-Amzn-SageMaker-Content-Type", "").lower()
        self._events = EventReader() if "event-stream" in content else None
        self._lines = LineReader() if "jsonl" in content or "ndjson" in content else None
        self._whole = bytearray()
        self._ending = ""
        self._generated = self._prompt = 0
        self.has_thought = False

    @property
    def usage(self) -> Usage:
        return Usage(generated=self._generated, prompt=self._prompt, ending=self._ending)

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Raises BackendError."""
        try:
            for frame in self._frames.feed(chunk):
                yield from self._frame(frame)
        except (BadFrame, TooLong) as error:
            raise self._answer.garbage(f"sent {error}") from None

    def end(self) -> Iterator[str]:
        """Raises BackendUnavailable for half an answer."""
        try:
            self._frames.end()
        except BadFrame:
            raise self._answer.broken() from None
        if self._events:
            for event in self._events.end():
                yield from self._event(event.data)
        elif self._lines:
            for line in self._lines.end():
                yield from self._event(line)
        elif self._whole:
            yield from self._event(self._whole.decode("utf-8", "replace"))
            self._ending = self._ending or "stop"
        if not self._ending:
            raise self._answer.broken()

    def _frame(self, frame: Frame) -> Iterator[str]:
        if frame.kind != "event":
            raise self._exception(frame)
        if frame.name != "PayloadPart":
            return
        if self._events:
            for event in self._events.feed(frame.payload):
                yield from self._event(event.data)
        elif self._lines:
            for line in self._lines.feed(frame.payload):
                yield from self._event(line)
        else:  # the container does not stream
            self._whole += frame.payload
            if len(self._whole) > MOST_WHOLE:
                raise TooLong(f"an answer of more than {MOST_WHOLE} bytes")

    def _exception(self, frame: Frame) -> BackendError:
        told = _object(frame.payload)
        code = text_of(told.get("ErrorCode"))
        said = tidy(
            text_of(told.get("Message")) or text_of(told.get("message")), self._answer.secrets
        )
        words = ": ".join(filter(None, (self._server, frame.name, code, said)))
        causes = {"ModelInvocationTimeExceeded": "stall", "StreamBroken": "reset"}
        return BackendUnavailable(words, "", causes.get(code, "status"))

    def _event(self, data: str) -> Iterator[str]:
        """One of the container's: OpenAI's chunk or whole answer, TGI's event or whole answer."""
        if not data.strip():
            return
        if data.strip() == "[DONE]":
            self._ending = self._ending or "stop"
            return
        found = parsed(data, server=self._server)
        if isinstance(found, list):  # TGI's whole answer
            found = found[0] if found else {}
        if not isinstance(found, dict):
            raise self._answer.garbage("sent a chunk that is no object")
        if found.get("error") or found.get("object") == "error":
            raise self._refused(data, found)
        if "choices" in found:
            yield from self._openai(found)
        else:
            yield from self._tgi(found)

    def _refused(self, data: str, found: dict[str, Any]) -> BackendError:
        error = found.get("error")
        details = error if isinstance(error, dict) else found
        named = (count_of(details.get(key)) for key in ("code", "http_status_code"))
        status = next((code for code in named if 400 <= code < 600), tgi_shapes.status_of(found))
        return self._answer.refused(self._answer.complaint(data), status)

    def _openai(self, chunk: dict[str, Any]) -> Iterator[str]:
        if isinstance(usage := chunk.get("usage"), dict):
            self._generated = count_of(usage.get("completion_tokens"))
            self._prompt = count_of(usage.get("prompt_tokens"))
        choices = chunk["choices"]
        choice = choices[0] if isinstance(choices, list) and choices else {}
        if not isinstance(choice, dict):
            return
        self._ending = text_of(choice.get("finish_reason")) or self._ending
        delta = choice.get("delta") or choice.get("message")
        if isinstance(delta, dict):
            thought = delta.get("reasoning") or delta.get("reasoning_content")
            self.has_thought = self.has_thought or bool(text_of(thought))
            yield text_of(delta.get("content"))

    def _tgi(self, event: dict[str, Any]) -> Iterator[str]:
        if event.get("details"):
            usage = tgi_shapes.usage(event)
            self._generated, self._prompt = usage.generated, usage.prompt
            self._ending = usage.ending
        if event.get("generated_text") is not None:
            self._ending = self._ending or "stop"
        if "token" in event:
            yield tgi_shapes.token(event)
        else:
            yield text_of(event.get("generated_text"))
