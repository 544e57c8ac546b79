"""Finding what looks like a credential: nothing of the kind is logged, or sent to a model.

Each pattern starts at a fixed word or is held to one start in a run of characters: a line of any
length is searched in linear time, whatever was pasted into it.
"""

from __future__ import annotations

import re

MARK = "[redacted]"

_VALUE = r"""(?:"[^"]+"|'[^']+'|[^\s"'&|;,]+)"""
CREDENTIAL = re.compile(
    rf"""
    (?P<named>(?:password|passwd|passphrase|pwd|secret|token|credential|auth
            |(?:api|access)[\ _-]?key)[\w-]{{0,40}}["']?(?:\s{{0,8}}[=:]\s{{0,8}}|\s{{1,8}}is\s{{1,8}})
            (?:(?:bearer|basic)\s{{1,8}})?)
        {_VALUE}
    | (?P<flag>--?(?:password|passwd|token|secret|api-key)[=\s]{{1,8}}){_VALUE}
    | (?P<scheme>(?<![\w-])(?:bearer|basic)\s{{1,8}})[\w.~+/=-]{{12,}}
    | (?P<login>://[^\s:/@]{{0,128}}:)[^\s@/]{{1,512}}(?=@)
    | (?<![\w-])(?:(?:sk|pk|rk|nvapi|npm|pypi|hf|glpat|github_pat|gh[pousr]|xox[abprs])[-_][\w-]{{12,}}
        | AIza[\w-]{{30,}} | eyJ[\w-]{{8,}}\.[\w-]{{8,}}\.[\w-]*)
    | \b(?:AKIA|ASIA)[A-Z0-9]{{16}}\b
    | -----BEGIN[ ][A-Z ]{{0,40}}PRIVATE[ ]KEY-----.*?(?:-----END[ ][A-Z ]{{0,40}}PRIVATE[ ]KEY-----|\Z)
    """,  # noqa: E501
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
"""Formats as their issuers document them, and the words people put before a credential."""

_LEADS = ("named", "flag", "scheme", "login")


def lead(found: re.Match[str]) -> str:
    """The part of a match that comes before the credential itself."""
    return next((found[name] for name in _LEADS if found[name]), "")


def redact(text: str) -> str:
    """The text with tokens, keys, passwords and URL passwords replaced by ``[redacted]``."""
    return CREDENTIAL.sub(lambda found: lead(found) + MARK, text)
