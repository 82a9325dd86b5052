"""canary drill: every way to lose the driver ends in a rollback, and the time is measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from canary.infra import drill
from canary.infra.drill import DRILLS, Drill, run
from tests.canary.cli.conftest import Desk


@pytest.mark.sweep
@pytest.mark.parametrize(
    ("name", "longest_s"), [("command", 300), ("broken", 600), ("engine", 300), ("alarm", 660), ("lost", 960)]
)
def test_a_drill_ends_on_the_baseline(name: str, longest_s: int, tmp_path: Path) -> None:
    done = run(name, tmp_path)
    assert done.rollback_s is not None
    assert 0 < done.rollback_s <= longest_s
    assert done.failed_requests > 0


def test_the_command_shows_each_drill(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(name: str, folder: Path, **options: Any) -> Drill:
        assert options == {"failing_percent": 12.0, "seed": 1, "flag": False}
        return Drill(name, DRILLS[name], 140.0 if name == "command" else None, 20)

    monkeypatch.setattr(drill, "run", measured)
    done = desk("drill", "command", "--errors", "12%")
    assert (done.code, done.out) == (
        0,
        "command     140 s, 20 failed requests: rolled back by the command that releases\n",
    )
    lost = desk("drill", "lost", "--errors", "12%", "--json")
    assert (lost.code, json.loads(lost.out)["rollback_s"]) == (1, None)
    assert "not within an hour" in desk("drill", "lost", "--errors", "12%").out
    assert "'fire' is not a drill" in desk("drill", "fire").err
