"""A failed command put right without a model, as somebody sees it who knows the slip: exact,
instant, and only what is sure.

    line ─ tokens, parts ─> scene ─ rules ─> edits ─ parsed ─> candidates

Pure but for what ``core.Look`` is asked.
"""

from cmdai_shell.suggest.mend.failure import UNKNOWN, Failure, failure, is_cure
from cmdai_shell.suggest.mend.rounds import mend

OWN_RULES = "own rules"
"""Who made such a command, where a backend's name stands."""

__all__ = ["OWN_RULES", "UNKNOWN", "Failure", "failure", "is_cure", "mend"]
