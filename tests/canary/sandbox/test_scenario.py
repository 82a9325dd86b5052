"""Scenario files: what they build and plan, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from canary.sandbox.pace import Pace
from canary.sandbox.scenario import ScenarioError, read_scenario
from canary.testing import AwsStandIn


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "scenario.toml"
    path.write_text(text, "utf-8")
    return str(path)


def test_a_file_sets_the_beginning_and_what_happens_later(tmp_path: Path, canary_aws: AwsStandIn) -> None:
    path = written(
        tmp_path,
        """
        base = "empty"
        seed = 7
        speed = 600
        start = 2027-03-01T08:00:00Z
        set = ["cold_starts 10%"]
        [[later]]
        after = "10m"
        set = ["fault throttled lambda.*", "cold_starts 0%"]
        """,
    )
    scenario = read_scenario(path)
    assert (scenario.seed, scenario.speed) == (7, 600.0)
    assert scenario.start is not None
    assert scenario.start.year == 2027
    scenario.build(canary_aws, Pace(canary_aws.clock, canary_aws.wire.lock, 0))
    assert canary_aws.lambda_.settings.cold_ratio == 0.1
    canary_aws.clock.advance(599)
    assert canary_aws.faults.rules == ()
    canary_aws.clock.advance(2)
    assert len(canary_aws.faults.rules) == 1
    assert canary_aws.lambda_.settings.cold_ratio == 0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sed = 1", "unknown field 'sed'"),
        ("base = 'moon'", "base = 'moon'"),
        ("seed = 'x'", "seed = 'x'"),
        ("speed = true", "speed = True"),
        ("speed = -1", "speed = -1"),
        ("start = 'now'", "start = 'now'"),
        ("set = 'speed 1'", "set: expected a list"),
        ("set = [1]", "1 is not a line of text"),
        ("[[later]]\nafter = '10m'", "later[1]: expected after"),
        ("[[later]]\nafter = 10\nset = []", "a duration needs a unit"),
        ("= 1", "is not valid TOML"),
    ],
)
def test_a_file_that_can_not_be_used_names_the_place(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        read_scenario(written(tmp_path, text))
    assert problem in str(caught.value)


def test_a_file_that_is_not_there_names_the_built_in_ones() -> None:
    with pytest.raises(ScenarioError, match="expected civicforge, empty or a TOML file"):
        read_scenario("gone.toml")
