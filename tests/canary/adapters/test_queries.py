"""Gates of other systems: a URL, Prometheus, Datadog; what they answer is a value or unknown."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from canary.adapters.queries import QueryingMetrics, pointed
from canary.core.measurements import DataState, Gauge, Observations, StreamKey
from canary.core.plan import FunctionRef, StagePlan
from canary.ports import Target, Window
from flagkit.channels.http import Http
from flagkit.testing import VirtualClock
from tests.canary.stages import stage_of

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TARGETS = (Target(FunctionRef("api", "live"), "1", "2"), Target(FunctionRef("web", "live"), "7", "8"))
WINDOW = Window(NOW, NOW + 5 * MINUTE, NOW - 2 * MINUTE)


class Nothing:
    """A CloudWatch without gates."""

    def measure(self, stage: StagePlan, targets: Sequence[Target], window: Window) -> Observations:
        return Observations()

    def requests_per_minute(self, targets: Sequence[Target], now: datetime) -> Mapping[str, float]:
        return {"api:live": 60.0}

    def missing_series(
        self, stage: StagePlan, targets: Sequence[Target], keys: Collection[StreamKey]
    ) -> Mapping[StreamKey, str]:
        return dict.fromkeys(keys, "never published")


class Server:
    """Answers every request alike and notes what was asked."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response] | object) -> None:
        self.answer = answer
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if callable(self.answer):
            found = self.answer(request)
            assert isinstance(found, httpx.Response)
            return found
        return httpx.Response(200, text=self.answer if isinstance(self.answer, str) else json.dumps(self.answer))


def metrics(server: Server, clock: VirtualClock | None = None, **environment: str) -> QueryingMetrics:
    return QueryingMetrics(Nothing(), clock or VirtualClock(NOW), Http(httpx.MockTransport(server)), environment)


def measured(server: Server, gate: dict[str, Any], **environment: str) -> tuple[Gauge, ...]:
    stage = stage_of("api:live", "web:live", gates={"asked": gate})
    return metrics(server, **environment).measure(stage, TARGETS, WINDOW).gauges


def prometheus(*series: list[list[object]]) -> dict[str, object]:
    return {"status": "success", "data": {"resultType": "matrix", "result": [{"values": rows} for rows in series]}}


def at(minute: int) -> float:
    return (NOW + minute * MINUTE).timestamp()


HTTP = {"kind": "http", "url": "https://shop.example/ready"}
PROMETHEUS = {"kind": "prometheus", "url": "https://prom.example/", "query": 'up{v="{version}"}', "max": 1}
DATADOG = {"kind": "datadog", "query": "avg:shop.lag{*}", "max": 5}
KEYS = {"DD_API_KEY": "a", "DD_APP_KEY": "b"}


@pytest.mark.parametrize(
    ("answer", "gate", "value"),
    [
        (lambda request: httpx.Response(204), {}, 1.0),
        (lambda request: httpx.Response(503), {}, 0.0),
        ({"ok": True}, {"pointer": "/ok"}, 1.0),
        ({"ok": False}, {"pointer": "/ok"}, 0.0),
        ({"a": [{"b/c": "7.5"}]}, {"pointer": "/a/0/b~1c", "max": 9}, 7.5),
    ],
)
def test_a_url_answers_a_number_or_whether_all_is_well(answer: object, gate: dict[str, object], value: float) -> None:
    (gauge,) = measured(Server(answer), {**HTTP, **gate})
    assert (gauge.state, [(row.minute, row.candidate) for row in gauge.minutes]) == (
        DataState.COMPLETE,
        [(NOW, value)],
    )


def test_what_a_url_answered_before_stays_and_a_failure_says_so() -> None:
    clock = VirtualClock(NOW)
    answers = [httpx.Response(200), httpx.Response(200), httpx.Response(200)]
    server = Server(lambda request: answers.pop() if answers else (_ for _ in ()).throw(httpx.ConnectError("gone")))
    source = metrics(server, clock)
    stage = stage_of("api:live", gates={"asked": HTTP})
    for _ in range(4):
        (gauge,) = source.measure(stage, TARGETS[:1], Window(NOW + MINUTE, NOW + 9 * MINUTE, NOW)).gauges
        clock.advance(60)
    assert (gauge.state, gauge.detail) == (DataState.FAILED, "https://shop.example/ready: ConnectError: gone")
    assert (len(gauge.minutes), gauge.before) == (2, 1.0)
    assert source.requests_per_minute(TARGETS, NOW) == {"api:live": 60.0}


def test_prometheus_answers_the_minutes_of_each_function_and_version() -> None:
    server = Server(prometheus([[at(0), "0.5"], [at(1), "NaN"], [at(2), "1.5"]]))
    first, second = measured(server, {**PROMETHEUS, "token_env": "TOKEN"}, TOKEN="s3")
    assert (first.key.function, second.key.function) == ("api:live", "web:live")
    assert first.before == 0.5  # a value at a time speaks of the minute before it
    assert [(row.minute, row.candidate) for row in first.minutes] == [(NOW + MINUTE, 1.5)]
    asked = server.requests[1].url.params
    assert (server.requests[0].url.path, asked["query"]) == ("/api/v1/query_range", 'up{v="8"}')
    assert (float(asked["start"]), float(asked["end"])) == (at(-1), at(5))
    assert server.requests[0].headers["Authorization"] == "Bearer s3"


def test_datadog_answers_minutes() -> None:
    server = Server({"status": "ok", "series": [{"pointlist": [[at(1) * 1000, 4.0], [at(2) * 1000, None]]}]})
    (gauge,) = measured(server, DATADOG, **KEYS)
    assert [(row.minute, row.candidate) for row in gauge.minutes] == [(NOW + MINUTE, 4.0)]
    assert server.requests[0].url.host == "api.datadoghq.com"
    assert (server.requests[0].headers["DD-API-KEY"], server.requests[0].headers["DD-APPLICATION-KEY"]) == ("a", "b")


def test_no_series_is_no_data() -> None:
    assert {gauge.state for gauge in measured(Server(prometheus()), PROMETHEUS)} == {DataState.NO_DATA}


@pytest.mark.parametrize(
    ("gate", "answer", "state", "part"),
    [
        (HTTP | {"pointer": "/ok"}, "no", DataState.PARTIAL, "the answer is not JSON"),
        (HTTP | {"pointer": "/ok"}, "[" * 200_000, DataState.PARTIAL, "nested too deeply"),
        (HTTP | {"pointer": "/ok"}, '{"ok": 1e999}', DataState.PARTIAL, "/ok is not a number: inf"),
        (HTTP | {"pointer": "/ok"}, {"ok": {"a": 1}}, DataState.PARTIAL, "/ok is not a number: dict"),
        (HTTP | {"pointer": "/1/x"}, [[1]], DataState.PARTIAL, "not a number: None"),
        (HTTP | {"pointer": "/ok"}, lambda request: httpx.Response(500), DataState.FAILED, "status 500"),
        (PROMETHEUS, {"status": "error", "error": "bad\x1bquery"}, DataState.FAILED, "prometheus: bad\\x1bquery"),
        (PROMETHEUS, prometheus([], []), DataState.PARTIAL, "2 series instead of one"),
        (PROMETHEUS, prometheus([[1e300, "1"]]), DataState.PARTIAL, "a time is none"),
        (PROMETHEUS, prometheus([[at(0), "Infinity"]]), DataState.PARTIAL, "a value is not a number"),
        (PROMETHEUS, prometheus([[at(0)]]), DataState.PARTIAL, "a point is none"),
        (PROMETHEUS, {"status": "success", "data": {"result": [7]}}, DataState.PARTIAL, "no points"),
        (PROMETHEUS, {"status": "success", "data": None}, DataState.PARTIAL, "no series"),
        (PROMETHEUS, lambda request: httpx.Response(429, text="slow"), DataState.FAILED, "status 429: slow"),
        (DATADOG, {"error": "over quota"}, DataState.FAILED, "datadog: over quota"),
        (DATADOG, "null", DataState.PARTIAL, "no series"),
    ],
)
def test_an_odd_answer_is_unknown(gate: dict[str, Any], answer: object, state: DataState, part: str) -> None:
    gauge = measured(Server(answer), gate, **KEYS)[0]
    assert gauge.state is state
    assert part in gauge.detail
    assert gauge.detail.isprintable()


def test_a_missing_key_is_unknown_and_nothing_is_asked() -> None:
    server = Server({})
    gauge = measured(server, DATADOG, DD_API_KEY="a")[0]
    assert (gauge.state, gauge.detail) == (DataState.FAILED, "the environment variable DD_APP_KEY is not set")
    assert server.requests == []


def test_without_minutes_prometheus_is_not_asked() -> None:
    server = Server({})
    stage = stage_of("api:live", gates={"asked": PROMETHEUS})
    (gauge,) = metrics(server).measure(stage, TARGETS[:1], Window(NOW, NOW, NOW)).gauges
    assert (gauge.state, server.requests) == (DataState.NO_DATA, [])


@pytest.mark.parametrize(
    ("pointer", "value"), [("", {"a": [1]}), ("/a/0", 1), ("/a/9", None), ("/a/x", None), ("/a/0/b", None)]
)
def test_a_json_pointer_names_a_value_or_nothing(pointer: str, value: object) -> None:
    assert pointed({"a": [1]}, pointer) == value


def test_series_that_do_not_exist_are_cloudwatchs_to_say() -> None:
    metrics = QueryingMetrics(Nothing(), VirtualClock())
    assert metrics.missing_series(stage_of("api:live"), [], [StreamKey("", "lag")]) == {
        StreamKey("", "lag"): "never published"
    }
