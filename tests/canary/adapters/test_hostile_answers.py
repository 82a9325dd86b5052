"""What comes from outside is a value, however odd it is, and never takes longer or more than it may."""

from __future__ import annotations

import gzip
import threading
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from benchmarks import fuzz_adapters
from canary.adapters.aws import Api, open_session, read_body
from canary.adapters.cloudwatch import CloudWatchMetrics
from canary.adapters.health import HealthChecks
from canary.adapters.lambda_aliases import LambdaAliases
from canary.adapters.series import Series, SeriesReader
from canary.core.measurements import DataState, Probe
from canary.core.plan import FunctionRef
from canary.errors import UnavailableError
from canary.ports import Target, Window
from canary.testing import AwsStandIn
from flagkit.channels.http import DeadlineError, Http, parse_json, within
from flagkit.channels.text import printable, redacted
from tests.canary.stages import stage_of

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TARGET = Target(FunctionRef("api", "live"), "1", "2")
DEEP = "[" * 200_000


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[AwsStandIn]:
    with fuzz_adapters.stand_in() as aws:
        yield aws


@pytest.mark.parametrize("seed", range(1_000, 1_025))
def test_every_changed_answer_is_a_value_or_an_error_of_canary(fuzzed: AwsStandIn, seed: int) -> None:
    assert fuzz_adapters.one(fuzzed, fuzz_adapters.stage_of(), seed)


def visit(response: httpx.Response, **gate: object) -> Probe:
    url = str(gate.pop("url", "https://api.example/health"))
    stage = stage_of("api:live", gates={"ping": {"kind": "health", "url": url, "dedicated": True, **gate}})
    http = Http(httpx.MockTransport(lambda request: response))
    (probe,) = HealthChecks(open_session("us-east-1"), http).probe(stage, [TARGET], NOW)
    return probe


def streamed(chunks: Iterator[bytes], **headers: str) -> httpx.Response:
    class Stream(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield from chunks

    return httpx.Response(200, headers=headers, stream=Stream())


def endless(piece: bytes) -> Iterator[bytes]:
    while True:
        yield piece


@pytest.mark.parametrize("charset", fuzz_adapters.CHARSETS)
def test_an_odd_charset_is_read_as_well_as_it_can_be(charset: str) -> None:
    response = httpx.Response(200, content=b"fine", headers={"content-type": f"text/plain; charset={charset}"})
    assert visit(response).ok is True


@pytest.mark.parametrize("body", [DEEP, "9" * 5_000, "NaN", '{"a":' * 50_000, "\ufeff{}"])
def test_json_that_is_none_fails_the_check_and_nothing_else(body: str) -> None:
    probe = visit(httpx.Response(200, text=body), expect_json={"status": "ok"})
    assert probe.ok is False
    assert len(probe.detail) < 400


@pytest.mark.parametrize("url", ["http://[::1", "http://\x00/", "http://", "https://x:port/"])
def test_a_url_that_cannot_be_asked_is_a_fault(url: str) -> None:
    answer = Http(httpx.MockTransport(lambda request: httpx.Response(200))).request("GET", url, timeout_s=60)
    assert answer.status is None
    assert "not a valid URL" in answer.fault or "UnsupportedProtocol" in answer.fault


@pytest.mark.parametrize(
    "error",
    [
        UnicodeError("label empty or too long"),  # http://a..b/, when the name is looked up
        OverflowError("port must be 0-65535"),
        OSError("no network"),
        httpx.ConnectError("no network"),
        httpx.StreamClosed(),
    ],
)
def test_a_request_that_cannot_be_made_is_unknown(error: Exception) -> None:
    def fails(request: httpx.Request) -> httpx.Response:
        raise error

    stage = stage_of("api:live", gates={"ping": {"kind": "health", "url": "http://a/", "version_header": "x"}})
    (probe,) = HealthChecks(open_session("us-east-1"), Http(httpx.MockTransport(fails))).probe(stage, [TARGET], NOW)
    assert probe.ok is None
    assert probe.detail


def test_an_answer_without_end_ends_at_the_limit() -> None:
    probe = visit(streamed(endless(b"x" * 65_536)))
    assert (probe.ok, probe.detail) == (
        False,
        "https://api.example/health: the answer is larger than 1,000,000 bytes",
    )


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_answer_is_not_expanded_beyond_the_limit(encoding: str) -> None:
    bomb = (gzip.compress if encoding == "gzip" else zlib.compress)(b"\0" * 50_000_000)
    probe = visit(streamed(iter([bomb]), **{"content-encoding": encoding}))
    assert "the decompressed answer is larger" in probe.detail


@pytest.mark.parametrize(
    ("encoding", "body", "part"),
    [
        ("gzip", b"no", "can't be decompressed"),
        ("br", b"x", "was not asked for"),
        ("gzip", gzip.compress(b"x", mtime=0), ""),
    ],
)
def test_compression_that_was_not_asked_for_is_a_fault_unless_it_is_known(
    encoding: str, body: bytes, part: str
) -> None:
    probe = visit(streamed(iter([body]), **{"content-encoding": encoding}))
    assert part in probe.detail
    assert probe.ok is not bool(part)


@pytest.mark.slow
def test_an_answer_that_drips_ends_with_the_time_of_the_check() -> None:
    release = threading.Event()

    def drip() -> Iterator[bytes]:
        yield b"x"
        release.wait(60)

    try:
        probe = visit(streamed(drip()), timeout="1s")
    finally:
        release.set()
    assert (probe.ok, probe.detail) == (False, "https://api.example/health: no answer within 1 s")


def test_a_call_that_raises_raises_in_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 // 0)
    with pytest.raises(DeadlineError, match="no answer within 0 s"):
        within(0, threading.Event().wait)


@pytest.mark.parametrize(
    ("payload", "ok"),
    [
        ('{"statusCode":1e999}', None),
        ('{"statusCode":NaN}', None),
        ('{"statusCode":200.0,"body":""}', True),
        ('{"statusCode":[]}', False),
        ('{"statusCode":null}', False),
        (DEEP, None),
        ('{"statusCode":200,"body":' + "[" * 400 + "]" * 400 + "}", True),
    ],
)
def test_a_handler_may_answer_anything(
    canary_aws: AwsStandIn, monkeypatch: pytest.MonkeyPatch, payload: str, ok: bool | None
) -> None:
    class Payload:
        def read(self, limit: int) -> bytes:
            return payload.encode()

    def call(self: Api, operation: str, **arguments: object) -> dict[str, Any]:
        return {"Payload": Payload(), "ExecutedVersion": "2"}

    monkeypatch.setattr(Api, "call", call)
    stage = stage_of("api:live", gates={"ping": {"kind": "health", "invoke": {}}})
    (probe,) = HealthChecks(open_session("us-east-1")).probe(stage, [TARGET], NOW)
    assert probe.ok is ok


def test_a_streamed_answer_that_breaks_off_or_never_ends_is_unavailable() -> None:
    class Stream:
        def read(self, limit: int) -> bytes:
            return b"x" * limit

    with pytest.raises(UnavailableError, match="larger than 10 bytes"):
        read_body(Stream(), "lambda:Invoke", 10)
    with pytest.raises(UnavailableError, match="broke off"):
        read_body(None, "lambda:Invoke")


def answered(monkeypatch: pytest.MonkeyPatch, *pages: dict[str, Any]) -> list[dict[str, object]]:
    """Lets every call answer these pages in turn, the last one for ever; answers the calls that are made."""
    calls: list[dict[str, object]] = []

    def call(self: Api, operation: str, **arguments: object) -> dict[str, Any]:
        calls.append(arguments)
        return pages[min(len(calls), len(pages)) - 1]

    monkeypatch.setattr(Api, "call", call)
    return calls


def result(*values: float, status: str = "Complete", name: str = "q0", start: datetime = NOW) -> dict[str, Any]:
    times = [start + number * MINUTE for number in range(len(values))]
    return {"Id": name, "Timestamps": times, "Values": list(values), "StatusCode": status}


SERIES = Series("AWS/Lambda", "Invocations", (("FunctionName", "api"),))


def fetched(aws: AwsStandIn) -> Any:
    reader = SeriesReader(Api(open_session("us-east-1"), "cloudwatch"), aws.clock)
    return reader.fetch([SERIES], NOW, NOW + 10 * MINUTE)[SERIES]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_not_finite_is_no_evidence(
    canary_aws: AwsStandIn, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    answered(monkeypatch, {"MetricDataResults": [result(1.0, value)]})
    points = fetched(canary_aws)
    assert (points.state, points.values) == (DataState.PARTIAL, {})
    assert "CloudWatch answered the value" in points.detail


def test_a_query_without_a_result_is_not_silence(canary_aws: AwsStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    answered(monkeypatch, {"MetricDataResults": [result(1.0, name="q7")]})
    assert fetched(canary_aws).state is DataState.FAILED


def test_minutes_that_were_not_asked_for_are_no_evidence(
    canary_aws: AwsStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(monkeypatch, {"MetricDataResults": [result(1.0, start=NOW - MINUTE)]})
    assert fetched(canary_aws).state is DataState.PARTIAL


def test_a_repeated_token_ends_the_listing(canary_aws: AwsStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = answered(monkeypatch, {"MetricDataResults": [result(1.0)], "NextToken": "again"})
    points = fetched(canary_aws)
    assert len(calls) == 2
    assert (points.state, points.detail) == (DataState.FAILED, "cloudwatch:GetMetricData: the listing doesn't end")


def test_a_listing_of_ever_new_tokens_ends(canary_aws: AwsStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = answered(monkeypatch, *({"MetricDataResults": [], "NextToken": str(number)} for number in range(2_000)))
    assert fetched(canary_aws).state is DataState.FAILED
    assert len(calls) == 500


@pytest.mark.parametrize("value", [-1.0, 1e300])
def test_a_count_that_is_none_is_no_evidence(
    canary_aws: AwsStandIn, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    pages = {"MetricDataResults": [result(value, name=f"q{number}") for number in range(20)]}
    answered(monkeypatch, pages)
    metrics = CloudWatchMetrics(open_session("us-east-1"), canary_aws.clock)
    found = metrics.measure(stage_of("api:live"), [TARGET], Window(NOW, NOW + 5 * MINUTE, NOW))
    assert {stream.state for stream in found.streams} == {DataState.PARTIAL}
    assert {traffic.state for traffic in found.traffic} == {DataState.PARTIAL}
    assert metrics.requests_per_minute([TARGET], NOW + 5 * MINUTE) == {}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"FunctionVersion": 7},
        {"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"2": float("nan")}}},
        {"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"2": 17}}},
        {"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": [2]}},
        {"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"x": 0.1}}, "RevisionId": "r"},
        {"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.1, "3": 0.1}}},
        {"FunctionVersion": "x", "RevisionId": "r"},
        {"FunctionVersion": "²", "RevisionId": "r"},
        {"FunctionVersion": "1"},
        {"FunctionVersion": "1", "RevisionId": ""},
        {"FunctionVersion": "1", "RevisionId": "r", "Description": ["x"]},
    ],
)
def test_an_alias_that_cannot_be_read_is_unavailable(
    canary_aws: AwsStandIn, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]
) -> None:
    answered(monkeypatch, answer)
    with pytest.raises(UnavailableError, match="lambda:GetAlias: the answer can't be read"):
        LambdaAliases(open_session("us-east-1"), canary_aws.clock).read(TARGET.function)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pw@api.example:8443/health?token=abc&x#y", "https://api.example:8443/health?token=…&x=…"),
        ("http://[::1]/x", "http://[::1]/x"),
        ("http://[::1", "(invalid URL)"),
        ("http://a/\x1b[2J", "http://a/\\x1b[2J"),
    ],
)
def test_addresses_are_shown_without_secrets(url: str, shown: str) -> None:
    assert redacted(url) == shown


def test_answers_are_shown_without_control_characters() -> None:
    probe = visit(httpx.Response(500, text="\x1b[31mred\nand <!channel>"))
    assert probe.detail == ("https://api.example/health: status 500 instead of 200: \\x1b[31mred and <!channel>")
    assert printable("x" * 500) == "x" * 119 + "…"
    assert parse_json("[1") == (None, "not JSON")
