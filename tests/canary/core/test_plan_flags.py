"""A stage whose target is a flag: how it is written, and what it refuses."""

from __future__ import annotations

import pytest

from canary.core.plan import FlagTarget, FunctionRef, Plan, StagePlan, flag_of
from canary.errors import PlanError

FLAG = "appconfig://civicforge/prod/flags#new_checkout"
FILE = {"flag": "file:flags.json#new_checkout"}
ROLE = "arn:aws:iam::123456789012:role/x"


def stage(**settings: object) -> StagePlan:
    return StagePlan.model_validate({"flag": FLAG, "outcomes": "dynamodb://outcomes", **settings})


def test_a_flag_stands_for_the_functions_of_a_stage() -> None:
    found = stage(variant="blue")
    assert found.flag == FlagTarget("appconfig://civicforge/prod/flags", "new_checkout")
    assert str(found.flag) == FLAG
    assert found.functions == (FunctionRef("flag.new_checkout", "blue"),)
    assert [float(step.weight) for step in found.steps] == [1, 5, 25, 50]
    assert list(found.gates) == ["outcomes"]


def test_the_last_step_may_be_the_promotion() -> None:
    assert [float(step.weight) for step in stage(steps=[10, 100]).steps] == [10]


def test_a_lambda_function_is_never_taken_for_a_flag() -> None:
    assert (flag_of("flag:live"), flag_of("flag.new_checkout:on"), flag_of("flag.x")) == ("", "new_checkout", "x")
    assert (FunctionRef("api", "live").flag, FunctionRef("flag.x", "on").flag) == ("", "x")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"flag": "flags.json"}, "must be a source and a flag"),
        ({"flag": "agent://app/env/profile#x"}, "must be a source and a flag"),
        ({"flag": "file:flags.json#New"}, "must be a source and a flag"),
        ({"functions": ["api:live"]}, "either functions or flag"),
        ({"outcomes": None}, "outcomes is required"),
        ({"gates": {"errors": {}}}, "errors: counts requests of functions"),
        ({"gates": {"latency": {"source": "alb", "target": "app/a/b"}}}, "latency: counts requests"),
        ({**FILE, "engine": "lambda"}, 'engine = "lambda" needs a flag in AppConfig.*your file file:flags.json'),
        ({**FILE, "dead_man": {"role_arn": ROLE}}, "dead_man needs a flag in AppConfig"),
        ({"flags_off": [{"source": "file:flags.json", "key": "other"}]}, "flags_off is not available for a flag"),
        ({"variant": "two words"}, "variant"),
    ],
)
def test_what_a_flag_can_not_be_rolled_out_with_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stage(**settings)


def test_a_variant_belongs_to_a_flag() -> None:
    with pytest.raises(PlanError, match="variant is set, but no flag"):
        Plan.parse('[stages.prod]\nfunctions = ["api:live"]\nvariant = "on"\n')


def test_an_engine_in_aws_drives_no_flag_and_reads_no_outcomes_that_are_in_your_files() -> None:
    assert stage().with_engine("lambda").engine == "lambda"
    for settings in (FILE, {"outcomes": "csv:users.csv"}):
        assert stage(**settings).with_engine("local").engine == "local"
        with pytest.raises(PlanError, match=r"needs (a flag in AppConfig|engine = .local.)"):
            stage(**settings).with_engine("stepfunctions")
