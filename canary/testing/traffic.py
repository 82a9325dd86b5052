"""Users' traffic on the virtual clock: requests that enter Lambda as from API Gateway, past boto3.

It sends and counts; what becomes of a request is Lambda's business.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from canary.testing.doors import Door, Via, api_gateway, load_balancer
from canary.testing.lambda_ import LambdaService, Outcome, http_event
from canary.testing.lambda_.invoke import status_of
from canary.testing.lambda_.telemetry import MetricSink
from flagkit.testing import VirtualClock
from flagkit.testing.clock import Planned

Payloads = Iterable[Mapping[str, Any]] | Callable[[int], Mapping[str, Any]]


@dataclass(slots=True)
class TrafficCounts:
    """What became of the requests so far.

    Attributes:
        requests: all that were sent.
        failed: those that ended in a Lambda error.
        throttled: those that no version ran.
        server_errors: those answered with a status of 500 or more, which are no Lambda errors.
        by_version: requests by the version that ran.
        failed_by_version: Lambda errors and 5xx by version.
    """

    requests: int = 0
    failed: int = 0
    throttled: int = 0
    server_errors: int = 0
    by_version: Counter[str] = field(default_factory=Counter)
    failed_by_version: Counter[str] = field(default_factory=Counter)


class Stream:
    """Steady traffic to one alias; stop it, change its rate, read its counts."""

    def __init__(
        self,
        clock: VirtualClock,
        call: Callable[[bytes], Outcome],
        requests_per_minute: float,
        payloads: Payloads | None,
        jitter: random.Random | None,
        door: Door | None,
        function: str,
        alias: str,
    ) -> None:
        self.function, self.alias = function, alias
        self._clock = clock
        self._call = call
        self._payload = _payload_source(payloads)
        self._jitter = jitter
        self._door = door
        self._planned: Planned | None = None
        self._rate = 0.0
        self.counts = TrafficCounts()
        self.requests_per_minute = requests_per_minute

    @property
    def requests_per_minute(self) -> float:
        """The rate; assign to change it, 0 pauses."""
        return self._rate

    @requests_per_minute.setter
    def requests_per_minute(self, rate: float) -> None:
        if rate < 0:
            message = "traffic can't be negative"
            raise ValueError(message)
        self._rate = rate
        self._plan()

    def stop(self) -> TrafficCounts:
        """Ends the traffic and returns its counts."""
        self.requests_per_minute = 0.0
        return self.counts

    def _plan(self) -> None:
        if self._planned is not None:
            self._planned.cancel()
            self._planned = None
        if self._rate > 0:
            # A Poisson stream has exponential gaps and no memory, so a change of rate needs no history.
            rate_per_s = self._rate / 60.0
            gap_s = 1 / rate_per_s if self._jitter is None else self._jitter.expovariate(rate_per_s)
            self._planned = self._clock.call_after(gap_s, self._send)

    def _send(self) -> None:
        self._plan()
        counts = self.counts
        outcome = self._call(self._payload(counts.requests))
        counts.requests += 1
        if self._door is not None:
            self._door(outcome)
        if outcome.error == "Throttled":
            counts.throttled += 1
            return
        counts.by_version[outcome.version] += 1
        if outcome.error is not None:
            counts.failed += 1
            counts.failed_by_version[outcome.version] += 1
        elif status_of(outcome) >= 500:
            counts.server_errors += 1
            counts.failed_by_version[outcome.version] += 1


class Traffic:
    """Starts streams of requests.

    Args:
        lambda_: the service that takes them.
        clock: virtual time.
        store: takes the metrics of front doors.
        seed: makes them repeatable.
    """

    def __init__(self, lambda_: LambdaService, clock: VirtualClock, store: MetricSink, seed: int) -> None:
        self._store = store
        self._lambda = lambda_
        self._clock = clock
        self._seed = seed
        self.streams: list[Stream] = []

    def steady(
        self,
        function: str,
        alias: str,
        requests_per_minute: float,
        *,
        payloads: Payloads | None = None,
        jitter: bool = True,
        via: Via | None = None,
        target: str = "",
    ) -> Stream:
        """Starts a stream; it runs whenever the clock advances, until it is stopped.

        Args:
            function: name of the function.
            alias: alias or version to call.
            requests_per_minute: the mean rate.
            payloads: events, sent in turn, or a function from a request's number to its event; a plain GET where None.
            jitter: arrivals at random moments (Poisson), else evenly spaced.
            via: the front end that reports metrics of its own: the alias' function URL (`url`), a REST API
                (`apigateway`) or a load balancer (`alb`); one that reports nothing where None.
            target: the API's name or the balancer's `app/NAME/ID`, written as in a gate of the plan.

        Returns:
            the stream.

        Raises:
            LookupError: if there is no such function, alias or URL.
        """
        self._lambda.check(function, alias, has_url=via == "url")
        send = self._lambda.url_call if via == "url" else self._lambda.call
        jitters = random.Random(f"{self._seed}/traffic/{len(self.streams)}") if jitter else None
        stream = Stream(
            self._clock,
            partial(send, function, alias),
            requests_per_minute,
            payloads,
            jitters,
            self._door(via, target),
            function,
            alias,
        )
        self.streams.append(stream)
        return stream

    def _door(self, via: Via | None, target: str) -> Door | None:
        if via == "apigateway":
            return api_gateway(self._store, target)
        return load_balancer(self._store, target) if via == "alb" else None

    def stop(self) -> None:
        """Ends all streams."""
        for stream in self.streams:
            stream.stop()


def _payload_source(payloads: Payloads | None) -> Callable[[int], bytes]:
    if callable(payloads):
        return partial(_encoded, payloads)
    return partial(_in_turn, [json.dumps(dict(event)).encode() for event in (payloads or [http_event()])])


def _encoded(payloads: Callable[[int], Mapping[str, Any]], number: int) -> bytes:
    return json.dumps(payloads(number)).encode()


def _in_turn(ready: list[bytes], number: int) -> bytes:
    return ready[number % len(ready)]
