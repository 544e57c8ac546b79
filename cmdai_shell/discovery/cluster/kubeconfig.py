"""A login out of a kubeconfig, by kubernetes-asyncio, in a process of its own:

    python -I -m cmdai_shell.discovery.cluster.kubeconfig PATHS [CONTEXT]

That package takes 40 MB and half a second to import, a kubeconfig names programs to run (exec
plugins) that may hang, and it writes keys into temporary files: none of this is for the daemon.
Prints one line of JSON: the fields of ``Told``, or ``error``. The only module that imports it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Any

from cmdai_shell.text import one_line

LONGEST = 300
"""Characters of an error: the rest is a plugin's own talk."""


async def told(paths: str, context: str) -> dict[str, Any]:
    """Raises what kubernetes-asyncio raises."""
    from kubernetes_asyncio import client, config

    configuration = client.Configuration()
    loader = await config.load_kube_config(paths, context or None, configuration)
    current = (loader.current_context or {}).get("context", {})
    return {
        "host": configuration.host,
        "token": configuration.api_key.get("BearerToken") or "",
        "ca": _read(configuration.ssl_ca_cert),
        "cert": _read(configuration.cert_file),
        "key": _read(configuration.key_file),
        "verify": bool(configuration.verify_ssl),
        "server_name": configuration.tls_server_name or "",
        "proxy": configuration.proxy or "",
        "namespace": current.get("namespace") or "default",
    }


def main(arguments: list[str]) -> int:
    logging.disable(logging.CRITICAL)  # it logs what it raises, and that may hold the user's entry
    paths, context = arguments[0], (arguments[1] if len(arguments) > 1 else "")
    try:
        answer = asyncio.run(told(paths, context))
    except Exception as error:  # of a file and a program that can be anything: told, not traced
        answer = {"error": sentence(error)}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def sentence(error: Exception) -> str:
    """What went wrong, without what the file says: that may be a token."""
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return f"not YAML: {getattr(error, 'problem', '')}, line {mark.line + 1}"[:LONGEST]
    if isinstance(error, OSError):
        return f"{error.strerror or 'cannot be read'}: {error.filename or ''}".rstrip(": ")
    said = str(error).partition("{")[0]  # kubernetes-asyncio names a node by all it contains
    if type(error).__name__ != "ConfigException":
        said = f"not a kubeconfig ({type(error).__name__})"
    return one_line(said)[:LONGEST]


def _read(path: str | None) -> str:
    return Path(path).read_text() if path else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
