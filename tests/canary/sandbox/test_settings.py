"""The lines of `canary sandbox set`: what they change, and what they refuse."""

from __future__ import annotations

from datetime import timedelta

import pytest

from canary.sandbox.pace import Pace
from canary.sandbox.settings import HELP, SettingError, apply
from canary.testing import AwsStandIn
from flagkit.testing import Fault

SOURCE = "def handler(event, context): return 1"


@pytest.fixture
def scene(canary_aws: AwsStandIn) -> tuple[AwsStandIn, Pace]:
    canary_aws.lambda_.deploy("api", SOURCE, alias="live")
    canary_aws.lambda_.deploy("api", SOURCE + "\n")
    return canary_aws, Pace(canary_aws.clock, canary_aws.wire.lock, 0)


def failed(aws: AwsStandIn, version: str, calls: int = 300) -> int:
    return sum(aws.lambda_.call("api", version).error is not None for _ in range(calls))


def test_errors_of_one_version_leave_the_other_alone(scene: tuple[AwsStandIn, Pace]) -> None:
    aws, pace = scene
    apply(["api:2 errors=50%"], aws, pace)
    assert 100 < failed(aws, "2") < 200
    assert failed(aws, "1") == 0
    apply(["api:2 clear"], aws, pace)
    assert failed(aws, "2") == 0


def test_a_version_may_be_named_by_its_alias_and_all_by_the_function(scene: tuple[AwsStandIn, Pace]) -> None:
    aws, pace = scene
    assert apply(["api:live latency=300ms"], aws, pace)[0].startswith("api:1")
    assert aws.lambda_.call("api", "1").duration_ms == pytest.approx(301)
    apply(["outage api for=5m"], aws, pace)
    assert failed(aws, "1", 5) == failed(aws, "2", 5) == 5
    aws.clock.advance(301)
    assert failed(aws, "2", 5) == 0, "an outage ends"


def test_a_slow_share_beyond_the_timeout_times_out(scene: tuple[AwsStandIn, Pace]) -> None:
    aws, pace = scene
    apply(["api:2 slow=100% slow_by=10s"], aws, pace)
    outcome = aws.lambda_.call("api", "2")
    assert (outcome.error, outcome.duration_ms) == ("Unhandled", 3000)
    assert b"Task timed out after 3.00 seconds" in outcome.payload


def test_cold_starts_happen_to_a_share_of_warm_environments(scene: tuple[AwsStandIn, Pace]) -> None:
    aws, pace = scene
    aws.lambda_.call("api", "1")
    apply(["cold_starts 100%"], aws, pace)
    aws.clock.advance(1)
    assert aws.lambda_.call("api", "1").init_ms > 0


def test_traffic_to_an_alias_of_a_function_that_was_uploaded_starts(scene: tuple[AwsStandIn, Pace]) -> None:
    aws, pace = scene
    for rate in (300, 600):
        assert apply([f"traffic api:live={rate}"], aws, pace) == [f"traffic api:live={rate}"]
    (stream,) = aws.traffic.streams
    assert (stream.function, stream.alias, stream.requests_per_minute) == ("api", "live", 600)
    with pytest.raises(SettingError):
        apply(["traffic api:gone=1"], aws, pace)


def test_traffic_changes_its_rate(scene: tuple[AwsStandIn, Pace]) -> None:
    aws, pace = scene
    stream = aws.traffic.steady("api", "live", 60)
    apply(["traffic api=600"], aws, pace)
    assert stream.requests_per_minute == 600


def test_faults_strike_calls_for_a_while(scene: tuple[AwsStandIn, Pace]) -> None:
    aws, pace = scene
    apply(["fault throttled lambda.UpdateAlias share=20% for=5m"], aws, pace)
    apply(["outage scheduler"], aws, pace)
    assert [(rule.fault, rule.calls) for rule in aws.faults.rules] == [
        (Fault.THROTTLED, "lambda.UpdateAlias"),
        (Fault.UNREACHABLE, "scheduler.*"),
    ]
    aws.clock.advance(301)
    assert len(aws.faults.rules) == 1
    apply(["fault clear"], aws, pace)
    assert aws.faults.rules == ()


def test_a_foreign_writer_moves_an_alias_now_or_later(scene: tuple[AwsStandIn, Pace]) -> None:
    aws, pace = scene
    alias = aws.lambda_.function("api").aliases["live"]
    apply(["foreign api:live weights=2:50"], aws, pace)
    assert alias.weights == {"2": 0.5}
    apply(["foreign api:live version=2 weights= in=1m"], aws, pace)
    assert alias.primary == "1"
    aws.clock.advance(61)
    assert (alias.primary, alias.weights) == ("2", {})


def test_time_is_stepped_and_its_speed_set(scene: tuple[AwsStandIn, Pace]) -> None:
    aws, pace = scene
    before = aws.clock.now()
    apply(["step 10m"], aws, pace)
    assert aws.clock.now() - before == timedelta(minutes=10)
    apply(["speed 60"], aws, pace)
    assert pace.speed == 60


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("", "(empty) can't be set"),
        ("nothing errors=1%", "nothing can't be set; expected one of speed"),
        ("api:9 errors=1%", "api has no version or alias 9"),
        ("api", "nothing to set"),
        ("api errors", "errors is not of the form NAME=VALUE"),
        ("api errors=200%", "'200' is not a percentage: expected a number from 0 to 100"),
        ("api errors=nan", "is not a percentage"),
        ("api erors=1%", "unknown setting erors; expected errors, latency"),
        ("api latency=5", '"5" is not a valid duration'),
        ("speed", "expected one value; for example speed 60"),
        ("speed -1", "'-1' is not a speed"),
        ("speed ٣", "'٣' is not a speed"),
        ("speed fast", "'fast' is not a speed"),
        ("step 5", "not a valid duration"),
        ("traffic nobody=5", "there is no traffic to nobody"),
        ("traffic 5", "5 is not of the form"),
        ("fault", "expected throttled"),
        ("fault sleepy", "expected throttled"),
        ("fault slow nothing.*", "the sandbox has no service nothing"),
        ("fault slow * times=0", "'0' is not times"),
        ("foreign api:1 version=2", "api:1 is no alias"),
        ("foreign api:live version=9", "Function not found: "),
        ("foreign api:live weights=1:20", "Function version 1 is already included"),
        ("foreign api:live description=" + "x" * 300, "length less than or equal to 256"),
        ("foreign api:live weights=2:150", "is not a percentage"),
        ("outage moon", "the sandbox has no service moon"),
    ],
)
def test_a_line_that_can_not_be_used_says_what_was_expected(
    scene: tuple[AwsStandIn, Pace], line: str, text: str
) -> None:
    aws, pace = scene
    aws.traffic.steady("api", "live", 0)
    with pytest.raises(SettingError) as caught:
        apply([line], aws, pace)
    assert text in str(caught.value)


def test_lines_are_applied_all_or_none(scene: tuple[AwsStandIn, Pace]) -> None:
    aws, pace = scene
    good = [
        "api:2 errors=50%",
        "cold_starts 30%",
        "fault throttled",
        "foreign api:live version=2",
        "speed 9",
        "step 1m",
    ]
    before = aws.clock.now()
    for bad in ("moon", "foreign api:live weights=9:50", "speed -1"):
        with pytest.raises(SettingError):
            apply([*good, bad], aws, pace)
    assert not aws.lambda_.invoker.disturbances.active
    assert (aws.lambda_.settings.cold_ratio, aws.faults.rules) == (0, ())
    assert (aws.lambda_.function("api").aliases["live"].primary, pace.speed) == ("1", 0)
    assert aws.clock.now() == before
    assert len(apply(good, aws, pace)) == len(good)


def test_a_foreign_write_that_is_refused_later_stops_neither_clock_nor_caller(
    scene: tuple[AwsStandIn, Pace],
) -> None:
    aws, pace = scene
    apply(["foreign api:live version=2 in=1m"], aws, pace)
    aws.lambda_.functions["api"].aliases.clear()
    aws.clock.advance(61)


def test_the_help_shows_every_subject() -> None:
    for subject in ("speed", "step", "traffic", "cold_starts", "outage", "fault", "foreign"):
        assert subject in HELP
