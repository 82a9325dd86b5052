"""Outcomes as streams: candidate and baseline by minute, what isn't known, and tables from a warehouse."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest

from canary.adapters import outcomes as adapter
from canary.adapters.outcomes import Asked, UserMetrics, source_of
from canary.adapters.series import Points, Series
from canary.adapters.warehouse import from_command, from_file
from canary.core.measurements import MINUTE, DataState, MinuteCounts, MinuteSums, Observations, StreamKey
from canary.core.phases import Phase
from canary.core.plan import FunctionRef, StagePlan
from canary.core.record import Record, encode
from canary.errors import OutcomesError
from canary.ports import Target, Window
from flagkit.core.outcomes import Exposed, Outcome, Row
from flagkit.core.rollouts import rollout_id
from flagkit.outcomes import EmfStore, MemoryStore
from flagkit.testing import VirtualClock
from tests.canary.stages import stage_of

T0 = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
M0 = int(T0.timestamp() // 60)
TARGET = Target(FunctionRef("shop", "live"), "1", "2")
WINDOW = Window(T0, T0 + 3 * MINUTE, T0 - 180 * MINUTE)
ORDERS = {"kind": "value", "metric": "orders"}
ROWS = (
    Row(M0, "on", 10, {"failed": 1}, {"orders": 5.0}, {"orders": 25.0}),
    Row(M0, "off", 20, {"failed": 2, "slow": 1}),
    Row(M0, "blue", 5, {"failed": 1}, {"orders": 2.0}, {"orders": 4.0}),
    Row(M0 + 2, "off", 3),
    Row(M0 + 3, "on", 9),
)


class Other:
    """The source of the other gates."""

    def measure(self, stage: StagePlan, targets: Sequence[Target], window: Window) -> Observations:
        return Observations(notes=("noted",))

    def requests_per_minute(self, targets: Sequence[Target], now: datetime) -> Mapping[str, float]:
        return {"shop:live": 60.0}

    def missing_series(
        self, stage: StagePlan, targets: Sequence[Target], keys: Collection[StreamKey]
    ) -> Mapping[StreamKey, str]:
        return {}


def test_the_record_that_canary_writes_names_its_rollout() -> None:
    record = Record("k3f9a2c1", "1", "2", Phase.STARTING, T0, (), None, "9f3a2b1c", "a text of its own")
    assert rollout_id(encode(record)) == "k3f9a2c1"


def test_a_flags_rollout_has_an_experiment_of_its_own() -> None:
    asked: list[str] = []
    metrics = UserMetrics(Other(), lambda wanted: asked.append(wanted.experiment) or ROWS)
    flag = Target(FunctionRef("flag.checkout", "on"), "1", "2")
    for target, canary_id in ((flag, "k1"), (flag, ""), (TARGET, "k1")):
        metrics.measure(stage(), [target], replace(WINDOW, canary_id=canary_id))
    assert asked == ["checkout@k1", "checkout", "shop"]


def test_nobody_counted_in_a_rollout_says_who_would_be() -> None:
    metrics = UserMetrics(Other(), lambda wanted: ())
    flag = Target(FunctionRef("flag.checkout", "on"), "1", "2")
    (stream,) = metrics.measure(stage(), [flag], replace(WINDOW, canary_id="k1")).streams
    assert stream.detail == (
        "no user of checkout@k1 was counted: programs count those who are read with a user id, after flags.report_to"
    )


def stage(**gates: object) -> StagePlan:
    return stage_of("shop:live", outcomes="csv:outcomes.csv", gates={"outcomes": {}, **gates})


def test_the_variant_is_the_candidate_and_all_other_arms_the_baseline() -> None:
    asked: list[Asked] = []

    def source(wanted: Asked) -> Sequence[Row]:
        asked.append(wanted)
        return ROWS

    metrics = UserMetrics(Other(), source)
    found = metrics.measure(stage(orders=ORDERS), [TARGET], WINDOW)
    assert asked == [Asked("shop", "on", ("failed", "orders"), M0, ("failed", "orders.sum"))]
    (stream,), (sums,) = found.streams, found.sums
    assert stream.key == StreamKey("shop:live", "outcomes")
    assert stream.minutes == (MinuteCounts(T0, 10, 1, 25, 3), MinuteCounts(T0 + 2 * MINUTE, 0, 0, 3, 0))
    assert sums.minutes[0] == MinuteSums(T0, 10, 5.0, 25.0, 25, 2.0, 4.0)
    assert found.notes == ("noted",)
    assert metrics.requests_per_minute([TARGET], T0) == {"shop:live": 60.0}
    assert metrics.missing_series(stage(), [TARGET], []) == {}


def test_a_stage_without_gates_about_users_reads_no_outcomes() -> None:
    def source(asked: Asked) -> Sequence[Row]:
        raise AssertionError

    assert UserMetrics(Other(), source).measure(stage_of(), [TARGET], WINDOW) == Observations(notes=("noted",))


def test_no_rows_are_no_data_and_a_failed_store_keeps_what_was_known() -> None:
    answers: list[Callable[[], Sequence[Row]]] = [lambda: (), lambda: ROWS, _refuse, _break]
    metrics = UserMetrics(Other(), lambda asked: answers.pop(0)(), notes=lambda _: ["weaker"])
    states = []
    for _ in range(4):
        found = metrics.measure(stage(), [TARGET], WINDOW)
        states.append((found.streams[0].state, len(found.streams[0].minutes), found.streams[0].detail))
        assert found.notes == ("noted", "weaker")
    assert states == [
        (DataState.NO_DATA, 0, "no user of shop was counted"),
        (DataState.COMPLETE, 2, ""),
        (DataState.FAILED, 2, "closed"),
        (DataState.FAILED, 2, "outcomes could not be read: ConnectionError"),
    ]


def _refuse() -> Sequence[Row]:
    raise OutcomesError("closed")


def _break() -> Sequence[Row]:
    raise ConnectionError("secret")


def test_users_of_the_future_say_that_clocks_are_apart_and_many_hold() -> None:
    text = "users of shop: 4 are dated in the future; clocks are apart, or a store was away"
    for others, notes, doubts in ((0, (), (text,)), (400, (text,), ())):
        rows = (*ROWS, Row(M0 + 13, "on", 4), Row(M0 + 1, "off", others))
        found = UserMetrics(Other(), lambda asked, rows=rows: rows).measure(stage(), [TARGET], WINDOW)
        assert (found.notes, found.doubts) == (("noted", *notes), doubts)


def test_users_who_come_long_after_their_minute_are_said_to_be_late() -> None:
    def row(minute: int, users: int) -> Row:
        return Row(M0 + minute, "off", users)

    answers: list[Callable[[], Sequence[Row]]] = [
        lambda: [row(0, 100)],
        _break,  # what it would have answered is not late because of that
        lambda: [row(0, 100), row(5, 300), row(14, 500)],
        lambda: [row(0, 103), row(5, 300), row(14, 600)],
        lambda: [row(0, 105), row(5, 330), row(14, 600)],
    ]
    metrics = UserMetrics(Other(), lambda asked: answers.pop(0)())
    said = []
    for minute in (5, 14, 15, 16, 17):
        found = metrics.measure(stage(), [TARGET], replace(WINDOW, end=T0 + minute * MINUTE))
        said.append((found.notes[1:], found.doubts))
    text = "users of shop: {} were counted more than 10 min after their windows; clocks are apart, or a store was away"
    assert said == [
        ((), ()),
        ((), ()),
        ((), ()),
        ((text.format(3),), ()),
        ((), (text.format(35),)),
    ]


def test_a_store_that_fails_at_the_start_shows_nothing_of_the_rollout_before() -> None:
    answers: list[Callable[[], Sequence[Row]]] = [lambda: ROWS, _refuse]
    metrics = UserMetrics(Other(), lambda asked: answers.pop(0)())
    flag = Target(FunctionRef("flag.checkout", "on"), "1", "2")
    rows = [
        len(metrics.measure(stage(), [flag], replace(WINDOW, canary_id=name)).streams[0].minutes)
        for name in ("k1", "k2")
    ]
    assert rows == [2, 0]


TABLE = """\
experiment,minute,arm,users,failed,orders.sum,orders.squares
shop,2026-01-05T10:00,on,10,1,5.5,30.25
shop,2026-01-05T11:01:30+01:00,off,20,,,
search,2026-01-05T10:00,on,1,0,0,0
"""


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    path = tmp_path / "outcomes.csv"
    path.write_text(TABLE)
    return path


def test_a_table_of_a_warehouse_is_read(csv_file: Path) -> None:
    assert from_file(csv_file, "shop") == (
        Row(M0, "on", 10, {"failed": 1}, {"orders": 5.5}, {"orders": 30.25}),
        Row(M0 + 1, "off", 20, {"failed": 0}, {"orders": 0.0}, {"orders": 0.0}),
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "there is no column minute, arm, users"),
        ("minute,arm\n", "there is no column users"),
        ("minute,arm,users\n1,on\n", "line 2: the number of columns"),
        ("minute,arm,users\n1,on,2,3\n", "line 2: the number of columns"),
        ("minute,arm,users\n1,,2\n", "line 2: arm is empty"),
        ("minute,arm,users\n1,on,-2\n", "line 2: users is -2, but counts are 0 or more"),
        ("minute,arm,users\n1,on,1.5\n", "line 2: invalid literal"),
        ("minute,arm,users\n1,on,٣\n", "line 2: '٣' is not written in the digits 0 to 9"),
        ("minute,arm,users\nnoon,on,1\n", "line 2: Invalid isoformat string"),
        ("minute,arm,users,failed\n1,on,1,2\n", "line 2: failed is 2, more than 1 users"),
        ("minute,arm,users,v.sum\n1,on,1,2\n", "line 2: v needs both"),
        ("minute,arm,users,v.sum,v.squares\n1,on,1,nan,1\n", "line 2: v.sum is not a finite number"),
        ('minute,arm,users\n1,"on,1\n', "line 1: unexpected end of data"),
        ("minute,arm,users\n1,on,\n", "line 2: users is empty"),
        ("minute,arm,users\n1,on,1_0\n", "line 2: '1_0' is not written in the digits 0 to 9"),
        (f"minute,arm,users\n1,on,1{'0' * 400}\n", "line 2: users is more than 1,000,000,000,000"),
        ("minute,arm,users,failed,failed\n1,on,9,8,0\n", "the column failed is there twice"),
        ("minute,arm,users\n1,on,9\n1,off,9\n1,on,9\n", "line 4: line 2 has the same minute and arm"),
        ("minute,arm,users,v.sum,v.squares\n1,on,1,1e308,1e308\n", "line 2: v.sum is beyond"),
        ("minute,arm,users,v.sum,v.squares\n1,on,2,0,-1\n", "line 2: v.squares is -1, too little"),
        ("minute,arm,users,v.sum,v.squares\n1,on,2,10,49\n", "line 2: v.squares is 49, too little"),
    ],
)
def test_a_table_that_is_not_one_names_its_line(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(OutcomesError, match=problem):
        from_file(path, "shop")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("minute,arm,users,Failed,orders.sum,orders.squares\n", "there is no column failed"),
        ("minute,arm,users,failed,order.sum,order.squares\n", "there is no column orders.sum"),
        ("minute,arm,users,failed,orders.sum,orders.squares\n1,on,9,,5,25\n", "line 2: failed is empty"),
    ],
)
def test_what_a_gate_needs_and_a_table_has_not_is_no_success(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "outcomes.csv").write_text(text)
    read = source_of("csv:outcomes.csv", boto3.Session(), VirtualClock(), tmp_path)
    found = UserMetrics(Other(), read).measure(stage(orders=ORDERS), [TARGET], WINDOW)
    assert (found.streams[0].state, found.sums[0].state) == (DataState.FAILED, DataState.FAILED)
    assert problem in found.streams[0].detail


def test_a_table_that_excel_wrote_is_read(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.csv"
    path.write_bytes(b"\xef\xbb\xbfminute,arm,users,failed,\r\n1,on,9,1,\r\n")
    assert from_file(path, "shop", ["failed"]) == (Row(1, "on", 9, {"failed": 1}),)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutcomesError, match="can't be read: No such file"):
        from_file(tmp_path / "absent.csv", "shop")
    path = tmp_path / "latin.csv"
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(OutcomesError, match="UTF-8"):
        from_file(path, "shop")
    monkeypatch.setattr("canary.adapters.warehouse.MOST_BYTES", 2)
    with pytest.raises(OutcomesError, match="more than 2 bytes"):
        from_file(path, "shop")


@pytest.mark.slow
def test_a_command_asks_a_warehouse(csv_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = csv_file.parent / "ask.py"
    program.write_text(
        "import os;print('minute,arm,users,' + os.environ['EXPERIMENT']);print(os.environ['SINCE'] + ',on,3,1')"
    )
    command = f"{sys.executable} {program}"
    assert from_command(command, csv_file.parent, "shop", M0) == (Row(M0, "on", 3, {"shop": 1}),)
    read = source_of(f"command:{command}", boto3.Session(), VirtualClock(), csv_file.parent)
    assert read(Asked("shop", "on", (), M0)) == (Row(M0, "on", 3, {"shop": 1}),)
    program.write_text("import sys; sys.exit('no\\x1b table')")
    with pytest.raises(OutcomesError, match="ended with 1: no"):
        from_command(command, csv_file.parent, "shop", M0)
    with pytest.raises(OutcomesError, match="could not be run"):
        from_command("no-such-program", csv_file.parent, "shop", M0)
    with pytest.raises(OutcomesError, match="could not be run"):
        from_command("'", csv_file.parent, "shop", M0)
    monkeypatch.setattr("canary.adapters.warehouse.COMMAND_S", 0.05)
    program.write_text("import time; time.sleep(60)")
    with pytest.raises(OutcomesError, match="did not end"):
        from_command(command, csv_file.parent, "shop", M0)


@pytest.mark.slow
def test_a_command_that_writes_too_much_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("canary.adapters.warehouse.MOST_BYTES", 2)
    with pytest.raises(OutcomesError, match="wrote more than"):
        from_command(f"{sys.executable} -c 'print(12345)'", tmp_path, "shop", M0)


def test_the_source_is_chosen_by_its_name(csv_file: Path) -> None:
    read = source_of("csv:outcomes.csv", boto3.Session(), VirtualClock(), csv_file.parent)
    assert len(read(Asked("shop", "on", (), M0))) == 2


class Metrics:
    """CloudWatch's answers by metric and dimensions."""

    def __init__(self, state: DataState = DataState.COMPLETE) -> None:
        self.values: dict[tuple[str, tuple[tuple[str, str], ...]], dict[datetime, float]] = {}
        self._state = state

    def take(self, lines: str) -> None:
        for text in lines.splitlines():
            line = json.loads(text)
            (metric,) = line["_aws"]["CloudWatchMetrics"]
            at = datetime.fromtimestamp(line["_aws"]["Timestamp"] / 1000, UTC)
            for names in metric["Dimensions"]:
                dimensions = tuple((name, line[name]) for name in names)
                for each in metric["Metrics"]:
                    values = self.values.setdefault((each["Name"], dimensions), {})
                    values[at] = values.get(at, 0.0) + line[each["Name"]]

    def fetch(self, wanted: Iterable[Series], start: datetime, end: datetime) -> dict[Series, Points]:
        return {
            series: Points(dict(self.values.get((series.name, series.dimensions), {})), self._state)
            for series in wanted
        }


def test_what_applications_write_as_emf_is_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, memory, metrics = io.StringIO(), MemoryStore(), Metrics()
    for store in (EmfStore("shop", stream=stream), memory):
        for number in range(40):
            arm = "on" if number % 4 == 0 else "off"
            exposed = Exposed("shop", f"u{number}", arm, T0.timestamp() + number)
            failed = [Outcome("shop", f"u{number}", "failed", exposed.at_s)] if number % 5 == 0 else []
            worth = Outcome("shop", f"u{number}", "orders", exposed.at_s, 2.0)
            assert store.record([exposed, exposed], [*failed, worth]) == []
    assert "u1" not in stream.getvalue()
    metrics.take(stream.getvalue())
    monkeypatch.setattr(adapter, "SeriesReader", lambda api, clock: metrics)
    monkeypatch.setattr(adapter, "Api", lambda session, service: None)
    rows = source_of("emf://shop", boto3.Session(), VirtualClock())(Asked("shop", "on", ("failed",), M0))
    assert {(row.minute, row.arm == "on", row.users, row.bad["failed"]) for row in rows} == {
        (row.minute, row.arm == "on", row.users, row.bad["failed"]) for row in memory.rows("shop")
    }


def test_metrics_that_are_not_answered_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "SeriesReader", lambda api, clock: Metrics(DataState.PARTIAL))
    monkeypatch.setattr(adapter, "Api", lambda session, service: None)
    with pytest.raises(OutcomesError, match="only in part"):
        source_of("emf://shop", boto3.Session(), VirtualClock())(Asked("shop", "on", ("failed",), M0))
