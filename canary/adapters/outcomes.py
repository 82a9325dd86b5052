"""Outcomes of users as streams of counts and sums by minute, from whichever store a stage names. Nothing is judged.

A store that doesn't answer leaves what was known, with the reason: what was evidence remains evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from canary.adapters.aws import Api, Session, reading
from canary.adapters.series import Series, SeriesReader
from canary.adapters.warehouse import from_command, from_file
from canary.core.measurements import (
    MINUTE,
    DataState,
    MinuteCounts,
    MinuteSums,
    Observations,
    Stream,
    StreamKey,
    SumStream,
)
from canary.core.plan import FunctionRef, MeanGate, OutcomesGate, StagePlan
from canary.errors import CanaryError, OutcomesError
from canary.ports import Clock, MetricSource, Target, Window
from flagkit.core.outcomes import Row, add_up
from flagkit.core.rollouts import experiment_of
from flagkit.outcomes import DynamoStore
from flagkit.outcomes.emf import USERS

VARIANT = "on"
_AHEAD_MIN = 2
"""Minutes by which a user's window may end later than the present allows before clocks are said to be apart."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows are wanted.

    Attributes:
        experiment: the name that users are counted under; of a flag's rollout with its id, `new_checkout@k3f9a2c1`.
        variant: the arm that is the candidate; all others are the baseline.
        metrics: the metrics of the gates.
        since: the first minute in which a window ended, in minutes since 1970.
    """

    experiment: str
    variant: str
    metrics: tuple[str, ...]
    since: int


Source = Callable[[Asked], Sequence[Row]]
"""Answers the rows of an experiment; open windows may be among them."""


class UserMetrics:
    """A metric source that adds the gates about users.

    Args:
        inner: measures the other gates.
        source: of the rows.
        variant: the arm that is the candidate.
        notes: warnings about the source and its users, asked at each look.
    """

    def __init__(
        self,
        inner: MetricSource,
        source: Source,
        variant: str = VARIANT,
        notes: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._notes = notes
        self._inner, self._source, self._variant = inner, source, variant
        self._last: dict[str, Sequence[Row]] = {}

    def measure(self, stage: StagePlan, targets: Sequence[Target], window: Window) -> Observations:
        """What `inner` measures, and every gate about users over the window."""
        found = self._inner.measure(stage, targets, window)
        gates = {name: gate for name, gate in stage.gates.items() if isinstance(gate, OutcomesGate | MeanGate)}
        if not gates:
            return found
        streams = [stream for stream in found.streams if stream.key.gate not in gates]
        sums = list(found.sums)
        notes = [*found.notes, *self._notes()]
        for target in targets:
            metrics = tuple(dict.fromkeys(gate.metric for gate in gates.values()))
            experiment = counted_under(target.function, window.canary_id)
            asked = Asked(experiment, self._variant, metrics, _minute(window.start))
            rows, state, detail = self._rows(target, asked)
            end = _minute(window.end)
            settled = [row for row in rows if asked.since <= row.minute < end]
            if state is DataState.COMPLETE and not rows:
                state, detail = DataState.NO_DATA, f"no user of {asked.experiment} was counted"
            late = end + stage.window // MINUTE + stage.settle // MINUTE + _AHEAD_MIN
            if ahead := sum(row.users for row in rows if row.minute > late):
                notes.append(f"{ahead:,} users of {asked.experiment} are dated in the future: clocks are apart")
            for name, gate in gates.items():
                key = StreamKey(target.function.key, name)
                if isinstance(gate, OutcomesGate):
                    counted = tuple(
                        _counts(minute, arms, gate.metric) for minute, arms in _by_minute(settled, self._variant)
                    )
                    streams.append(Stream(key, counted, state=state, detail=detail))
                else:
                    summed = tuple(
                        _sums(minute, arms, gate.metric) for minute, arms in _by_minute(settled, self._variant)
                    )
                    sums.append(SumStream(key, summed, state, detail))
        return replace(found, streams=tuple(streams), sums=tuple(sums), notes=tuple(notes))

    def requests_per_minute(self, targets: Sequence[Target], now: datetime) -> Mapping[str, float]:
        """As `inner` counts."""
        return self._inner.requests_per_minute(targets, now)

    def missing_series(
        self, stage: StagePlan, targets: Sequence[Target], keys: Collection[StreamKey]
    ) -> Mapping[StreamKey, str]:
        """As `inner` says; before a rollout no user is counted."""
        return self._inner.missing_series(stage, targets, keys)

    def _rows(self, target: Target, asked: Asked) -> tuple[Sequence[Row], DataState, str]:
        key = target.function.key
        try:
            self._last[key] = add_up(self._source(asked))
        except CanaryError as error:
            return self._last.get(key, ()), DataState.FAILED, error.message
        except Exception as error:  # noqa: BLE001 - whatever a store raises: unknown is not success, and never ends a driver
            return self._last.get(key, ()), DataState.FAILED, f"outcomes could not be read: {type(error).__name__}"
        return self._last[key], DataState.COMPLETE, ""


def counted_under(function: FunctionRef, canary_id: str) -> str:
    """The experiment of a canary: that of a flag's rollout, or what a function is called."""
    return experiment_of(function.flag, canary_id) if function.flag else function.name


Arms = tuple[Row, Row]


def _minute(at: datetime) -> int:
    return int(at.timestamp() // 60)


def _by_minute(rows: Sequence[Row], variant: str) -> list[tuple[datetime, Arms]]:
    """Candidate and baseline of each minute."""
    found: list[tuple[datetime, Arms]] = []
    for minute in sorted({row.minute for row in rows}):
        at_once = [row for row in rows if row.minute == minute]
        arms = [
            next(
                iter(add_up(replace(row, arm="") for row in at_once if (row.arm == variant) is wanted)), Row(minute, "")
            )
            for wanted in (True, False)
        ]
        found.append((datetime.fromtimestamp(minute * 60, UTC), (arms[0], arms[1])))
    return found


def _counts(minute: datetime, arms: Arms, metric: str) -> MinuteCounts:
    on, off = arms
    return MinuteCounts(minute, on.users, on.bad.get(metric, 0), off.users, off.bad.get(metric, 0))


def _sums(minute: datetime, arms: Arms, metric: str) -> MinuteSums:
    numbers = [number for arm in arms for number in (arm.sums.get(metric, 0.0), arm.squares.get(metric, 0.0))]
    return MinuteSums(minute, arms[0].users, numbers[0], numbers[1], arms[1].users, numbers[2], numbers[3])


def source_of(where: str, session: Session, clock: Clock, base: Path = Path()) -> Source:
    """The source that a plan names: `dynamodb://TABLE`, `emf://NAMESPACE`, `csv:FILE` or `command:COMMAND`."""
    kind, _, rest = where.partition(":")
    if kind == "dynamodb":
        store = DynamoStore(rest.strip("/"), client=Api(session, "dynamodb").client)
        return lambda asked: _from_table(store, asked)
    if kind == "emf":
        reader = SeriesReader(Api(session, "cloudwatch"), clock)
        return lambda asked: _from_metrics(reader, rest.strip("/"), asked, clock.now())
    if kind == "csv":
        return lambda asked: from_file(base / rest, asked.experiment)
    return lambda asked: from_command(rest, base, asked.experiment, asked.since)


def _from_table(store: DynamoStore, asked: Asked) -> tuple[Row, ...]:
    """Counts of a table, with AWS's errors as canary's own: a table that doesn't exist is named as such."""
    with reading("dynamodb", "Query"):
        return tuple(store.rows(asked.experiment, asked.since))


def _from_metrics(reader: SeriesReader, namespace: str, asked: Asked, now: datetime) -> tuple[Row, ...]:
    """Counts that applications wrote as EMF lines: the variant's, and the rest of all arms.

    Raises:
        OutcomesError: CloudWatch did not answer completely.
    """
    start = datetime.fromtimestamp(asked.since * 60, UTC)
    one, both = (("Experiment", asked.experiment), ("Arm", asked.variant)), (("Experiment", asked.experiment),)
    names = (USERS, *asked.metrics)
    wanted = {(name, arm): Series(namespace, name, arm) for name in names for arm in (one, both)}
    found = reader.fetch(wanted.values(), start, now.replace(second=0, microsecond=0))
    values: dict[tuple[str, bool], dict[datetime, float]] = {}
    for (name, dimensions), series in wanted.items():
        points = found[series]
        if points.state not in (DataState.COMPLETE, DataState.NO_DATA):
            raise OutcomesError(points.detail or "CloudWatch answered only in part")
        values[name, dimensions is one] = points.values
    rows: list[Row] = []
    for at in values[USERS, False]:
        on = {name: int(values[name, True].get(at, 0)) for name in names}
        off = {name: int(values[name, False].get(at, 0)) - on[name] for name in names}
        for side, numbers in ((asked.variant, on), ("other", off)):
            bad = {name: min(numbers[name], numbers[USERS]) for name in asked.metrics if numbers[name]}
            rows.append(Row(_minute(at), side, numbers[USERS], bad))
    return tuple(rows)


WEAKER = (
    "outcomes are counted per process (EMF): a user can be counted more than once, so the promise of 1 % isn't made"
)
"""What a stage with `emf://` is warned of."""
