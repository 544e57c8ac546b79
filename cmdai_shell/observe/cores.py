"""A crash leaves no core of this process: prompts, keys and tokens would be in it."""

from __future__ import annotations

import resource


def none() -> None:
    """Also for the processes that are started from here.

    One byte, not 0: the kernel asks a limit of no core that it pipes to a program (core(5)), as
    systemd-coredump and apport have it, except that of 1 (``do_coredump``, fs/coredump.c). To a
    file it writes none below a page. ``PR_SET_DUMPABLE`` would do the same, and give our files in
    /proc to root: whose process holds a port, and more, could not be told any more.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    most = hard if hard == 0 else 1  # RLIM_INFINITY is -1
    resource.setrlimit(resource.RLIMIT_CORE, (most, hard))
