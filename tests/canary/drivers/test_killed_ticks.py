"""A tick is killed at its calls in turn: the engine goes on, and where nothing goes on, AWS itself rolls back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from canary.assembly import assemble
from canary.drivers import lambda_handler
from canary.runner import Ports
from canary.testing import AwsStandIn
from flagkit.testing.wire import CallRecord
from tests.canary.drivers.fleet import BAD, GOOD, TEXT, Fleet

pytestmark = pytest.mark.sweep

WINDOW = {"lambda.UpdateAlias", "lambda.GetAlias", "scheduler.GetScheduleGroup"} | {
    f"scheduler.{action}Schedule" for action in ("Create", "Update")
}


class Killed(BaseException):
    """The environment is gone; no code sees that."""


class Run:
    """One release whose tick is killed at one call, or at none."""

    def __init__(self, folder: Path, code: str, kill_at: int | None, *, is_last: bool) -> None:
        self.calls: list[str] = []
        self._kill_at, self._is_last = kill_at, is_last
        with AwsStandIn() as aws, pytest.MonkeyPatch.context() as patch:
            made: dict[str, Ports] = {}
            patch.setattr(
                lambda_handler,
                "assemble",
                lambda plan, name, **more: made.get(name) or made.setdefault(name, assemble(plan, name, **more)),
            )
            folder.mkdir()
            self.fleet = Fleet(aws, folder)
            self._is_ticking = False
            tick = self.fleet.tick

            def watched(event: dict[str, object], context: object) -> dict[str, object]:
                self._is_ticking = True
                try:
                    return tick(event, context)
                except Killed:
                    raise RuntimeError("Runtime exited") from None
                finally:
                    self._is_ticking = False

            aws.lambda_.deploy("canary-tick-dev", watched, Timeout=900)
            aws.wire.watchers.append(self._on_call)
            self.arn = self.fleet.release(code)
            for _ in range(20):
                aws.clock.advance(60)
                if self.fleet.outcome(self.arn)[0] != "RUNNING":
                    break
            for stream in aws.traffic.streams:
                stream.stop()
            aws.clock.advance(1200)
            self.aliases = self.fleet.aliases()
            self.outcome = self.fleet.outcome(self.arn)
            self.ends = [row["outcome"] for row in self.fleet.ports.journal.canaries("dev")]

    def _on_call(self, record: CallRecord) -> None:
        if not self._is_ticking:
            return
        self.calls.append(record.call)
        if len(self.calls) - 1 == self._kill_at:
            if self._is_last:
                self.fleet.is_broken = True
                self.fleet.aws.clock.call_after(0, self._stop)
            self._is_ticking = False
            raise Killed

    def _stop(self) -> None:
        name = self.fleet.aws.states.executions
        self.fleet.aws.states.StopExecution({"executionArn": next(iter(name))}, None)  # type: ignore[arg-type]


def moments(calls: list[str]) -> list[int]:
    """The calls to be killed at: every write of an alias, and the first of each other kind."""
    counts = Counter[str]()
    chosen = []
    for number, call in enumerate(calls):
        counts[call] += 1
        if call == "lambda.UpdateAlias" or counts[call] == 1:
            chosen.append(number)
    return chosen


@pytest.mark.parametrize(("code", "version", "end"), [(GOOD + "\n", "2", "promoted"), (BAD, "1", "rolled_back")])
def test_an_engine_ends_a_release_whose_tick_is_killed_at_any_call(
    code: str, version: str, end: str, tmp_path: Path
) -> None:
    whole = Run(tmp_path / "whole", code, None, is_last=False)
    assert (whole.ends, whole.aliases) == ([end], [(version, None, TEXT)] * 2)
    for number in moments(whole.calls):
        run = Run(tmp_path / str(number), code, number, is_last=False)
        assert run.aliases == [(version, None, TEXT)] * 2, (number, whole.calls[number])
        assert run.ends == [end], (number, whole.calls[number])


def test_without_any_driver_aws_rolls_back_but_for_one_window(tmp_path: Path) -> None:
    """The window is between a shift and the schedules that guard it: `canary orphans` finds what is left there."""
    whole = Run(tmp_path / "whole", GOOD + "\n", None, is_last=False)
    for number in moments(whole.calls):
        run = Run(tmp_path / str(number), GOOD + "\n", number, is_last=True)
        if any(weights for _, weights, _ in run.aliases):
            assert whole.calls[number] in WINDOW, (number, whole.calls[number])
