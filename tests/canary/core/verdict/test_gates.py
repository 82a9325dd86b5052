"""Gates that are no plain error rate: HTTP 5xx, EMF counters, business ratios, gauges, queues."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from canary.core.measurements import (
    AlarmReading,
    AlarmState,
    AliasMinute,
    AliasTraffic,
    DataState,
    Gauge,
    MinuteCounts,
    Observations,
    Stream,
    StreamKey,
)
from canary.core.plan import Plan
from canary.core.stats.grids import ratios
from canary.core.stats.mixture import onset_weight, unspent_weight
from canary.core.verdict import Rule, Verdict
from tests.canary.core.verdict.conftest import at

GOOD = (60, 0, 540, 5)
API = "api:live"
Make = Callable[..., Any]
DIM = 'dimensions = { version = "{version}" }'
ORDERS = f"""
[stages.staging.gates.orders]
kind = "ratio"
numerator = {{ namespace = "Shop", name = "Orders", {DIM} }}
denominator = {{ namespace = "Shop", name = "Sessions", {DIM} }}
"""
LAG = '[stages.staging.gates.lag]\nkind = "metric"\nmetric = { namespace = "Shop", name = "Lag" }\n'
OWN = f'[stages.staging.gates.lag]\nkind = "metric"\nmetric = {{ namespace = "Shop", name = "Lag", {DIM} }}\n'


def test_orders_below_eighty_percent_of_the_base_are_unhealthy(case: Make, make_stream: Make) -> None:
    """Both versions take the same share of sessions; the new one sells half as much."""
    seen = Observations(streams=(make_stream("orders", [(200, 20, 1800, 360)] * 9),))
    found = case(text=ORDERS, errors=[GOOD] * 9, seen=seen).judged()
    assert (found.verdict, found.deciding) == (Verdict.UNHEALTHY, Rule.REGRESSION)
    assert found.blamed == (StreamKey(API, "orders"),)
    assert found.sentence.startswith(
        "Orders per Sessions: 0.1 on version 3 (new), 50 % of that on version 2 (baseline) (0.2) in the same minutes, "
        "10:00 to 10:04 UTC; "
    )


def test_orders_like_the_base_are_healthy_without_proof(case: Make, make_stream: Make) -> None:
    seen = Observations(streams=(make_stream("orders", [(20, 4, 180, 36)] * 9),))
    found = case(text=ORDERS, errors=[GOOD] * 9, seen=seen).judged()
    assert found.verdict is Verdict.HEALTHY
    assert found.evidence[-1].requests_needed is None


def test_a_ratio_may_count_more_than_its_denominator(case: Make, make_stream: Make) -> None:
    seen = Observations(streams=(make_stream("orders", [(20, 60, 180, 540)] * 9),))
    assert case(text=ORDERS, errors=[GOOD] * 9, seen=seen).judged().verdict is Verdict.HEALTHY


def test_a_ratio_may_be_bad_when_higher(case: Make, make_stream: Make) -> None:
    text = ORDERS + 'bad_when = "higher"\npercent_of_baseline = 150\n'
    seen = Observations(streams=(make_stream("orders", [(200, 120, 1800, 360)] * 9),))
    assert case(text=text, errors=[GOOD] * 9, seen=seen).judged().deciding is Rule.REGRESSION


def test_a_ratio_without_orders_has_nothing_to_compare_with(case: Make, make_stream: Make) -> None:
    seen = Observations(streams=(make_stream("orders", [(20, 0, 180, 0)] * 9),))
    found = case(text=ORDERS, errors=[GOOD] * 9, seen=seen).judged()
    assert "0 on version 3 (new); nothing to compare with on version 2 (baseline) (0)" in found.evidence[-1].sentence
    none = Observations(streams=(make_stream("orders", [(0, 0, 0, 0)] * 9),))
    assert case(text=ORDERS, errors=[GOOD] * 9, seen=none).judged().verdict is Verdict.NO_DATA


def test_http_errors_of_both_versions_blame_nobody_at_first(case: Make, make_stream: Make) -> None:
    """They can't be told apart, so it is a shared incident: frozen, and back after the grace."""
    seen = Observations(streams=(make_stream("http_5xx", [(600, 3, 0, 0)] * 4 + [(600, 120, 0, 0)] * 6),))
    case = case(text='gates.http_5xx = { source = "url" }', errors=[GOOD] * 10, seen=seen)
    frozen = case.judged(7)
    assert (frozen.verdict, frozen.deciding) == (Verdict.INCONCLUSIVE, Rule.LITERAL)
    assert "requests were answered with 5xx through the alias, 10:00 to 10:05 UTC; the limit is 5 %" in frozen.sentence
    assert frozen.sentence.endswith("this gate can't tell the versions apart")
    assert case.judged().verdict is Verdict.UNHEALTHY


def test_http_errors_of_a_stage_are_judged_on_all_its_traffic(case: Make, make_stream: Make) -> None:
    seen = Observations(streams=(make_stream("http_5xx", [(600, 3, 0, 0)] * 9, function=""),))
    found = case(
        text='gates.http_5xx = { source = "alb", target = "app/shop/50dc6c495c0c9188" }', errors=[GOOD] * 9, seen=seen
    ).judged()
    assert found.verdict is Verdict.HEALTHY
    http = found.evidence[-1]
    assert (http.ln_evidence, http.regression_limit_ratio) == (None, None)
    assert http.sentence == "0.5 % of 5,400 requests were answered with 5xx through the alias, 10:00 to 10:09 UTC"


def test_http_errors_of_one_function_among_several_name_it(case: Make, make_stream: Make) -> None:
    seen = Observations(streams=(make_stream("http_5xx", [(600, 3, 0, 0)] * 9),))
    case = case(text='gates.http_5xx = { source = "url" }', functions='["api:live", "b:live"]', errors=[GOOD] * 9)
    found = replace(case, seen=seen).judged()
    (http,) = [said for said in found.evidence if said.key == StreamKey(API, "http_5xx")]
    assert http.sentence.endswith("through the alias of api:live, 10:00 to 10:09 UTC")


def test_emf_counters_judge_warm_requests_by_version(case: Make, make_stream: Make) -> None:
    rows = [(60, 15, 540, 5)] * 4
    for bad, words in (("errors", "failed on version 3"), ("slow", "were too slow on version 3")):
        seen = Observations(streams=(make_stream("emf", rows),))
        found = case(text=f'gates.emf = {{ bad = "{bad}" }}', errors=[GOOD] * 4, seen=seen).judged()
        assert found.verdict is Verdict.UNHEALTHY
        assert words in found.sentence


@pytest.mark.parametrize(
    ("limits", "values", "base", "verdict"),
    [
        ("max = 30", [10] * 8, (), Verdict.HEALTHY),
        ("max = 30", [10] * 5 + [40] * 3, (), Verdict.UNHEALTHY),
        ("max = 30", [40] * 2 + [10] * 6, (), Verdict.UNHEALTHY),
        ("max = 30", [10, 40, 10, 10, 10, 10, 40, 10, 10], (), Verdict.HEALTHY),
        ("min = 5", [10] * 4 + [1] * 4, (), Verdict.UNHEALTHY),
        ("max = 30", [10] * 6 + [40, 10], (), Verdict.HEALTHY),
        ("max = 30", [10] * 7 + [40], (), Verdict.INCONCLUSIVE),
        ("max = 30", [None] * 8, (), Verdict.NO_DATA),
        ("max_percent_of_baseline = 150", [20] * 8, [10] * 8, Verdict.UNHEALTHY),
        ("max_percent_of_baseline = 150", [14] * 8, [10] * 8, Verdict.HEALTHY),
        ("min_percent_of_baseline = 80", [5] * 8, [10] * 8, Verdict.UNHEALTHY),
        ("max_percent_of_baseline = 150", [20] * 8, [None] * 8, Verdict.NO_DATA),
        ("max_percent_of_baseline = 150", [20] * 8, [0] * 8, Verdict.NO_DATA),
        ("max = 30\nmax_percent_of_baseline = 150", [20] * 8, [None] * 8, Verdict.HEALTHY),
    ],
)
def test_a_gauge_is_judged_by_the_minutes_that_break_its_limit(
    case: Make,
    make_gauge: Make,
    limits: str,
    values: Sequence[float | None],
    base: Sequence[float | None],
    verdict: Verdict,
) -> None:
    seen = Observations(gauges=(make_gauge("lag", values, base, function=API),))
    assert case(text=OWN + limits, errors=[GOOD] * len(values), seen=seen).judged().verdict is verdict


def test_a_gauge_says_how_many_minutes_it_broke(case: Make, make_gauge: Make) -> None:
    seen = Observations(gauges=(make_gauge("lag", [10] * 4 + [40] * 4),))
    found = case(text=LAG + "max = 30", errors=[GOOD] * 8, seen=seen).judged()
    assert found.sentence.startswith("Lag (lag) broke its limit in 3 of 7 minutes; ")
    assert (found.deciding, found.blamed) == (Rule.REGRESSION, (StreamKey("", "lag"),))


def test_a_gauge_that_was_not_measured_or_failed_is_unknown(case: Make) -> None:
    case = case(text=LAG + "max = 30", errors=[GOOD] * 8)
    assert case.judged().sentence == "lag is unknown: it was not measured"
    failed = Gauge(StreamKey("", "lag"), state=DataState.FAILED)
    assert replace(case, seen=Observations(gauges=(failed,))).judged().sentence == "lag could not be queried"


def test_a_gauge_without_values_says_so(case: Make, make_gauge: Make) -> None:
    seen = Observations(gauges=(make_gauge("lag", [None] * 8),))
    found = case(text=LAG + "max = 30", errors=[GOOD] * 8, seen=seen).judged()
    assert found.sentence == "lag has no value on version 3 (new) at the present weight"


@pytest.mark.parametrize(
    ("limit", "values", "before", "verdict"),
    [
        ("max_new_messages = 0", [3] * 8, 3.0, Verdict.HEALTHY),
        ("max_new_messages = 0", [3] * 8, None, Verdict.HEALTHY),
        ("max_new_messages = 0", [3] * 8, 2.0, Verdict.UNHEALTHY),
        ("max_new_messages = 5", [3] * 4 + [9] * 4, 3.0, Verdict.UNHEALTHY),
        ('max_age = "5m"', [200] * 8, None, Verdict.HEALTHY),
        ('max_age = "5m"', [200] * 4 + [400] * 4, None, Verdict.UNHEALTHY),
    ],
)
def test_a_queue_counts_messages_since_the_start_or_their_age(
    case: Make, make_gauge: Make, limit: str, values: list[float], before: float | None, verdict: Verdict
) -> None:
    text = f'[stages.staging.gates.dlq]\nkind = "queue"\nqueue = "shop-dlq"\n{limit}'
    seen = Observations(gauges=(replace(make_gauge("dlq", values), before=before),))
    found = case(text=text, errors=[GOOD] * 8, seen=seen).judged()
    assert found.verdict is verdict
    if verdict is Verdict.UNHEALTHY:
        assert found.sentence.startswith("queue shop-dlq held ")


def test_an_empty_queue_at_the_start_counts_from_nothing(case: Make, make_gauge: Make) -> None:
    text = '[stages.staging.gates.dlq]\nkind = "queue"\nqueue = "dlq"\nmax_new_messages = 0'
    seen = Observations(gauges=(make_gauge("dlq", [None] + [2] * 7),))
    assert case(text=text, errors=[GOOD] * 8, seen=seen).judged().verdict is Verdict.UNHEALTHY


def test_clustered_history_tempers_the_evidence(case: Make, make_stream: Make) -> None:
    """The same minutes, with a history whose errors come in bursts: no rollback any more."""
    rows = [(60, 9, 540, 20)] * 3
    calm = make_stream("errors", rows, (0, 0, 600, 12))
    start = calm.minutes[0].minute
    bursts = tuple(
        MinuteCounts(start - timedelta(minutes=i), 0, 0, 600, 240 if i % 20 == 0 else 0) for i in range(1, 181)
    )
    unhealthy = case(errors=rows, seen=Observations(streams=(calm,))).judged()
    held = case(errors=rows, seen=Observations(streams=(replace(calm, history=bursts),))).judged()
    assert unhealthy.verdict is Verdict.UNHEALTHY
    assert held.verdict is Verdict.INCONCLUSIVE
    assert held.evidence[0].dispersion > 10


def test_a_missing_minute_of_a_tempered_stream_is_evidence_of_nothing(case: Make, make_stream: Make) -> None:
    whole = make_stream("errors", [(60, 9, 540, 20), (0, 0, 0, 0), (60, 9, 540, 20)])
    start = whole.minutes[0].minute
    bursts = tuple(
        MinuteCounts(start - timedelta(minutes=i), 0, 0, 600, 240 if i % 20 == 0 else 0) for i in range(1, 181)
    )
    empty = replace(whole, history=bursts)
    hole = replace(empty, minutes=(empty.minutes[0], empty.minutes[2]))
    found, expected = (case(errors=[GOOD] * 3, seen=Observations(streams=(one,))).judged() for one in (hole, empty))
    assert found.evidence[0].dispersion > 10
    assert found.evidence[0].ln_evidence == expected.evidence[0].ln_evidence != 0


def answered(make_gauge: Make, *values: float) -> Observations:
    return Observations(gauges=(make_gauge("asked", values),))


ASKED = '[stages.staging.gates.asked]\nkind = "http"\nurl = "https://shop.example/ready"\n'


def test_a_url_that_says_no_three_minutes_in_a_row_rolls_back(case: Make, make_gauge: Make) -> None:
    found = case(text=ASKED, errors=[GOOD] * 9, seen=answered(make_gauge, *[1.0] * 3, *[0.0] * 6)).judged()
    assert found.verdict is Verdict.UNHEALTHY
    assert "asked broke its limit in" in found.sentence
    assert (
        case(text=ASKED, errors=[GOOD] * 9, seen=answered(make_gauge, *[1.0] * 9)).judged().verdict is Verdict.HEALTHY
    )
    limited = f'{ASKED}pointer = "/lag"\nmax = 0.5\n'
    assert (
        case(text=limited, errors=[GOOD] * 9, seen=answered(make_gauge, *[0.0] * 9)).judged().verdict is Verdict.HEALTHY
    )


def test_a_dry_run_gate_is_shown_and_never_decides(case: Make, make_gauge: Make) -> None:
    text = f"{ASKED}dry_run = true\n"
    found = case(text=text, errors=[GOOD] * 9, seen=answered(make_gauge, *[0.0] * 9)).judged()
    assert found.verdict is Verdict.HEALTHY
    assert [evidence.key.gate for evidence in found.evidence] == ["errors", "latency", "asked"]
    (warning,) = found.warnings
    assert warning.startswith("a dry-run gate would roll back: asked broke its limit in")
    assert warning.endswith(found.would_roll_back)
    calm = case(text=text, errors=[GOOD] * 9, seen=answered(make_gauge, *[1.0] * 9)).judged()
    assert (calm.verdict, calm.warnings, calm.would_roll_back) == (Verdict.HEALTHY, (), "")


def test_alarms_and_health_checks_may_be_dry_runs_too(case: Make) -> None:
    text = '[stages.staging.gates.red]\nkind = "alarms"\nnames = ["x"]\ndry_run = true\n'
    red = Observations(alarms=(AlarmReading("red", "x", AlarmState.ALARM, at(1)),))
    assert case(text=text, errors=[GOOD] * 9, seen=red).judged().verdict is Verdict.HEALTHY
    decides = text.replace("dry_run = true", "")
    assert case(text=decides, errors=[GOOD] * 9, seen=red).judged().verdict is Verdict.UNHEALTHY


def usual(slow: tuple[int, int], above_limit: int = 0, history: int = 30, minutes: int = 12) -> Observations:
    """A latency stream: requests above the usual p95 of 180 ms of both versions, and above the limit of the gate."""
    rows = tuple(MinuteCounts(at(minute), 60, above_limit, 540, 0, *slow) for minute in range(minutes))
    past = tuple(MinuteCounts(at(minute), 0, 0, 600, 0, 0, history) for minute in range(-180, 0))
    return Observations((Stream(StreamKey(API, "latency"), rows, past, usual_s=0.18),))


@pytest.mark.parametrize(
    ("slow", "above_limit", "verdict"),
    [
        ((24, 27), 0, Verdict.UNHEALTHY),  # 40 % above what was the p95: the median has doubled
        ((3, 27), 0, Verdict.HEALTHY),
        ((8, 27), 0, Verdict.HEALTHY),  # less than three times as many as usual
        ((24, 216), 0, Verdict.HEALTHY),  # both versions: it isn't the new one
        ((24, 27), 12, Verdict.UNHEALTHY),
    ],
)
def test_a_version_slower_than_its_baseline_usually_is_found_below_the_limit(
    case: Make, slow: tuple[int, int], above_limit: int, verdict: Verdict
) -> None:
    """J10: a doubled p50 below the limit had no gate."""
    found = case(errors=[GOOD] * 12, seen=usual(slow, above_limit)).judged()
    assert found.verdict is verdict
    if verdict is Verdict.UNHEALTHY and not above_limit:
        assert "40.0 % of" in found.sentence
        assert "took longer than the usual p95 of 180 ms on version 3 (new)" in found.sentence
    elif above_limit:
        assert "20.0 % of" in found.sentence
        assert "took longer than 2.05 s" in found.sentence


def test_without_enough_history_nothing_is_usual(case: Make) -> None:
    seen = usual((24, 27))
    short = replace(seen.streams[0], history=seen.streams[0].history[-30:])
    assert case(errors=[GOOD] * 12, seen=Observations((short,))).judged().verdict is Verdict.HEALTHY


PROBES = "probes = { invoke = {} }"


def test_probes_that_fail_on_the_new_version_alone_roll_back_whatever_the_traffic(
    case: Make, make_stream: Make
) -> None:
    """One user request a minute proves nothing; ten pairs of which only the new version failed do."""
    seen = Observations(streams=(make_stream("probes", [(60, 6, 60, 0)] * 4),))
    found = case(text=PROBES, errors=[(1, 0, 9, 0)] * 4, seen=seen).judged()
    assert (found.verdict, found.deciding) == (Verdict.UNHEALTHY, Rule.REGRESSION)
    assert found.blamed == (StreamKey(API, "probes"),)
    assert found.sentence.startswith(
        "12 of 120 pairs of probes failed on version 3 (new) alone, 0 on version 2 (baseline) alone, 10:00 to 10:02 UTC"
    )


def test_probes_that_fail_on_both_versions_alike_say_nothing(case: Make, make_stream: Make) -> None:
    seen = Observations(streams=(make_stream("probes", [(60, 20, 60, 20)] * 9),))
    found = case(text=PROBES, errors=[GOOD] * 9, seen=seen).judged()
    assert found.verdict is Verdict.HEALTHY


@pytest.mark.parametrize("state", [DataState.FAILED, DataState.UNKNOWN])
def test_probes_that_nobody_answered_hold(case: Make, make_stream: Make, state: DataState) -> None:
    seen = Observations(streams=(replace(make_stream("probes", []), state=state, detail="throttled"),))
    found = case(text=PROBES, errors=[GOOD] * 9, seen=seen).judged()
    assert found.verdict is Verdict.NO_DATA
    assert "throttled" in found.sentence


def test_before_the_first_pair_the_canary_holds(case: Make, make_stream: Make) -> None:
    seen = Observations(streams=(make_stream("probes", []),))
    found = case(text=PROBES, errors=[GOOD] * 9, seen=seen).judged()
    assert found.verdict is Verdict.NO_DATA
    assert any("no pair of probes answered yet" in said.sentence for said in found.evidence)


def test_probes_never_show_that_a_version_is_healthy(case: Make, make_stream: Make) -> None:
    seen = Observations(streams=(make_stream("probes", [(600, 0, 600, 0)] * 9),))
    assert case(text=PROBES, errors=[(1, 0, 9, 0)] * 9, seen=seen).judged().verdict is Verdict.INCONCLUSIVE


def test_the_evidence_of_probes_is_the_exact_test_of_mcnemar_on_a_grid(case: Make, make_stream: Make) -> None:
    """Of six discordant pairs five are the candidate's: a mixture (statistics.md §4.17)."""
    seen = Observations(streams=(make_stream("probes", [(60, 5, 60, 1)]),))
    found = case(text=PROBES, errors=[(1, 0, 9, 0)], seen=seen).judged()
    (said,) = [said for said in found.evidence if said.key.gate == "probes"]
    null = 1.1 / 2.1
    odds = [ratio / (1 + ratio) for ratio in ratios(1.1)]
    mean = sum((share / null) ** 5 * ((1 - share) / (1 - null)) for share in odds) / len(odds)
    horizon = Plan.parse(f'[stages.s]\nfunctions = ["{API}"]').stage("s").horizon_minutes
    first = onset_weight(1, horizon)
    assert said.ln_evidence == pytest.approx(math.log(first * mean + unspent_weight(1, horizon)))


def test_probes_of_a_queue_function_are_not_tempered(case: Make, make_stream: Make) -> None:
    """An event of a queue may fail three times; a probe is one synchronous call."""
    queue = '[{ function = "api", alias = "live", invoked = "queue" }]'
    seen = Observations(streams=(make_stream("probes", [(60, 6, 60, 0)] * 2),))
    found = case(text=PROBES, functions=queue, errors=[(1, 0, 9, 0)] * 2, seen=seen).judged()
    (said,) = [said for said in found.evidence if said.key.gate == "probes"]
    assert said.dispersion == 1.0


def test_probes_are_no_traffic_that_goes_past_the_alias(case: Make, make_stream: Make) -> None:
    def warned(extra: int) -> bool:
        rows = tuple(AliasMinute(at(minute), 10, 10 + 120 + extra) for minute in range(9))
        seen = Observations(streams=(make_stream("probes", [(60, 0, 60, 0)] * 9),), traffic=(AliasTraffic(API, rows),))
        return bool(case(text=PROBES, errors=[(1, 0, 9, 0)] * 9, seen=seen).judged().warnings)

    assert not warned(0)
    assert warned(10)
