"""ASGI apps as AWS Lambda handlers, by Mangum: function URLs, API Gateway (REST and HTTP API), load balancers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from mangum import Mangum

from flagkit.web.asgi import App


def handler(app: App) -> Callable[[Any, Any], dict[str, Any]]:
    """Return a Lambda handler for an app; the stage in the path of API Gateway's events is left out."""

    def handle(event: Any, context: Any) -> dict[str, Any]:
        with asyncio.Runner() as runner:
            asyncio.set_event_loop(runner.get_loop())  # Mangum asks for the thread's loop, and there may be none
            try:
                return Mangum(app, lifespan="off")(_without_stage(event), context)  # type: ignore[arg-type]
            except ValueError:  # a header or body that a client made up: Mangum reads the port of `Host`
                return {"statusCode": 400, "headers": {}, "body": "", "isBase64Encoded": False}
            finally:
                asyncio.set_event_loop(None)

    return handle


def _without_stage(event: Any) -> Any:
    """An HTTP API puts the stage before the path, unless it is `$default`."""
    request = event.get("requestContext") if isinstance(event, dict) else None
    if not isinstance(request, dict) or not isinstance(http := request.get("http"), dict):
        return event
    path, stage = str(http.get("path", "")), str(request.get("stage", "$default"))
    if stage == "$default" or not f"{path}/".startswith(f"/{stage}/"):
        return event
    return {**event, "requestContext": {**request, "http": {**http, "path": path[len(stage) + 1 :] or "/"}}}
