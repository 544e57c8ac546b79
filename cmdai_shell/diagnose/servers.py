"""Checks of each server that is written down or approved: one cause, one finding.

What could not be looked at, because something before it fails, is no finding of its own.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeAlias

from cmdai_shell.backends.faults import CLIENT_CERTIFICATE, authority_hint, test_hint
from cmdai_shell.diagnose import dgx
from cmdai_shell.diagnose.check import Check, Finding, fail, ok, warn
from cmdai_shell.diagnose.known_servers import line
from cmdai_shell.diagnose.service import RESTART
from cmdai_shell.diagnose.surroundings import once
from cmdai_shell.errors import ConfigError, DaemonUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cmdai_shell.config.environment import Place
    from cmdai_shell.diagnose.dgx import Seen, Target
    from cmdai_shell.diagnose.surroundings import Surroundings

    Judge: TypeAlias = Callable[["Target", "Seen", "Surroundings"], Finding]

MOST = 64
"""Servers that are looked at: each has a thread for every check."""
TARGETS: Mapping[Place, tuple[float, float]] = {
    "local": (0.010, 2.0),
    "enterprise": (0.020, 3.0),
    "cloud": (0.050, 5.0),
}
"""Seconds of a round trip, and of a whole answer (the DGX plan's, section 2.4)."""
SOON_S, EXPIRES_S = 60.0, 14 * 86_400.0
"""Of a clock that is wrong; of a certificate that ends."""
METRICS = {
    "vllm": "start vLLM without --disable-log-stats",
    "nim": "open GET /v1/metrics of that NIM in the gateway before it",
    "sglang": "start SGLang with --enable-metrics",
    "llama.cpp": "start llama-server with --metrics",
    "tgi": "open GET /metrics of that TGI in the gateway before it",
}
"""Software that tells its queue, and what makes it do so."""
_PROXY_STATUS = (407, 511)
"""Said by none but a proxy, and a portal that wants a click (RFC 9110 15.5.8, RFC 6585 6)."""
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy")
_SET_CLOCK = "timedatectl; on the machine that is wrong: sudo timedatectl set-ntp true"


def checks(around: Surroundings, only: Iterable[str] = ()) -> list[Check]:
    """Those of each server; ``only`` of these names."""
    names = set(only) or set(NAMES)
    try:
        around.config()
    except ConfigError:  # a check of its own says so
        return [Check(ANSWERS, lambda _: ok("not looked at, see config"))]
    try:
        found = dgx.targets(around)
    except ConfigError as error:
        broken = fail(error.message, error.hint)
        return [Check(ANSWERS, lambda _: broken)]
    made = [check for target in found[:MOST] for check in _of(target) if check.name in names]
    if not found:
        made.append(Check(ANSWERS, lambda _: _none()))
    if len(found) > MOST:
        made.append(Check(ANSWERS, lambda _: _too_many(len(found))))
    return made


def _of(target: Target) -> list[Check]:
    seen = once(partial(dgx.look, target))

    def check(name: str, judge: Judge) -> Check:
        return Check(name, lambda around: judge(target, seen(), around), dgx.LOOK_S)

    return [check(name, judge) for name, judge in JUDGES.items()]


def _none() -> Finding:
    return ok("no server is written down or approved: cmdai-shell backends discover looks for some")


def _too_many(count: int) -> Finding:
    what = f"{count - MOST} of {count} servers were not looked at"
    return warn(what, "cmdai-shell backends health-check --all")


def together(name: str, around: Surroundings) -> Finding:
    """The worst finding of all servers, for who asks for one check by its name alone."""
    rank = ("ok", "warn", "fail")
    found = [check.run(around) for check in checks(around, [name])]
    if not found:
        return _none()
    worst = max(found, key=lambda finding: rank.index(finding.severity))
    more = sum(finding.severity != "ok" for finding in found) - 1
    return replace(worst, what=f"{worst.what} (and {more} more)") if more > 0 else worst


# --- judging


def _name(target: Target, seen: Seen, _: Surroundings) -> Finding:
    host = target.host
    if not seen.no_name:
        return ok(f"{target.name}: {host} has an address")
    what = f"{target.name}: {host} has no address: {line(seen.no_name)}"
    return fail(what, f"getent hosts {host}; or put its address into the url in place of its name")


def _route(target: Target, seen: Seen, around: Surroundings) -> Finding:
    if seen.no_name:
        return _later(target, NAME)
    if seen.route is None or seen.route.own:
        own = f" from {seen.route.own}" if seen.route else ""
        return ok(f"{target.name}: there is a way to {target.host}{own}")
    show = "route -n get" if around.system == "Darwin" else "ip route get"
    what = f"{target.name}: there is no way to {seen.route.address}"
    return fail(what, f"{show} {seen.route.address}; see that the cable, Wi-Fi or VPN is up")


def _connect(target: Target, seen: Seen, _: Surroundings) -> Finding:
    if seen.no_name:
        return _later(target, NAME)
    if seen.route is not None and not seen.route.own and seen.no_connection:
        return _later(target, ROUTE)
    place = f"{target.host}:{target.port}"
    if not seen.no_connection:
        return ok(f"{target.name}: {place} takes connections")
    if seen.no_connection == "refused":
        look = f"ss -ltn 'sport = :{target.port}'"
        cure = f"on that host: {look}; start it with --host 0.0.0.0"
        if _is_here(target.host):  # and to be reached from here alone is right
            cure = f"start it, then look: {look}"
        return fail(f"{target.name}: nothing listens at {place}", cure)
    why = "no answer" if seen.no_connection == "timeout" else line(seen.no_connection)
    cure = f"on that host, if it is up: sudo ufw allow {target.port}/tcp"
    return fail(f"{target.name}: {place} cannot be reached: {why}", cure)


def _tls(target: Target, seen: Seen, _: Surroundings) -> Finding:
    if not target.is_tls:
        return ok(f"{target.name}: plain http, no certificate")
    if seen.round_trip is None:
        return _later(target, CONNECT)
    now = time.time()
    show = (
        f"openssl s_client -connect {target.host}:{target.port} </dev/null | "
        "openssl x509 -noout -dates -issuer -subject"
    )
    if seen.valid and not target.is_key_alone:
        begins, ends = seen.valid
        days = (ends - now) / 86_400
        if begins > now:
            what = f"{target.name}: its certificate is not valid yet: a clock is wrong"
            return fail(what, _SET_CLOCK)
        if ends < now:
            what = f"{target.name}: its certificate expired {-days:.0f} days ago"
            return fail(what, f"renew it on that host, then look: {show}")
        if ends - now < EXPIRES_S and not _is(seen, "tls"):
            what = f"{target.name}: its certificate expires in {days:.0f} days"
            return warn(what, f"renew it on that host, then look: {show}")
    if _is(seen, "tls") and seen.shaken:
        is_plain = seen.shaken.hint in (
            "",
            test_hint(target.name),
            authority_hint(target.name),
        )
        cure = _trust_cure(target, seen.shaken.detail, show) if is_plain else seen.shaken.hint
        return fail(_said(target, seen), cure)
    left = f", {(seen.valid[1] - now) / 86_400:.0f} days left" if seen.valid else ""
    return ok(f"{target.name}: its certificate is well{left}")


def _trust_cure(target: Target, detail: str, show: str) -> str:
    """A key that changed may be somebody in between: nobody is told to just accept it."""
    if "pinned" in detail:
        renew = target.forget or "set cert_pinning_sha256 of its environment to the new one"
        return f"ask who runs it whether its key was changed; only then {renew}; look: {show}"
    if "mismatch" in detail:
        return f"write a name that its certificate has into the url: {_edit(target)}; look: {show}"
    if target.environment:
        return f"with its authority's file: {authority_hint(target.name)}; look: {show}"
    return f"set tls_ca_path to its authority's file: {_edit(target)}; look: {show}"


def _clock(target: Target, seen: Seen, _: Surroundings) -> Finding:
    if seen.skew is None:
        return ok(f"{target.name}: it tells no time")
    if abs(seen.skew) < SOON_S:
        return ok(f"{target.name}: its clock is ours, within {SOON_S:.0f} s")
    ahead = "ahead of" if seen.skew > 0 else "behind"
    what = f"{target.name}: its clock is {abs(seen.skew):.0f} s {ahead} ours"
    return warn(what, _SET_CLOCK)


def _login(target: Target, seen: Seen, around: Surroundings) -> Finding:
    theirs = _daemons_view(target, around)
    state = theirs.get("state")
    if target.key and not around.environ.get(target.key, "").strip():
        if state in ("ok", "slow"):
            return ok(f"{target.name}: the daemon has its key, this shell has not")
        what = f"{target.name}: the API key is missing: ${target.key} is not set"
        return fail(what, f"export {target.key}=..., then cmdai-shell daemon restart")
    if seen.shaken is None:
        return _later(target, NAME if seen.no_name else CONNECT)
    if seen.status in _PROXY_STATUS:
        return _later(target, PROXY)
    if _is(seen, "login") and seen.shaken:
        return fail(_said(target, seen), seen.shaken.hint or "cmdai-shell auth status")
    if state == "login":
        return fail(
            f"{target.name}: good from this shell, but not from the daemon: {theirs['why']}",
            RESTART,
        )
    return ok(f"{target.name}: it does not refuse us")


def _daemons_view(target: Target, around: Surroundings) -> Mapping[str, Any]:
    """What the daemon knows of it; empty if nothing."""
    with suppress(DaemonUnavailable):
        found = around.daemon().get("servers") or ()
        return next((one for one in found if one["id"] == target.name), {})
    return {}


def _answers(target: Target, seen: Seen, _: Surroundings) -> Finding:
    if seen.shaken is None:
        return _later(target, NAME if seen.no_name else CONNECT)
    elsewhere = {"tls": TLS, "login": LOGIN, "no-model": MODEL}
    state = seen.shaken.state
    if state in elsewhere:
        return _later(target, elsewhere[state])
    test = test_hint(target.name)
    if seen.status in _PROXY_STATUS:
        return _later(target, PROXY)
    if state == "loading":
        return warn(_said(target, seen), f"wait until its model is loaded, then: {test}")
    if state == "unreachable" and seen.shaken.steps[-1].name == "identify":
        cure = f"is that its port? correct the url, or kind: {_edit(target)}; then: {test}"
        return fail(_said(target, seen), cure)
    if seen.shaken.hint == CLIENT_CERTIFICATE:
        cure = f"{CLIENT_CERTIFICATE}: {_edit(target)}; then: {test}"
        return fail(_said(target, seen), cure)
    if state == "unreachable":
        return fail(_said(target, seen), f"restart it on {target.host}, then: {test}")
    if state == "wrong-answer":
        return fail(_said(target, seen), seen.shaken.hint or test)
    return ok(f"{target.name}: it computes")


def _model(target: Target, seen: Seen, _: Surroundings) -> Finding:
    if _is(seen, "no-model") and seen.shaken:
        cure = seen.shaken.hint or f"set model: {_edit(target)}"
        return fail(_said(target, seen), cure)
    return ok(f"{target.name}: nothing is known against its model")


def _latency(target: Target, seen: Seen, _: Surroundings) -> Finding:
    way, whole = TARGETS[target.place]
    if seen.round_trip is None:
        return _later(target, CONNECT)
    told = f"{seen.round_trip * 1000:.1f} ms to it"
    if seen.shaken and seen.shaken.state in ("ok", "slow"):
        told += f", {seen.shaken.elapsed:.2f} s for a sum"
        if seen.shaken.elapsed >= whole:
            what = f"{target.name}: {seen.shaken.elapsed:.1f} s for a sum, over {whole:.0f} s"
            cure = f"on that host: nvidia-smi; is it busy? {test_hint(target.name)}"
            return warn(f"{what} ({target.place})", cure)
    if seen.round_trip >= way:
        what = f"{target.name}: {told}, over {way * 1000:.0f} ms ({target.place})"
        return warn(what, f"ping -c 5 {target.host}; a cable is faster than Wi-Fi, and than a VPN")
    return ok(f"{target.name}: {told} ({target.place})")


def _metrics(target: Target, seen: Seen, _: Surroundings) -> Finding:
    probe = seen.shaken.probe if seen.shaken else None
    if seen.load is None or probe is None or probe.via_gateway or probe.kind not in METRICS:
        return ok(f"{target.name}: no metrics are expected of it")
    if seen.load.running is None and seen.load.waiting is None:
        if not target.has_others:
            return ok(f"{target.name}: its metrics do not tell its queue; there is no other to ask")
        what = f"{target.name}: its metrics cannot be read: its queue is unknown to us"
        return warn(what, METRICS[probe.kind])
    return ok(f"{target.name}: its metrics tell its queue")


def _proxy(target: Target, seen: Seen, around: Surroundings) -> Finding:
    """We ask servers directly, always: a proxy would see words and keys."""
    tunnel = f"ssh -N -L {target.port}:{target.host}:{target.port} HOST, and that port as its url"
    if seen.status in _PROXY_STATUS:
        what = f"{target.name}: a proxy stands in the way, and wants a login ({seen.status})"
        return fail(what, f"ask for a direct way to {target.host}:{target.port}; or {tunnel}")
    names = [name for name in _PROXIES if around.environ.get(name)]
    if not names:
        return ok(f"{target.name}: no proxy is set")
    if seen.round_trip is not None:
        return ok(f"{target.name}: {names[0]} is set and ignored: it is reached directly")
    what = f"{target.name}: {names[0]} is set, and ignored: is it behind that proxy?"
    return warn(what, tunnel)


def _edit(target: Target) -> str:
    """Opens the file that it is written down in."""
    return f"cmdai-shell config edit {target.environment}".rstrip()


def _is_here(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def _is(seen: Seen, state: str) -> bool:
    return seen.shaken is not None and seen.shaken.state == state


def _said(target: Target, seen: Seen) -> str:
    said = line(seen.shaken.detail if seen.shaken else "")
    return said if target.name in said else f"{target.name}: {said or 'it says nothing'}"


def _later(target: Target, first: str) -> Finding:
    return ok(f"{target.name}: not looked at, see {first}")


NAME, ROUTE, CONNECT, TLS = "server-name", "server-route", "server-connect", "server-tls"
CLOCK, LOGIN, ANSWERS, MODEL = "server-clock", "server-login", "server-answers", "server-model"
LATENCY, METRICS_READ, PROXY = "server-latency", "server-metrics", "server-proxy"
JUDGES: Mapping[str, Judge] = {
    NAME: _name,
    ROUTE: _route,
    CONNECT: _connect,
    TLS: _tls,
    CLOCK: _clock,
    LOGIN: _login,
    ANSWERS: _answers,
    MODEL: _model,
    LATENCY: _latency,
    METRICS_READ: _metrics,
    PROXY: _proxy,
}
NAMES = tuple(JUDGES)
CHECKS = tuple(Check(name, partial(together, name), dgx.LOOK_S) for name in NAMES)
