"""The console as an AWS Lambda function: behind a load balancer, API Gateway, or a function URL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette

from flagkit.web.serverless import handler


def lambda_handler(app: Starlette) -> Callable[[Any, Any], dict[str, Any]]:
    """Return a Lambda handler for a console.

    Nobody reads what a function writes to stderr, so it needs a sign-in by token (`configured`).

    Args:
        app: what `create_app` returned.
    """
    return handler(app)
