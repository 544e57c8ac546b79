"""A promise that the kernel keeps for us: go on working, or die and be replaced.

fish cannot time out a read. A daemon that hangs would keep it for ever, and with it the person's
terminal; one that is killed closes its end of the pipe, and fish goes on. The kernel's own timer
kills even a process that is stopped. Neither fork nor exec hands it on (timer_create(2)).
"""

from __future__ import annotations

import ctypes
import signal
import sys
import time
from functools import cache
from typing import Any

_SIGEV_SIGNAL = 0  # <bits/sigevent-consts.h>


class _Event(ctypes.Structure):
    """struct sigevent, sigevent(3type): 64 bytes."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("padding", ctypes.c_char * 48),
    )


class _Span(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Setting(ctypes.Structure):
    """struct itimerspec, timer_settime(2)."""

    _fields_ = (("interval", _Span), ("value", _Span))


@cache
def _library() -> Any:
    """The C library that has timers (before glibc 2.34 they are in librt), or None: only Linux has
    such as send SIGKILL."""
    if sys.platform != "linux":
        return None
    for name in (None, "librt.so.1"):
        try:
            library = ctypes.CDLL(name, use_errno=True)
            _ = library.timer_create, library.timer_settime, library.timer_delete
        except (OSError, AttributeError):
            continue
        return library
    return None


def is_available() -> bool:
    return _library() is not None


class Deadman:
    """One timer. Raises OSError when the system has no more of them."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timer = ctypes.c_void_p()
        event = _Event(None, signal.SIGKILL, _SIGEV_SIGNAL, b"")
        clock = time.CLOCK_MONOTONIC
        if _library().timer_create(clock, ctypes.byref(event), ctypes.byref(self._timer)):
            raise OSError(ctypes.get_errno(), "no timer to be had")

    def promise(self) -> None:
        """From now on ``seconds`` until death, unless promised again or kept."""
        self._set(self._seconds)

    def kept(self) -> None:
        self._set(0)

    def close(self) -> None:
        _library().timer_delete(self._timer)

    def _set(self, seconds: float) -> None:
        whole, part = divmod(seconds, 1)
        setting = _Setting(_Span(0, 0), _Span(int(whole), int(part * 1e9)))
        _library().timer_settime(self._timer, 0, ctypes.byref(setting), None)
