"""The configuration: ``load()`` gives a frozen ``Config``.

Both are imported on first use: ``config.paths`` is on the way of a daemon that a keypress starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cmdai_shell.config.loading import load
    from cmdai_shell.config.schema import Config

__all__ = ["Config", "load"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from cmdai_shell.config import loading

        return getattr(loading, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
