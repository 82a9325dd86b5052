"""Drivers that outlive a shell: a Lambda handler that is one tick, and the Step Functions definition around it.

The command line is a driver of its own (`canary.cli`); all of them call the same `tick`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from canary.drivers.stepfunctions import definition

if TYPE_CHECKING:
    from canary.drivers.lambda_handler import act, handler

__all__ = ["act", "definition", "handler"]


def __getattr__(name: str) -> Any:
    # The definition is data: whoever prints it for a template needs no client.
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from canary.drivers import lambda_handler

    return getattr(lambda_handler, name)
