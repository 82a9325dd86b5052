"""A wrapper for Lambda handlers that counts what Lambda's metrics can't: warm requests, HTTP 5xx, slow ones.

It prints one line of CloudWatch's embedded metric format per request and changes nothing else. Standard library only:
it runs in the function that is released.
"""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from canary.core.emf import NAMESPACE, Served, metric_line
from canary.core.probes import is_probe

__all__ = ["instrument", "is_probe"]

Handler = TypeVar("Handler", bound=Callable[..., Any])


def instrument(*, slow_ms: float = 2000.0, namespace: str = NAMESPACE) -> Callable[[Handler], Handler]:
    """Decorator for a Lambda handler; the `emf` gate of a plan reads what it counts.

    ```python
    @instrument(slow_ms=2000)
    def handler(event, context): ...
    ```

    A request has failed when the handler raised or answered `{"statusCode": 5xx}`, which Lambda's own error rate
    doesn't see. Cold requests are counted apart, and paired probes aren't counted: they are a stream of their own.
    Costs one line in the log per request.

    Args:
        slow_ms: longer requests count as slow; the same limit belongs in the plan.
        namespace: CloudWatch namespace of the metrics.
    """

    def decorate(handler: Handler) -> Handler:
        is_cold = True

        def count(context: Any, started_s: float, *, is_cold: bool, is_failed: bool) -> None:
            duration_ms = (time.perf_counter() - started_s) * 1000
            served = Served(
                function=str(getattr(context, "function_name", "unknown")),
                version=str(getattr(context, "function_version", "unknown")),
                duration_ms=duration_ms,
                is_cold=is_cold,
                is_failed=is_failed,
                is_slow=duration_ms > slow_ms,
            )
            # The line's time is now: Lambda dates its own metrics at the start, and the settle time covers both.
            epoch_ms = int(time.time() * 1000)  # noqa: TID251  (in the released function, which has no clock port)
            sys.stdout.write(json.dumps(metric_line(served, epoch_ms, namespace)) + "\n")

        @functools.wraps(handler)
        def counted(event: Any, context: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal is_cold
            was_cold, is_cold = is_cold, False
            started_s = time.perf_counter()
            is_failed = True
            try:
                answer = handler(event, context, *args, **kwargs)
                is_failed = _is_server_error(answer)
                return answer
            finally:
                if not is_probe(context):
                    count(context, started_s, is_cold=was_cold, is_failed=is_failed)

        return counted  # type: ignore[return-value]  # the same parameters and result, which functools can't say

    return decorate


def _is_server_error(answer: Any) -> bool:
    if not isinstance(answer, Mapping):
        return False
    status = answer.get("statusCode")
    try:
        return int(status) >= 500 if status is not None else False  # API Gateway takes "500" as well as 500
    except (TypeError, ValueError):
        return False
