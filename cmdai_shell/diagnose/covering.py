"""What somebody else is shown of a text: no credential, no folder of the person's, and if they like
no name of a host.

What looks like a credential is found by ``observe.redact``; what is one, because a setting or its
name says that a variable holds it, by its value, whatever it looks like.
"""

from __future__ import annotations

import json
import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from cmdai_shell.observe.redact import MARK, redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SHORTEST = 5
"""Characters of a value that is looked for by itself: "yes" and "1234" stand everywhere."""

CREDENTIAL = re.compile(r"pass|pw\b|token|secret|key|auth|cred|cookie", re.IGNORECASE)
"""In a name: its value is not shown."""
_LOGIN = re.compile(r"(?<=://)[^\s/@\"'<>]+(?=@)")
_QUERY = re.compile(r"(?P<url>[a-z][a-z0-9+.-]{0,20}://[^\s\"'?#<>]{1,2000})[?#][^\s\"'<>]+")
_HOST = re.compile(r"://(?:[^\s/@\"'<>]+@)?(\[[0-9A-Fa-f:.%\w]+\]|[^\s/:\"'<>?#\[\]]+)")
_LOCAL = re.compile(
    r"\b[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}\.(?:local|lan|internal|intranet|corp|home|arpa)\b"
)
_WORD = re.compile(r"[A-Za-z0-9-]+")
_ADDRESS = re.compile(
    r"""
    (?<![\w.]) (?:\d{1,3}\.){3}\d{1,3} (?!\w|\.\d)  # a port may follow
    | (?<![\w.:]) [0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:(?:\.\d{1,3}){3})? (?![\w:]|\.\d)
    """,
    re.VERBOSE,
)
_MAC = re.compile(r"\b(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b")


class Cover:
    """``secrets``: values that may stand nowhere. ``names``: hosts and people that become
    ``host-1`` and so on, the same one each time; None: they are shown."""

    def __init__(
        self, secrets: Iterable[str] = (), *, home: str = "", names: Iterable[str] | None = None
    ) -> None:
        known = {form for secret in secrets for form in _forms(secret)}
        self._secrets = sorted(known, key=len, reverse=True)
        self._home = home.rstrip("/")
        self._is_anonymous = names is not None
        self._called: dict[str, str] = {}
        for name in sorted(set(names or ()), key=lambda name: (-len(name), name)):
            if len(name) > 1 and _WORD.match(name) and not _is_ours(name):
                self._call(name)

    def text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, MARK)
        text = redact(_QUERY.sub(rf"\g<url>?{MARK}", _LOGIN.sub(MARK, text)))
        if self._home:
            text = re.sub(rf"{re.escape(self._home)}(?![\w.-])", "~", text)
        return self._unnamed(text) if self._is_anonymous else text

    def value(self, value: Any) -> Any:
        """A document's texts, its keys too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(each) for each in value]
        return value

    def _unnamed(self, text: str) -> str:
        for found in (*_HOST.findall(text), *_LOCAL.findall(text)):
            if not _is_ours(found):
                self._call(found.strip("[]"))
        text = _MAC.sub("[hardware address]", text)
        text = "".join(self._renamed(text))
        return _ADDRESS.sub(lambda found: self._address(found[0]), text)

    def _renamed(self, text: str) -> Iterator[str]:
        """In one pass, however many names there are: each is found by the word it begins with."""
        by_word: dict[str, list[str]] = {}
        for name in sorted(self._called, key=len, reverse=True):
            if word := _WORD.match(name):
                by_word.setdefault(word[0], []).append(name)
        done = 0
        for word in _WORD.finditer(text):
            at = word.start()
            for name in by_word.get(word[0].lower(), ()) if at >= done else ():
                end = at + len(name)
                if text[at:end].lower() == name and not _WORD.match(text, end):
                    yield text[done:at]
                    yield self._called[name]
                    done = end
                    break
        yield text[done:]

    def _address(self, text: str) -> str:
        try:
            address = ip_address(text)
        except ValueError:
            return text
        plain = getattr(address, "ipv4_mapped", None) or address
        if plain.is_loopback or plain.is_unspecified:
            return text
        return self._call(text)

    def _call(self, name: str) -> str:
        return self._called.setdefault(name.lower(), f"host-{len(self._called) + 1}")


def _forms(secret: str) -> Iterator[str]:
    """As it stands in a text, in a URL and in JSON."""
    in_json = (json.dumps(secret, ensure_ascii=is_plain)[1:-1] for is_plain in (True, False))
    for text in (secret, secret.strip(), quote(secret, safe="", errors="replace"), *in_json):
        if len(text) >= SHORTEST:
            yield text


def _is_ours(name: str) -> bool:
    """It says nothing of anybody, or is a name that was given already."""
    plain = name.strip("[]").lower()
    return plain in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "root") or bool(  # noqa: S104
        re.fullmatch(r"host-\d+", plain)
    )


def secrets(environ: Mapping[str, str], variables: Iterable[str]) -> set[str]:
    """Values of the variables that a setting names, and of those that are called like one; logins
    for proxies."""
    named = set(variables)
    found = {
        value
        for name, value in environ.items()
        if name in named or (CREDENTIAL.search(name) and not name.endswith(("_SOCK", "_PID")))
    }
    logins = {_proxy(value)[1] for name, value in environ.items() if is_proxy(name)}
    logins |= {login.partition(":")[2] for login in logins}
    return found | logins | {unquote(login) for login in logins}


def is_proxy(name: str) -> bool:
    """Of a variable."""
    return name.lower().endswith("_proxy")


def without_login(proxy: str) -> str:
    """``http://user:password@host:port``, where the scheme may be left out."""
    scheme, login, host = _proxy(proxy)
    return f"{scheme}{MARK}@{host}" if login else proxy


def _proxy(value: str) -> tuple[str, str, str]:
    """Its scheme, login and host. What is before an @ counts as login, whatever stands in it."""
    before, mark, rest = value.partition("://")
    login, _, host = (rest if mark else value).rpartition("@")
    return (before + mark if mark else ""), login, host


def hosts(status: Mapping[str, Any], urls: Iterable[str]) -> set[str]:
    """Names and addresses of servers, as the daemon and the settings have them."""
    found = status.get("discovery") or {}
    names = {_host(url) for url in urls}
    for each in found.get("found") or ():
        names |= {_host(each["url"]), each["name"].rpartition(":")[0]}
    for member in status.get("servers") or ():
        names.add(member["id"].rpartition("/")[2].partition("#")[0].rpartition(":")[0])
    for source in found.get("sources") or ():
        names.add(source["name"].partition(":")[2])
    return names - {""}


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
