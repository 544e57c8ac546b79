"""Keys, passwords and tokens: shown, or sent away."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from cmdai_shell.safety.folding import stdin_of
from cmdai_shell.safety.rules.rule import CAUTION, CRITICAL, DANGEROUS, Finding, Options
from cmdai_shell.safety.script import Word, names, spoken
from cmdai_shell.safety.targets import joined

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cmdai_shell.core import Risk
    from cmdai_shell.safety.rules.rule import Check
    from cmdai_shell.safety.script import Call

_KEYS = re.compile(
    r"(?:^|/)(?:id_(?:rsa|dsa|ecdsa|ed25519|ecdsa_sk|ed25519_sk)[\w-]*|\.netrc|\.pgpass|\.my\.cnf"
    r"|\.git-credentials|\.vault-token|wallet\.dat|logins\.json|key4\.db|\.?\w*_history"
    r"|etc/g?shadow-?|etc/sudoers|[^/]+\.kdbx|\.ssh|\.gnupg|\.password-store|\.aws|\.kube"
    r"|\.aws/credentials|\.kube/config|\.docker/config\.json|\.config/gcloud"
    r"|\.config/gh/hosts\.yml|etc/ssl/private|etc/kubernetes/admin\.conf)(?:/|$)"
    r"|(?:^|/)(?:\.ssh|\.gnupg|\.password-store|etc/ssl/private)/"
)
"""What opens a person's accounts or a machine."""

_PROJECT = re.compile(
    r"(?:^|/)(?:\.env(?:\.\w+)?|\.npmrc|\.pypirc|[^/]+\.(?:pem|key|p12|pfx|jks|keystore)|"
    r"credentials(?:\.json)?|secrets?\.(?:ya?ml|json|toml|env)|service-account[\w-]*\.json)$"
)
_PUBLIC = re.compile(r"\.pub$|/(?:known_hosts|authorized_keys|config)$|\.env\.(?:example|sample)$")


def secret(path: str) -> Risk | None:
    """What it would mean to send that file away; None when it holds nothing secret."""
    if _PUBLIC.search(path) and not path.endswith(".kube/config"):
        return None
    if _KEYS.search(path):
        return CRITICAL
    return DANGEROUS if _PROJECT.search(path) else None


_SHOW_NO_FILE = frozenset(
    [
        "ls",
        "stat",
        "file",
        "test",
        "[",
        "find",
        "du",
        "wc",
        "chmod",
        "chown",
        "ssh-keygen",
        "ssh-add",
        "echo",
        "printf",
        "mkdir",
        "touch",
        "rm",
        "ssh",
        "git",
    ]
)
_SHOWING = {
    "gpg": ("export-secret-keys", "export-secret-subkeys"),
    "gpg2": ("export-secret-keys", "export-secret-subkeys"),
}
_WORDS_THAT_SHOW = {
    "security": {"find-generic-password", "find-internet-password", "dump-keychain"},
    "pass": {"show"},
    "vault": {"read"},
    "secret-tool": {"lookup", "search"},
    "getent": {"shadow"},
}


def shown(call: Call) -> Risk | None:
    """What it would mean if the output of ``call`` went to a stranger."""
    args = [word.text for word in call.args]
    if call.program in ("env", "printenv", "export", "set") and not args:
        return CRITICAL
    if call.program == "history":
        return CRITICAL
    if call.program in _SHOWING and Options(call).has(*_SHOWING[call.program]):
        return CRITICAL
    if not _WORDS_THAT_SHOW.get(call.program, set()).isdisjoint(args):
        return CRITICAL
    if call.program in _SHOW_NO_FILE:
        return None
    read = [r.target for r in call.redirects if r.operator == "<"]
    return _worst([*call.args, *read], call)


def _worst(words: Iterable[Word], call: Call) -> Risk | None:
    risks: list[Risk] = []
    for word in words:
        for folder in call.cwd:
            risk = secret(joined(folder, word.text))
            if risk is not None:
                risks.append(risk)
    return max(risks, default=None)


_READS_INPUT = names(
    "nc ncat netcat socat telnet ssh mail mailx mutt sendmail msmtp ftp tftp sftp openssl "
    "websocat pastebinit wormhole rclone"
)
_SENDS_FILES = names("scp rsync sftp rclone wormhole croc gsutil magic-wormhole")
_SENDS_WORDS = names("curl wget http https xh dig host nslookup ping nc ncat mail")
_UPLOADS = (
    "-T",
    "--upload-file",
    "--post-file",
    "--body-file",
    "-d",
    "--data",
    "--data-binary",
    "-F",
    "--form",
    "--data-raw",
    "--data-urlencode",
    "--json",
)
_OWN_KEY = (
    "-i",
    "-E",
    "--cert",
    "--key",
    "--cacert",
    "--capath",
    "-F",
    "-K",
    "--ca-certificate",
    "--certificate",
    "--private-key",
    "--netrc-file",
    "-o",
)


def sent(call: Call) -> Iterator[Finding]:
    """A secret that leaves this machine, whatever program carries it."""
    risk = max(_leaving(call), default=None)
    if risk is not None:
        yield Finding(
            risk, f"sends keys or passwords to another machine (by {spoken(call.program)})"
        )


def _leaving(call: Call) -> Iterator[Risk]:
    to_socket = any(r.target.text.startswith(("/dev/tcp/", "/dev/udp/")) for r in call.redirects)
    piped: list[Risk | None] = []
    if call.program in _READS_INPUT or to_socket or _takes_input(call):
        piped += [shown(fed) for fed in call.fed_by]
        piped.append(_worst([r.target for r in call.redirects if r.operator == "<"], call))
    if call.program in ("sftp", "ftp"):
        piped.append(_worst([Word(text) for text in (stdin_of(call) or "").split()], call))
    if to_socket:
        piped.append(shown(call))
    if call.program in _SENDS_WORDS or call.program in _READS_INPUT:
        for word in call.args:
            piped += [shown(s) for source in word.sources for s in (source, *source.fed_by)]
    if call.program in ("curl", "wget", "http", "https", "xh"):
        piped.append(_worst(_uploaded(call), call))
    elif call.program in _SENDS_FILES:
        piped.append(_worst(_copied(call), call))
    elif call.program in ("aws", "gcloud", "gh") and {"cp", "sync", "create"} & set(
        Options(call).texts
    ):
        piped.append(_worst(call.args, call))
    yield from (risk for risk in piped if risk is not None)


def _takes_input(call: Call) -> bool:
    texts = [word.text for word in call.args]
    return call.program in ("curl", "wget", "http", "https", "xh", "gh", "aws", "gsutil") and (
        "-" in texts or "." in texts or any("@-" in t or t.endswith("/dev/stdin") for t in texts)
    )


def _uploaded(call: Call) -> Iterator[Word]:
    """Files whose content a request carries: ``-d @file``, ``-F name=@file``, ``-T file``."""
    before = ""
    for word in call.args:
        option, equals, value = word.text.partition("=")
        if before in ("-T", "--upload-file", "--post-file", "--body-file"):
            yield word
        elif equals and option in ("--post-file", "--upload-file", "--body-file"):
            yield replace(word, text=value)
        elif "@" in word.text and (before in _UPLOADS or word.text.startswith(_UPLOADS)):
            yield replace(word, text=word.text.partition("@")[2].partition(";")[0])
        elif word.text.startswith("-T") and len(word.text) > 2:
            yield replace(word, text=word.text[2:])
        before = word.text


def _copied(call: Call) -> Iterator[Word]:
    """The local operands of a copy to another machine."""
    words: list[Word] = []
    skip = False
    for word in call.args:
        if skip or word.text.startswith("-"):
            skip = not skip and word.text in (*_OWN_KEY, "-e", "-P", "-l", "-c", "-J")
            continue
        words.append(word)
    remote = len(words) > 1 and ":" in words[-1].text
    if remote or call.program in ("wormhole", "croc"):
        yield from (word for word in words[: -1 if remote else None] if ":" not in word.text)


def _printed(call: Call) -> Iterator[Finding]:
    if shown(call) is not None:
        yield Finding(CAUTION, "shows keys or passwords")


CHECKS: dict[str, Check] = dict.fromkeys(
    [
        "cat",
        "less",
        "more",
        "head",
        "tail",
        "bat",
        "strings",
        "xxd",
        "hexdump",
        "base64",
        "nl",
        "tac",
        "pbcopy",
        "xclip",
        "gpg",
        "gpg2",
        "security",
        "vault",
        "secret-tool",
        "getent",
        "unshadow",
    ],
    _printed,
)
