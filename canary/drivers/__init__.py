"""Drivers that outlive a shell: a Lambda handler that is one tick, and the Step Functions definition around it.

The command line is a driver of its own (`canary.cli`); all of them call the same `tick`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagkit.lazy import lazy_names

if TYPE_CHECKING:
    from canary.drivers.lambda_handler import act, handler
    from canary.drivers.stepfunctions import definition, rollback_definition

__all__ = ["act", "definition", "handler", "rollback_definition"]

# The definition is data: whoever prints it for a template needs no client.
__getattr__ = lazy_names(
    __name__,
    {
        "canary.drivers.lambda_handler": ("act", "handler"),
        "canary.drivers.stepfunctions": ("definition", "rollback_definition"),
    },
)
