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
_LATE_MIN = 10
"""Minutes after which a row that was read before shouldn't get further users."""
_MISDATED_RATIO = 0.01
"""From this share of all users on, wrongly dated ones hold the stage."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows are wanted.

    Attributes:
        experiment: the name that users are counted under; of a flag's rollout with its id, `new_checkout@k3f9a2c1`.
        variant: the arm that is the candidate; all others are the baseline.
        metrics: the metrics of the gates.
        since: the first minute in which a window ended, in minutes since 1970.
        columns: that a table must have, or nothing is known: `failed`, `orders.sum`.
    """

    experiment: str
    variant: str
    metrics: tuple[str, ...]
    since: int
    columns: tuple[str, ...] = ()


Source = Callable[[Asked], Sequence[Row]]
"""Answers the rows of an experiment; open windows may be among them."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read last of an experiment.

    Attributes:
        since, until: the minutes that were of interest.
        rows: all of them, open windows included.
        late: users who came to rows that had been read long after their minute.
    """

    since: int
    until: int = 0
    rows: Sequence[Row] = ()
    late: int = 0

    def then(self, rows: Sequence[Row], until: int) -> _Read:
        """What is read next, with the users who came late."""
        closed = self.until - _LATE_MIN
        before, now = (sum(row.users for row in each if row.minute < closed) for each in (self.rows, rows))
        return _Read(self.since, until, rows, self.late + max(0, now - before))


class UserMetrics:
    """A metric source that adds the gates about users.

    Args:
        inner: measures the other gates.
        source: of the rows.
        variant: the arm that is the candidate.
        notes: warnings about the source and its users, asked at each look with the canary's id.
    """

    def __init__(
        self,
        inner: MetricSource,
        source: Source,
        variant: str = VARIANT,
        notes: Callable[[str], Iterable[str]] = lambda _canary_id: (),
    ) -> None:
        self._notes = notes
        self._inner, self._source, self._variant = inner, source, variant
        self._last: dict[str, _Read] = {}

    def measure(self, stage: StagePlan, targets: Sequence[Target], window: Window) -> Observations:
        """What `inner` measures, and every gate about users over the window."""
        found = self._inner.measure(stage, targets, window)
        gates = {name: gate for name, gate in stage.gates.items() if isinstance(gate, OutcomesGate | MeanGate)}
        if not gates:
            return found
        streams = [stream for stream in found.streams if stream.key.gate not in gates]
        sums = list(found.sums)
        notes, doubts = [*found.notes, *self._notes(window.canary_id)], list(found.doubts)
        for target in targets:
            metrics = tuple(dict.fromkeys(gate.metric for gate in gates.values()))
            columns = tuple(dict.fromkeys(map(_column, gates.values())))
            experiment = counted_under(target.function, window.canary_id)
            asked = Asked(experiment, self._variant, metrics, _minute(window.start), columns)
            end = _minute(window.end)
            read, state, detail = self._rows(asked, end)
            rows = read.rows
            settled = [row for row in rows if asked.since <= row.minute < end]
            if state is DataState.COMPLETE and not rows:
                state, detail = DataState.NO_DATA, f"no user of {experiment} was counted"
                if window.canary_id and target.function.flag:
                    detail += ": programs count those who are read with a user id, after flags.report_to"
            latest = end + (stage.window + stage.settle) // MINUTE + _AHEAD_MIN
            text, is_much = _misdated(experiment, rows, latest, read.late)
            if text:
                (doubts if is_much else notes).append(text)
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
        return replace(found, streams=tuple(streams), sums=tuple(sums), notes=tuple(notes), doubts=tuple(doubts))

    def requests_per_minute(self, targets: Sequence[Target], now: datetime) -> Mapping[str, float]:
        """As `inner` counts."""
        return self._inner.requests_per_minute(targets, now)

    def missing_series(
        self, stage: StagePlan, targets: Sequence[Target], keys: Collection[StreamKey]
    ) -> Mapping[StreamKey, str]:
        """As `inner` says; before a rollout no user is counted."""
        return self._inner.missing_series(stage, targets, keys)

    def _rows(self, asked: Asked, end: int) -> tuple[_Read, DataState, str]:
        before = self._last.get(asked.experiment)
        if before is None or before.since != asked.since:
            before = _Read(asked.since)
        try:
            rows = add_up(self._source(asked))
        except CanaryError as error:
            return before, DataState.FAILED, error.message
        except Exception as error:  # noqa: BLE001 - whatever a store raises: unknown is not success, and never ends a driver
            return before, DataState.FAILED, f"outcomes could not be read: {type(error).__name__}"
        found = self._last[asked.experiment] = before.then(rows, end)
        return found, DataState.COMPLETE, ""


def _misdated(experiment: str, rows: Sequence[Row], latest: int, late: int) -> tuple[str, bool]:
    """What is wrong with the users' dates, and whether that is so with many of them."""
    ahead = sum(row.users for row in rows if row.minute > latest)
    what = [
        f"{count:,} {text}"
        for count, text in (
            (ahead, "are dated in the future"),
            (late, f"were counted more than {_LATE_MIN} min after their windows"),
        )
        if count
    ]
    if not what:
        return "", False
    text = f"users of {experiment}: {', '.join(what)}; clocks are apart, or a store was away"
    return text, ahead + late >= _MISDATED_RATIO * sum(row.users for row in rows)


def _column(gate: OutcomesGate | MeanGate) -> str:
    """The column of a table that the gate is about."""
    return f"{gate.metric}.sum" if isinstance(gate, MeanGate) else gate.metric


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
        return lambda asked: from_file(base / rest, asked.experiment, asked.columns)
    return lambda asked: from_command(rest, base, asked.experiment, asked.since, asked.columns)


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
