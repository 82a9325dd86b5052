"""Lets moto's DynamoDB hold the tables of a rollout: calls take the time of what they touch, not of the whole table.

moto copies the whole table for each item of a transaction, and sorts it for each query: with thousands of users each
call takes seconds. The same code of moto runs here on the part of the table that a call names. Imported at the first
call of DynamoDB only.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Self
from unittest.mock import patch

from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table

Key = tuple[DynamoType, ...]
_query: Final[Any] = Table.query
_transact: Final[Any] = DynamoDBBackend.transact_write_items


@contextmanager
def quick_tables() -> Iterator[None]:
    """Queries of tables and transactions, quickly, while the block runs."""
    with (
        patch.object(Table, "query", _quick_query),
        patch.object(DynamoDBBackend, "transact_write_items", _quick_transaction),
    ):
        yield


class _Part(Table):
    """The items of a table that a transaction names."""

    def __deepcopy__(self, memo: object) -> Self:
        return self  # moto's copy for the case of a failure: then the part is thrown away


def _quick_query(table: Any, hash_key: Any, *rest: Any, **named: Any) -> Any:
    if named.get("index_name") is None:
        table, whole = copy.copy(table), table
        table.items = {hash_key: whole.items[hash_key]} if hash_key in whole.items else {}
    return _query(table, hash_key, *rest, **named)


def _quick_transaction(backend: Any, transact_items: list[dict[str, Any]]) -> None:
    try:
        keys = _keys(backend.tables, transact_items)
    except (AttributeError, KeyError, TypeError, ValueError):
        keys = {}
    tables = backend.tables
    if not keys or any(tables[name].stream_shard is not None for name in keys):
        _transact(backend, transact_items)  # it says what is wrong; and a stream hears of what is undone, too
        return
    backend.tables = parts = {name: _part(tables[name], found) for name, found in keys.items()}
    try:
        _transact(backend, transact_items)
    finally:
        backend.tables = tables
    for name, found in keys.items():
        for key in found:
            item = parts[name].get_item(*key)
            tables[name].delete_item(*key) if item is None else _put(tables[name], key, item)


def _keys(tables: Any, transact_items: list[dict[str, Any]]) -> dict[str, list[Key]]:
    found: dict[str, list[Key]] = {}
    for (operation,) in (entry.values() for entry in transact_items):
        name = operation["TableName"]
        table, attributes = tables[name], operation.get("Item") or operation["Key"]
        names = [key for key in (table.hash_key_attr, table.range_key_attr) if key is not None]
        found.setdefault(name, []).append(tuple(DynamoType(attributes[key]) for key in names))
    return found


def _part(table: Any, keys: Sequence[Key]) -> Any:
    part = copy.copy(table)
    part.__class__ = _Part
    part.items = defaultdict(dict)
    for key in keys:
        if (item := table.get_item(*key)) is not None:
            _put(part, key, copy.deepcopy(item))
    return part


def _put(table: Any, key: Key, item: Any) -> None:
    if len(key) == 1:
        table.items[key[0]] = item
    else:
        table.items[key[0]][key[1]] = item
