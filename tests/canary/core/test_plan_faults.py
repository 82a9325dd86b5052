"""What a plan may not contain, and the message for it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from canary.core.plan import (
    HealthGate,
    Plan,
    ProbesGate,
    StagePlan,
)
from canary.errors import PlanError, UnknownStageError


def stage(text: str = "", name: str = "staging", functions: str = '["api:live"]') -> StagePlan:
    return Plan.parse(f"[stages.{name}]\nfunctions = {functions}\n{text}").stage(name)


def fault(text: str, functions: str = '["api:live"]') -> str:
    with pytest.raises(PlanError) as caught:
        stage(text, functions=functions)
    return re.sub(r" \(line \d+\)", "", caught.value.message)


METRIC = "metric = { namespace = 'a', name = 'b' }"
DURATION = 'is not a valid duration; use for example "90s", "10m", "1h30m" or "500ms"'
LINES: tuple[tuple[str, str], ...] = (
    ("harm_cap = true", "stages.staging.harm_cap: must be a whole number, but is true"),
    ("hotfix = 1", "stages.staging.hotfix: must be true or false, but is 1"),
    ('hotfix = "yes"', 'stages.staging.hotfix: must be true or false, but is "yes"'),
    ("evidence.alpha_rollback = true", "stages.staging.evidence.alpha_rollback: must be a number, but is true"),
    ("probes = {}", "stages.staging.probes: give either invoke or path: the request that is sent to both versions"),
    ("probes = true", "stages.staging.probes: must be a table"),
    (
        'probes = { path = "/a", invoke = {} }',
        "stages.staging.probes: give either invoke or path: the request that is sent to both versions",
    ),
    ('probes = { path = "/a", per_minute = 0 }', "stages.staging.probes.per_minute: must be at least 1, but is 0"),
    (
        'probes = { path = "/a", per_minute = 1e9 }',
        "stages.staging.probes.per_minute: must be a whole number, but is 1E+9",
    ),
    (
        'probes = { path = "/a", per_minute = 1.5 }',
        "stages.staging.probes.per_minute: must be a whole number, but is 1.5",
    ),
    (
        'probes = { path = "/a", per_minute = true }',
        "stages.staging.probes.per_minute: must be a whole number, but is true",
    ),
    (
        'probes = { path = "/a", per_minute = nan }',
        "stages.staging.probes.per_minute: must be a whole number, but is NaN",
    ),
    (
        'probes = { path = "/a", per_minut = 5 }',
        "stages.staging.probes: unknown field 'per_minut' (did you mean 'per_minute'?)",
    ),
    ('probes = { path = "orders" }', 'stages.staging.probes.path: must match ^/[!-~]{0,2047}$, but is "orders"'),
    ('probes = { path = "/a", timeout = "2m" }', 'stages.staging.probes.timeout: must be at most 1m, but is "2m"'),
    (
        'probes = { path = "/a", functions = ["web:live"] }',
        "stages.staging: probes.functions lists web:live, but functions has only api:live",
    ),
    (
        'gates.errors = {}\nprobes = { path = "/a", timeout = "0s" }',
        'stages.staging.probes.timeout: must be greater than 0s, but is "0s"',
    ),
    ('probes = { path = "/a" }\ngates.probes = { path = "/a" }', "stages.staging: give either probes or gates.probes"),
    ("hold_max = 30", 'stages.staging.hold_max: a duration needs a unit, such as "30s" or "30m"'),
    (
        'bake = "ten"',
        f'stages.staging.bake: "ten" {DURATION}',
    ),
    ('bake = "٣m"', f'stages.staging.bake: "٣m" {DURATION}'),
    (
        'watch_max = "x"',
        f'stages.staging.watch_max: "x" {DURATION}',
    ),
    ("settle = []", 'stages.staging.settle: must be a duration such as "10m", but is []'),
    ("min_bake = []", 'stages.staging.min_bake: must be a duration such as "10m", but is []'),
    ('bak = "10m"', "stages.staging: unknown field 'bak' (did you mean 'bake'?)"),
    ("zzzzzz = 1", "stages.staging: unknown field 'zzzzzz'"),
    ("gates.latency.limt = 1", "stages.staging.gates.latency: unknown field 'limt' (did you mean 'limit'?)"),
    ("gates.latency.quantile = 2", "stages.staging.gates.latency.quantile: must be less than 1, but is 2"),
    ("gates.errors.limit_percent = 99", "stages.staging.gates.errors.limit_percent: must be less than 97.6, but is 99"),
    ("gates.latency = true", "stages.staging.gates.latency: must be a table"),
    ("gates = 3", "stages.staging.gates: must be a table"),
    ("rules = 3", "stages.staging.rules: must be a table"),
    ("gates.errors = { max = 1 }", "stages.staging.gates.errors: unknown field 'max' (a field of other tables)"),
    ("gates.foo = { kind = 'metrik' }", "value (did you mean 'metric'?)"),
    ("gates.foo = {}", 'stages.staging.gates.foo: unknown kind "foo"; expected one of errors, latency, throttles'),
    (
        "steps = [10, 100]",
        "stages.staging.steps[1]: a weight must be above 0 and below 100 %, but is 100",
    ),
    ("steps = ['x']", 'stages.staging.steps[0]: must be a number, but is "x"'),
    ("steps = [{ bake = '9m' }]", "stages.staging.steps[0].weight: is missing"),
    (
        'hooks = [{ when = "before_traffic" }]',
        "stages.staging.hooks[0]: give either function or url",
    ),
    (
        'hooks = [{ when = "before_traffic", function = "a", url = "https://a.example" }]',
        "stages.staging.hooks[0]: give either function or url",
    ),
    (
        'hooks = [{ when = "after_traffic", function = "a", token_env = "T" }]',
        "stages.staging.hooks[0]: token_env needs url",
    ),
    ("steps = 10", "stages.staging.steps: must be a list such as [10, 25, 50], but is 10"),
    ("steps = []", "stages.staging.steps: must not be empty"),
    ("steps = [50, 25]", "stages.staging: the weights of the steps must increase, but are 50, 25"),
    ("steps = [1]\ngrowth = { rule = 'linear' }", "stages.staging: give either steps or growth"),
    ("growth = { rule = 'linear', b = 3 }", "stages.staging.growth: unknown field 'b' (did you mean 'by'?)"),
    (
        "growth = { rule = 'linear', by = 60 }",
        "stages.staging.growth: has no step: the first weight is above",
    ),
    ('bake = "2m"', 'the step of 10 % bakes 2m, less than min_bake = "5m"; let it bake longer or lower min_bake'),
    ('steps = [10]\nbake = "10m"\nwatch_min = "15m"', 'all steps together bake 10m, less than watch_min = "15m"'),
    ('steps = [10]\nbake = "1h"\nwatch_max = "30m"', 'all steps together bake 1h, more than watch_max = "30m"'),
    ("gates.errors = false\ngates.latency = false", "no gate counts requests"),
    ("order = [['b:live']]", "order lists b:live, but functions has only api:live"),
    ("order = [['api:live'], ['api:live']]", "api:live is listed twice"),
    ("gates.q = { kind = 'queue', queue = 'q' }", "give either max_new_messages or max_age"),
    ("gates.health = {}", "give either url or invoke"),
    (
        "gates.health = { url = 'ftp://x' }",
        "url: must be a URL such as https://example.com/health: scheme should be",
    ),
    ("gates.alarms = { names = [] }", "stages.staging.gates.alarms.names: must not be empty"),
    ("gates.m = { kind = 'metric', metric = { namespace = 'a', name = 'b' } }", "give at least one of max, min"),
    (
        "gates.m = { kind = 'metric', min_percent_of_baseline = 80, metric = { namespace = 'a', name = 'b' } }",
        "a limit relative to the baseline needs {version}",
    ),
    (
        "gates.r = { kind = 'ratio', numerator = { namespace = 'a', name = 'b' }, "
        "denominator = { namespace = 'a', name = 'c' } }",
        "both metrics need {version} in a dimension",
    ),
    (
        "gates.r = { kind = 'ratio', percent_of_baseline = 120, numerator = { namespace = 'a', name = 'b' }, "
        "denominator = { namespace = 'a', name = 'c' } }",
        'percent_of_baseline must be below 100 when "lower" is bad',
    ),
    ("evidence.alph = 1", "stages.staging.evidence: unknown field 'alph' (did you mean 'alpha_safe'?)"),
)


@pytest.mark.parametrize(("text", "line"), LINES)
def test_every_fault_is_one_line_that_names_the_field(text: str, line: str) -> None:
    message = fault(text)
    assert line in message
    assert len(message.splitlines()) == 1


def test_faults_of_functions_name_the_entry() -> None:
    assert fault("", '["a:b", { function = "c", alias = "d", invked = "sync" }]') == (
        "stages.staging.functions[1]: unknown field 'invked' (did you mean 'invoked'?)"
    )
    assert fault("", '["a:b", { function = "c" }]') == "stages.staging.functions[1].alias: is missing"
    assert fault("", "[3]") == 'stages.staging.functions[0]: must be text such as "api:live"'
    assert fault("", '["a:b", "a:b"]') == "stages.staging: a:b is listed twice"
    arn = "arn:aws:lambda:us-east-1:123456789012:function:a:b"
    assert fault("", f'["a:b", "{arn}"]') == f"stages.staging: a:b and {arn} are the same alias"
    for name in ("a b", "a\\u001b", "arn:aws:s3:::a", "a/b"):
        assert "must be a function and an alias" in fault("", f'["{name}:live"]')
    assert fault("", "[]") == "stages.staging.functions: must not be empty"


def test_all_faults_are_listed_at_once() -> None:
    message = fault("hold_max = 3\nbak = 1\ngates.latency.quantile = 2")
    assert [line.split(":")[0] for line in message.splitlines()] == [
        "stages.staging.gates.latency.quantile",
        "stages.staging.hold_max",
        "stages.staging",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[s", "canary.toml is not valid TOML"),
        ("", "stages: is missing"),
        ("stages = 3", "stages: must be a table"),
        ("[stages]\nstaging = 3", "stages.staging: must be a table"),
        ("[stages]", "stages: must not be empty"),
        ("[stages.a]", "stages.a.functions: is missing"),
        ('[stages.""]\nfunctions = ["a:b"]', "plan: a stage needs a name, such as [stages.staging]"),
    ],
)
def test_a_text_that_is_not_a_plan_is_refused(text: str, message: str) -> None:
    with pytest.raises(PlanError) as caught:
        Plan.parse(text)
    assert re.sub(r" \(line \d+\)", "", caught.value.message).startswith(message)
    assert caught.value.hint


def test_an_unknown_stage_names_the_known_ones() -> None:
    plan = Plan.parse('[stages.a]\nfunctions = ["x:live"]\n[stages.b]\nfunctions = ["x:live"]')
    with pytest.raises(UnknownStageError, match="its stages are a, b"):
        plan.stage("c")


def test_a_plan_that_is_not_a_table_is_refused() -> None:
    check: Callable[[object], object] = Plan.model_validate
    with pytest.raises(ValueError, match="Input should be"):
        check(3)


HUGE = "9" * 5000
OUT_OF_BOUNDS: tuple[tuple[str, str], ...] = (
    ('hold_max = "99999999999999h"', 'hold_max: "99999999999999h" is too long; a duration is at most 720h'),
    (f'hold_max = "{HUGE}h"', "is too long; a duration is at most 720h"),
    ('tick = "10h"', 'tick: must be at most 15m, but is "10h"'),
    ('tick = "0s"', 'tick: must be at least 1s, but is "0s"'),
    ('settle = "2h"', 'settle: must be at most 1h, but is "2h"'),
    ('bake = "0s"\nmin_bake = "0s"', "stages.staging.bake: must be at least 1m, but is 0s"),
    ("steps = [0.00001]", "steps[0]: a weight must be a multiple of 0.01 %, but is 0.00001"),
    ("steps = [nan]", "steps[0]: must be a finite number, but is NaN"),
    ("steps = [{ pause = true }, 10]", "steps must begin with a weight, not with a pause"),
    (f"steps = {list(range(1, 22))}", "steps: must have at most 20 items, but has 21"),
    ("growth = { rule = 'exponential', factor = 1.0001 }", "growth: has more than 20 steps"),
    ("harm_cap = 99999999999", "harm_cap: must be at most 1000000, but is 99999999999"),
    (
        "gates.m = { kind = 'metric', max = 1 }",
        "stages.staging.gates.m: give either metric or expression with its metrics",
    ),
    (
        f"gates.m = {{ kind = 'metric', max = 1, expression = 'a', {METRIC} }}",
        "stages.staging.gates.m: give either metric or expression with its metrics",
    ),
    (
        "gates.m = { kind = 'metric', max = 1, expression = 'a' }",
        "stages.staging.gates.m: metrics is required with expression: it names the metrics",
    ),
    (
        "gates.m = { kind = 'metric', max = 1, expression = 'A', metrics = { A = { namespace = 'a', name = 'b' } } }",
        'stages.staging.gates.m.metrics.A: must match ^[a-z][A-Za-z0-9_]{0,63}$, but is "A"',
    ),
    (
        f"gates.m = {{ kind = 'metric', max = nan, {METRIC} }}",
        "gates.m.max: must be a finite number",
    ),
    (
        f"gates.m = {{ kind = 'metric', max = inf, {METRIC} }}",
        "gates.m.max: must be a finite number",
    ),
    (f"gates.m = {{ kind = 'metric', min = 5, max = 1, {METRIC} }}", "gates.m: min must be at most max, but is 5 with"),
    ("gates.p = { kind = 'datadog', query = 'q', min = 5, max = 1 }", "min must be at most max, but is 5 with max 1"),
    ("gates.errors.limit_percent = nan", "limit_percent: must be a finite number, but is NaN"),
    ("gates.latency.limit = '0s'", 'limit: must be greater than 0s, but is "0s"'),
    ("gates.latency.limit = '1h'", 'limit: must be at most 15m, but is "1h"'),
    ("gates.health = { url = 'http://[::1' }", "url: must be a URL such as https://example.com/health"),
    ("gates.health = { url = 'http://' }", "url: must be a URL such as https://example.com/health"),
    ("gates.health = { url = 'http://a/', timeout = '0s' }", 'timeout: must be greater than 0s, but is "0s"'),
    ("gates.health = { url = 'http://a/', timeout = '1h' }", 'timeout: must be at most 1m, but is "1h"'),
    ("gates.health = { url = 'http://a/', failures = 999 }", "failures: must be at most 10, but is 999"),
    ("gates.health = { url = 'http://a/', expect_status = 7 }", "expect_status: must be at least 100, but is 7"),
    ("gates.health = { invoke = { at = 2026-01-31 } }", 'invoke: JSON has no dates; write "2026-01-31" in quotes'),
    ("gates.health = { invoke = { at = [nan] } }", "invoke: JSON has no number NaN"),
    ("gates.q = { kind = 'queue', queue = '', max_new_messages = 0 }", "queue: must not be empty"),
    ("evidence.history = '25h'", 'history: must be at most 24h, but is "25h"'),
    ("evidence.alpha_safe = nan", "alpha_safe: must be a finite number, but is NaN"),
    ("dead_man = { role_arn = 'role', after = '15m' }", "role_arn: must match ^arn:"),
    ("dead_man = { role_arn = 'arn:aws:iam::1:role/x', after = '10s' }", 'after: must be at least 2m, but is "10s"'),
    ("region = 'Ireland'", "region: must match"),
    ("account = '12345'", "account: must match"),
    ("notifications = [{ kind = 'sns', topic_arn = 'alerts' }]", "topic_arn: must match ^arn:"),
    ("notifications = [{ kind = 'slack', url = 'hooks.slack.com' }]", "url: must be a URL"),
    (
        "on_unhealthy = 'paus'",
        "on_unhealthy: must be one of 'rollback', 'pause', 'off' or 'last_safe', but is \"paus\"",
    ),
)


@pytest.mark.parametrize(("text", "line"), OUT_OF_BOUNDS)
def test_a_value_out_of_bounds_names_the_field_the_value_and_the_bound(text: str, line: str) -> None:
    message = fault(text)
    assert line in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"a = {HUGE}", "canary.toml is not valid: a number has too many digits or too large an exponent"),
        ("a = 1e99999999999999999999999", "canary.toml is not valid: a number has"),
        (f"a = {'[' * 20_000}", "canary.toml is nested too deeply"),
        ("[stages.'../../x']\nfunctions = ['a:b']", "stages.../../x (line 1): must match"),
        (
            "[stages.a]\nfunctions = 'a:b'",
            'stages.a.functions (line 2): must be a list such as ["api:live"]',
        ),
    ],
)
def test_a_document_that_no_reader_expects_is_a_plan_error(text: str, message: str) -> None:
    with pytest.raises(PlanError) as caught:
        Plan.parse(text)
    assert caught.value.message.startswith(message)


def test_a_byte_order_mark_and_decimals_in_a_payload_are_read() -> None:
    plan = Plan.parse('\ufeff[stages.a]\nfunctions = ["x:live"]\ngates.health = { invoke = { a = 0.5, b = [1, "c"] } }')
    gate = plan.stage("a").gates["health"]
    assert isinstance(gate, HealthGate)
    assert gate.invoke == {"a": 0.5, "b": [1, "c"]}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[stages.a]\nfunctions = ['x:live']\n\nhold_max = 3", 4),
        ("[stages.a]\nfunctions = ['x:live']\n[stages.a.gates.errors]\n# the limit\nlimit = 3", 5),
        ("[stages.a]\nfunctions = ['x:live']\ngates.errors.limit_percent = 99", 3),
        ("[stages.a]\nfunctions = ['x:live']\n['stages'.\"a\".gates]\nerrors = { limit_percent = 99 }", 4),
    ],
)
def test_a_fault_names_the_line_of_the_file(text: str, line: int) -> None:
    with pytest.raises(PlanError) as caught:
        Plan.parse(text)
    assert f"(line {line})" in caught.value.message


def test_a_pause_between_steps_belongs_to_the_step_before_it() -> None:
    plan = stage("steps = [10, { pause = true }, { weight = 25, bake = '6m' }, { pause = true }, 50]")
    assert [(step.weight, step.pause) for step in plan.steps] == [(10, True), (25, True), (50, False)]


def test_a_fault_of_a_gate_set_is_reported_once_where_it_is_written() -> None:
    stages = "".join(f'[stages.{name}]\nfunctions = ["api:live"]\ngate_sets = ["web"]\n' for name in ("a", "b"))
    with pytest.raises(PlanError) as caught:
        Plan.parse(f'[gate_sets.web.p99]\nkind = "latency"\nquantile = 2\n{stages}')
    assert caught.value.message == "gate_sets.web.p99.quantile (line 3): must be less than 1, but is 2"


SETS: tuple[tuple[str, str], ...] = (
    ("gate_sets.web.p99 = { kind = 'latancy' }", 'gate_sets.web.p99: unknown kind "latancy"'),
    ("gate_sets.web = 3", "gate_sets.web: must be a table"),
    ("gate_sets = 3", "gate_sets: must be a table"),
    ("gate_sets.web.errors = { limt = 1 }", "gate_sets.web.errors: unknown field 'limt' (did you mean 'limit'?)"),
    ("gate_sets.web.errors = true", "gate_sets.web.errors: must be a table"),
    ("gate_sets.other = {}", 'stages.staging.gate_sets names "web", but its gate sets are other'),
    ("", 'stages.staging.gate_sets names "web", but it has no gate sets'),
)


@pytest.mark.parametrize(("text", "message"), SETS)
def test_a_wrong_gate_set_is_named(text: str, message: str) -> None:
    with pytest.raises(PlanError) as caught:
        Plan.parse(f'{text}\n[stages.staging]\nfunctions = ["api:live"]\ngate_sets = ["web"]')
    assert message in re.sub(r" \(line \d+\)", "", caught.value.message)


def test_probes_of_a_stage_replace_those_of_a_gate_set() -> None:
    sets = '[gate_sets.web]\nprobes = { invoke = {}, per_minute = 5 }\n[stages.s]\nfunctions = ["api:live"]\n'
    sets += 'gate_sets = ["web"]\n'
    found = Plan.parse(sets).stage("s").gates["probes"]
    replaced = Plan.parse(sets + 'probes = { path = "/" }').stage("s").gates["probes"]
    assert isinstance(found, ProbesGate)
    assert isinstance(replaced, ProbesGate)
    assert (found.per_minute, replaced.per_minute) == (5, 60)
    assert "probes" not in Plan.parse(sets + "probes = false").stage("s").gates
