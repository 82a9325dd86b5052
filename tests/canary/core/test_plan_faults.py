"""What a plan may not say, and the words in which it is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from canary.core.plan import (
    Plan,
    StagePlan,
)
from canary.errors import PlanError, UnknownStageError


def stage(text: str = "", name: str = "staging", functions: str = '["api:live"]') -> StagePlan:
    return Plan.parse(f"[stages.{name}]\nfunctions = {functions}\n{text}").stage(name)


def fault(text: str, functions: str = '["api:live"]') -> str:
    with pytest.raises(PlanError) as caught:
        stage(text, functions=functions)
    return caught.value.message


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
        ("[[s", "canary.toml is not valid TOML"),
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
