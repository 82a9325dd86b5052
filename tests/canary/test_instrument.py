"""The handler wrapper: what it counts, and that it changes nothing else."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any

import pytest

from canary.instrument import instrument

CONTEXT = SimpleNamespace(function_name="api", function_version="7")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_first_request_of_an_environment_is_cold_and_counted_apart(capsys: pytest.CaptureFixture[str]) -> None:
    handler = instrument()(lambda event, context: event)
    assert [handler(number, CONTEXT) for number in range(3)] == [0, 1, 2]
    first, *others = lines(capsys)
    assert (first["ColdStarts"], first["WarmRequests"]) == (1, 0)
    assert [(line["ColdStarts"], line["WarmRequests"]) for line in others] == [(0, 1), (0, 1)]
    assert (first["FunctionName"], first["Version"]) == ("api", "7")


def test_an_exception_passes_through_and_counts_as_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    @instrument()
    def handler(event: Any, context: Any) -> Any:
        raise ValueError(event)

    for _ in range(2):
        with pytest.raises(ValueError, match="boom"):
            handler("boom", CONTEXT)
    cold, warm = lines(capsys)
    assert (cold["WarmErrors"], warm["WarmErrors"]) == (0, 1)


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        ({"statusCode": 500}, 1),
        ({"statusCode": "503"}, 1),
        ({"statusCode": 404}, 0),
        ({"statusCode": "not a number"}, 0),
        ({"statusCode": None}, 0),
        ({}, 0),
        (None, 0),
        ("500", 0),
    ],
)
def test_http_5xx_without_a_lambda_error_is_an_error(
    answer: object, failed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = instrument()(lambda event, context: answer)
    handler({}, CONTEXT)
    handler({}, CONTEXT)
    assert lines(capsys)[1]["WarmErrors"] == failed


def test_a_request_beyond_the_limit_is_slow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter([0.0, 0.1, 1.0, 4.0, 10.0, 12.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    handler = instrument(slow_ms=2000, namespace="shop")(lambda event, context: None)
    for _ in range(3):
        handler({}, CONTEXT)
    _, slow, at_the_limit = lines(capsys)
    assert (slow["WarmSlow"], slow["Duration"], at_the_limit["WarmSlow"]) == (1, 3000.0, 0)
    assert slow["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "shop"


def test_zeros_are_written_out_because_no_datapoint_means_no_traffic(capsys: pytest.CaptureFixture[str]) -> None:
    handler = instrument()(lambda event, context: None)
    handler({}, None)
    line = lines(capsys)[0]
    names = [metric["Name"] for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]]
    assert names == ["WarmRequests", "WarmErrors", "WarmSlow", "ColdStarts", "Duration"]
    assert all(name in line for name in names)
    assert line["Version"] == "unknown"


def test_paired_probes_are_not_counted(capsys: pytest.CaptureFixture[str]) -> None:
    handler = instrument()(lambda event, context: event)
    marked = SimpleNamespace(custom={"canary": "probe"})
    assert handler(1, SimpleNamespace(function_name="api", function_version="7", client_context=marked)) == 1
    assert lines(capsys) == []
    handler(2, CONTEXT)
    (line,) = lines(capsys)
    assert (line["ColdStarts"], line["WarmRequests"]) == (0, 1)  # the probe was the cold one
