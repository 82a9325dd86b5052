"""A store of outcomes in DynamoDB, for any number of processes. It translates; `flagkit.core.outcomes` has the rules.

One item per user and experiment, and counters by experiment, shard, minute and arm, in one table. Users and counters
are written in one transaction: a user that is counted is known, and one that is known is never counted again, whatever
fails in between. Writing again what may have been written is therefore harmless.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flagkit.core.outcomes import WINDOW_S, Exposed, Outcome, Row, Unit, add_up, expose, report
from flagkit.runtime import forks
from flagkit.runtime.clock import Clock, SystemClock

Item = dict[str, Any]
User = tuple[str, str]
_CHUNK = 40
"""Users in a transaction, which has at most 100 items: each user may need a counter of its own."""
_READ = 100
"""Keys of a BatchGetItem."""
_ATTEMPTS = 5
_WAIT_S = 0.05
_SMALLEST = 1e-129
KEPT_S = 14 * 86400.0
_FOREVER = 9_999_999_999
_AGAIN = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
_TRANSIENT = frozenset(
    {
        "InternalServerError",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
        "TransactionInProgressException",
    }
)


class DynamoStore:
    """Outcomes in a DynamoDB table with the keys `pk` and `sk` (text) and the TTL attribute `expires`.

    Args:
        table: its name.
        client: `boto3.client("dynamodb")`; if None, one with short timeouts is created at the first use.
        window_s: how long after the first exposure outcomes of a user count; the same in every process.
        shards: how many counters each minute and arm has; more for above 10,000 new users per second.
        kept_s: how long a user is remembered after the window.
        clock: waits between attempts.
    """

    def __init__(
        self,
        table: str,
        *,
        client: Any = None,
        window_s: float = WINDOW_S,
        shards: int = 4,
        kept_s: float = KEPT_S,
        clock: Clock | None = None,
    ) -> None:
        self.window_s = window_s
        self._table, self._given, self._shards, self._kept_s = table, client, shards, kept_s
        self._clock = SystemClock() if clock is None else clock
        if client is None:
            forks.register(self)

    def after_fork(self) -> None:
        """Forget the parent's connections."""
        self._given = None

    def record(self, exposures: Sequence[Exposed], outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Count them; returns the outcomes of users whose exposure isn't known yet.

        Raises:
            ClientError: DynamoDB refused, or was busy for too long.
        """
        first: dict[User, Exposed] = {}
        for event in exposures:
            first.setdefault((event.experiment, event.user), event)
        for chunk in _chunks(list(first.values()), _CHUNK):
            self._expose(chunk)
        happened: dict[User, list[Outcome]] = {}
        for outcome in outcomes:
            happened.setdefault((outcome.experiment, outcome.user), []).append(outcome)
        unknown: list[Outcome] = []
        for users in _chunks(list(happened), _CHUNK):
            unknown += self._report({user: happened[user] for user in users})
        return unknown

    def rows(self, experiment: str, since: int = 0, until: int | None = None) -> tuple[Row, ...]:
        """The rows of the minutes from `since` to before `until`, in minutes since 1970, oldest first."""
        found: list[Row] = []
        for shard in range(self._shards):
            between = {
                ":pk": {"S": f"c#{experiment}#{shard}"},
                ":since": {"S": f"{since:010d}"},
                ":until": {"S": f"{_FOREVER if until is None else until:010d}"},
            }
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="pk = :pk AND sk BETWEEN :since AND :until",
                ExpressionAttributeValues=between,
                ConsistentRead=True,
            )
            found += [_row(item) for page in pages for item in page["Items"]]
        return add_up(found)

    def _expose(self, events: list[Exposed]) -> None:
        for attempt in range(_ATTEMPTS):
            self._pause(attempt)
            puts, rows = [], []
            for event in events:
                unit, row = expose(None, event, self.window_s)
                item = self._item(event.experiment, event.user, unit, 1)
                put = {"TableName": self._table, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}
                puts.append({"Put": put})
                rows += [(event.experiment, row)] if row is not None else []
            refused = self._write(puts, rows, events[0].user)
            if refused is None:
                return
            events = [event for event, is_known in zip(events, refused, strict=True) if not is_known]
            if not events:
                return
        raise TimeoutError("DynamoDB was busy for too long")

    def _report(self, happened: Mapping[User, list[Outcome]]) -> list[Outcome]:
        """Count outcomes of users; whoever was changed meanwhile is read again."""
        unknown: list[Outcome] = []
        waiting = dict(happened)
        for attempt in range(_ATTEMPTS):
            self._pause(attempt)
            items = self._read(list(waiting))
            updates, rows, users = [], [], []
            for user, outcomes in list(waiting.items()):
                if user not in items:
                    unknown += waiting.pop(user)
                    continue
                before, version = _unit(items[user])
                after, added = before, []
                for outcome in outcomes:
                    after, row = report(after, outcome, self.window_s)
                    added += [(user[0], row)] if row is not None else []
                if not added:
                    del waiting[user]
                    continue
                put = {
                    "TableName": self._table,
                    "Item": self._item(*user, after, version + 1),
                    "ConditionExpression": "v = :v",
                    "ExpressionAttributeValues": {":v": {"N": str(version)}},
                }
                updates.append({"Put": put})
                rows += added
                users.append(user)
            if not users:
                return unknown
            refused = self._write(updates, rows, users[0][1])
            if refused is None:
                return unknown
        raise TimeoutError("DynamoDB was busy for too long")

    def _write(self, writes: list[Item], rows: list[tuple[str, Row]], spread: str) -> list[bool] | None:
        """Write users and counters in one transaction.

        Returns:
            None if it was written; otherwise nothing was (or, after a fault, perhaps), with the users whose condition
            did not hold.
        """
        from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004

        shard = int(spread[-4:], 16) % self._shards if _is_hex(spread[-4:]) else 0
        names = sorted({name for name, _ in rows})
        counters = [
            self._counter(f"c#{name}#{shard}", row)
            for name in names
            for row in add_up(row for experiment, row in rows if experiment == name)
        ]
        try:
            self._client.transact_write_items(TransactItems=[*writes, *counters])
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _TRANSIENT:
                return [False] * len(writes)
            if code != "TransactionCanceledException":
                raise
            reasons = [reason.get("Code") for reason in error.response.get("CancellationReasons", ())]
            known = [reason == "ConditionalCheckFailed" for reason in reasons[: len(writes)]]
            if not any(known) and not _AGAIN.intersection(map(str, reasons)):
                raise
            return known
        except (ConnectionError, HTTPClientError):
            return [False] * len(writes)
        return None

    def _counter(self, pk: str, row: Row) -> Item:
        numbers: dict[str, float] = {"n": row.users} if row.users else {}
        for mark, found in (("x", row.bad), ("s", row.sums), ("q", row.squares)):
            numbers.update({f"{mark}#{metric}": number for metric, number in found.items()})
        names = {f"#{index}": name for index, name in enumerate(numbers)}
        added = ", ".join(f"#{index} :{index}" for index in range(len(numbers)))
        values = {f":{index}": {"N": _number(number)} for index, number in enumerate(numbers.values())}
        expires = {"N": str(int(row.minute * 60 + self._kept_s))}
        return {
            "Update": {
                "TableName": self._table,
                "Key": {"pk": {"S": pk}, "sk": {"S": f"{row.minute:010d}#{row.arm}"}},
                "UpdateExpression": f"SET expires = :e ADD {added}",
                "ExpressionAttributeNames": names,
                "ExpressionAttributeValues": {**values, ":e": expires},
            }
        }

    def _item(self, experiment: str, user: str, unit: Unit, version: int) -> Item:
        item: Item = {
            **_key((experiment, user)),
            "a": {"S": unit.arm},
            "t": {"N": _number(unit.since_s)},
            "v": {"N": str(version)},
            "expires": {"N": str(int(unit.since_s + self.window_s + self._kept_s))},
        }
        if unit.bad:
            item["b"] = {"SS": sorted(unit.bad)}
        if unit.values:
            item["m"] = {"M": {name: {"N": _number(value)} for name, value in unit.values.items()}}
        return item

    def _read(self, users: list[User]) -> dict[User, Item]:
        found: dict[User, Item] = {}
        keys = [_key(user) for user in users]
        for attempt in range(_ATTEMPTS):
            self._pause(attempt)
            if not keys:
                return found
            asked = {self._table: {"Keys": keys, "ConsistentRead": True}}
            answer = self._client.batch_get_item(RequestItems=asked)
            for item in answer["Responses"].get(self._table, ()):
                _, experiment, user = item["pk"]["S"].split("#")
                found[experiment, user] = item
            keys = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
        if keys:
            raise TimeoutError("DynamoDB was busy for too long")
        return found

    def _pause(self, attempt: int) -> None:
        if attempt:
            self._clock.sleep(_WAIT_S * 2 ** (attempt - 1))

    @property
    def _client(self) -> Any:
        if self._given is None:
            import boto3
            from botocore.config import Config

            # The end of a Lambda invocation waits for it; what fails is sent again.
            config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2, "mode": "standard"})
            self._given = boto3.client("dynamodb", config=config)
        return self._given


def _chunks(items: list[Any], size: int) -> Iterator[list[Any]]:
    return (items[index : index + size] for index in range(0, len(items), size))


def _is_hex(text: str) -> bool:
    return bool(text) and all(character in "0123456789abcdef" for character in text)


def _number(value: float) -> str:
    """As DynamoDB takes it: at most 38 digits, and 0 for what is nearer to it than 1e-130."""
    return "0" if abs(value) < _SMALLEST else f"{value:.15g}"


def _key(user: User) -> Item:
    return {"pk": {"S": f"u#{user[0]}#{user[1]}"}, "sk": {"S": "u"}}


def _unit(item: Item) -> tuple[Unit, int]:
    values = {name: float(number["N"]) for name, number in item.get("m", {}).get("M", {}).items()}
    bad = frozenset(item.get("b", {}).get("SS", ()))
    return Unit(item["a"]["S"], float(item["t"]["N"]), bad, values), int(item["v"]["N"])


def _row(item: Item) -> Row:
    minute, _, arm = item["sk"]["S"].partition("#")
    found: dict[str, dict[str, float]] = {"x": {}, "s": {}, "q": {}}
    for name, value in item.items():
        mark, hash_sign, metric = name.partition("#")
        if hash_sign:
            found[mark][metric] = float(value["N"])
    bad = {metric: int(number) for metric, number in found["x"].items()}
    return Row(int(minute), arm, int(item.get("n", {"N": "0"})["N"]), bad, found["s"], found["q"])
