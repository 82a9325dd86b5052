"""The log line of `canary.instrument`: the same names on the writer's and the reader's side."""

from __future__ import annotations

from dataclasses import replace

import pytest

from canary.core import emf
from canary.core.emf import Served, metric_line

WARM = Served("api", "7", 12.3456, is_cold=False, is_failed=False, is_slow=False)


@pytest.mark.parametrize(
    ("served", "counts"),
    [
        (WARM, (1, 0, 0, 0)),
        (replace(WARM, is_failed=True), (1, 1, 0, 0)),
        (replace(WARM, is_slow=True), (1, 0, 1, 0)),
        (replace(WARM, is_cold=True, is_failed=True, is_slow=True), (0, 0, 0, 1)),
    ],
)
def test_warm_requests_are_counted_apart_from_cold_starts_with_explicit_zeros(
    served: Served, counts: tuple[int, int, int, int]
) -> None:
    line = metric_line(served, 1_700_000_000_000)
    assert (line[emf.REQUESTS], line[emf.ERRORS], line[emf.SLOW], line[emf.COLD]) == counts


def test_every_dimension_and_metric_that_is_declared_is_in_the_line() -> None:
    line = metric_line(WARM, 5, "own")
    assert line["_aws"] == {
        "Timestamp": 5,
        "CloudWatchMetrics": [
            {
                "Namespace": "own",
                "Dimensions": [["FunctionName", "Version"]],
                "Metrics": [
                    {"Name": "WarmRequests", "Unit": "Count"},
                    {"Name": "WarmErrors", "Unit": "Count"},
                    {"Name": "WarmSlow", "Unit": "Count"},
                    {"Name": "ColdStarts", "Unit": "Count"},
                    {"Name": "Duration", "Unit": "Milliseconds"},
                ],
            }
        ],
    }
    assert (line["FunctionName"], line["Version"], line["Duration"]) == ("api", "7", 12.346)
