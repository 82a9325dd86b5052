"""The caller of the current request, its user and context, for web frameworks and AWS Lambda.

A middleware sets the caller; `for_request(flags)` uses it. The caller is read when a flag first needs it, so requests
that read no flag pay nothing.
"""

from __future__ import annotations

from flagkit.frameworks.asgi import FlagsASGIMiddleware
from flagkit.frameworks.awslambda import caller_from_event, for_events
from flagkit.frameworks.caller import Caller, caller_is, current_caller, for_request
from flagkit.frameworks.wsgi import FlagsWSGIMiddleware

__all__ = [
    "Caller",
    "FlagsASGIMiddleware",
    "FlagsWSGIMiddleware",
    "caller_from_event",
    "caller_is",
    "current_caller",
    "for_events",
    "for_request",
]
