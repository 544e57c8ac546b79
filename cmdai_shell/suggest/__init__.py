"""From the person's words to a checked command: prompt, answer, extraction, checks, verdict."""

from cmdai_shell.suggest.service import Suggester

__all__ = ["Suggester"]
