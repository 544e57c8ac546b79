"""Rights in a Kubernetes cluster: which one is missing, by name, and what gives it. No I/O."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from cmdai_shell.errors import DiscoveryError
from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

ROLE = "cmdai-shell"
_VERBS = "get,list,watch"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

_FORBIDDEN = re.compile(
    r' forbidden: User "(?P<user>[^"\n]{1,253})" cannot (?P<verb>[a-z]{1,20})'
    r' resource "(?P<resource>[a-z0-9./-]{1,100})" in API group "(?P<group>[a-z0-9.-]{0,253})"'
    r'(?: in the namespace "(?P<namespace>[a-z0-9-]{1,63})")?'
)
_ACCOUNT = re.compile(r"system:serviceaccount:([a-z0-9-]{1,63}):([a-z0-9.-]{1,253})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """To do ``verb`` with ``resource`` of the API group ``group`` (empty: the core's), in the
    namespace, or in the whole cluster where that is empty."""

    verb: str
    resource: str
    group: str = ""
    namespace: str = ""
    user: str = field(default="", compare=False)
    """Who has not got it, as the API server calls him."""

    def __str__(self) -> str:
        group = f'"{self.group}"' if self.group else "core"
        where = f"namespace {self.namespace}" if self.namespace else "the whole cluster"
        return f"{self.verb} {self.resource} (API group {group}) in {where}"


def refused(message: str, asked: Right) -> Right:
    """What a 403 is about: the API server's own words, and where an authorizer has others, what was
    asked for."""
    found = _FORBIDDEN.search(visible(message[:2_000]))
    if not found:
        return asked
    return Right(
        verb=found["verb"],
        resource=found["resource"],
        group=found["group"],
        namespace=found["namespace"] or "",
        user=found["user"],
    )


def review(right: Right) -> dict[str, Any]:
    """A SelfSubjectAccessReview: may we? Anybody who is known may ask it."""
    attributes = {"verb": right.verb, "resource": right.resource, "group": right.group}
    if right.namespace:
        attributes["namespace"] = right.namespace
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }


def is_allowed(answer: object) -> bool:
    """What the API server answers to a review."""
    status = answer.get("status") if isinstance(answer, dict) else None
    return isinstance(status, dict) and status.get("allowed") is True


def commands(missing: Collection[Right], user: str = "") -> str:
    """What somebody who may gives them with: a role for each namespace, and who gets it."""
    return " && ".join(
        line
        for namespace, group in groupby(
            sorted(missing, key=lambda right: right.namespace), key=lambda right: right.namespace
        )
        for line in _commands(list(group), namespace, user)
    )


def denied(missing: Sequence[Right], user: str = "") -> DiscoveryError:
    """``missing`` is not empty; the first is the one that was refused."""
    listed = "; ".join(map(str, missing))
    who = f" ({visible(user)})" if user else ""
    return DiscoveryError(
        f"the Kubernetes API does not let us{who}: {listed}",
        commands(missing, user),
    )


def _commands(missing: Sequence[Right], namespace: str, user: str) -> list[str]:
    named = (f"{right.resource}.{right.group}".rstrip(".") for right in missing)
    resources = ",".join(dict.fromkeys(named))
    kind, where = ("role", f" -n {namespace}") if namespace else ("clusterrole", "")
    lines = [f"kubectl create {kind} {ROLE} --verb={_VERBS} --resource={resources}{where}"]
    if user:
        account = _ACCOUNT.fullmatch(user)
        whom = f"--serviceaccount={account[1]}:{account[2]}" if account else f"--user={user}"
        binding = f"kubectl create {kind}binding {ROLE} --{kind}={ROLE} {shlex.quote(whom)}{where}"
        lines.append(binding)
    return lines
