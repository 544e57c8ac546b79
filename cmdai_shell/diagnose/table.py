"""Every check there is, in the order a person reads them."""

from __future__ import annotations

from cmdai_shell.diagnose import (
    cluster,
    files,
    history,
    manual,
    model,
    network,
    resolver,
    servers,
    service,
    shells,
    terminal,
    trust,
)

CHECKS = (
    *files.CHECKS,
    *service.CHECKS,
    *model.CHECKS,
    *manual.CHECKS,
    *history.CHECKS,
    *network.CHECKS,
    *resolver.CHECKS,
    *cluster.CHECKS,
    *trust.CHECKS,
    *shells.CHECKS,
    *terminal.CHECKS,
)
"""They look and change nothing, and start nothing that goes on."""

ON_REQUEST = (model.VERIFY, *shells.KEYS, *servers.CHECKS)
"""Slow, running the person's own shell files, or letting servers compute."""
