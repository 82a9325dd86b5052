"""Changes the answers that canary's adapters get, before botocore reads them.

Run as `python -m benchmarks.fuzz_adapters [cases] [seed]`. An adapter answers a value or an error of `canary.errors`, whatever the bytes are: cut, of other types, not finite,
nested, repeated, another status. What it calls complete evidence has only finite counts. Stops at the first failure.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from random import Random
from typing import Any

import httpx

from canary.adapters.alarms import CloudWatchAlarms
from canary.adapters.aws import Session, open_session
from canary.adapters.cloudwatch import CloudWatchMetrics
from canary.adapters.health import HealthChecks
from canary.adapters.lambda_aliases import LambdaAliases
from canary.core.plan import FunctionRef, StagePlan
from canary.errors import CanaryError
from canary.ports import Target, Window
from canary.testing import AwsStandIn
from flagkit.channels.http import Http

API = FunctionRef("api", "live")
TARGETS = (Target(API, "1", "2"),)
DEEP = "[" * 200_000
SCALARS: tuple[Any, ...] = (
    None, True, False, 0, -1, 1e308, 10**30, 0.1, "", "x", "é😀\u2028", "\ud800", "1e999", [], {}, [1, "a"], {"a": {"b": []}},
)  # fmt: skip
RAW_SCALARS = ("NaN", "Infinity", "-Infinity", "1e999", "9" * 5_000, DEEP, '"\\ud800"')
CHARSETS = ("utf-8", "utf-16", "utf-7", "hex", "rot13", "idna", "punycode", "no such charset", "", "utf-8; x=y", '"')


class Answers:
    """Changes each answer in a way that a seed names."""

    def __init__(self, session: Session, seed: int) -> None:
        self.random = Random(seed)
        session.events.register("before-parse", self._before_parse)

    def _before_parse(self, response_dict: dict[str, Any], **_: object) -> None:
        body = response_dict["body"]
        if not isinstance(body, bytes):
            response_dict["body"] = Broken(self.random, body)
            return
        response_dict["body"] = changed(body, self.random)
        if self.random.random() < 0.1:
            response_dict["status_code"] = self.random.choice(
                (200, 204, 301, 400, 403, 404, 412, 429, 500, 501, 503, 999)
            )
        if self.random.random() < 0.1:
            response_dict["headers"]["date"] = self.random.choice(("", "yesterday", "Mon, 99 Foo 99999 99:99:99 GMT"))


class Broken:
    """A streamed body that is changed, or that breaks off."""

    def __init__(self, random: Random, stream: Any) -> None:
        self._random, self._stream = random, stream

    def read(self, amount: int | None = None) -> bytes:
        if self._random.random() < 0.2:
            raise ConnectionResetError("broken off")
        return (
            payload(self._random) if self._random.random() < 0.7 else changed(self._stream.read(amount), self._random)
        )

    def close(self) -> None:
        """Nothing is open."""


def changed(body: bytes, random: Random) -> bytes:
    """The body with one thing wrong."""
    way = random.randrange(6)
    if way == 0:
        return body[: random.randrange(len(body) + 1)]
    if way == 1:
        return bytes(random.randrange(256) if random.random() < 0.02 else byte for byte in body)
    if way == 2:
        return random.choice((b"", b"null", b"[]", b"<html>", DEEP.encode(), b"\xff\xfe\x00", b"{}", b"0"))
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        start = random.randrange(len(body) + 1)
        return body[:start] + random.choice((b"NaN", b"1e999", b"<x/>", b"\x00", b"-1")) + body[start + 3 :]
    text = json.dumps(_replaced(value, random))
    return (
        text.replace('"\x00RAW"', random.choice(RAW_SCALARS))
        .replace('"\\u0000RAW"', random.choice(RAW_SCALARS))
        .encode()
    )


def _replaced(value: Any, random: Random) -> Any:
    """The value with something inside replaced, left out or repeated."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        key = random.choice(list(value))
        if random.random() < 0.2:
            return {name: item for name, item in value.items() if name != key}
        return {**value, key: _replaced(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.85:
        index = random.randrange(len(value))
        if random.random() < 0.2:
            return [*value, value[index]]
        return [*value[:index], _replaced(value[index], random), *value[index + 1 :]]
    return "\x00RAW" if random.random() < 0.4 else random.choice(SCALARS)


def payload(random: Random) -> bytes:
    """What a function under test may answer."""
    status = random.choice((*RAW_SCALARS, "200", "503", '"200"', "200.5", "null", "[]", "true"))
    return random.choice(
        (
            f'{{"statusCode":{status},"body":"x"}}'.encode(),
            DEEP.encode(),
            b"",
            b"\xff\xfe",
            b"null",
            f"[{status}]".encode(),
        )
    )


def visited(random: Random) -> Callable[[httpx.Request], httpx.Response]:
    """An HTTP server that answers anything."""

    def answer(request: httpx.Request) -> httpx.Response:
        headers = {
            "content-type": f"text/html; charset={random.choice(CHARSETS)}",
            "x-version": random.choice("12\x1b"),
        }
        if random.random() < 0.3:
            headers["content-encoding"] = random.choice(("gzip", "deflate", "br", "zstd", "identity", "x", ""))
        body = random.choice((payload(random), random.randbytes(random.randrange(300)), b"\x1b[2J" * 9))
        status = random.choice((200, 204, 302, 500, 101 + random.randrange(800)))
        return httpx.Response(status, headers=headers, stream=httpx.ByteStream(body))

    return answer


def stage_of() -> StagePlan:
    """A stage with a gate of every kind that is read from outside."""
    version = {"namespace": "shop", "dimensions": {"v": "{version}"}}
    return StagePlan.model_validate(
        {
            "name": "staging",
            "functions": ["api:live"],
            "steps": [{"weight": 10, "bake": timedelta(minutes=10)}],
            "gates": {
                "errors": {"kind": "errors"},
                "latency": {"kind": "latency"},
                "throttles": {"kind": "throttles"},
                "rest": {"kind": "http_5xx", "source": "apigateway", "target": "shop"},
                "orders": {
                    "kind": "ratio",
                    "numerator": {**version, "name": "orders"},
                    "denominator": {**version, "name": "sessions"},
                },
                "lag": {"kind": "metric", "metric": {"namespace": "AWS/Lambda", "name": "IteratorAge"}, "max": 5},
                "letters": {"kind": "queue", "queue": "dlq", "max_new_messages": 0},
                "red": {"kind": "alarms", "names": ["api-5xx"]},
                "visit": {"kind": "health", "url": "http://shop.example/health", "version_header": "x-version",
                          "expect_json": {"status": "ok"}},
                "call": {"kind": "health", "invoke": {"ping": True}, "expect_json": {"status": "ok"}},
            },
        }
    )  # fmt: skip


@contextmanager
def stand_in() -> Iterator[AwsStandIn]:
    """A function with two versions, traffic, a queue and an alarm."""
    with AwsStandIn(seed=1) as aws:
        source = "def handler(event, context): return {'statusCode': 200, 'body': '{}'}"
        aws.lambda_.deploy("api", source, alias="live")
        aws.lambda_.deploy("api", source + "  # 2")
        session = aws.session()
        session.client("sqs").create_queue(QueueName="dlq")
        session.client("cloudwatch").put_metric_alarm(
            AlarmName="api-5xx", Namespace="shop", MetricName="x", Statistic="Sum", Period=60, EvaluationPeriods=1,
            Threshold=1, ComparisonOperator="GreaterThanThreshold",
        )  # fmt: skip
        aws.traffic.steady("api", "live", requests_per_minute=30)
        aws.clock.advance(8 * 60)
        yield aws


def one(aws: AwsStandIn, stage: StagePlan, seed: int) -> str:
    """Asks every adapter once, with changed answers; answers what came out.

    Raises:
        AssertionError: evidence that is none, or an error that isn't canary's.
    """
    session = open_session("us-east-1")
    random = Answers(session, seed).random
    now = aws.clock.now()
    found: list[str] = []

    def asked(name: str, call: Callable[[], object]) -> None:
        try:
            check(call(), now)
        except CanaryError as error:
            assert error.message.isprintable(), error.message  # noqa: PT017 - not a test of the error
            found.append(f"{name}: {error.code}")
        except Exception as error:
            error.add_note(f"seed {seed}, {name}")
            raise
        else:
            found.append(f"{name}: value")

    window = Window(now - timedelta(minutes=4), now, now - timedelta(minutes=8))
    aliases = LambdaAliases(session, aws.clock)
    checks = HealthChecks(session, Http(httpx.MockTransport(visited(random))))
    metrics = CloudWatchMetrics(session, aws.clock)
    asked("measure", lambda: metrics.measure(stage, TARGETS, window))
    asked("traffic", lambda: metrics.requests_per_minute(TARGETS, now))
    asked("alarms", lambda: CloudWatchAlarms(session, aws.clock).alarms(stage, now))
    asked("probe", lambda: checks.probe(stage, TARGETS, now))
    asked("read", lambda: aliases.read(API))
    asked("newest", lambda: aliases.newest_version(API))
    asked("version", lambda: aliases.version_facts(API, "2"))
    asked("function", lambda: aliases.function_facts(API))
    return ", ".join(found)


def check(value: object, now: datetime) -> None:
    """Holds what an adapter calls known to be numbers."""
    for stream in getattr(value, "streams", ()):
        for row in (*stream.minutes, *stream.history):
            counts = (row.candidate_requests, row.candidate_bad, row.baseline_requests, row.baseline_bad)
            assert all(isinstance(count, int) and 0 <= count < 10**13 for count in counts), row
            assert row.minute <= now
    for gauge in getattr(value, "gauges", ()):
        for point in gauge.minutes:
            assert all(v is None or math.isfinite(v) for v in (point.candidate, point.baseline)), point
    for traffic in getattr(value, "traffic", ()):
        assert all(0 <= row.alias_requests < 10**13 for row in traffic.minutes)
    if isinstance(value, Mapping):
        assert all(math.isfinite(rate) and rate >= 0 for rate in value.values())
    if isinstance(value, tuple):
        for probe in value:
            assert getattr(probe, "ok", None) in {True, False, None}
            assert getattr(probe, "detail", "").isprintable()


def main(cases: int = 20_000, first: int = 0) -> None:
    """Runs the cases and prints what came out how often."""
    outcomes: Counter[str] = Counter()
    with stand_in() as aws:
        stage = stage_of()
        for seed in range(first, first + cases):
            outcomes.update(one(aws, stage, seed).split(", "))
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:>8,}  {outcome}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3]))
