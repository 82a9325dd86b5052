"""The OFREP server as an AWS Lambda handler. Streams are off there: a function can't wait for clients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flagkit.client import Flags
from flagkit.ofrep.app import create_app
from flagkit.ofrep.settings import OfrepSettings
from flagkit.web.serverless import handler


def lambda_handler(
    flags: Flags, settings: OfrepSettings | None = None, *, budget_s: float = 0.5
) -> Callable[[Any, Any], dict[str, Any]]:
    """Create a Lambda handler for a function URL, API Gateway (REST and HTTP API) or a load balancer.

    ```python
    handler = lambda_handler(Flags.connect("appconfig://shop/production/flags"))
    ```

    Args:
        flags: the client that evaluates; it polls its source at the start of an invocation, if a poll is due.
        settings: how the server behaves; event streams are off in any case.
        budget_s: how long an invocation can be delayed by the poll.
    """
    app = create_app(flags, replace(OfrepSettings() if settings is None else settings, streams=False))
    return flags.on_invocation(handler(app), budget_s=budget_s)
