"""A promise that the kernel keeps for us: speak in time, or die and be replaced.

fish cannot time out a read. A daemon that hangs would keep it for ever, and with it the person's
terminal; one that is killed closes its end of the pipe, and fish goes on. The kernel's own timer
kills even a process that is stopped.
"""

from __future__ import annotations

import ctypes
import signal
import sys
import time

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


def is_available() -> bool:
    """Linux alone has timers that send SIGKILL."""
    return sys.platform == "linux"


class Deadman:
    """One timer. Raises OSError when the system has no more of them."""

    def __init__(self, seconds: float) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._seconds = seconds
        self._timer = ctypes.c_void_p()
        event = _Event(None, signal.SIGKILL, _SIGEV_SIGNAL, b"")
        clock = time.CLOCK_MONOTONIC
        if self._libc.timer_create(clock, ctypes.byref(event), ctypes.byref(self._timer)):
            raise OSError(ctypes.get_errno(), "timer_create")

    def promise(self) -> None:
        """From now on ``seconds`` until death, unless promised again or kept."""
        self._set(self._seconds)

    def kept(self) -> None:
        self._set(0)

    def close(self) -> None:
        self._libc.timer_delete(self._timer)

    def _set(self, seconds: float) -> None:
        whole, part = divmod(seconds, 1)
        setting = _Setting(_Span(0, 0), _Span(int(whole), int(part * 1e9)))
        self._libc.timer_settime(self._timer, 0, ctypes.byref(setting), None)
