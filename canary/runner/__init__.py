"""Drivers of a canary as functions over ports: start, tick, run, and what a person may ask; it decides nothing itself.

Every function here reads the state from the aliases first, asks `canary.core` what to do, and does it. None of them
keeps anything that a later call would need, so the command line, a Lambda handler and the simulator share them.
"""

from canary.runner.checks import Check, Level
from canary.runner.commands import abort, pause, promote, resume, rollback, versions_to_retry
from canary.runner.drive import Tick, run, tick
from canary.runner.observe import current
from canary.runner.preflight import preflight
from canary.runner.session import Ports
from canary.runner.start import create_missing, start
from canary.runner.verify import verify

__all__ = [
    "Check",
    "Level",
    "Ports",
    "Tick",
    "abort",
    "create_missing",
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
    "versions_to_retry",
]
