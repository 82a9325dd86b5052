"""Gates that other systems answer: a URL, Prometheus, Datadog; their values are gauges, and nothing is judged here.

A system that doesn't answer, or answers something else, gives a gauge that is not known, with the reason.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

from canary.adapters.series import filled
from canary.core.measurements import MINUTE, DataState, Gauge, MinuteValue, Observations, StreamKey
from canary.core.plan import DatadogGate, HttpGate, PrometheusGate, QueryGate, StagePlan
from canary.core.schedule import whole_minute
from canary.ports import Clock, MetricSource, Target, Window
from flagkit.channels.http import Http, parse_json
from flagkit.channels.text import printable, redacted

ANSWER_LIMIT: Final = 4_000_000
"""Bytes of an answer; a day of minutes is a tenth of it."""

Values = dict[datetime, float]


class _UnknownError(Exception):
    """Why a gate has no values."""

    def __init__(self, detail: str, state: DataState = DataState.FAILED) -> None:
        super().__init__(detail)
        self.detail = detail
        self.state = state


class QueryingMetrics:
    """A metric source that adds the gates of other systems to those of CloudWatch.

    Args:
        inner: CloudWatch.
        clock: now, for what a URL answers.
        http: makes the requests.
        environment: where tokens and keys are.
    """

    def __init__(
        self, inner: MetricSource, clock: Clock, http: Http | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._http = http or Http()
        self._environment = os.environ if environment is None else environment
        self._seen: dict[StreamKey, Values] = {}
        self._last: dict[StreamKey, Gauge] = {}

    def measure(self, stage: StagePlan, targets: Sequence[Target], window: Window) -> Observations:
        """What CloudWatch measures, and every gate of other systems over the window."""
        found = self._inner.measure(stage, targets, window)
        gauges = tuple(self._gauge(key, gate, target, stage, window) for key, gate, target in _queries(stage, targets))
        return replace(found, gauges=(*found.gauges, *gauges)) if gauges else found

    def requests_per_minute(self, targets: Sequence[Target], now: datetime) -> Mapping[str, float]:
        """As CloudWatch counts."""
        return self._inner.requests_per_minute(targets, now)

    def missing_series(
        self, stage: StagePlan, targets: Sequence[Target], keys: Collection[StreamKey]
    ) -> Mapping[StreamKey, str]:
        """As CloudWatch lists them; other systems say themselves what is wrong with a query."""
        return self._inner.missing_series(stage, targets, keys)

    def _gauge(self, key: StreamKey, gate: QueryGate, target: Target, stage: StagePlan, window: Window) -> Gauge:
        try:
            values = self._values(key, gate, lambda text: filled(text, target, target.candidate, stage.name), window)
        except _UnknownError as error:
            return replace(self._last.get(key, Gauge(key)), state=error.state, detail=error.detail)
        before = [value for at, value in sorted(values.items()) if at < window.start]
        minutes = tuple(MinuteValue(at, value) for at, value in sorted(values.items()) if at >= window.start)
        state = DataState.COMPLETE if values else DataState.NO_DATA
        self._last[key] = Gauge(key, minutes, before[-1] if before else None, state, "" if values else "no values")
        return self._last[key]

    def _values(self, key: StreamKey, gate: QueryGate, fill: Callable[[str], str], window: Window) -> Values:
        if isinstance(gate, HttpGate):
            seen = self._seen.setdefault(key, {})
            seen[whole_minute(self._clock.now())] = self._asked(gate, fill)
            return dict(seen)
        pairs = (
            self._prometheus(gate, fill, window)
            if isinstance(gate, PrometheusGate)
            else self._datadog(gate, fill, window)
        )
        return {at: value for at, value in pairs if window.history_start <= at < window.end}

    def _asked(self, gate: HttpGate, fill: Callable[[str], str]) -> float:
        url = fill(gate.url)
        answer = self._http.request(
            "GET", url, timeout_s=gate.timeout.total_seconds(), headers=self._bearer(gate.token_env)
        )
        if answer.fault:
            raise _UnknownError(f"{redacted(url)}: {answer.fault}")
        good = answer.status is not None and 200 <= answer.status < 300
        if not gate.pointer:
            return float(good)
        if not good:
            raise _UnknownError(f"{redacted(url)}: status {answer.status}")
        value, fault = parse_json(answer.text)
        if fault:
            raise _UnknownError(f"{redacted(url)}: the answer is {fault}", DataState.PARTIAL)
        return _number(pointed(value, gate.pointer), f"{redacted(url)} {gate.pointer}")

    def _prometheus(
        self, gate: PrometheusGate, fill: Callable[[str], str], window: Window
    ) -> Iterator[tuple[datetime, float]]:
        # A value at a time speaks of the minute before it.
        start, end = window.history_start + MINUTE, window.end
        if start > end:
            return
        words = {"query": fill(gate.query), "start": f"{start.timestamp():.0f}", "end": f"{end.timestamp():.0f}"}
        url = f"{gate.url.rstrip('/')}/api/v1/query_range?{urlencode({**words, 'step': '60'})}"
        headers = self._bearer(gate.token_env)
        value = self._json("prometheus", url, gate.timeout.total_seconds(), headers)
        if pointed(value, "/status") != "success":
            raise _UnknownError(f"prometheus: {_shown(pointed(value, '/error'))}")
        for at, number in _one_series("prometheus", pointed(value, "/data/result"), "values"):
            yield at - MINUTE, number

    def _datadog(
        self, gate: DatadogGate, fill: Callable[[str], str], window: Window
    ) -> Iterator[tuple[datetime, float]]:
        words = {
            "query": fill(gate.query),
            "from": f"{window.history_start.timestamp():.0f}",
            "to": f"{window.end.timestamp():.0f}",
        }
        url = f"https://api.{quote(gate.site)}/api/v1/query?{urlencode(words)}"
        headers = {
            "DD-API-KEY": self._secret(gate.api_key_env),
            "DD-APPLICATION-KEY": self._secret(gate.app_key_env),
        }
        value = self._json("datadog", url, gate.timeout.total_seconds(), headers)
        if error := pointed(value, "/error"):
            raise _UnknownError(f"datadog: {_shown(error)}")
        yield from _one_series("datadog", pointed(value, "/series"), "pointlist", unit_s=0.001)

    def _json(self, system: str, url: str, timeout_s: float, headers: Mapping[str, str]) -> object:
        answer = self._http.request("GET", url, timeout_s=timeout_s, headers=headers, limit=ANSWER_LIMIT)
        if answer.fault:
            raise _UnknownError(f"{system}: {answer.fault}")
        value, fault = parse_json(answer.text)
        if answer.status != 200:
            raise _UnknownError(f"{system}: status {answer.status}: {printable(answer.text)}")
        if fault:
            raise _UnknownError(f"{system}: the answer is {fault}", DataState.PARTIAL)
        return value

    def _bearer(self, name: str | None) -> dict[str, str]:
        return {} if name is None else {"Authorization": f"Bearer {self._secret(name)}"}

    def _secret(self, name: str) -> str:
        value = self._environment.get(name, "")
        if not value or not value.isprintable():
            raise _UnknownError(f"the environment variable {name} is not set")
        return value


def pointed(value: object, pointer: str) -> object:
    """What a JSON pointer (RFC 6901) names; None where there is nothing."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, list) and name.isascii() and name.isdigit() and len(name) < 10:
            value = value[int(name)] if int(name) < len(value) else None
        else:
            return None
    return value


def _queries(stage: StagePlan, targets: Sequence[Target]) -> Iterator[tuple[StreamKey, QueryGate, Target]]:
    for name, gate in stage.gates.items():
        if not isinstance(gate, QueryGate) or not targets:
            continue
        for key in stage.keys(name):
            target = next((target for target in targets if target.function.key == key.function), None)
            if target is not None or not key.function:
                yield key, gate, target or targets[0]


def _one_series(system: str, found: object, points: str, *, unit_s: float = 1.0) -> Iterator[tuple[datetime, float]]:
    """The points of the only series; values that are missing are left out.

    Raises:
        _UnknownError: several series, or something else.
    """
    if not isinstance(found, list):
        raise _UnknownError(f"{system}: the answer has no series", DataState.PARTIAL)
    if len(found) > 1:
        raise _UnknownError(f"{system}: the query answers {len(found)} series instead of one", DataState.PARTIAL)
    for series in found:
        rows = series.get(points) if isinstance(series, Mapping) else None
        if not isinstance(rows, list):
            raise _UnknownError(f"{system}: the answer has no points", DataState.PARTIAL)
        for row in rows:
            if not isinstance(row, list) or len(row) != 2:
                raise _UnknownError(f"{system}: a point is none", DataState.PARTIAL)
            if row[1] is None or row[1] == "NaN":
                continue  # no value in this minute
            at = _number(row[0], f"{system}: a time") * unit_s
            if not 0 <= at < 1e11:
                raise _UnknownError(f"{system}: a time is none", DataState.PARTIAL)
            yield whole_minute(datetime.fromtimestamp(at, UTC)), _number(row[1], f"{system}: a value")


def _shown(value: object) -> str:
    """A scalar as it is, anything else by its kind: it may be nested however deep."""
    return printable(str(value)) if isinstance(value, str | int | float | None) else type(value).__name__


def _number(value: Any, what: str) -> float:
    """A finite number; `true` is 1 and `false` 0.

    Raises:
        _UnknownError: it is none.
    """
    try:
        number = float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise _UnknownError(f"{what} is not a number: {_shown(value)}", DataState.PARTIAL)
    return number
