"""`canary.toml`: what is filled in, what is refused and in which words."""

from __future__ import annotations

from collections.abc import Callable
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
from canary.errors import PlanError, UnknownStageError

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
        "hold",
        "ask",
    )


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


def test_bake_defaults_to_an_equal_share_of_the_watch() -> None:
    assert [step.bake for step in stage("steps = [20]").steps] == [30 * MINUTE]
    assert [step.bake for step in stage('steps = [5, 10]\nwatch_max = "20m"').steps] == [10 * MINUTE] * 2
    assert [step.bake for step in stage("steps = [1, 2, 4, 8, 16, 32, 64]").steps] == [5 * MINUTE] * 7


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


def test_gates_join_the_default_ones_or_take_them_out() -> None:
    plan = stage('gates.latency = false\n[stages.staging.gates.p99]\nkind = "latency"\nquantile = 0.99\nlimit = "5s"')
    assert list(plan.gates) == ["errors", "p99"]
    p99 = plan.gates["p99"]
    assert isinstance(p99, LatencyGate)
    assert p99.limit_ratio == pytest.approx(0.01)


def test_latency_limits_move_to_a_bin_edge_in_the_unit_of_the_metric() -> None:
    latency = LatencyGate()
    assert latency.edge == pytest.approx(2048.4002145)
    assert latency.snapped.total_seconds() == pytest.approx(2.0484, abs=1e-4)
    assert latency.by_version
    balancer = LatencyGate(source="alb")
    assert balancer.edge == pytest.approx(1.9487171)
    assert balancer.snapped.total_seconds() == pytest.approx(1.9487, abs=1e-4)
    assert not balancer.by_version


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


def test_a_ratio_says_how_much_less_is_too_much() -> None:
    metric = MetricRef(namespace="Shop", name="Orders", dimensions={"v": "{version}"})
    assert RatioGate(numerator=metric, denominator=metric).kappa == pytest.approx(1.25)
    higher = RatioGate(numerator=metric, denominator=metric, bad_when="higher", percent_of_base=Decimal(150))
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
    assert "needs a function and an alias" in fault("", functions=f'["{text}"]')


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


LINES: tuple[tuple[str, str], ...] = (
    ("hold_max = 30", 'stages.staging.hold_max: a duration needs a unit: "30s" or "30m"'),
    ('bake = "ten"', 'stages.staging.bake: "ten" is no duration: write "90s", "10m", "1h30m" or "500ms"'),
    ('watch_max = "x"', 'stages.staging.watch_max: "x" is no duration: write "90s", "10m", "1h30m" or "500ms"'),
    ("settle = []", "stages.staging.settle: input should be a valid timedelta"),
    ("min_bake = []", "stages.staging.min_bake: input should be a valid timedelta"),
    ('bak = "10m"', "stages.staging.bak: is no field of a plan; did you mean bake?"),
    ("zzzzzz = 1", "stages.staging.zzzzzz: is no field of a plan"),
    ("gates.latency.limt = 1", "stages.staging.gates.latency.limt: is no field of a plan; did you mean limit?"),
    ("gates.latency.quantile = 2", "stages.staging.gates.latency.quantile: input should be less than 1"),
    ("gates.errors.limit_percent = 99", "stages.staging.gates.errors.limit_percent: input should be less than 97.6"),
    ("gates.latency = true", "stages.staging.gates.latency: must be a table"),
    ("gates = 3", "stages.staging.gates: must be a table"),
    ("rules = 3", "stages.staging.rules: must be a table"),
    ("gates.foo = { kind = 'metrik' }", "; did you mean metric?"),
    ("gates.foo = {}", 'stages.staging.gates.foo: the kind "foo" is none of errors, latency, throttles'),
    ("steps = [10, 100]", "stages.staging.steps[1]: a step's weight lies above 0 and below 100 %, not at 100"),
    ("steps = ['x']", "stages.staging.steps[0]: input should be a valid decimal"),
    ("steps = [{ bake = '9m' }]", "stages.staging.steps[0].weight: is missing"),
    ("steps = 10", "stages.staging.steps: input should be a valid tuple"),
    ("steps = []", "stages.staging.steps: must not be empty"),
    ("steps = [50, 25]", "stages.staging: steps must grow: 50, 25 does not"),
    ("steps = [1]\ngrowth = { rule = 'linear' }", "stages.staging: give either steps or growth"),
    ("growth = { rule = 'linear', b = 3 }", "stages.staging.growth.b: is no field of a plan; did you mean by?"),
    ("growth = { rule = 'linear', by = 60 }", "stages.staging.growth: no step: the first weight is above up_to = 50"),
    ('bake = "2m"', 'the step of 10 % bakes 2m, less than min_bake = "5m"; let it bake longer or lower min_bake'),
    ('steps = [10]\nbake = "10m"\nwatch_min = "15m"', 'all steps together bake 10m, less than watch_min = "15m"'),
    ('steps = [10]\nbake = "1h"\nwatch_max = "30m"', 'all steps together bake 1h, more than watch_max = "30m"'),
    ("gates.errors = false\ngates.latency = false", "no gate counts requests"),
    ("order = [['b:live']]", "order names b:live, but functions has only api:live"),
    ("order = [['api:live'], ['api:live']]", "api:live is named twice"),
    ("gates.q = { kind = 'queue', queue = 'q' }", "give either max_new_messages or max_age"),
    ("gates.health = {}", "give either url or invoke"),
    ("gates.health = { url = 'ftp://x' }", 'url must begin with http:// or https://, not "ftp://x"'),
    ("gates.alarms = { names = [] }", "stages.staging.gates.alarms.names: must not be empty"),
    ("gates.m = { kind = 'metric', metric = { namespace = 'a', name = 'b' } }", "give at least one of max, min"),
    (
        "gates.m = { kind = 'metric', min_percent_of_base = 80, metric = { namespace = 'a', name = 'b' } }",
        "a limit relative to the baseline needs {version}",
    ),
    (
        "gates.r = { kind = 'ratio', numerator = { namespace = 'a', name = 'b' }, "
        "denominator = { namespace = 'a', name = 'c' } }",
        "both metrics need {version} in a dimension",
    ),
    (
        "gates.r = { kind = 'ratio', percent_of_base = 120, numerator = { namespace = 'a', name = 'b' }, "
        "denominator = { namespace = 'a', name = 'c' } }",
        'percent_of_base must be below 100 when "lower" is bad',
    ),
    ("evidence.alph = 1", "stages.staging.evidence.alph: is no field of a plan; did you mean alpha_safe?"),
)


@pytest.mark.parametrize(("text", "line"), LINES)
def test_every_fault_is_one_line_that_names_the_field(text: str, line: str) -> None:
    message = fault(text)
    assert line in message
    assert len(message.splitlines()) == 1


def test_faults_of_functions_name_the_entry() -> None:
    assert fault("", '["a:b", { function = "c", alias = "d", invked = "sync" }]') == (
        "stages.staging.functions[1].invked: is no field of a plan; did you mean invoked?"
    )
    assert fault("", '["a:b", { function = "c" }]') == "stages.staging.functions[1].alias: is missing"
    assert fault("", "[3]") == 'stages.staging.functions[0]: must read like "api:live"'
    assert fault("", '["a:b", "a:b"]') == "stages.staging: a:b is named twice"
    assert fault("", "[]") == "stages.staging.functions: must not be empty"


def test_all_faults_are_told_at_once() -> None:
    message = fault("hold_max = 3\nbak = 1\ngates.latency.quantile = 2")
    assert [line.split(":")[0] for line in message.splitlines()] == [
        "stages.staging.gates.latency.quantile",
        "stages.staging.hold_max",
        "stages.staging.bak",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[s", "canary.toml is no TOML"),
        ("", "stages: is missing"),
        ("stages = 3", "stages: must be a table"),
        ("[stages]\nstaging = 3", "stages.staging: must be a table"),
        ("[stages]", "stages: must not be empty"),
        ("[stages.a]", "stages.a.functions: is missing"),
    ],
)
def test_what_is_no_plan_is_refused(text: str, message: str) -> None:
    with pytest.raises(PlanError) as caught:
        Plan.parse(text)
    assert caught.value.message.startswith(message)
    assert caught.value.hint


def test_an_unknown_stage_names_the_known_ones() -> None:
    plan = Plan.parse('[stages.a]\nfunctions = ["x:live"]\n[stages.b]\nfunctions = ["x:live"]')
    with pytest.raises(UnknownStageError, match="it has a, b"):
        plan.stage("c")


def test_a_plan_that_is_no_table_is_refused() -> None:
    check: Callable[[object], object] = Plan.model_validate
    with pytest.raises(ValueError, match="Input should be"):
        check(3)
