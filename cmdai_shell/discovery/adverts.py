"""What to put where, so that a server is found: texts for Avahi, a DNS zone, Kubernetes. No I/O.

A stock DGX Spark and the servers themselves announce nothing; each of these texts makes one server
known to every machine that listens.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from cmdai_shell.discovery.policy import address
from cmdai_shell.errors import ConfigError
from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from urllib.parse import SplitResult

SERVICES = ("_inference._tcp", "_cmdai-dgx._tcp")
"""The neutral kind of service, of the Inference Discovery draft, and the DGX plan's."""
DGX = "_dgx._sub._inference._tcp"
SRV = "_cmdai._tcp"
"""The DGX plan's owner name, below a domain."""
NAMESPACE, SERVICE = "ml-inference", "cmdai-dgx-cluster"
"""The DGX plan's, where nobody says others."""

_LONGEST_NAME = 63
"""Bytes of an instance's name, and of a label (RFC 6763 4.1.1, RFC 1035 2.3.4)."""
_LONGEST_STRING = 255
"""Bytes of ``key=value`` (RFC 6763 6.1)."""
_TTL, _PRIORITY, _WEIGHT = 300, 10, 60
"""The DGX plan's example: seconds, lower is asked first, share among equals."""

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advert:
    """One server, as it is announced. Raises ConfigError for what no record can hold."""

    url: str
    """``http://HOST:PORT``, with a path where its API has one of its own."""
    name: str = ""
    """What people see; empty: by the host's name."""
    kind: str = "auto"
    model: str = ""
    auth: str = "none"
    """Or bearer, mtls, oidc."""
    uuid: str = ""
    """An identity that stays when the address changes."""
    is_dgx: bool = False

    def __post_init__(self) -> None:
        parts = self._parts()
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ConfigError(
                f"{visible(self.url)[:80]}: no address of a server", "http://HOST:8000"
            )
        if not (address(parts.hostname) or _HOST.fullmatch(parts.hostname)):
            raise ConfigError(f"{visible(parts.hostname)[:80]} is no name of a host")
        if self.name != visible(self.name) or "\n" in self.name:
            raise ConfigError("a name to announce is one line of plain characters")
        if len(self.name.encode()) > _LONGEST_NAME:
            raise ConfigError(f"a name to announce has at most {_LONGEST_NAME} bytes")
        for key, value in self.txt.items():
            if len(f"{key}={value}".encode()) > _LONGEST_STRING or value != visible(value):
                raise ConfigError(f"{key} cannot be announced: too long, or no plain characters")

    @property
    def host(self) -> str:
        return self._parts().hostname or ""

    @property
    def port(self) -> int:
        parts = self._parts()
        return parts.port or _PORTS[parts.scheme]

    @property
    def title(self) -> str:
        """Its name; without one, what no other server of the host is called, in few letters."""
        host = self.host if address(self.host) else self.host.partition(".")[0]
        what = "inference" if self.kind == "auto" else self.kind
        return self.name or f"{host[:40]} {what} {self.port}"

    @property
    def txt(self) -> Mapping[str, str]:
        """Key -> value, at most 255 bytes each; ``v`` and ``transport`` are the draft's. ``api`` is
        the server's kind where that is known: who knows only that it speaks OpenAI's protocol
        would not use what the server can beyond it."""
        parts = self._parts()
        found = {
            "txtvers": "1",
            "v": "1",
            "transport": parts.scheme,
            "api": "" if self.kind == "auto" else self.kind,
            "base": parts.path.rstrip("/"),
            "model": self.model,
            "auth": self.auth,
            "id": self.uuid,
        }
        return {key: value for key, value in found.items() if value}

    def _parts(self) -> SplitResult:
        try:
            parts = urlsplit(self.url)
            _ = parts.port
        except ValueError:
            raise ConfigError(f"{visible(self.url)[:80]}: no address of a server") from None
        return parts


def avahi(advert: Advert) -> str:
    """A file for /etc/avahi/services (avahi.service(5)). Without a name of its own the server is
    announced by that of the host it is on, whichever that is."""
    name = (
        f"<name>{escape(advert.name)}</name>"
        if advert.name
        else '<name replace-wildcards="yes">%h inference</name>'
    )
    services = "\n".join(_avahi_service(advert, service) for service in SERVICES)
    return (
        '<?xml version="1.0" encoding="UTF-8" standalone=\'no\'?>\n'
        '<!DOCTYPE service-group SYSTEM "avahi-service.dtd">\n'
        f"<service-group>\n  {name}\n{services}\n</service-group>\n"
    )


def _avahi_service(advert: Advert, service: str) -> str:
    lines = [f"<type>{service}</type>"]
    if advert.is_dgx and DGX.endswith(service):
        lines.append(f"<subtype>{DGX}</subtype>")
    lines.append(f"<port>{advert.port}</port>")
    lines += [
        f"<txt-record>{escape(f'{key}={value}')}</txt-record>" for key, value in advert.txt.items()
    ]
    return "\n".join(["  <service>", *(f"    {line}" for line in lines), "  </service>"])


def zone(advert: Advert, domain: str) -> str:
    """Records for the zone file of ``domain`` (RFC 1035 5.1, RFC 2782). A server that is known by
    its address alone gets a name, below the domain, too. Raises ConfigError."""
    domain = domain.strip(".").lower()
    if not _HOST.fullmatch(domain):
        raise ConfigError(f"{visible(domain)[:80]!r} is no domain", "write it like example.org")
    lines = [f"; in the zone of {domain}"]
    target = advert.host.rstrip(".")
    if found := address(target):
        target = f"{_label(advert)}.{domain}"
        kind = "A" if found.version == 4 else "AAAA"
        lines.append(f"{target}. {_TTL} IN {kind} {found}")
    elif "." not in target:
        target += f".{domain}"
    owner = f"{SRV}.{domain}."
    lines.append(f"{owner} {_TTL} IN SRV {_PRIORITY} {_WEIGHT} {advert.port} {target}.")
    lines.append(f"{owner} {_TTL} IN TXT {_strings(advert.txt)}")
    return "\n".join(lines) + "\n"


def _label(advert: Advert) -> str:
    """A host's name for a server that has none."""
    plain = re.sub(r"[^a-z0-9]+", "-", advert.name.lower()).strip("-")
    return plain[:_LONGEST_NAME].rstrip("-") or "dgx-node1"


def _strings(txt: Mapping[str, str]) -> str:
    return " ".join(f'"{_quoted(f"{key}={value}".encode())}"' for key, value in txt.items())


def _quoted(raw: bytes) -> str:
    return "".join(_character(byte) for byte in raw)


def _character(byte: int) -> str:
    if byte in b'"\\':
        return f"\\{chr(byte)}"
    return chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03d}"


def service_annotations(advert: Advert) -> Mapping[str, str]:
    """Of a Service in Kubernetes; the first two are the DGX plan's."""
    found = {
        "cmdai.ai/backend-type": advert.kind,
        "cmdai.ai/model": advert.model,
        "cmdai.ai/auth": "" if advert.auth == "none" else advert.auth,
    }
    return {key: value for key, value in found.items() if value}


def kubernetes(advert: Advert, *, service: str = SERVICE, namespace: str = NAMESPACE) -> str:
    """A Service that is found, for ``kubectl apply``. What it selects is the DGX plan's own."""
    lines = [
        "apiVersion: v1",
        "kind: Service",
        "metadata:",
        f"  name: {json.dumps(service)}",
        f"  namespace: {json.dumps(namespace)}",
        "  annotations:",
        *_yaml(service_annotations(advert).items(), "    "),
        "spec:",
        "  selector:",
        f"    app: {json.dumps(_app(advert.kind))}",
        "  ports:",
        "    - name: inference",
        f"      port: {advert.port}",
        "",
    ]
    return "\n".join(lines)


def _app(kind: str) -> str:
    return "vllm-server" if kind == "auto" else f"{kind.replace('.', '-')}-server"


def _yaml(pairs: Iterable[tuple[str, str]], indent: str) -> list[str]:
    """JSON's strings are YAML's (YAML 1.2, 7.3.1), if they are not written as pairs of escapes."""
    return [f"{indent}{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in pairs]
