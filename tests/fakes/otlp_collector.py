"""An OpenTelemetry collector: takes OTLP over HTTP and decodes it with the protocol's own classes.

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import gzip
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp


class FakeCollector:
    """``status``: what it answers; ``spans``: what it got, as plain dictionaries."""

    def __init__(self) -> None:
        self.status = 200
        self.location = ""
        self.asked = 0
        self.headers: list[dict[str, str]] = []
        self.raw: list[bytes] = []
        self.resources: list[dict[str, Any]] = []
        self.spans: list[dict[str, Any]] = []

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/v1/traces", self._traces)
        return app

    async def _traces(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.status != 200:
            headers = {"Location": self.location} if self.location else {}
            return web.Response(status=self.status, text="not now", headers=headers)
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        assert request.content_type == "application/x-protobuf"
        found = otlp.ExportTraceServiceRequest.FromString(body)
        self.raw.append(body)
        self.headers.append(dict(request.headers))
        for resource in found.resource_spans:
            self.resources.append(_attributes(resource.resource))
            for scope in resource.scope_spans:
                self.spans += [_plain(span) for span in scope.spans]
        answer = otlp.ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf")


def _plain(span: Any) -> dict[str, Any]:
    return {
        "name": span.name,
        "kind": span.kind,
        "trace_id": span.trace_id.hex(),
        "id": span.span_id.hex(),
        "parent_id": span.parent_span_id.hex(),
        "began": span.start_time_unix_nano / 1e9,
        "ended": span.end_time_unix_nano / 1e9,
        "attributes": _attributes(span),
        "status": span.status.code,
    }


def _attributes(of: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in of.attributes}
