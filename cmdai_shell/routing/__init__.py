"""Which backend answers: members in order, one deadline, failover."""

from cmdai_shell.routing.router import Router

__all__ = ["Router"]
