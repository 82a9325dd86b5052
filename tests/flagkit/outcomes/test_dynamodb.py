"""The store in DynamoDB: nobody is counted twice, whatever fails, and nobody is lost that a retry brings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from flagkit.core.outcomes import Exposed, Outcome, add_up, expose, report
from flagkit.outcomes import DynamoStore, MemoryStore
from flagkit.outcomes.dynamodb import _unit
from flagkit.testing import VirtualClock

TABLE = "outcomes"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        dynamodb = boto3.client("dynamodb")
        dynamodb.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )
        yield dynamodb


class Faulty:
    """A client whose calls fail before or after they are done."""

    def __init__(self, client: Any, faults: Callable[[str], str | None]) -> None:
        self._client, self._faults = client, faults

    def get_paginator(self, name: str) -> Any:
        return self._client.get_paginator(name)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            moment = self._faults(name)
            if moment == "before":
                raise ClientError({"Error": {"Code": "ThrottlingException"}}, name)
            answer = getattr(self._client, name)(**arguments)
            if moment == "after":
                raise EndpointConnectionError(endpoint_url="https://dynamodb")
            return answer

        return call


def store_of(client: Any, **options: Any) -> DynamoStore:
    return DynamoStore(TABLE, client=client, clock=VirtualClock(), **options)


def name(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:32]


def events(rng: Random, users: int) -> tuple[list[Exposed], list[Outcome]]:
    exposures, outcomes = [], []
    for number in range(users):
        at_s = 60_000.0 + rng.uniform(0.0, 300.0)
        arm = "on" if rng.random() < 0.25 else "off"
        exposures.append(Exposed("checkout", name(number), arm, at_s))
        if rng.random() < 0.3:
            outcomes.append(Outcome("checkout", name(number), "failed", at_s + rng.uniform(0.0, 400.0)))
        if rng.random() < 0.3:
            value = round(rng.uniform(1.0, 100.0), 2)
            outcomes.append(Outcome("checkout", name(number), "orders", at_s + 1.0, value))
    return exposures, outcomes


def test_it_counts_as_the_store_in_memory(client: Any) -> None:
    exposures, outcomes = events(Random(1), 16)
    store, memory = store_of(client), MemoryStore()
    strangers = [Outcome("checkout", "f00", "failed", 60_000.0)]
    for each in (store, memory):
        assert each.record(exposures, [*outcomes, *strangers]) == strangers
        assert each.record(exposures, outcomes) == []
    found, expected = store.rows("checkout"), memory.rows("checkout")
    assert [(row.minute, row.arm, row.users, row.bad) for row in found] == [
        (row.minute, row.arm, row.users, row.bad) for row in expected
    ]
    for row, wanted in zip(found, expected, strict=True):
        assert row.sums == pytest.approx(wanted.sums)
        assert row.squares == pytest.approx(wanted.squares)
    middle = expected[len(expected) // 2].minute
    assert {row.minute for row in store.rows("checkout", middle, middle + 1)} == {middle}


def test_a_number_that_dynamodb_cannot_keep_is_0_and_holds_nobody_up(client: Any) -> None:
    store = store_of(client)
    tiny = Outcome("checkout", "u", "orders", 600.0, 1.5e-70)
    assert store.record([Exposed("checkout", "u", "on", 600.0)], [tiny]) == []
    (row,) = store.rows("checkout")
    assert (row.users, row.sums, row.squares) == (1, {"orders": 1.5e-70}, {"orders": 0.0})


@pytest.mark.slow
def test_nobody_is_counted_twice_with_a_fifth_of_the_calls_failing(client: Any) -> None:
    rng = Random(7)
    exposures, outcomes = events(rng, 40)
    crossed = [Exposed(event.experiment, event.user, "off", event.at_s + 30.0) for event in exposures[::5]]
    moments = ("before", "after", None, None, None, None, None, None, None, None)
    faulty = Faulty(client, lambda call: rng.choice(moments))
    stores = [store_of(faulty), store_of(faulty)]
    waiting = [([*exposures[index::5], *crossed[index::5]], outcomes[index::5]) for index in range(5)] * 2
    failures = 0
    while waiting:
        exposed, happened = waiting.pop(rng.randrange(len(waiting)))
        try:
            unknown = rng.choice(stores).record(exposed, happened)
        except Exception:
            failures += 1
            waiting.append((exposed, happened))
        else:
            if unknown:
                waiting.append(([], list(unknown)))
    assert failures > 3
    items = [
        item
        for page in client.get_paginator("scan").paginate(TableName=TABLE)
        for item in page["Items"]
        if item["pk"]["S"].startswith("u#")
    ]
    # The truth: every user once, with the outcomes of the user's window, and counters that say the same.
    assert {item["pk"]["S"].split("#")[2] for item in items} == {event.user for event in exposures}
    rows = []
    for item in items:
        unit, _ = _unit(item)
        truth, row = expose(None, Exposed("checkout", "u", unit.arm, unit.since_s), 300.0)
        rows.append(row)
        for outcome in outcomes:
            if outcome.user == item["pk"]["S"].split("#")[2]:
                truth, row = report(truth, outcome, 300.0)
                rows.append(row)
        assert (unit.bad, unit.values) == (truth.bad, truth.values)
    expected = add_up(row for row in rows if row is not None)
    found = stores[0].rows("checkout")
    assert [(row.minute, row.arm, row.users, row.bad) for row in found] == [
        (row.minute, row.arm, row.users, row.bad) for row in expected
    ]
    assert sum(row.users for row in found) == 40


def test_two_processes_that_write_at_once_count_once(client: Any) -> None:
    exposures, _ = events(Random(3), 3)
    other = store_of(client)
    outcome = Outcome("checkout", exposures[0].user, "failed", exposures[0].at_s)
    other.record(exposures, [])
    done = []

    def meanwhile(call: str) -> None:
        if call == "transact_write_items" and not done:
            done.append(call)
            other.record([], [outcome])

    late = Outcome("checkout", exposures[0].user, "slow", exposures[0].at_s)
    assert store_of(Faulty(client, meanwhile)).record([], [outcome, late]) == []
    (bad,) = (row.bad for row in other.rows("checkout") if row.bad)
    assert bad == {"failed": 1, "slow": 1}


def test_a_table_that_is_busy_or_closed_is_an_error_and_is_asked_again_later(client: Any) -> None:
    exposures, _ = events(Random(3), 2)
    outcome = Outcome("checkout", exposures[0].user, "failed", exposures[0].at_s)
    busy = store_of(Faulty(client, lambda call: "before" if call == "transact_write_items" else None))
    with pytest.raises(TimeoutError):
        busy.record(exposures, [])
    store_of(client).record(exposures, [])
    with pytest.raises(TimeoutError):
        busy.record([], [outcome])
    with pytest.raises(ClientError):
        DynamoStore("no-such-table", client=client).record(exposures, [])
    unprocessed = store_of(Unprocessed(client))
    with pytest.raises(TimeoutError):
        unprocessed.record([], [outcome])


class Unprocessed:
    """BatchGetItem never gets to the keys."""

    def __init__(self, client: Any) -> None:
        self.transact_write_items = client.transact_write_items

    def batch_get_item(self, RequestItems: Any) -> Any:
        return {"Responses": {}, "UnprocessedKeys": RequestItems}


@pytest.mark.parametrize("reason", ["TransactionConflict", "ValidationError"])
def test_conflicts_are_tried_again_and_other_reasons_are_errors(client: Any, reason: str) -> None:
    exposures, _ = events(Random(3), 1)
    calls = []

    class Cancelled:
        def transact_write_items(self, TransactItems: Any) -> Any:
            calls.append(TransactItems)
            if len(calls) == 1:
                reasons = [{"Code": "None"}, {"Code": reason}]
                error = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
                raise ClientError(error, "TransactWriteItems")  # type: ignore[arg-type]
            return client.transact_write_items(TransactItems=TransactItems)

    store = store_of(Cancelled())
    if reason == "TransactionConflict":
        store.record(exposures, [])
        assert len(calls) == 2
    else:
        with pytest.raises(ClientError):
            store.record(exposures, [])


def test_the_client_is_created_when_it_is_first_used(client: Any) -> None:
    store = DynamoStore(TABLE)
    store.record([Exposed("checkout", "not-hex", "on", 60_000.0)], [])
    assert [row.users for row in store.rows("checkout")] == [1]


def test_a_forked_child_opens_connections_of_its_own(client: Any) -> None:
    store = DynamoStore(TABLE)
    mine = store._client
    store.after_fork()
    assert store._client is not mine
    assert store.rows("checkout") == ()
