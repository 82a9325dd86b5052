"""Drivers of a canary as functions over ports: start, tick, run, and what a person may ask; it decides nothing itself.

Every function here reads the truth from the aliases first, asks `canary.core` what to do, and does it. None of them
keeps anything that a later call would need, so the command line, a Lambda handler and the simulator can share them.
"""

from canary.runner.checks import Check, Level
from canary.runner.commands import abort, pause, promote, resume, rollback
from canary.runner.driving import Tick, run, tick
from canary.runner.finding import current
from canary.runner.preflight import preflight
from canary.runner.setup import Ports
from canary.runner.starting import start
from canary.runner.verifying import verify

__all__ = [
    "Check",
    "Level",
    "Ports",
    "Tick",
    "abort",
    "current",
    "pause",
    "preflight",
    "promote",
    "resume",
    "rollback",
    "run",
    "start",
    "tick",
    "verify",
]
