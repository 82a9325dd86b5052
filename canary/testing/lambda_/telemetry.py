"""What Lambda reports of its invocations: metrics in CloudWatch, log lines, embedded metrics. It decides nothing."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

NAMESPACE = "AWS/Lambda"
_INVOCATION = ("Invocations", "Count", 1.0)
_NO_THROTTLE = (("Throttles", "Count", 0.0),)


class MetricSink(Protocol):
    """Where metrics go; `canary.testing.cloudwatch.MetricStore` is one."""

    def record(
        self,
        namespace: str,
        metric: str,
        dimensions: Mapping[str, str],
        value: float,
        at: datetime,
        unit: str = "None",
    ) -> None:
        """Takes one sample."""
        ...

    def record_all(
        self,
        namespace: str,
        sets: Iterable[Mapping[str, str]],
        samples: Iterable[tuple[str, str, float]],
        at: datetime,
    ) -> None:
        """Takes the same samples (metric, unit, value) for each dimension set."""
        ...


@dataclass(frozen=True, slots=True)
class LogLine:
    """One log line of a handler.

    Attributes:
        at: start of the invocation.
        function: its name.
        version: the version that ran.
        request_id: the invocation.
        text: the line.
    """

    at: datetime
    function: str
    version: str
    request_id: str
    text: str


class Telemetry:
    """Writes metrics on AWS's three dimension sets and keeps the last log lines.

    Args:
        store: takes the metrics.
        log_lines: how many lines are kept.
    """

    def __init__(self, store: MetricSink, log_lines: int = 100_000) -> None:
        self._store = store
        self._dimensions: dict[tuple[str, str, str], tuple[dict[str, str], ...]] = {}
        self.logs: deque[LogLine] = deque(maxlen=log_lines)

    def dimension_sets(self, function: str, qualifier: str, version: str) -> tuple[dict[str, str], ...]:
        """`{FunctionName}`, `{FunctionName, Resource}`, `{FunctionName, Resource, ExecutedVersion}`.

        lambda-canary.md §2.1. An unqualified call has Resource = the bare name.

        Args:
            function: its name.
            qualifier: alias or version, "" for none.
            version: the version that ran, "" if none did.
        """
        key = (function, qualifier, version)
        found = self._dimensions.get(key)
        if found is None:
            name = {"FunctionName": function}
            resource = {**name, "Resource": f"{function}:{qualifier}" if qualifier else function}
            found = (name, resource, {**resource, "ExecutedVersion": version}) if version else (name, resource)
            self._dimensions[key] = found
        return found

    def executed(self, sets: tuple[dict[str, str], ...], at: datetime, duration_ms: float, *, failed: bool) -> None:
        """One invocation that ran: an explicit 0 stands for "no error" (lambda-canary.md §2.1)."""
        errors = ("Errors", "Count", 1.0 if failed else 0.0)
        samples = (_INVOCATION, errors, ("Duration", "Milliseconds", duration_ms))
        record_all = self._store.record_all
        record_all(NAMESPACE, sets, samples, at)
        record_all(NAMESPACE, sets[:2], _NO_THROTTLE, at)

    def count(self, metric: str, sets: Iterable[dict[str, str]], at: datetime, value: float = 1.0) -> None:
        """One sample of a count on each dimension set given."""
        self._store.record_all(NAMESPACE, sets, ((metric, "Count", value),), at)

    def url_request(self, function: str, qualifier: str, at: datetime, status: int, latency_ms: float) -> None:
        """One request to a function URL; these metrics know no version (lambda-canary.md §2.1)."""
        samples = (
            ("UrlRequestCount", "Count", 1.0),
            ("Url4xxCount", "Count", float(400 <= status < 500)),
            ("Url5xxCount", "Count", float(status >= 500)),
            ("UrlRequestLatency", "Milliseconds", latency_ms),
        )
        self._store.record_all(NAMESPACE, self.dimension_sets(function, qualifier, ""), samples, at)

    def lines(self, lines: Iterable[str], function: str, version: str, request_id: str, at: datetime) -> None:
        """Keeps log lines, and reads metrics from those in the embedded metric format."""
        for text in lines:
            self.logs.append(LogLine(at, function, version, request_id, text))
            if '"_aws"' in text:
                self._embedded(text)

    def _embedded(self, text: str) -> None:
        # The format: CloudWatch user guide, "Specification: Embedded metric format". A line that isn't valid is a log
        # line and nothing else.
        try:
            document = json.loads(text)
            header = document["_aws"]
            at = datetime.fromtimestamp(header["Timestamp"] / 1000).astimezone()
            directives = header["CloudWatchMetrics"]
        except (ValueError, KeyError, TypeError):
            return
        for directive in directives:
            self._directive(document, directive, at)

    def _directive(self, document: dict[str, Any], directive: dict[str, Any], at: datetime) -> None:
        sets = directive.get("Dimensions") or [[]]
        for metric in directive.get("Metrics", ()):
            value = document.get(metric.get("Name"))
            samples = value if isinstance(value, list) else [value]
            for names in sets:
                if any(name not in document for name in names):
                    continue
                dimensions = {name: str(document[name]) for name in names}
                for sample in samples:
                    if isinstance(sample, int | float) and not isinstance(sample, bool):
                        unit = metric.get("Unit", "None")
                        self._store.record(directive["Namespace"], metric["Name"], dimensions, float(sample), at, unit)
