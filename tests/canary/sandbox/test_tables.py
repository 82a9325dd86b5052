"""Tables of the sandbox answer as moto's do, and don't copy what a call doesn't touch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.dynamodb.models.dynamo_type import Item

from canary.sandbox.tables import quick_tables
from flagkit.core.outcomes import Exposed, Outcome
from flagkit.outcomes import DynamoStore

Call = dict[str, Any]


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


def create(client: Any, name: str, *keys: str, **options: Any) -> None:
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)],
        **options,
    )


def key(pk: str, sk: str | None = None) -> Call:
    return {"pk": {"S": pk}, **({} if sk is None else {"sk": {"S": sk}})}


def put(table: str, pk: str, sk: str | None = None, **more: Any) -> Call:
    return {"Put": {"TableName": table, "Item": key(pk, sk), **more}}


def add(pk: str, sk: str) -> Call:
    changes = {"UpdateExpression": "ADD n :n", "ExpressionAttributeValues": {":n": {"N": "1"}}}
    return {"Update": {"TableName": "two", "Key": key(pk, sk), **changes}}


def exists(table: str, pk: str) -> Call:
    return {"ConditionCheck": {"TableName": table, "Key": key(pk), "ConditionExpression": "attribute_exists(pk)"}}


NEW = {"ConditionExpression": "attribute_not_exists(pk)"}
STEPS: list[list[Call]] = [
    [put("two", "a", "1", **NEW), add("c", "1"), put("one", "x")],
    [put("two", "b", "1", **NEW), put("two", "a", "1", **NEW), add("c", "1"), add("c", "2")],
    [add("c", "1"), {"Delete": {"TableName": "two", "Key": key("a", "1")}}],
    [put("two", "a", "1", **NEW), exists("one", "x")],
    [put("two", "d", "1"), put("two", "d", "1")],
    [put("absent", "a", "1")],
    [{"Update": {"TableName": "two", "Key": key("c", "1"), "UpdateExpression": "nonsense"}}],
    [put("streamed", "a")],
    [put("streamed", "b"), put("two", "a", "1", **NEW)],
]  # fmt: skip


def played(context: Any) -> Iterator[object]:
    with mock_aws(), context:
        client: Any = boto3.client("dynamodb")
        create(client, "two", "pk", "sk")
        create(client, "one", "pk")
        stream = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
        create(client, "streamed", "pk", StreamSpecification=stream)
        for step in STEPS:
            try:
                client.transact_write_items(TransactItems=step)
                yield "done"
            except ClientError as error:
                yield error.response["Error"]["Code"], error.response.get("CancellationReasons")
            yield [client.scan(TableName=name)["Items"] for name in ("one", "two", "streamed")]
        for pk in ("c", "absent"):
            asked = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": pk}}}
            yield client.query(TableName="two", **asked)["Items"]


def test_transactions_and_queries_answer_as_motos_do() -> None:
    assert list(played(quick_tables())) == list(played(nullcontext()))


def test_a_call_copies_what_it_touches_however_large_the_table_is(monkeypatch: pytest.MonkeyPatch) -> None:
    copies = 0
    copied = Item.__deepcopy__

    def counting(item: Any, memo: Any) -> Any:
        nonlocal copies
        copies += 1
        return copied(item, memo)

    monkeypatch.setattr(Item, "__deepcopy__", counting)
    with mock_aws(), quick_tables():
        client: Any = boto3.client("dynamodb")
        create(client, "outcomes", "pk", "sk")
        store = DynamoStore("outcomes", client=client)
        store.record([Exposed("x", f"{n:032x}", "on", 1e9) for n in range(120)], ())
        copies = 0
        store.record([Exposed("x", "f" * 32, "on", 1e9)], [Outcome("x", "f" * 32, "failed", 1e9)])
        (row,) = store.rows("x")
        assert (row.users, row.bad) == (121, {"failed": 1})
        assert copies < 20
