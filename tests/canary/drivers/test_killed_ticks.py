"""A tick is killed at its calls in turn: the engine goes on, and where nothing goes on, AWS itself rolls back."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from canary.assembly import assemble
from canary.drivers import lambda_handler
from canary.runner import Ports
from canary.testing import AwsStandIn
from flagkit.testing.wire import CallRecord
from tests.canary.drivers.fleet import BAD, GOOD, TEXT, Fleet

pytestmark = pytest.mark.sweep


class Killed(BaseException):
    """The environment is gone; no code sees that."""


class Run:
    """One release that is killed at one call, or at none: in a tick; with `is_last` in its start, too, and for good."""

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
            self._is_watched = is_last
            tick = self.fleet.tick

            def watched(event: dict[str, object], context: object) -> dict[str, object]:
                self._is_watched = True
                try:
                    return tick(event, context)
                except Killed:
                    raise RuntimeError("Runtime exited") from None
                finally:
                    self._is_watched = False

            aws.lambda_.deploy("canary-tick-dev", watched, Timeout=900)
            aws.wire.watchers.append(self._on_call)
            with suppress(Killed):
                arn = self.fleet.release(code)
                self._is_watched = False
                for _ in range(20):
                    aws.clock.advance(60)
                    if self.fleet.outcome(arn)[0] != "RUNNING":
                        break
            for stream in aws.traffic.streams:
                stream.stop()
            aws.clock.advance(1200)
            self.aliases = self.fleet.aliases()
            self.ends = [row["outcome"] for row in self.fleet.ports.journal.canaries("dev")]

    def _on_call(self, record: CallRecord) -> None:
        if not self._is_watched:
            return
        self.calls.append(record.call)
        if len(self.calls) - 1 == self._kill_at:
            if self._is_last:
                self.fleet.is_broken = True
                self.fleet.aws.clock.call_after(0, self._stop)
            self._is_watched = False
            raise Killed

    def _stop(self) -> None:
        for arn in self.fleet.aws.states.executions:
            self.fleet.aws.states.StopExecution({"executionArn": arn}, None)  # type: ignore[arg-type]


def moments(calls: list[str]) -> list[int]:
    """The calls to be killed at: every write of an alias, and the first of each other kind."""
    counts = Counter[str]()
    chosen = []
    for number, call in enumerate(calls):
        counts[call] += 1
        if call == "lambda.UpdateAlias" or counts[call] == 1:
            chosen.append(number)
    return chosen


def last_moments(calls: list[str]) -> list[int]:
    """Each write of an alias and the first of each kind of schedule, and the call after it: all others are as these."""
    counts = Counter[str]()
    chosen = set()
    for number, call in enumerate(calls):
        counts[call] += 1
        if call == "lambda.UpdateAlias" or (call.endswith("Schedule") and counts[call] == 1):
            chosen |= {number, number + 1}
    return sorted(chosen & set(range(len(calls))))


RELEASES = pytest.mark.parametrize(
    ("code", "version", "end"), [(GOOD + "\n", "2", "promoted"), (BAD, "1", "rolled_back")]
)


@RELEASES
def test_an_engine_ends_a_release_whose_tick_is_killed_at_any_call(
    code: str, version: str, end: str, tmp_path: Path
) -> None:
    whole = Run(tmp_path / "whole", code, None, is_last=False)
    assert (whole.ends, whole.aliases) == ([end], [(version, None, TEXT)] * 2)
    for number in moments(whole.calls):
        run = Run(tmp_path / str(number), code, number, is_last=False)
        assert run.aliases == [(version, None, TEXT)] * 2, (number, whole.calls[number])
        assert run.ends == [end], (number, whole.calls[number])


@RELEASES
def test_without_any_driver_aws_rolls_back_whichever_call_was_the_last(
    code: str, version: str, end: str, tmp_path: Path
) -> None:
    whole = Run(tmp_path / "whole", code, None, is_last=True)
    assert (whole.ends, whole.aliases) == ([end], [(version, None, TEXT)] * 2)
    for number in last_moments(whole.calls):
        run = Run(tmp_path / str(number), code, number, is_last=True)
        assert run.aliases in ([("1", None, TEXT)] * 2, [(version, None, TEXT)] * 2), (number, whole.calls[number])
