"""A plan in words and as a picture."""

from __future__ import annotations

from canary.core.plan import Plan, StagePlan
from canary.view.labels import gate_title
from canary.view.planned import picture, plan_lines
from tests.canary.stages import stage_of

EVERYTHING = """
[stages.prod]
functions = ["api:live", "worker:live"]
order = [["worker:live"], ["api:live"]]
promote = "manual"
shared_incident = "rollback"
on_inconclusive = "rollback"

[stages.prod.gates.throttles]
[stages.prod.gates.http]
kind = "http_5xx"
source = "apigateway"
target = "api"
[stages.prod.gates.own]
kind = "emf"
[stages.prod.gates.slow]
kind = "emf"
bad = "slow"
[stages.prod.gates.orders]
kind = "ratio"
numerator = { namespace = "shop", name = "orders", dimensions = { v = "{version}" } }
denominator = { namespace = "shop", name = "sessions", dimensions = { v = "{version}" } }
[stages.prod.gates.more]
kind = "ratio"
bad_when = "higher"
percent_of_baseline = 120
numerator = { namespace = "shop", name = "refunds", dimensions = { v = "{version}" } }
denominator = { namespace = "shop", name = "orders", dimensions = { v = "{version}" } }
[stages.prod.gates.lag]
kind = "metric"
metric = { namespace = "AWS/Lambda", name = "IteratorAge" }
max = 1000
[stages.prod.gates.ready]
kind = "http"
url = "https://u:p@example.org/ready?token=s3"
dry_run = true
[stages.prod.gates.prom]
kind = "prometheus"
url = "https://prom.example.org"
query = "up"
min = 1
max = 9
[stages.prod.gates.letters]
kind = "queue"
queue = "dlq"
max_new_messages = 0
[stages.prod.gates.age]
kind = "queue"
queue = "dlq"
max_age = "5m"
[stages.prod.gates.red]
kind = "alarms"
names = ["api-5xx"]
[stages.prod.gates.health]
url = "https://example.org/health"
[stages.prod.gates.ping]
kind = "health"
invoke = { ping = true }
"""


def test_the_small_plan_is_described(stage: StagePlan) -> None:
    text = "\n".join(plan_lines(stage))
    assert "Stage staging releases api:live." in text
    assert "1. 10 % for 5 min" in text
    assert "3. 100 %, then a post-promotion watch of 5 min" in text
    assert "80 clean requests" in text
    assert "errors: more than 5 % of requests fail, or clearly more than on the baseline" in text
    assert "latency: p95 is above 2 s (evaluated at 2.05 s" in text
    assert "clean working tree" in text


def test_expected_traffic_shows_whether_a_step_is_long_enough(stage: StagePlan) -> None:
    text = "\n".join(plan_lines(stage, 1.0))
    assert "80 clean requests at 6 per minute take 13.3 min: too short" in text
    assert "80 clean requests at 30 per minute take 2.7 min" in text


def test_probes_are_described_with_their_cost() -> None:
    text = "\n".join(
        plan_lines(Plan.parse('[stages.s]\nfunctions = ["a:b"]\nprobes = { path = "/x?key=1" }').stage("s"))
    )
    assert (
        "probes: clearly more pairs of probes fail on the new version alone than on the baseline alone "
        "(60 pairs per minute: GET /x)" in text
    )
    assert "Probes: up to 4,200 invocations until the planned end, 120 per minute while it holds" in text
    own = Plan.parse('[stages.s]\nfunctions = ["a:b"]\nprobes = { invoke = {} }').stage("s")
    assert "invoked with the payload of the plan" in "\n".join(plan_lines(own))


def test_every_kind_of_gate_has_a_description() -> None:
    stage = Plan.parse(EVERYTHING).stage("prod")
    text = "\n".join(plan_lines(stage))
    for part in (
        "releases api:live, worker:live together",
        "Within each step: worker:live, then api:live",
        "100 %, after `canary promote`",
        "are throttled (holds",
        "answered with 5xx (apigateway)",
        "EMF counter of the handler",
        "orders / sessions below 80 % of the baseline's",
        "refunds / orders above 120 %",
        "AWS/Lambda IteratorAge Sum is above 1000",
        "ready: https://example.org/ready?token=… answers anything but true, 1 or status 2xx (dry run: shown only)",
        "prom: prometheus up is above 9 or below 1",
        "queue dlq has more than 0 new messages",
        "the oldest message of queue dlq is older than 5 min",
        "an alarm is in ALARM: api-5xx",
        "2 health checks in a row fail (https://example.org/health)",
        "direct invocation of the new version",
        "rolls back immediately",
        "branch main only, clean working tree only, confirmation required",
    ):
        assert part in text
    titles = {gate_title(name, gate) for name, gate in stage.gates.items()}
    assert titles >= {"throttled requests", "requests answered with 5xx (apigateway)", "orders per sessions", "lag"}
    assert gate_title("gone", None) == "gone"


def test_the_picture_climbs_from_step_to_step(stage: StagePlan) -> None:
    lines = list(picture(stage))
    assert [line.split("%")[0].strip() for line in lines[:3]] == ["100", "50", "10"]
    assert lines[-1].endswith("min if no step holds")
    assert [line.index("┌") for line in lines[:2]] == sorted((line.index("┌") for line in lines[:2]), reverse=True)


def test_other_policies_have_descriptions_too() -> None:
    text = """
[stages.dev]
functions = ["api:live"]
shared_incident = "ignore"
on_no_data = "promote"
"""
    lines = "\n".join(plan_lines(Plan.parse(text).stage("dev")))
    assert "keeps evaluating" in lines
    assert "Without data: promotes" in lines
    assert "Rules:" not in lines


def test_the_plan_says_for_how_long_cold_starts_limit_evidence() -> None:
    text = "\n".join(
        plan_lines(stage_of(gates={"errors": {"kind": "errors", "warm_up": "2m"}, "slow": {"kind": "latency"}}))
    )
    assert "in its last 3 h; cold starts: limited evidence for 2 min after each step" in text
    assert "or far more requests than usual exceed the baseline's p95; cold starts: limited evidence for 5 min" in text
    only = stage_of(gates={"slow": {"kind": "latency", "relative": False, "warm_up": "0s"}})
    assert "bin edge)\n" in "\n".join(plan_lines(only))
