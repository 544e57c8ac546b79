"""Which backend answers: members in order, one deadline, hedging, failover. See docs/routing.md."""

from cmdai_shell.routing.decision import Decision, Tried
from cmdai_shell.routing.keeper import Keeper, Pace
from cmdai_shell.routing.pool import Pool, Standing
from cmdai_shell.routing.race import Rules
from cmdai_shell.routing.router import Router

__all__ = ["Decision", "Keeper", "Pace", "Pool", "Router", "Rules", "Standing", "Tried"]
