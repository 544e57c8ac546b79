"""An API server of Kubernetes in one process, as far as reading it goes: lists, watches, versions.

Objects are written over HTTP, as in a real one (POST, PUT, PATCH by merging, DELETE), to any path
that has the form of one; nothing is checked, and no controller runs. Faults can be ordered.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Object = dict[str, Any]


@dataclass(eq=False)
class FakeKubeApi:
    port: int = 0
    objects: dict[str, Object] = field(default_factory=dict)
    """By path."""
    log: list[tuple[int, str, Object]] = field(default_factory=list)
    """(version, type, object) of every change."""
    version: int = 100
    oldest: int = 0
    """Watches from before are Gone."""
    unknown: set[str] = field(default_factory=set)
    """Resources that are not served: 404."""
    denied: set[tuple[str, str]] = field(default_factory=set)
    """(verb, resource) that nobody may."""
    tokens: set[str] = field(default_factory=lambda: {"admin-token"})
    broken: dict[str, web.Response] = field(default_factory=dict)
    """By resource: what is answered in place of the truth."""
    requests: list[web.Request] = field(default_factory=list)
    page: int = 0
    """Objects in one answer at most; 0: as many as are asked for."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    cut: asyncio.Event = field(default_factory=asyncio.Event)
    garbage: bytes = b""
    """Sent once as the next line of a watch."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return refusal(401, "Unauthorized")
        if request.path.endswith("/selfsubjectaccessreviews"):
            asked = (await request.json())["spec"]["resourceAttributes"]
            allowed = (asked["verb"], asked["resource"]) not in self.denied
            return web.json_response({"status": {"allowed": allowed}}, status=201)
        if request.method != "GET":
            return await self.write(request)
        resource, namespace, name = parts(request.path)
        verb = "watch" if "watch" in request.query else "get" if name else "list"
        if resource in self.broken:
            return self.broken[resource]
        if resource in self.unknown:
            return refusal(404, "the server could not find the requested resource")
        if (verb, resource) in self.denied:
            return refusal(403, forbidden(verb, resource, request.path, namespace))
        if name:
            found = self.objects.get(request.path)
            return web.json_response(found) if found else refusal(404, "not found")
        return await (self.watch if verb == "watch" else self.list)(request, resource, namespace)

    async def list(self, request: web.Request, resource: str, namespace: str) -> web.Response:
        found = self.matching(request, resource, namespace)
        begin = int(request.query.get("continue", "0"))
        end = begin + (self.page or int(request.query["limit"]))
        about = {"resourceVersion": str(self.version)}
        if end < len(found):
            about["continue"] = str(end)
        return web.json_response({"metadata": about, "items": found[begin:end]})

    async def watch(
        self, request: web.Request, resource: str, namespace: str
    ) -> web.StreamResponse:
        since = int(request.query["resourceVersion"])
        response = web.StreamResponse()
        await response.prepare(request)
        cut = self.cut
        while True:
            if since < self.oldest:
                gone = {"kind": "Status", "code": 410, "message": "too old resource version"}
                await response.write(json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n")
                return response
            for version, kind, value in [one for one in self.log if one[0] > since]:
                since = version
                if value in self.matching(request, resource, namespace, [value]):
                    line = json.dumps({"type": kind, "object": value}).encode()
                    await response.write(line + b"\n")
            if self.garbage:
                line, self.garbage = self.garbage, b""
                await response.write(line + b"\n")
            async with self.changed:
                while not (self.version > since or cut.is_set() or self.garbage):
                    await self.changed.wait()
            if cut.is_set():
                if request.transport:
                    request.transport.abort()
                return response

    async def write(self, request: web.Request) -> web.Response:
        path = request.path.removesuffix("/status")
        if request.method == "POST":
            value = await request.json()
            path = f"{path}/{value['metadata']['name']}"
            if path in self.objects:
                return refusal(409, "already exists")
        elif path not in self.objects:
            return refusal(404, "not found")
        elif request.method == "DELETE":
            value = self.objects[path]
        else:
            value = await request.json()
            if request.method == "PATCH":
                value = merged(self.objects[path], value)
        kind = {"POST": "ADDED", "DELETE": "DELETED"}.get(request.method, "MODIFIED")
        self.version += 1
        _, namespace, _ = parts(path)
        value = merged(value, {"metadata": {"resourceVersion": str(self.version)}})
        if namespace:
            value["metadata"]["namespace"] = namespace
        self.objects[path] = value
        if kind == "DELETED":
            del self.objects[path]
        self.log.append((self.version, kind, value | {"path": path}))
        await self.wake()
        return web.json_response(value)

    def matching(
        self,
        request: web.Request,
        resource: str,
        namespace: str,
        among: list[Object] | None = None,
    ) -> list[Object]:
        pool = among or [value | {"path": path} for path, value in sorted(self.objects.items())]
        field, _, wanted = request.query.get("fieldSelector", "").partition("=")
        label, _, owner = request.query.get("labelSelector", "").partition("=")
        return [
            value
            for value in pool
            if parts(value["path"])[0] == resource
            and namespace in ("", value["metadata"].get("namespace"))
            and (not field or value["metadata"]["name"] == wanted)
            and (not label or value["metadata"].get("labels", {}).get(label) == owner)
        ]

    async def wake(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def forget(self) -> None:
        """As compaction does: what was before now cannot be watched from."""
        self.version += 1
        self.oldest = self.version
        await self.wake()

    async def cut_off(self) -> None:
        """Every open watch."""
        self.cut.set()
        await self.wake()
        self.cut = asyncio.Event()


def parts(path: str) -> tuple[str, str, str]:
    """Resource, namespace and name."""
    rest = path.strip("/").split("/")
    rest = rest[2:] if rest[0] == "api" else rest[3:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    return rest[0], namespace, rest[1] if len(rest) > 1 else ""


def forbidden(verb: str, resource: str, path: str, namespace: str) -> str:
    group = "" if path.startswith("/api/") else path.split("/")[2]
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    return (
        f'{resource} is forbidden: User "viewer" cannot {verb} resource "{resource}" '
        f'in API group "{group}" {where}'
    )


def refusal(status: int, message: str) -> web.Response:
    return web.json_response({"kind": "Status", "message": message, "code": status}, status=status)


def merged(value: Object, other: Object) -> Object:
    """RFC 7396."""
    found = dict(value)
    for key, one in other.items():
        if one is None:
            found.pop(key, None)
        elif isinstance(one, dict):
            before = found.get(key)
            found[key] = merged(before if isinstance(before, dict) else {}, one)
        else:
            found[key] = one
    return found


@asynccontextmanager
async def serving() -> AsyncIterator[FakeKubeApi]:
    fake = FakeKubeApi()
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", fake.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        fake.port = runner.addresses[0][1]
        yield fake
    finally:
        await fake.cut_off()
        await runner.cleanup()
