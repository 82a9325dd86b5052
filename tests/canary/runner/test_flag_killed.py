"""The driver of a flag is killed at each of its moments; another process ends the rollout as an uninterrupted one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from canary import runner
from canary.core.phases import Phase
from canary.testing import AwsStandIn
from tests.canary.flag_scenarios import AppConfigScenario, FileScenario, Scenario

WRITES = ("appconfig.CreateHostedConfigurationVersion", "appconfig.StartDeployment", "appconfig.StopDeployment")


@contextmanager
def scenario_of(kind: str, folder: Path) -> Iterator[Scenario]:
    """With "last_safe", users suffer from 25 % on."""
    with pytest.MonkeyPatch.context() as patch:
        settings = {"on_unhealthy": "last_safe"} if kind == "last_safe" else {}
        if kind != "appconfig":
            scenario = FileScenario(folder, patch, **settings)
            scenario.users.suffers_from_bp = 2500 if settings else 0
            yield scenario
        else:
            with AwsStandIn() as aws:
                yield AppConfigScenario(aws)


def moments(kind: str, folder: Path, failing: float) -> list[int]:
    """The moments of an uninterrupted run at which to kill it: each write and each event, and what is before it."""
    with scenario_of(kind, folder) as scenario:
        scenario.users.failing["2"] = failing
        scenario.deploy()
        found = enumerate(scenario.moments)
        if kind != "appconfig":
            return [number for number, _ in found]
        return sorted({at for number, call in found if call in WRITES for at in (number - 1, number)})


def goes_on(scenario: Scenario) -> Phase:
    return scenario.resumed().phase


def rolls_back(scenario: Scenario) -> Phase:
    if runner.current(scenario.stage, scenario.ports()) is None:
        return scenario.resumed().phase
    state = runner.rollback(scenario.stage, scenario.ports())
    assert state is not None
    return state.phase


def check(scenario: Scenario, what: str) -> None:
    """Nothing is told twice, and who lost the variant in a rollout doesn't get it back."""
    assert len(scenario.ends) == 1, what
    assert len(set(scenario.turns)) == len(scenario.turns), (what, scenario.turns)
    assert scenario.record is None, what
    falls = [later < earlier for earlier, later in pairwise(scenario.shares)]
    assert falls == sorted(falls), (what, scenario.shares)


@pytest.mark.sweep
@pytest.mark.parametrize(
    ("kind", "failing", "command", "ends"),
    [
        ("last_safe", 0.3, goes_on, {(Phase.ROLLED_BACK, 1)}),
        ("last_safe", 0.3, rolls_back, {(Phase.ROLLED_BACK, 0), (Phase.ABORTED, 0), (Phase.ROLLED_BACK, 1)}),
        *(
            (kind, *case)
            for kind in ("file", "appconfig")
            for case in (
                (0.0, goes_on, {(Phase.PROMOTED, 100)}),
                (0.3, goes_on, {(Phase.ROLLED_BACK, 0)}),
                (0.0, rolls_back, {(Phase.ROLLED_BACK, 0), (Phase.ABORTED, 0), (Phase.PROMOTED, 100)}),
            )
        ),
    ],
)
def test_killed_at_every_moment_it_ends_as_an_uninterrupted_rollout(
    kind: str,
    failing: float,
    command: Callable[[Scenario], Phase],
    ends: set[tuple[Phase, float | None]],
    tmp_path: Path,
) -> None:
    for number in moments(kind, tmp_path / "whole", failing):
        with scenario_of(kind, tmp_path / str(number)) as scenario:
            scenario.users.failing["2"] = failing
            assert scenario.killed_at(number)
            what = f"killed at {number}: {scenario.moments[-1]}"
            scenario.simulation.clock.sleep(150)
            if scenario.ends or (scenario.record is None and scenario.shares == [0]):
                continue  # it was over, or had not begun
            phase = command(scenario)
            assert (phase, scenario.percent) in ends, what
            check(scenario, what)
