"""The journals: every event is read again as it went in; what a crash tore or a later version wrote is left out."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from canary import runner
from canary.adapters import journals
from canary.adapters.aws import open_session
from canary.adapters.journals import DynamoJournal, FileJournal, event_from_json, event_to_json
from canary.core.events import (
    CallRetried,
    CanaryEnded,
    CanaryStarted,
    Event,
    FunctionMove,
    Judged,
    Measured,
    Noticed,
    PhaseChanged,
    TrafficShifted,
)
from canary.core.phases import Phase
from canary.errors import AwsError, UnavailableError
from canary.ports import Journal
from canary.testing import AwsStandIn
from tests.canary.faults import simulation_of, steady
from tests.canary.stages import stage_of

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
STARTED = CanaryStarted(
    "k3f9", "staging", START, (FunctionMove("api:live", "1", "2", "Live – «text»\n"),), (1000,), "ffff"
)
ENDED = CanaryEnded("k3f9", "staging", START + timedelta(hours=1), Phase.ROLLED_BACK, "12 % failed", START)


def lived() -> list[Event]:
    """All events of a canary that saw everything: incidents, probes, gauges."""
    gates = {"ping": {"kind": "health", "invoke": {}}, "errors": {"kind": "errors"}}
    release = simulation_of(stage_of("api:live", gates=gates))
    steady(release).failing["2"] = 0.06
    ports = release.ports()
    runner.run(release.stage, ports, runner.start(release.stage, ports, canary_id="k3f9"))
    extra = [
        CallRetried("k3f9", "staging", START, "UpdateAlias api:live", 3, 0.25, "throttled"),
        Noticed("k3f9", "staging", START, "nothing much"),
        replace(ENDED, functions_left=("api:live",)),
    ]
    return [*release.journal.written, *extra]


@pytest.mark.parametrize("event", lived(), ids=lambda event: event.event)
def test_every_event_comes_back_as_it_went_in(event: Event) -> None:
    text = event_to_json(event)
    assert "\n" not in text
    assert event_from_json(text) == event


def test_every_kind_of_event_was_among_them() -> None:
    kinds = {type(event) for event in lived()}
    assert kinds == {
        CallRetried, CanaryEnded, CanaryStarted, Judged, Measured, Noticed, PhaseChanged, TrafficShifted,
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"event": "unheard_of"}', '{"event": "noticed"}', event_to_json(STARTED)[:-9]],
)
def test_torn_lines_and_unknown_kinds_are_no_events(text: str) -> None:
    assert event_from_json(text) is None


def test_fields_of_a_later_version_are_dropped_and_missing_ones_get_their_defaults() -> None:
    text = event_to_json(Noticed("k3f9", "staging", START, "hm")).replace("{", '{"colour":"red",', 1)
    assert event_from_json(text) == Noticed("k3f9", "staging", START, "hm")
    shorter = event_to_json(STARTED).replace('"hotfix":false,', "")
    assert "hotfix" not in shorter
    assert event_from_json(shorter) == STARTED


def test_decimals_and_mappings_keep_their_value() -> None:
    assert journals._plain({"a": Decimal("0.10"), 1: frozenset({2})}) == {"a": "0.10", "1": [2]}
    assert journals._built(Decimal, "0.10") == Decimal("0.10")


@pytest.mark.parametrize(
    "line",
    [
        "[" * 200_000,
        '{"event":"noticed","canary_id":"c","stage":"s","at":"2026-01-05T09:00:00","text":"no zone"}',
        '{"event":"noticed","canary_id":"c","stage":"s","at":"2026-01-05T09:00:00+00:00","text":7}',
        '{"event":"noticed","canary_id":["c"],"stage":"s","at":"2026-01-05T09:00:00+00:00","text":""}',
        '{"event":"traffic_shifted","canary_id":"c","stage":"s","at":"2026-01-05T09:00:00+00:00","weight_bp":true,"why":""}',
        '{"event":"canary_started","canary_id":"c","stage":"s","at":"2026-01-05T09:00:00+00:00","functions":"x","steps_bp":[],"fingerprint":""}',
        '{"event":["noticed"]}',
        "9" * 5_000,
    ],
)
def test_a_line_of_other_types_or_depths_is_no_event(line: str) -> None:
    assert event_from_json(line) is None


def test_line_separators_in_a_text_end_no_line(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path)
    odd = Noticed("c", "s", START, "one\u2028two\u0085three\x0bfour\x1cfive\r\nsix\ud800")
    journal.append(odd)
    assert list(journal.events("c")) == [odd]
    assert (tmp_path / "c.jsonl").read_bytes().count(b"\n") == 1
    later = json.dumps(json.loads(event_to_json(replace(odd, text="a\u2028b\u0085c"))), ensure_ascii=False)
    (tmp_path / "old.jsonl").write_text(later + "\n", encoding="utf-8")  # as earlier versions wrote it
    assert [event.event for event in journal.events("old")] == ["noticed"]


def test_a_torn_line_costs_itself_and_nothing_else(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path)
    for text in ("first", "torn"):
        journal.append(Noticed("c", "s", START, text))
    path = tmp_path / "c.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    journal.append(Noticed("c", "s", START, "after"))
    journal.append(Noticed("c", "s", START, "last"))
    assert [getattr(event, "text", "") for event in journal.events("c")] == ["first", "after", "last"]


@pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")
def test_a_journal_is_its_owners_and_follows_no_link(tmp_path: Path) -> None:
    folder = tmp_path / ".canary"
    journal = FileJournal(folder)
    journal.append(STARTED)
    assert stat.S_IMODE((folder / "k3f9.jsonl").stat().st_mode) == 0o600
    assert (folder / ".gitignore").read_text() == "*\n"
    target = tmp_path / "elsewhere"
    target.write_text("")
    (folder / "link.jsonl").symlink_to(target)
    os.mkfifo(folder / "pipe.jsonl")
    (folder / "folder.jsonl").mkdir()
    with pytest.raises(OSError):
        journal.append(replace(STARTED, canary_id="link"))
    assert target.read_text() == ""
    assert [row["canary_id"] for row in journal.canaries()] == ["k3f9"]


def test_an_item_of_other_hands_is_no_event() -> None:
    for item in ({}, {"event": 7}, {"event": {"B": b"no gzip"}}, {"event": {"B": 7}}, {"event": {"S": "x"}}):
        assert event_from_json(journals._text_of(item)) is None


@pytest.fixture(params=["file", "dynamodb"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    if request.param == "file":
        yield FileJournal(tmp_path / "deep" / "journal")
        return
    with AwsStandIn() as aws:
        make_table(aws)
        yield DynamoJournal(open_session("us-east-1"), "canary", "staging")


def make_table(aws: AwsStandIn) -> None:
    keys = [("pk", "HASH"), ("sk", "RANGE")]
    aws.session().client("dynamodb").create_table(
        TableName="canary",
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
        BillingMode="PAY_PER_REQUEST",
    )


def test_a_journal_gives_back_the_events_of_one_canary_in_order(journal: Journal) -> None:
    events = sorted(lived(), key=lambda event: event.at)
    for event in events:
        journal.append(event)
        journal.append(replace(event, canary_id="other"))
    assert sorted(map(event_to_json, journal.events("k3f9"))) == sorted(map(event_to_json, events))
    times = [event.at for event in journal.events("k3f9")]
    assert times == sorted(times)
    assert list(journal.events("nobody")) == []


def test_a_journal_lists_canaries_newest_first_with_their_ends(journal: Journal) -> None:
    assert list(journal.canaries()) == []
    journal.append(STARTED)
    (row,) = journal.canaries("staging")
    assert (row["outcome"], row["ended_at"], row["versions"]) == ("", "", "api:live 1 → 2")
    journal.append(ENDED)
    journal.append(replace(STARTED, canary_id="later", at=START + timedelta(days=1)))
    rows = journal.canaries("staging")
    assert [row["canary_id"] for row in rows] == ["later", "k3f9"]
    assert (rows[1]["outcome"], rows[1]["why"]) == ("rolled_back", "12 % failed")
    assert list(journal.canaries("prod")) == []


def test_a_torn_last_line_costs_that_line_only(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path)
    journal.append(STARTED)
    with (tmp_path / "k3f9.jsonl").open("a") as file:
        file.write('{"event":"noti')
    assert list(journal.events("k3f9")) == [STARTED]


def test_a_canarys_name_cannot_leave_the_directory(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "journal")
    journal.append(replace(STARTED, canary_id="../../evil"))
    assert [path.parent for path in tmp_path.rglob("*.jsonl")] == [tmp_path / "journal"]
    assert list(journal.events("../../evil"))


def test_a_line_without_a_start_is_no_canary(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path)
    journal.append(Noticed("", "staging", START, "moved by hand"))
    assert list(journal.canaries()) == []


def test_long_events_are_compressed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "COMPRESS_ABOVE", 50)
    with AwsStandIn() as aws:
        make_table(aws)
        journal = DynamoJournal(open_session("us-east-1"), "canary", "staging")
        journal.append(STARTED)
        (item,) = (
            aws.session()
            .client("dynamodb")
            .query(
                TableName="canary",
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": "staging#k3f9"}},
            )["Items"]
        )
        assert "B" in item["event"]
        assert list(journal.events("k3f9")) == [STARTED]


def test_every_item_expires_after_a_year_and_a_month() -> None:
    with AwsStandIn() as aws:
        make_table(aws)
        DynamoJournal(open_session("us-east-1"), "canary", "staging").append(STARTED)
        items = aws.session().client("dynamodb").scan(TableName="canary")["Items"]
        wanted = str(int((STARTED.at + timedelta(days=400)).timestamp()))
        assert [item["expires_at"]["N"] for item in items] == [wanted, wanted]


def test_all_stages_are_listed_without_naming_one() -> None:
    with AwsStandIn() as aws:
        make_table(aws)
        for stage in ("staging", "prod"):
            DynamoJournal(open_session("us-east-1"), "canary", stage).append(replace(STARTED, stage=stage))
        journal = DynamoJournal(open_session("us-east-1"), "canary")
        assert {row["stage"] for row in journal.canaries()} == {"staging", "prod"}
        assert len(list(journal.events("k3f9"))) == 2


def test_a_missing_table_is_an_error_that_names_the_action() -> None:
    with AwsStandIn(), pytest.raises(AwsError, match="dynamodb:TransactWriteItems"):
        DynamoJournal(open_session("us-east-1"), "nothing", "staging").append(STARTED)


def test_the_end_and_its_row_are_written_together_or_not_at_all() -> None:
    """A row without the outcome made every later command take a canary that had ended for unfinished."""
    end = CanaryEnded("k3f9", "staging", STARTED.at, Phase.PROMOTED, "", STARTED.at)
    with AwsStandIn() as aws:
        make_table(aws)
        journal = DynamoJournal(open_session("us-east-1"), "canary", "staging")
        journal.append(STARTED)
        aws.faults.add("throttled", "dynamodb.*", times=1)
        with pytest.raises(UnavailableError):
            journal.append(end)
        assert (list(journal.events("k3f9")), journal.canaries()[0]["outcome"]) == ([STARTED], "")
        journal.append(end)
        assert (list(journal.events("k3f9")), journal.canaries()[0]["outcome"]) == ([STARTED, end], "promoted")
