"""A check of the way into a Kubernetes cluster, where servers are looked for in one: first the
kubeconfig, then (``api_server``) its login and what that may see."""

from __future__ import annotations

import shlex
from importlib.util import find_spec
from typing import TYPE_CHECKING

from cmdai_shell.diagnose import contexts
from cmdai_shell.diagnose.check import Check, fail, ok

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cmdai_shell.config import Config
    from cmdai_shell.diagnose.check import Finding
    from cmdai_shell.diagnose.surroundings import Surroundings

TIMEOUT_S = 12.0
"""More than ``api_server`` takes at most: a kubeconfig's own program may have to ask a cloud."""

_OFF = "Kubernetes is not asked for servers (discovery.kubernetes is false)"
_LOOK = "kubectl config view --minify"


def is_asked(config: Config) -> bool:
    return config.discovery.kubernetes or bool(_of_environments(config))


def namespaces(config: Config) -> tuple[str, ...]:
    """Those that are looked in: ``*`` is all, and an empty one the context's own."""
    own = config.discovery.kubernetes_namespaces or ("",)
    found = (*(own if config.discovery.kubernetes else ()), *_of_environments(config))
    return tuple(dict.fromkeys(found))


def _of_environments(config: Config) -> tuple[str, ...]:
    environments = config.environments.values()
    return tuple(e.k8s_namespace for e in environments if e.discovery_method == "k8s_service")


def kubeconfig(around: Surroundings) -> Finding:
    """Raises DiscoveryError, which is a failure."""
    config = around.settings()
    if not is_asked(config):
        return ok(_OFF)
    if find_spec("kubernetes_asyncio") is None:
        what = "to ask Kubernetes for servers, the Python package kubernetes-asyncio is needed"
        python = shlex.quote(around.python)
        return fail(what, f"{python} -m pip install 'cmdai-shell[kubernetes]'")
    context = config.discovery.kubernetes_context
    if not _is_pod(around.environ, context) and (found := judged_files(around, context)):
        return found
    from cmdai_shell.diagnose import api_server  # asyncio, which most doctors need not wait for

    return api_server.look(context, namespaces(config), around)


# --- the file


def judged_files(around: Surroundings, context: str) -> Finding | None:
    """What is wrong with the kubeconfig, if something is. Raises DiscoveryError."""
    files = contexts.paths(around.environ, around.home)
    if not any(path.exists() for path in files):
        where = ", ".join(map(str, files))
        return fail(f"there is no kubeconfig ({where})", "export KUBECONFIG=FILE-THAT-KUBECTL-USES")
    read = contexts.read(files)
    name = context or read.current
    if not name:
        first = next(iter(read.contexts), "NAME")
        cure = f"kubectl config use-context {shlex.quote(first)}"
        return fail("the kubeconfig has no current context", cure)
    if name not in read.contexts:
        return _no_context(name, list(read.contexts), is_given=bool(context))
    plugin = read.users.get(read.contexts[name])
    if plugin and not around.which(plugin.command):
        what = f"context {name} logs in by {plugin.command}, which is not on the PATH"
        return fail(what, plugin.hint or f"install {plugin.command}, or see: {_LOOK}")
    return None


def _no_context(name: str, known: Sequence[str], *, is_given: bool) -> Finding:
    from cmdai_shell.config.refusals import nearest

    what = f"the kubeconfig has no context {name}"
    if not known:
        return fail(f"{what}, nor any other", contexts.LOOK)
    near = shlex.quote(nearest(name, known, cutoff=0.5) or known[0])
    what += f", but {', '.join(known[:8])}"
    if is_given:
        return fail(what, f"cmdai-shell config set discovery.kubernetes_context {near}")
    return fail(what, f"kubectl config use-context {near}")


def _is_pod(environ: Mapping[str, str], context: str) -> bool:
    """The same order as ``discovery.cluster.login`` has."""
    from cmdai_shell.discovery.cluster.login import ACCOUNT

    is_named = context or environ.get("KUBECONFIG")
    in_cluster = environ.get("KUBERNETES_SERVICE_HOST") and (ACCOUNT / "token").exists()
    return bool(in_cluster and not is_named)


CHECKS = (Check("kubeconfig", kubeconfig, TIMEOUT_S),)
