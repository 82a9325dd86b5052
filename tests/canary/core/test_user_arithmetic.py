"""How many users a step of a rollout takes, and which steps never get them."""

from __future__ import annotations

import math

import pytest

from canary.core.plan import StagePlan, check_users, new_users_needed


def stage(**fields: object) -> StagePlan:
    table = {
        "flag": "file:flags.json#new_checkout",
        "outcomes": "csv:x.csv",
        "steps": [1, 5, 25, 50, 100],
        "bake": "10m",
    }
    return StagePlan.model_validate({"name": "checkout", **table, **fields})


def test_each_step_needs_its_users_anew() -> None:
    assert new_users_needed(stage()) == (6500, 1300, 260, 130)
    functions = StagePlan.model_validate({"name": "s", "functions": ["api:live"], "steps": [10]})
    assert new_users_needed(functions) == (0,)
    assert check_users(functions, 1.0, 5) == ()


def test_a_first_step_that_can_never_have_enough_users_is_named() -> None:
    (found,) = check_users(stage(), math.inf, 5000)
    assert found.message == (
        "step 1 (1 %) needs 65 clean users with new_checkout for outcomes, "
        "and 1 % of 5,000 users are 50: no time makes them more"
    )
    assert (found.severity, found.hint) == ("refuse", "Start at 2 %, or raise limit_percent.")


def test_users_who_were_counted_in_a_step_do_not_count_in_the_next() -> None:
    (found,) = check_users(stage(), math.inf, 8000)
    assert "step 3 (25 %)" in found.message
    assert "the steps before it count 7,800 of 8,000" in found.message
    assert check_users(stage(), math.inf, 8190) == ()


@pytest.mark.parametrize(
    ("per_minute", "severity", "text"),
    [
        (650.0, None, ""),
        (500.0, "warn", "at 500 a minute that takes 13 minutes, but it bakes 10m"),
        (100.0, "refuse", "takes 65 minutes, but it bakes 10m, and the longest hold is 30m"),
        (0.0, "refuse", "nobody comes, but it bakes 10m"),
    ],
)
def test_a_step_that_gets_its_users_too_late_is_named(per_minute: float, severity: str | None, text: str) -> None:
    found = check_users(stage(steps=[1, 100]), per_minute)
    assert [problem.severity for problem in found] == ([severity] if severity else [])
    assert text in "".join(problem.message for problem in found)


def test_no_percentage_is_enough_for_a_handful_of_users() -> None:
    (found,) = check_users(stage(), math.inf, 10)
    assert found.hint == "Raise limit_percent."
