"""What the model is told besides the person's words, and what it is never told.

Stable facts (system, userland, tools) open the prompt and are the same from press to press;
volatile ones (the folder) come last and only if the configuration allows it. Credentials in the
person's own text are swapped for placeholders before it leaves, and put back into the answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmdai_shell.observe.redact import replaced

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from cmdai_shell.core import Look

TOOLS = (
    *("apt", "brew", "dnf", "pacman", "apk"),
    *("docker", "podman", "kubectl", "systemctl", "git", "gh"),
    *("rg", "fd", "jq", "ffmpeg", "magick", "rsync", "python3", "node", "npm", "cargo", "go"),
    *("ss", "netstat", "lsof", "ip", "curl", "wget", "zip", "unzip", "7z", "nvidia-smi"),
)
"""Tools whose presence changes what the best command is."""


_SHORT = 4
"""Characters of a credential that may as well be part of some word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What stays true of a machine while the daemon runs."""

    system: str = "Linux"
    userland: str = "GNU"
    tools: frozenset[str] = frozenset()
    """Those of TOOLS that are installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """What one press knows of its shell's PATH: to look is done before, beside the event loop."""

    programs: Collection[str] | None = None
    """None: a disk did not say in time, and then all are taken to be there."""
    userland: str = "GNU"

    def has(self, program: str) -> bool:
        return self.programs is None or program in self.programs


def facts(look: Look) -> Facts:
    """Look once, on the daemon's own PATH: the prompt's prefix must not change with the shell's."""
    platform = look.platform()
    return Facts(
        system=platform.get("system", "Linux"),
        userland=platform.get("userland", "GNU"),
        tools=frozenset(tool for tool in TOOLS if look.which(tool, "")),
    )


def redact(text: str, known: Mapping[str, str] | None = None) -> tuple[str, Mapping[str, str]]:
    """``text`` with every credential replaced by a placeholder, and placeholder -> credential;
    ``known`` are those of another text, which keep theirs."""
    secrets = dict(known or {})

    def placeholder(secret: str) -> str:
        for name, value in secrets.items():
            if value == secret:
                return name
        number = len(secrets) + 1
        while f"SECRET_{number}" in text or f"SECRET_{number}" in secrets:
            number += 1
        secrets[f"SECRET_{number}"] = secret
        return f"SECRET_{number}"

    return _without(replaced(text, placeholder), secrets), secrets


def _without(text: str, secrets: Mapping[str, str]) -> str:
    """What was named once may stand elsewhere without its name; a short one may be part of some
    word there."""
    bare = {secret.strip("\"'"): name for name, secret in reversed([*secrets.items()])}
    patterns = [
        re.escape(text) if len(text) >= _SHORT else rf"(?<!\w){re.escape(text)}(?!\w)"
        for text in sorted(filter(None, bare), key=len, reverse=True)
    ]
    if not patterns:
        return text
    pattern = "|".join((r"SECRET_\d+", *patterns))
    return re.sub(pattern, lambda found: bare.get(found[0], found[0]), text)


def restore(text: str, secrets: Mapping[str, str]) -> str:
    """The answer with the person's own credentials where the model put their placeholders."""
    if not secrets:
        return text
    return re.sub(r"SECRET_\d+", lambda found: secrets.get(found[0], found[0]), text)


def shortened(text: str, most: int) -> str:
    """At most ``most`` bytes of UTF-8 (a model's tokens grow with bytes, not with characters):
    three quarters from the head, the rest from the tail."""
    raw = text.encode()
    if len(raw) <= most:
        return text
    head, tail = raw[: most * 3 // 4], raw[len(raw) - most // 4 :]
    return f"{head.decode(errors='ignore')} … {tail.decode(errors='ignore')}"
