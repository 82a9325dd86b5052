"""The metrics of `canary.instrument` in CloudWatch's embedded metric format: names and one log line. Prints nothing.

The handler's side and the reader's side must agree on these names, so both take them from here. The format:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

NAMESPACE: Final = "canary"
REQUESTS: Final = "WarmRequests"
ERRORS: Final = "WarmErrors"
SLOW: Final = "WarmSlow"
COLD: Final = "ColdStarts"
DURATION: Final = "Duration"
DIMENSIONS: Final = ("FunctionName", "Version")


@dataclass(frozen=True, slots=True)
class Served:
    """One request as the wrapper saw it.

    Attributes:
        function: the function's name.
        version: the version that ran (`context.function_version`).
        duration_ms: time in the handler, without Init.
        is_cold: first request of its environment: judged apart, since a new version has only cold ones at first.
        is_failed: the handler raised, or answered with HTTP 5xx.
        is_slow: longer than the wrapper's limit.
    """

    function: str
    version: str
    duration_ms: float
    is_cold: bool
    is_failed: bool
    is_slow: bool


def metric_line(served: Served, epoch_ms: int, namespace: str = NAMESPACE) -> dict[str, object]:
    """The log line of one request, ready for `json.dumps`.

    Zeros are written out: a minute with requests and no error must have an explicit 0, because no datapoint means no
    traffic (lambda-canary.md §2.1).
    """
    warm = not served.is_cold
    metrics = ((REQUESTS, "Count"), (ERRORS, "Count"), (SLOW, "Count"), (COLD, "Count"), (DURATION, "Milliseconds"))
    return {
        "_aws": {
            "Timestamp": epoch_ms,
            "CloudWatchMetrics": [
                {
                    "Namespace": namespace,
                    "Dimensions": [list(DIMENSIONS)],
                    "Metrics": [{"Name": name, "Unit": unit} for name, unit in metrics],
                }
            ],
        },
        "FunctionName": served.function,
        "Version": served.version,
        REQUESTS: int(warm),
        ERRORS: int(warm and served.is_failed),
        SLOW: int(warm and served.is_slow),
        COLD: int(served.is_cold),
        DURATION: round(served.duration_ms, 3),
    }
