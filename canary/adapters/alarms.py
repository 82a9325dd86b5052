"""The AlarmSource port on CloudWatch: metric, composite and log alarms as they stand; it judges none of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from canary.adapters.aws import Api, Session, reading
from canary.core.measurements import AlarmReading, AlarmState
from canary.core.plan import AlarmsGate, StagePlan
from canary.ports import Clock
from flagkit.channels.text import printable

NAMES_PER_CALL: Final = 100
KINDS: Final = ("MetricAlarms", "CompositeAlarms", "LogAlarms")

_STATES: Final = {
    "OK": AlarmState.OK,
    "ALARM": AlarmState.ALARM,
    "INSUFFICIENT_DATA": AlarmState.INSUFFICIENT_DATA,
}


class CloudWatchAlarms:
    """Reads alarms by name."""

    def __init__(self, session: Session, clock: Clock) -> None:
        self._cloudwatch = Api(session, "cloudwatch")
        self._clock = clock
        # Without AlarmTypes only metric alarms are returned; the types this boto3 knows are all there are to ask for.
        self._kinds = list(self._cloudwatch.client.meta.service_model.shape_for("AlarmType").enum)

    def alarms(self, stage: StagePlan, started_at: datetime | None) -> tuple[AlarmReading, ...]:
        """Every alarm that the stage's gates name; missing ones are UNKNOWN with the reason.

        Raises:
            AwsError: CloudWatch can't be asked.
        """
        gates = {name: gate for name, gate in stage.gates.items() if isinstance(gate, AlarmsGate)}
        wanted = sorted({name for gate in gates.values() for name in gate.names})
        with reading("cloudwatch", "DescribeAlarms"):
            found = {str(alarm["AlarmName"]): alarm for alarm in self._described(wanted)}
            return tuple(
                _reading(gate, name, found.get(name), started_at)
                for gate, names in gates.items()
                for name in names.names
            )

    def _described(self, names: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        for first in range(0, len(names), NAMES_PER_CALL):
            pages = self._cloudwatch.pages_by_token(
                self._clock,
                "DescribeAlarms",
                AlarmNames=names[first : first + NAMES_PER_CALL],
                AlarmTypes=self._kinds,
                MaxRecords=NAMES_PER_CALL,
            )
            for page in pages:
                for kind in KINDS:
                    yield from page.get(kind) or ()


def _reading(gate: str, name: str, said: Mapping[str, Any] | None, started_at: datetime | None) -> AlarmReading:
    if said is None:
        return AlarmReading(gate, name, AlarmState.UNKNOWN, detail="there is no such alarm")
    state = _STATES.get(str(said.get("StateValue")), AlarmState.UNKNOWN)
    evaluation = str(said.get("EvaluationState", ""))
    detail = printable(str(said.get("StateReason", "")), 300)
    if evaluation and state is not AlarmState.ALARM:
        # An alarm whose evaluation is broken or partial shows its former state: that isn't OK (lambda-canary.md §5).
        state, detail = AlarmState.UNKNOWN, f"its evaluation is {printable(evaluation)}"
    # The level may be older than the canary: what counts is when it changed.
    since = said.get("StateTransitionedTimestamp") or said.get("StateUpdatedTimestamp")
    since = since and since.astimezone(UTC)
    red = state is AlarmState.ALARM
    before = red and (started_at is None or (since is not None and since <= started_at))
    return AlarmReading(gate, name, state, since, red_at_start=before, detail=detail)
