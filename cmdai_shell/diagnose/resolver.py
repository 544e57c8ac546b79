"""Checks of DNS, where servers are looked up in it: who answers, and what there is."""

from __future__ import annotations

import json
import shlex
from types import MappingProxyType
from typing import TYPE_CHECKING

from cmdai_shell.diagnose.check import Check, fail, ok, warn
from cmdai_shell.diagnose.questions import DEAD, Question, ask

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from cmdai_shell.config import Config
    from cmdai_shell.config.environment import Environment
    from cmdai_shell.diagnose.check import Finding
    from cmdai_shell.diagnose.questions import Replies, Reply, State
    from cmdai_shell.diagnose.surroundings import Surroundings
    from cmdai_shell.discovery.nameservers import NameServer, Resolving
    from cmdai_shell.discovery.srv_records import Owner

ANSWER_S = 1.5
"""For a name server. One that takes longer makes every look-up wait."""
TARGETS_S = 0.8
"""For the addresses of what was found."""
TIMEOUT_S = 5.0
MOST_TARGETS = 32

_SPELLING = "cmdai-shell config edit: is it spelled so in discovery.dns_domains?"
_OFF = "DNS is not asked for servers (discovery.dns_domains is empty)"
_WORDS: dict[State, str] = {
    "silent": "no answer within 1.5 s",
    "closed": "nothing listens there",
    "nameless": "its name has no address",
    "servfail": "SERVFAIL",
    "refused": "REFUSED",
    "strange": "an answer that makes no sense",
    "absent": "NXDOMAIN",
}


_USELESS = DEAD | {"refused", "strange"}


def domains(config: Config) -> tuple[str, ...]:
    """Domains and names of records that are asked for, for all and for environments."""
    named = (
        environment.dns_srv_record
        for environment in config.environments.values()
        if environment.discovery_method == "dns_srv"
    )
    return (*config.discovery.dns_domains, *named)


# --- who answers


def name_servers(around: Surroundings) -> Finding:
    config = around.settings()
    if not (asked := domains(config)):
        return ok(_OFF)
    who, names = _asked(config, asked)
    if not names:
        return ok(_nothing_to_ask())
    questions = [Question(domain, "SOA") for domain in _domains(names)]
    given = config.discovery.dns_servers
    return judged_servers(ask(who.servers, questions, ANSWER_S), given)


def judged_servers(replies: Replies, given: Sequence[str]) -> Finding:
    """``given``: the servers of the configuration; without, they are the system's."""
    useless = {server: _useless(found.values()) for server, found in replies.items()}
    good = [server for server, state in useless.items() if state is None]
    bad = [f"{server} ({_WORDS[state]})" for server, state in useless.items() if state]
    if not bad:
        return ok(f"name servers answer: {', '.join(map(str, good))}")
    if not good:
        return fail(f"no name server answers: {', '.join(bad)}", _other_servers(given, ()))
    verb = "does" if len(bad) == 1 else "do"
    what = f"{', '.join(bad)} {verb} not answer: look-ups may wait for it"
    return warn(what, _other_servers(given, _texts(given, replies, good)))


def _useless(found: Collection[Reply]) -> State | None:
    """What it says to everything, if that helps nobody."""
    states: list[State] = [reply.state for reply in found]
    return states[0] if all(state in _USELESS for state in states) else None


def _texts(given: Sequence[str], replies: Replies, good: Sequence[NameServer]) -> list[str]:
    """The good ones as they are written in the configuration."""
    return [text for text, server in zip(given, replies, strict=False) if server in good]


def _other_servers(given: Sequence[str], good: Sequence[str]) -> str:
    if not given:
        return "look at the system's: resolvectl status, or cat /etc/resolv.conf"
    command = f"cmdai-shell config set discovery.dns_servers {shlex.quote(json.dumps(good))}"
    return command if good else f"ask the system's instead: {command}"


# --- what there is


def dns_records(around: Surroundings) -> Finding:
    config = around.settings()
    if not (asked := domains(config)):
        return ok(_OFF)
    who, names = _asked(config, asked)
    if not names:
        return ok(_nothing_to_ask())
    questions = [Question(owner.name, "SRV") for owner in names]
    questions += [Question(domain, "SOA") for domain in _domains(names)]
    replies = ask(who.servers, questions, ANSWER_S)
    targets = sorted(
        {t for found in replies.values() for r in found.values() for t in r.targets} - {"."}
    )[:MOST_TARGETS]
    living = [server for server, found in replies.items() if not _useless(found.values())]
    questions = [Question(target, kind) for target in targets for kind in ("A", "AAAA")]
    addresses = ask(living, questions, TARGETS_S) if questions and living else {}
    searched = {owner.domain for owner in names if _is_from_search(owner, who, asked)}
    return judged_records(names, replies, addresses, searched, written(config.environments))


def written(environments: Mapping[str, Environment]) -> dict[str, str]:
    """The records that stand in environments, each with what opens it."""
    return {
        each.dns_srv_record.rstrip(".").lower(): (
            f"cmdai-shell config edit {each.id}: is its dns_srv_record spelled so?"
        )
        for each in environments.values()
        if each.discovery_method == "dns_srv"
    }


def judged_records(
    names: Sequence[Owner],
    replies: Replies,
    addresses: Replies,
    searched: Collection[str] = (),
    written: Mapping[str, str] = MappingProxyType({}),
) -> Finding:
    """The worst of all domains. ``searched``: those that this network gave us; that there is
    nothing for us in them is no fault. ``written``: record -> where its name is put right, if not
    in ``discovery.dns_domains``."""
    living = {server: found for server, found in replies.items() if not _useless(found.values())}
    if not living:
        return ok("not known, as no name server answers")
    findings = [
        _judged_domain(
            domain,
            [owner.name for owner in names if owner.domain == domain],
            living,
            addresses,
            is_wanted=domain not in searched,
            written=written,
        )
        for domain in _domains(names)
    ]
    for severity in ("fail", "warn"):
        for found in findings:
            if found.severity == severity:
                return found
    return ok("; ".join(found.what for found in findings))


def _judged_domain(
    domain: str,
    names: Sequence[str],
    replies: Replies,
    addresses: Replies,
    *,
    is_wanted: bool,
    written: Mapping[str, str],
) -> Finding:
    told = {
        server: [found[Question(name, "SRV")] for name in names]
        for server, found in replies.items()
    }
    having = [server for server, found in told.items() if any(r.state == "found" for r in found)]
    failing = {
        server: _WORDS[found[0].state]
        for server, found in told.items()
        if all(reply.state in _USELESS | {"servfail"} for reply in found)
    }
    missing = [server for server in told if server not in having and server not in failing]
    if not having:
        if missing and not is_wanted:
            return ok(f"{domain} has no records for us")
        able = {server: replies[server] for server in missing}
        spelling = next(filter(None, map(written.get, names)), _SPELLING)
        return _nothing(domain, names, failing, able, spelling)
    if failing:
        bad, word = next(iter(failing.items()))
        what = f"{bad} fails at {domain} ({word}), {having[0]} does not"
        return warn(what, _dig(bad, names[0], "+cd "))
    if missing:
        what = f"name servers disagree: {having[0]} has records of {domain}, {missing[0]} has none"
        return warn(what, _dig(missing[0], names[0]))
    return _judged_targets(domain, [r for r in told[having[0]] if r.state == "found"], addresses)


def _nothing(
    domain: str,
    names: Sequence[str],
    failing: dict[NameServer, str],
    missing: Replies,
    spelling: str,
) -> Finding:
    """Nobody has a record; ``missing`` are those who can tell."""
    if not missing:
        bad, word = next(iter(failing.items()))
        what = f"{bad} fails at {domain} ({word}): its zone, or whom it asks, is broken there"
        return fail(what, _dig(bad, names[0], "+cd "))
    server = next(iter(missing))
    if all(found[Question(domain, "SOA")].state == "absent" for found in missing.values()):
        what = f"there is no domain {domain}, says {server} (NXDOMAIN)"
        return fail(what, spelling)
    what = f"{domain} is there, but has no SRV record {' or '.join(names)}, says {server}"
    return fail(what, f"put into its zone: {names[0]}. 300 IN SRV 10 60 8000 HOST.{domain}.")


def _judged_targets(domain: str, found: Sequence[Reply], addresses: Replies) -> Finding:
    """Whether the servers that the records name have addresses."""
    targets = list(dict.fromkeys(target for reply in found for target in reply.targets))
    real = [target for target in targets if target != "."]
    if targets and not real:
        return ok(f"{domain} says that it has no server (its target is '.')")
    if homeless := [target for target in real if _is_homeless(target, addresses)]:
        what = f"{domain}: there is no address in DNS of {', '.join(homeless[:4])}"
        return warn(what, f"put into its zone: {homeless[0]}. 300 IN A ADDRESS")
    ttl = min(reply.ttl for reply in found)
    return ok(f"{domain}: {len(real)} server{'s' * (len(real) != 1)}, good for {ttl} s")


def _is_homeless(target: str, addresses: Replies) -> bool:
    """Every one who was asked says so."""
    states = [
        found[Question(target, kind)].state
        for found in addresses.values()
        for kind in ("A", "AAAA")
        if Question(target, kind) in found
    ]
    return bool(states) and all(state in ("absent", "empty") for state in states)


# --- who and what


def _asked(config: Config, asked: Sequence[str]) -> tuple[Resolving, tuple[Owner, ...]]:
    """As the source of SRV records has it. Raises ConfigError."""
    from cmdai_shell.discovery.nameservers import Resolving, configured, system
    from cmdai_shell.discovery.srv_records import owners

    given, own = configured(config.discovery.dns_servers), system()
    who = Resolving(servers=given or own.servers, search=own.search)
    return who, owners(asked, who.search)


def _domains(names: Iterable[Owner]) -> list[str]:
    return list(dict.fromkeys(owner.domain for owner in names))


def _is_from_search(owner: Owner, who: Resolving, asked: Sequence[str]) -> bool:
    from cmdai_shell.discovery.nameservers import hostname

    written = {hostname(text) for text in asked if text != "search"}
    return owner.domain in who.search and not {owner.domain, owner.name} & written


def _nothing_to_ask() -> str:
    return "nothing to ask for: this network has no search domains"


def _dig(server: NameServer, name: str, options: str = "") -> str:
    return f"dig {options}@{server.host} -p {server.port} {name} SRV"


CHECKS = (
    Check("name-servers", name_servers, TIMEOUT_S),
    Check("dns-records", dns_records, TIMEOUT_S),
)
