"""The configuration: ``load()`` gives a frozen ``Config``."""

from cmdai_shell.config.loading import load
from cmdai_shell.config.schema import Config

__all__ = ["Config", "load"]
