"""The example plan is a whole, valid plan."""

from __future__ import annotations

from pathlib import Path

from canary.assembly import load_plan
from canary.view.planned import plan_lines

EXAMPLE = Path(__file__).parents[2] / "examples" / "canary" / "canary.toml"


def test_the_example_plan_can_be_read_and_printed() -> None:
    text = "\n".join(plan_lines(load_plan(EXAMPLE).stage("production"), 20.0))
    assert "worker:live, then api:live" in text
    assert "more than 2 % of requests fail" in text
