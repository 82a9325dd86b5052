"""What is checked before a flag gets its first users: refused, or named with what to do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from canary.runner import Check, Level, preflight
from flagkit.admin import edits
from flagkit.core.documents import FlagDocument
from tests.canary.cli.flag_desk import KEY, PLAN, FlagDesk

Change = Callable[[FlagDocument], FlagDocument]


def checks(desk: FlagDesk) -> dict[str, Check]:
    """What preflight finds, by name; the worst one of each name."""
    found = preflight(desk.stage, desk.ports())
    order = [Level.OK, Level.WARNING, Level.NO_DATA, Level.FAILED]
    return {check.name: check for check in sorted(found, key=lambda check: order.index(check.level))}


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> FlagDesk:
    desk = FlagDesk(tmp_path, capsys)
    desk.clock.advance(20 * 60)  # programs count users before the rollout
    return desk


def test_a_flag_that_is_ready_passes(desk: FlagDesk) -> None:
    found = checks(desk)
    assert not any(check.level is Level.FAILED for check in found.values())
    assert found["flag_readable"].text == "new_checkout is at 0 %"
    assert found["outcomes"].level is Level.OK


@pytest.mark.parametrize(
    ("change", "name", "level", "text"),
    [
        (lambda d: edits.delete(d, KEY), "flag_readable", Level.FAILED, "there is no flag"),
        (lambda d: edits.rollout(d, KEY, 0, by="country"), "flag_readable", Level.FAILED, "splits by country"),
        (lambda d: edits.archive(d, KEY), "flag_archived", Level.FAILED, "is archived"),
        (lambda d: edits.switch_on(edits.rollout(d, KEY, 40), KEY), "alias_free", Level.FAILED, "is at 40 %"),
        (lambda d: edits.switch_on(d, KEY), "flag_readable", Level.WARNING, "all users have new_checkout already"),
        (
            lambda d: edits.schedule(
                d, KEY, starts=datetime(2030, 1, 1, tzinfo=UTC), now=datetime(2026, 1, 1, tzinfo=UTC)
            ),
            "flag_schedule",
            Level.WARNING,
            "from 2030-01-01 00:00 UTC",
        ),
    ],
)
def test_a_flag_that_cannot_be_rolled_out_is_named(
    desk: FlagDesk, change: Change, name: str, level: Level, text: str
) -> None:
    desk.edit(change)
    found = checks(desk)[name]
    assert (found.level, text in found.text) == (level, True), found
    assert found.hint


def test_outcomes_that_cannot_be_read_refuse_the_start(desk: FlagDesk) -> None:
    desk.write_plan(PLAN.replace("outcomes.csv", "nowhere.csv"))
    found = checks(desk)["outcomes"]
    assert (found.level, "csv:nowhere.csv can't be read" in found.text) == (Level.FAILED, True)


def test_a_flag_that_no_program_reports_for_has_no_data(desk: FlagDesk) -> None:
    desk.rows.clear()
    desk.per_minute = 0
    desk.clock.advance(60)
    found = checks(desk)["outcomes"]
    assert (found.level, "no user of new_checkout was counted" in found.text) == (Level.NO_DATA, True)


def test_users_who_fail_without_the_flag_already_refuse_the_start(desk: FlagDesk) -> None:
    desk.failing = (0.01, 0.5)
    desk.clock.advance(20 * 60)
    assert checks(desk)["users_healthy"].level is Level.FAILED


def test_a_first_step_with_too_few_users_is_named(desk: FlagDesk) -> None:
    desk.rows.clear()
    desk.per_minute = 30
    desk.clock.advance(20 * 60)
    found = checks(desk)["enough_users"]
    assert (found.level, found.text.startswith("step 1 (5 %) needs")) == (Level.WARNING, True)


@pytest.mark.parametrize(
    ("fields", "level", "text"),
    [
        ('window = "10m"\nhold_max = "0s"', Level.FAILED, "step of 5 % ends after 10m"),
        ('window = "10m"\nhold_max = "0s"\non_no_data = "promote"', Level.WARNING, "step of 5 % ends after 10m"),
        ('window = "5m"\nhold_max = "1m"', Level.WARNING, "post-promotion watch ends after 6m"),
    ],
)
def test_a_window_that_ends_after_the_step_is_named(desk: FlagDesk, fields: str, level: Level, text: str) -> None:
    desk.write_plan(PLAN.replace('window = "5m"', fields))
    found = checks(desk)["judged_in_time"]
    assert (found.level, text in found.text) == (level, True), found
