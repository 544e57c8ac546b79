"""Judging a command before it reaches the line: what it does, how bad that can be, and why.

    text ─ dialects ─> bash grammar ─ syntax, words ─> calls ─ wrappers ─> calls ─ rules ─> verdict

Pure: nothing is run, no file is looked at, and no input raises.
"""

from cmdai_shell.safety.assess import CustomRule, Level, assess, decide, parse
from cmdai_shell.safety.script import Call, Parsed

__all__ = ["Call", "CustomRule", "Level", "Parsed", "assess", "decide", "parse"]
