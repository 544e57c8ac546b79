"""Whether the API server of a Kubernetes cluster can be reached, knows us, and lets us see what
servers are found by."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cmdai_shell.diagnose.check import fail, ok
from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import aiohttp

    from cmdai_shell.diagnose.check import Finding
    from cmdai_shell.diagnose.surroundings import Surroundings
    from cmdai_shell.discovery.cluster.login import Login
    from cmdai_shell.discovery.rights import Right

LOGIN_S = 8.0
"""For the kubeconfig's own program, which may ask a cloud; without one it takes half a second."""
ANSWER_S = 1.5
"""For the API server, from the first byte to the last answer."""
MOST_NAMESPACES = 16
ALL = "*"
"""As a namespace: every one of the cluster."""
_LONGEST = 64_000
"""Bytes of an answer; one to a review has some thousand."""

_LOOK = "kubectl config view --minify"
_TRY = "kubectl get services"


def look(context: str, wanted: Sequence[str], around: Surroundings) -> Finding:
    """``wanted``: names of namespaces; an empty one is the context's own. Raises DiscoveryError."""
    return asyncio.run(_look(context, wanted, {"HOME": str(around.home), **around.environ}))


async def _look(context: str, wanted: Sequence[str], environ: Mapping[str, str]) -> Finding:
    from cmdai_shell.discovery.cluster import login as logins

    try:
        async with asyncio.timeout(LOGIN_S):
            login = await logins.log_in(context, environ, logins.ACCOUNT)
    except TimeoutError:
        what = f"the kubeconfig has given no login within {LOGIN_S:.0f} s"
        return fail(what, f"see how long it takes: time {_TRY}")
    host = visible(urlsplit(login.host).netloc)[:200]
    names = ["" if name == ALL else name or login.namespace for name in wanted]
    try:
        async with asyncio.timeout(ANSWER_S):
            return await _judged_login(login, host, names[:MOST_NAMESPACES])
    except TimeoutError:
        what = f"the Kubernetes API at {host} does not answer within {ANSWER_S:g} s"
        return fail(what, f"is a VPN needed to reach it? {_TRY}")


async def _judged_login(login: Login, host: str, names: Sequence[str]) -> Finding:
    """Raises TimeoutError."""
    import aiohttp

    from cmdai_shell.discovery import rights

    connector = aiohttp.TCPConnector(ssl=login.tls or True)
    # trust_env: through HTTPS_PROXY, as kubectl goes
    async with aiohttp.ClientSession(connector=connector, trust_env=True) as session:
        line = _Line(session, login, host)
        async with asyncio.TaskGroup() as group:
            tasks = {
                right: group.create_task(line.ask(rights.REVIEWS, rights.review(right)))
                for right in needed_rights(names)
            }
        answers = {right: task.result() for right, task in tasks.items()}
        for answer in answers.values():
            if refusal := judged_answer(answer, host):
                return refusal
        missing = [r for r, answer in answers.items() if not rights.is_allowed(answer.document)]
        if missing:
            error = rights.denied(missing, await _user(line, missing[0]))
            return fail(error.message, error.hint)
    where = ", ".join(name or "every namespace" for name in dict.fromkeys(names))
    return ok(f"the Kubernetes API at {host} shows us services in: {where}")


def needed_rights(names: Sequence[str]) -> list[Right]:
    """Without these nothing is found."""
    from cmdai_shell.discovery.cluster.world import SERVICES, SLICES
    from cmdai_shell.discovery.rights import Right

    return [
        Right(verb=verb, resource=kind.name, group=kind.group, namespace=name)
        for name in dict.fromkeys(names)
        for kind in (SERVICES, SLICES)
        for verb in ("list", "watch")
    ]


def judged_answer(answer: Answer, host: str) -> Finding | None:
    """What is wrong, if something is, with one to a question that anybody who is known may ask."""
    if answer.failure or 200 <= answer.status < 300:
        return answer.failure
    said = answer.message
    detail = f": {said[:200]}" if said else ""
    if answer.status == 401:
        what = f"the Kubernetes API at {host} refuses the kubeconfig's login: it may have expired"
        return fail(what, f"log in as for kubectl, until this works: {_TRY}")
    if answer.status == 403:
        what = f"the Kubernetes API at {host} lets us ask nothing{detail}"
        return fail(what, "kubectl auth can-i --list")
    return fail(f"the Kubernetes API at {host} answers {answer.status}{detail}", _TRY)


async def _user(line: _Line, missing: Right) -> str:
    """Who we are, in the words of a refusal: that is in every version of Kubernetes."""
    from cmdai_shell.discovery.cluster.world import SERVICES, SLICES
    from cmdai_shell.discovery.rights import refused

    kind = SERVICES if missing.resource == SERVICES.name else SLICES
    watching = "&watch=1" if missing.verb == "watch" else ""
    answer = await line.ask(f"{kind.path(missing.namespace)}?limit=1{watching}")
    return refused(answer.message, missing).user if answer.status == 403 else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int = 0
    document: dict[str, Any] = field(default_factory=dict)
    """Of a refusal, or what was asked for by POST."""
    failure: Finding | None = None
    """Why there is none."""

    @property
    def message(self) -> str:
        said = self.document.get("message")
        return visible(said[:2_000]) if isinstance(said, str) else ""


class _Line:
    """To the API server, with one login."""

    def __init__(self, session: aiohttp.ClientSession, login: Login, host: str) -> None:
        self._session = session
        self._login = login
        self._name = f"the Kubernetes API at {host}"

    async def ask(self, path: str, body: object = None) -> Answer:
        import aiohttp

        try:
            return await self._ask(path, body)
        except aiohttp.ClientConnectorCertificateError as error:
            words = visible(str(error.certificate_error))[:200]
            what = f"{self._name} shows a certificate that is not trusted: {words}"
            cure = f"is the kubeconfig's certificate-authority right? {_LOOK}"
        except aiohttp.ClientConnectorError as error:
            words = os.strerror(error.os_error.errno).lower() if error.os_error.errno else ""
            if isinstance(error, aiohttp.ClientConnectorDNSError):
                words = "its name has no address"
            what = f"{self._name} cannot be reached: {words or 'no connection'}"
            cure = f"is it running, is a VPN needed? {_TRY}"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            what = f"{self._name}: {visible(str(error))[:200] or 'the connection broke'}"
            cure = _TRY
        return Answer(failure=fail(what, cure))

    async def _ask(self, path: str, body: object) -> Answer:
        authorization = self._login.authorization()
        async with self._session.request(
            "GET" if body is None else "POST",
            self._login.host + path,
            json=body,
            headers={"Authorization": authorization} if authorization else {},
            allow_redirects=False,
            proxy=self._login.proxy or None,
            server_hostname=self._login.server_name or None,
        ) as response:
            if body is None and response.status < 300:
                return Answer(status=response.status)  # perhaps a watch, without an end
            try:
                raw = await response.content.readexactly(_LONGEST)
            except asyncio.IncompleteReadError as error:
                raw = error.partial
            try:
                document = json.loads(raw)
            except (ValueError, RecursionError):
                document = {}
            document = document if isinstance(document, dict) else {}
            return Answer(status=response.status, document=document)
