"""Taking what looks like a credential out of a text, before anything is written anywhere."""

from __future__ import annotations

import re

MARK = "[redacted]"

_NAMED = (
    r"(?i)((?:api[_-]?key|access[_-]?key|secret|token|passw(?:or)?d|passwd|pwd|credential|auth)"
    r"[\w-]*[\"']?\s*[=:]\s*[\"']?|--?(?:password|passwd|token|api-key|secret)[= ]\s*)"
    r"[^\s\"',;&]+"
)
_WHOLE = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*",  # a JSON web token
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    r"\b(?:gh[pousr]|github_pat|glpat|hf|npm|pypi|xox[abprs]|sk|rk|pk|nvapi)[-_][\w-]{12,}",
    r"\bAIza[\w-]{30,}",
)
_BEARER = r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"
_USER_INFO = r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/@]+@"

_WHOLE_RE = re.compile("|".join(_WHOLE))
_RULES = (
    (re.compile(_USER_INFO), rf"\1{MARK}@"),
    (re.compile(_BEARER), rf"\1 {MARK}"),
    (_WHOLE_RE, MARK),
    (re.compile(_NAMED), rf"\1{MARK}"),
)


def redact(text: str) -> str:
    """The text with tokens, keys, passwords and URL passwords replaced by ``[redacted]``."""
    for rule, instead in _RULES:
        text = rule.sub(instead, text)
    return text
