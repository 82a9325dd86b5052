"""PairedInvocations: the same request to both versions, over the wire; what nobody knows isn't counted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from canary.adapters.aws import Api, open_session
from canary.adapters.pairs import UNKNOWN_IN_A_ROW, Batch, PairedInvocations, _Tally, http_event
from canary.core.measurements import DataState, MinuteCounts, Stream, StreamKey
from canary.core.plan import FunctionRef, ProbesGate, StagePlan
from canary.core.probes import is_probe
from canary.ports import Target
from canary.testing import AwsStandIn
from flagkit.testing import Fault
from tests.canary.stages import stage_of

Handler = Callable[[Any, Any], object]
KEY = StreamKey("api:live", "probes")


def fine(event: Any, context: Any) -> dict[str, object]:
    return {"statusCode": 200, "body": event["rawPath"]}


def raising(event: Any, context: Any) -> dict[str, object]:
    raise RuntimeError("no database")


def probing(**settings: object) -> StagePlan:
    gate = {"kind": "probes", "path": "/orders?limit=1", "per_minute": 4, **settings}
    return stage_of("api:live", gates={"errors": {"kind": "errors"}, "probes": gate})


def collected(aws: AwsStandIn, baseline: Handler, candidate: Handler, **settings: object) -> Stream:
    target = deployed(aws, baseline, candidate)
    (stream,) = PairedInvocations(open_session("us-east-1"), aws.clock, beside=False).collect(
        probing(**settings), [target]
    )
    return stream


def deployed(aws: AwsStandIn, baseline: Handler, candidate: Handler) -> Target:
    aws.lambda_.deploy("api", baseline, alias="live")
    return Target(FunctionRef("api", "live"), "1", aws.lambda_.deploy("api", candidate))


def only(stream: Stream) -> tuple[int, int, int, int]:
    (row,) = stream.minutes
    return row.candidate_requests, row.candidate_bad, row.baseline_requests, row.baseline_bad


@pytest.mark.parametrize(
    ("baseline", "candidate", "counts"),
    [
        (fine, fine, (4, 0, 4, 0)),
        (fine, raising, (4, 4, 4, 0)),
        (raising, fine, (4, 0, 4, 4)),
        (fine, lambda event, context: {"statusCode": 503}, (4, 4, 4, 0)),
        (fine, lambda event, context: {"statusCode": "what"}, (4, 4, 4, 0)),
        (fine, lambda event, context: {"statusCode": 404}, (4, 0, 4, 0)),
        (fine, lambda event, context: "x" * 5_900_000, (4, 0, 4, 0)),
        (fine, lambda event, context: None, (4, 0, 4, 0)),
    ],
)
def test_a_pair_counts_against_the_version_that_failed_alone(
    canary_aws: AwsStandIn, baseline: Handler, candidate: Handler, counts: tuple[int, ...]
) -> None:
    stream = collected(canary_aws, baseline, candidate)
    assert (stream.key, stream.state) == (KEY, DataState.COMPLETE)
    assert only(stream) == counts


def test_pairs_that_fail_on_both_versions_compare_nothing(canary_aws: AwsStandIn) -> None:
    stream = collected(canary_aws, raising, raising)
    assert only(stream) == (4, 0, 4, 0)
    assert (stream.state, stream.detail) == (
        DataState.UNKNOWN,
        "all 4 pairs failed on both versions, so they compare nothing",
    )


@pytest.mark.parametrize("fault", [Fault.THROTTLED, Fault.DENIED, Fault.UNREACHABLE, Fault.LOST_ANSWER])
def test_unknown_answers_are_no_success(canary_aws: AwsStandIn, fault: Fault) -> None:
    target = deployed(canary_aws, fine, fine)
    canary_aws.faults.add(fault, "lambda.Invoke")
    pairs = PairedInvocations(open_session("us-east-1"), canary_aws.clock, beside=False)
    (stream,) = pairs.collect(probing(per_minute=50), [target])
    assert (stream.minutes, stream.state) == ((), DataState.FAILED)
    assert "lambda:Invoke" in stream.detail


def test_who_answers_nothing_is_soon_no_longer_asked(canary_aws: AwsStandIn) -> None:
    target = deployed(canary_aws, fine, fine)
    canary_aws.faults.add(Fault.LOST_ANSWER, "lambda.Invoke")
    pairs = PairedInvocations(open_session("us-east-1"), canary_aws.clock, beside=False)
    pairs.collect(probing(per_minute=50), [target])
    assert len(canary_aws.lambda_.recent) == UNKNOWN_IN_A_ROW


def test_a_pair_with_one_unknown_answer_is_left_out(canary_aws: AwsStandIn) -> None:
    target = deployed(canary_aws, fine, fine)
    canary_aws.faults.add(Fault.THROTTLED, "lambda.Invoke", times=1)
    pairs = PairedInvocations(open_session("us-east-1"), canary_aws.clock, beside=False)
    (stream,) = pairs.collect(probing(), [target])
    assert only(stream) == (3, 0, 3, 0)
    assert stream.state is DataState.COMPLETE


def test_another_version_that_ran_is_unknown(canary_aws: AwsStandIn) -> None:
    target = deployed(canary_aws, fine, fine)
    pairs = PairedInvocations(open_session("us-east-1"), canary_aws.clock, beside=False)
    (stream,) = pairs.collect(probing(), [Target(target.function, "1", "live")])
    assert (stream.state, stream.detail) == (DataState.FAILED, "version 1 ran instead of live")


def test_probes_are_invocations_of_the_versions_and_carry_the_mark(canary_aws: AwsStandIn) -> None:
    seen: list[tuple[str, bool, str]] = []

    def handler(event: Any, context: Any) -> str:
        seen.append((context.function_version, is_probe(context), event["headers"]["x-canary-probe"]))
        return "fine"

    def changed(event: Any, context: Any) -> str:
        return handler(event, context)

    collected(canary_aws, handler, changed)
    assert [version for version, _, _ in seen] == ["2", "1", "1", "2", "2", "1", "1", "2"]  # in turn
    assert {(marked, header) for _, marked, header in seen} == {(True, "1")}
    assert {outcome.qualifier for outcome in canary_aws.lambda_.recent} == {"1", "2"}


def test_a_payload_is_sent_as_it_is_written(canary_aws: AwsStandIn) -> None:
    seen: list[object] = []

    def handler(event: Any, context: Any) -> str:
        seen.append(event)
        return "fine"

    collected(canary_aws, handler, handler, path=None, invoke={"job": "ping"})
    assert seen == [{"job": "ping"}] * 8


def test_each_call_has_the_pairs_since_the_last_one(canary_aws: AwsStandIn) -> None:
    target = deployed(canary_aws, fine, raising)
    pairs = PairedInvocations(open_session("us-east-1"), canary_aws.clock, beside=False)
    rows: list[MinuteCounts] = []
    for _ in range(3):
        (stream,) = pairs.collect(probing(), [target])
        rows += stream.minutes
        canary_aws.clock.advance(60)
    assert [row.candidate_bad for row in rows] == [4, 4, 4]
    assert len({row.minute for row in rows}) == 3


def test_only_the_named_functions_are_probed(canary_aws: AwsStandIn) -> None:
    stage = stage_of(
        "api:live",
        "worker:live",
        gates={
            "errors": {"kind": "errors"},
            "probes": {"kind": "probes", "invoke": {}, "per_minute": 1, "functions": ["worker:live"]},
        },
    )
    targets = []
    for name in ("api", "worker"):
        canary_aws.lambda_.deploy(name, lambda event, context: "fine", alias="live")
        targets.append(Target(FunctionRef(name, "live"), "1", "1"))
    pairs = PairedInvocations(open_session("us-east-1"), canary_aws.clock, beside=False)
    assert [stream.key.function for stream in pairs.collect(stage, targets)] == ["worker:live"]
    assert pairs.first(stage, targets) == ((StreamKey("worker:live", "probes"), ""),)


def test_the_first_probe_of_a_baseline_says_what_is_wrong(canary_aws: AwsStandIn) -> None:
    target = deployed(canary_aws, lambda event, context: {"statusCode": 500}, fine)
    pairs = PairedInvocations(open_session("us-east-1"), canary_aws.clock, beside=False)
    assert pairs.first(probing(), [target]) == ((KEY, "version 1 answered 500"),)
    canary_aws.faults.add(Fault.DENIED, "lambda.Invoke")
    ((_, why),) = pairs.first(probing(), [target])
    assert "AccessDenied" in why


# in threads beside the driver


class SteppingClock:
    """A clock that has gone on by so many seconds whenever it is asked."""

    def __init__(self, step_s: float) -> None:
        self.at, self.step = datetime(2026, 1, 5, tzinfo=UTC), timedelta(seconds=step_s)

    def now(self) -> datetime:
        self.at += self.step
        return self.at

    def sleep(self, seconds: float) -> None: ...


def in_threads(
    aws: AwsStandIn, target: Target, total: int, length_s: float, clock: SteppingClock | None = None
) -> Batch:
    gate = ProbesGate(invoke={})
    api = Api(open_session("us-east-1"), "lambda", read_timeout_s=10.0)
    batch = Batch(api, gate, target, total, _Tally(), clock or aws.clock)
    batch.start(length_s)
    return batch


def test_beside_the_driver_the_pairs_come_in_over_time(canary_aws: AwsStandIn) -> None:
    batch = in_threads(canary_aws, deployed(canary_aws, lambda event, context: "fine", raising), total=5, length_s=0.05)
    for thread in batch.threads:
        thread.join(20)
    assert batch.is_over
    assert sum(row.candidate_bad for row in batch.tally.take()) >= 1
    assert batch.tally.take() == ()


@pytest.mark.parametrize(("step_s", "length_s"), [(400.0, 3600.0), (-3600.0, 0.2)])
def test_pairs_keep_the_pace_of_a_fast_clock_and_wait_for_none_that_steps_back(
    canary_aws: AwsStandIn, step_s: float, length_s: float
) -> None:
    """At 60 times real time one pair in ten came, and the gate held the canary."""
    target = deployed(canary_aws, fine, fine)
    batch = in_threads(canary_aws, target, total=2, length_s=length_s, clock=SteppingClock(step_s))
    for thread in batch.threads:
        thread.join(30)
    assert batch.is_over
    assert len(canary_aws.lambda_.recent) == 4


def test_a_function_that_hangs_delays_nothing_and_is_soon_left_alone(canary_aws: AwsStandIn) -> None:
    answer = threading.Event()

    def hanging(event: Any, context: Any) -> str:
        answer.wait(20)
        return "fine"

    target = deployed(canary_aws, hanging, hanging)
    pairs = PairedInvocations(open_session("us-east-1"), canary_aws.clock, beside=True)
    stage = probing(per_minute=600)
    first, second = (pairs.collect(stage, [target]) for _ in range(2))  # both return at once
    assert [stream.minutes for stream in (*first, *second)] == [(), ()]
    pairs.stop()
    answer.set()
    over(pairs)


def test_a_path_becomes_the_event_of_a_function_url() -> None:
    event = http_event("/orders?limit=1&tag=a&tag=b&empty=")
    assert (event["version"], event["rawPath"]) == ("2.0", "/orders")
    assert event["rawQueryString"] == "limit=1&tag=a&tag=b&empty="
    assert event["queryStringParameters"] == {"limit": "1", "tag": "a,b", "empty": ""}
    assert event["headers"]["x-canary-probe"] == "1"  # type: ignore[index]
    assert "queryStringParameters" not in http_event("/")


def over(pairs: PairedInvocations) -> None:
    for batch in pairs.batches.values():
        for thread in batch.threads:
            thread.join(30)


def test_stopped_probes_begin_again_when_they_are_collected(canary_aws: AwsStandIn) -> None:
    target = deployed(canary_aws, fine, raising)
    pairs = PairedInvocations(open_session("us-east-1"), canary_aws.clock, beside=True)
    stage = probing(per_minute=1)
    for _ in range(2):
        pairs.collect(stage, [target])
        pairs.stop()
        over(pairs)
    assert 2 <= len(canary_aws.lambda_.recent) <= 4
