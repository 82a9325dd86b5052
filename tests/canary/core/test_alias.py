"""Weights are whole basis points with one rounding place each way."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from canary.core.alias import AliasSpec, AliasState, basis_points, from_ratio, percent_text, ratio
from canary.core.plan import FunctionRef


@pytest.mark.parametrize(("percent", "expected"), [(10, 1000), ("12.5", 1250), (Decimal("0.05"), 5), (0.1, 10)])
def test_percentages_become_whole_basis_points(percent: float, expected: int) -> None:
    assert basis_points(percent) == expected


def test_every_weight_survives_awss_floats() -> None:
    """lambda-canary.md §9, trap 35: 0.1 + 0.2."""
    assert all(from_ratio(ratio(weight)) == weight for weight in range(10_001))
    assert from_ratio(0.1 + 0.2) == 3000


@pytest.mark.parametrize(("weight_bp", "text"), [(1000, "10"), (1250, "12.5"), (5, "0.05"), (0, "0"), (10_000, "100")])
def test_weights_read_as_percent(weight_bp: int, text: str) -> None:
    assert percent_text(weight_bp) == text


def test_an_alias_is_compared_by_routes_and_text_and_not_by_revision() -> None:
    alias = AliasState(FunctionRef("api", "live"), "1", "2", 1000, "text", "r1")
    spec = AliasSpec("1", "2", 1000, "text")
    assert alias.says(spec)
    assert alias.same_content(replace(alias, revision_id="r2"))
    assert not alias.same_content(replace(alias, extra_bp=2000))
    assert not alias.says(replace(spec, description="other"))
    assert alias.routes_like(replace(spec, description="other"))


def test_the_account_is_read_from_the_arn() -> None:
    alias = AliasState(FunctionRef("api", "live"), "1", None, 0, "", "r1")
    assert alias.account == ""
    assert replace(alias, arn="arn:aws:lambda:eu-west-1:111122223333:function:api:live").account == "111122223333"
