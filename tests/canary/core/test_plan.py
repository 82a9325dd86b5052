"""`canary.toml`: what is filled in, what is refused and in which words."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from canary.core.measurements import StreamKey
from canary.core.plan import (
    AlarmsGate,
    EmfGate,
    ErrorsGate,
    FunctionRef,
    HealthGate,
    Http5xxGate,
    LatencyGate,
    MetricGate,
    MetricRef,
    Plan,
    QueueGate,
    RatioGate,
    StagePlan,
    ThrottlesGate,
    format_duration,
    is_per_function,
    parse_duration,
)
from canary.errors import PlanError

MINUTE = timedelta(minutes=1)


def stage(text: str = "", name: str = "staging", functions: str = '["api:live"]') -> StagePlan:
    return Plan.parse(f"[stages.{name}]\nfunctions = {functions}\n{text}").stage(name)


def fault(text: str, functions: str = '["api:live"]') -> str:
    with pytest.raises(PlanError) as caught:
        stage(text, functions=functions)
    return caught.value.message


def test_three_lines_are_a_whole_plan() -> None:
    plan = stage('steps = [10, 25, 50]\nbake = "10m"')
    assert [(step.weight, step.bake) for step in plan.steps] == [(w, 10 * MINUTE) for w in (10, 25, 50)]
    assert plan.name == "staging"
    assert plan.functions == (FunctionRef("api", "live"),)
    assert (plan.settle, plan.tick, plan.min_bake, plan.hold_max) == (2 * MINUTE, MINUTE, 5 * MINUTE, 30 * MINUTE)
    assert plan.total_bake == 30 * MINUTE
    assert plan.horizon_minutes == 30 + 30 + 5 + 2


@pytest.mark.parametrize(
    ("name", "branch", "clean", "confirm"),
    [
        ("prod", "main", True, True),
        ("production", "main", True, True),
        ("staging", None, True, False),
        ("dev", None, False, False),
    ],
)
def test_rules_follow_the_name_of_the_stage(name: str, branch: str | None, clean: bool, confirm: bool) -> None:
    rules = stage(name=name).rules
    assert (rules.branch, rules.clean_tree, rules.confirm) == (branch, clean, confirm)


def test_written_rules_win_over_the_name() -> None:
    rules = stage('rules.branch = ""\nrules.confirm = false', name="prod").rules
    assert (rules.branch, rules.clean_tree, rules.confirm) == (None, True, False)


def test_steps_may_have_their_own_bake_and_decimals() -> None:
    plan = stage('steps = [0.5, { weight = 10, bake = "1h" }, 12.25]\nbake = "10m"')
    assert [step.weight for step in plan.steps] == [Decimal("0.5"), 10, Decimal("12.25")]
    assert [step.bake for step in plan.steps] == [10 * MINUTE, 60 * MINUTE, 10 * MINUTE]


def test_steps_may_grow_by_a_rule() -> None:
    assert [s.weight for s in stage('growth = { rule = "linear", by = 20, up_to = 70 }').steps] == [20, 40, 60]
    assert [s.weight for s in stage('growth = { rule = "linear", start = 5, by = 20 }').steps] == [5, 25, 45]
    assert [s.weight for s in stage('growth = { rule = "exponential" }').steps] == [1, 2, 4, 8, 16, 32]
    assert [s.weight for s in stage('growth = { rule = "exponential", start = 0.5, factor = 10 }').steps] == [
        Decimal("0.5"),
        5,
        50,
    ]


def test_latency_limits_move_to_a_bin_edge_in_the_unit_of_the_metric() -> None:
    latency = LatencyGate()
    assert latency.edge == pytest.approx(2048.4002145)
    assert latency.snapped.total_seconds() == pytest.approx(2.0484, abs=1e-4)
    assert latency.by_version
    balancer = LatencyGate(source="alb", target="app/shop/1")
    assert balancer.edge == pytest.approx(1.9487171)
    assert balancer.snapped.total_seconds() == pytest.approx(1.9487, abs=1e-4)
    assert not balancer.by_version


@pytest.mark.parametrize(
    ("gate", "part"),
    [
        ({"source": "http_api"}, "target is required"),
        ({"source": "alb", "target": "net/shop/1"}, "application load balancer"),
        ({"source": "url", "target": "shop"}, "must be left out"),
    ],
)
def test_a_source_before_the_function_has_its_target(gate: dict[str, str], part: str) -> None:
    for kind in (LatencyGate, Http5xxGate):
        with pytest.raises(ValueError, match=part):
            kind.model_validate(gate)


@pytest.mark.parametrize(
    ("gate", "part"),
    [
        ('kind = "http"\nurl = "https://x.example/"\npointer = "a"', "pointer must begin with /"),
        ('kind = "http"\nurl = "https://x.example/"\nmax = 1', "pointer is required"),
        ('kind = "http"\nurl = "nowhere"', "must be a URL"),
        ('kind = "prometheus"\nurl = "https://x.example/"\nquery = "up"', "at least one of max, min"),
        ('kind = "datadog"\nquery = "up"', "at least one of max, min"),
    ],
)
def test_gates_of_other_systems_are_checked(gate: str, part: str) -> None:
    with pytest.raises(PlanError, match=part):
        Plan.parse(f'[stages.staging]\nfunctions = ["api:live"]\n[stages.staging.gates.asked]\n{gate}\n')


def test_a_dry_run_gate_is_none_that_a_step_needs() -> None:
    text = '[stages.staging]\nfunctions = ["api:live"]\ngates.errors = { dry_run = true }\ngates.latency = false\n'
    with pytest.raises(PlanError, match="no gate counts requests"):
        Plan.parse(text)


@pytest.mark.parametrize(
    ("gate", "keys"),
    [
        ('kind = "http"\nurl = "https://x.example/"', 1),
        ('kind = "http"\nurl = "https://x.example/{function}"', 2),
        ('kind = "prometheus"\nurl = "https://x.example/"\nquery = "up"\nmin = 1', 1),
        ('kind = "datadog"\nquery = "up{version:{version}}"\nmin = 1', 2),
    ],
)
def test_a_query_that_names_the_function_or_the_version_has_a_series_for_each_function(gate: str, keys: int) -> None:
    text = f'[stages.staging]\nfunctions = ["api:live", "web:live"]\n[stages.staging.gates.asked]\n{gate}\n'
    assert len(Plan.parse(text).stage("staging").keys("asked")) == keys


def test_every_kind_of_gate_can_be_written() -> None:
    plan = stage(
        """
[stages.staging.gates.throttles]
[stages.staging.gates.http_5xx]
source = "apigateway"
target = "shop"
[stages.staging.gates.emf]
bad = "slow"
[stages.staging.gates.dlq]
kind = "queue"
queue = "shop-dlq"
max_new_messages = 0
[stages.staging.gates.alarms]
names = ["shop-5xx"]
[stages.staging.gates.health]
url = "https://shop.example/health"
expect_json = { status = "ok" }
[stages.staging.gates.lag]
kind = "metric"
metric = { namespace = "Shop", name = "Lag", stat = "Maximum" }
max = 30
[stages.staging.gates.orders]
kind = "ratio"
[stages.staging.gates.orders.numerator]
namespace = "Shop"
name = "Orders"
dimensions = { version = "{version}" }
[stages.staging.gates.orders.denominator]
namespace = "Shop"
name = "Sessions"
dimensions = { version = "{version}" }
"""
    )
    kinds = [type(gate) for gate in plan.gates.values()]
    assert kinds == [
        ErrorsGate,
        LatencyGate,
        ThrottlesGate,
        Http5xxGate,
        EmfGate,
        QueueGate,
        AlarmsGate,
        HealthGate,
        MetricGate,
        RatioGate,
    ]
    per_function = [name for name, gate in plan.gates.items() if is_per_function(gate)]
    assert per_function == ["errors", "latency", "throttles", "emf", "orders"]
    assert plan.keys("errors") == (StreamKey("api:live", "errors"),)
    assert plan.keys("http_5xx") == (StreamKey("", "http_5xx"),)
    assert str(plan.keys("errors")[0]) == "errors of api:live"
    assert str(plan.keys("dlq")[0]) == "dlq"


def test_a_gate_set_joins_the_gates_of_each_stage_that_names_it() -> None:
    plan = Plan.parse("""
        [gate_sets.web.p99]
        kind = "latency"
        quantile = 0.99
        [gate_sets.web]
        latency = false
        [gate_sets.strict]
        errors = { limit_percent = 1 }
        p99 = { kind = "latency", quantile = 0.999 }
        [stages.a]
        functions = ["api:live"]
        gate_sets = ["web", "strict"]
        [stages.b]
        functions = ["api:live"]
        gate_sets = ["web"]
        gates.p99 = false
        [stages.c]
        functions = ["api:live"]
    """)
    gates = {name: list(stage.gates) for name, stage in plan.stages.items()}
    assert gates == {"a": ["errors", "p99"], "b": ["errors"], "c": ["errors", "latency"]}
    strict, p99 = plan.stages["a"].gates["errors"], plan.stages["a"].gates["p99"]
    assert isinstance(strict, ErrorsGate)
    assert isinstance(p99, LatencyGate)
    assert (strict.limit_percent, p99.quantile) == (1, Decimal("0.999"))


def test_a_ratio_says_how_much_less_is_too_much() -> None:
    metric = MetricRef(namespace="Shop", name="Orders", dimensions={"v": "{version}"})
    assert RatioGate(numerator=metric, denominator=metric).kappa == pytest.approx(1.25)
    higher = RatioGate(numerator=metric, denominator=metric, bad_when="higher", percent_of_baseline=Decimal(150))
    assert higher.kappa == pytest.approx(1.5)


def test_a_metric_knows_whose_it_is() -> None:
    assert not MetricRef(namespace="N", name="M").by_function
    assert MetricRef(namespace="N", name="M", dimensions={"f": "{function}"}).by_function
    assert not MetricRef(namespace="N", name="M", dimensions={"f": "{function}"}).by_version


def test_functions_are_shifted_in_the_order_given() -> None:
    plan = stage('order = [["c:live"], ["a:live"]]', functions='["a:live", "b:live", "c:live"]')
    assert [[function.key for function in group] for group in plan.groups] == [["c:live"], ["a:live"], ["b:live"]]
    assert [[f.key for f in group] for group in stage(functions='["a:x", "b:x"]').groups] == [["a:x", "b:x"]]
    assert len(stage('order = [["a:x"]]', functions='["a:x"]').groups) == 1


def test_a_function_says_how_it_is_invoked() -> None:
    plan = stage(functions='["a:live", { function = "b", alias = "live", invoked = "queue" }]')
    assert [function.source_dispersion for function in plan.functions] == [1.0, 3.0]
    assert plan.function("b:live").invoked == "queue"
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:api"
    assert FunctionRef.parse(f"{arn}:live") == FunctionRef(arn, "live")
    assert str(FunctionRef.parse("api:live")) == "api:live"


@pytest.mark.parametrize(
    "text", ["api", ":live", "api:3", "api:$LATEST", "arn:aws:lambda:eu-west-1:1:function:api", "api:"]
)
def test_only_an_alias_can_be_shifted(text: str) -> None:
    assert "must be a function and an alias" in fault("", functions=f'["{text}"]')


def test_other_weights_keep_the_watch() -> None:
    plan = stage().with_steps([Decimal(10)])
    assert [(step.weight, step.bake) for step in plan.steps] == [(10, 30 * MINUTE)]
    many = stage().with_steps([Decimal(weight) for weight in range(1, 11)])
    assert many.total_bake == stage().total_bake


def test_notifications_need_an_address() -> None:
    plan = stage(
        """
notifications = [
  { kind = "sns", topic_arn = "arn:aws:sns:eu-west-1:1:ops", on = ["rolled_back"] },
  { kind = "slack", url_env = "SLACK_URL" },
  { kind = "pagerduty", secret_env = "PAGERDUTY_KEY" },
  { kind = "eventbridge" },
]
dead_man = { role_arn = "arn:aws:iam::1:role/back" }
flags_off = [{ source = "file:flags.json", key = "checkout" }]
"""
    )
    assert [target.kind for target in plan.notifications] == ["sns", "slack", "pagerduty", "eventbridge"]
    assert plan.dead_man is not None
    assert "either url or url_env" in fault('notifications = [{ kind = "teams" }]')
    assert "routing key" in fault('notifications = [{ kind = "pagerduty" }]')


@pytest.mark.parametrize(
    ("text", "duration"),
    [("90s", 90), ("10m", 600), ("1h30m", 5400), ("500ms", 0.5), ("1.5m", 90), (" 2m ", 120)],
)
def test_durations_are_read_with_their_units(text: str, duration: float) -> None:
    parsed = parse_duration(text)
    assert parsed == timedelta(seconds=duration)


def test_durations_are_written_the_way_a_plan_does() -> None:
    assert [format_duration(timedelta(seconds=s)) for s in (0, 90, 600, 5400, 2.5)] == [
        "0s",
        "1m30s",
        "10m",
        "1h30m",
        "2.5s",
    ]


def test_the_defaults_are_the_operations_guide() -> None:
    plan = stage()
    errors, latency = plan.gates["errors"], plan.gates["latency"]
    assert isinstance(errors, ErrorsGate)
    assert errors.limit_percent == 5
    assert isinstance(latency, LatencyGate)
    assert (latency.limit, latency.limit_ratio) == (timedelta(seconds=2), pytest.approx(0.05))
    assert [step.weight for step in plan.steps] == [10, 25, 50]
    assert plan.minimum_watch == 15 * MINUTE
    assert plan.total_bake == 30 * MINUTE
    assert (plan.on_inconclusive, plan.on_no_data, plan.shared_incident, plan.on_interrupt) == (
        "hold",
        "hold",
        "grace",
        "ask",
    )


def test_bake_defaults_to_an_equal_share_of_the_watch() -> None:
    assert [step.bake for step in stage("steps = [20]").steps] == [30 * MINUTE]
    assert [step.bake for step in stage('steps = [5, 10]\nwatch_max = "20m"').steps] == [10 * MINUTE] * 2
    assert [step.bake for step in stage("steps = [1, 2, 4, 8, 16, 32, 64]").steps] == [5 * MINUTE] * 7


def test_gates_join_the_default_ones_or_take_them_out() -> None:
    plan = stage('gates.latency = false\n[stages.staging.gates.p99]\nkind = "latency"\nquantile = 0.99\nlimit = "5s"')
    assert list(plan.gates) == ["errors", "p99"]
    p99 = plan.gates["p99"]
    assert isinstance(p99, LatencyGate)
    assert p99.limit_ratio == pytest.approx(0.01)


@pytest.mark.parametrize("weight", ["0.004", "0", "100", "-1"])
def test_a_weight_of_a_release_that_a_plan_could_not_have_is_a_plan_error(weight: str) -> None:
    with pytest.raises(PlanError, match="a weight must be"):
        stage().with_steps([Decimal(weight)])
