"""The Journal port on a DynamoDB table: for drivers that share no disk; history, never truth.

One item an event: `pk` = STAGE#ID, `sk` = time and a number; one item a canary in STAGE#canaries for listing. IAM can
narrow a driver to its stage by `dynamodb:LeadingKeys` = STAGE#* (lambda-canary.md §8).
"""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from canary.adapters.aws import Api, Session
from canary.adapters.event_text import from_text, to_text
from canary.core.events import CanaryEnded, CanaryStarted, Event

COMPRESS_ABOVE: Final = 50_000
"""An item holds 400 KB at most; measurements of many functions are longer, and compress tenfold."""


class DynamoJournal:
    """A table with string keys `pk` and `sk`.

    Args:
        session: the boto3 session.
        table: name of the table.
        stage: the stage whose canaries are read; None reads the listing of all stages by a scan.

    Since 0.1.
    """

    def __init__(self, session: Session, table: str, stage: str | None = None) -> None:
        self._api = Api(session, "dynamodb")
        self._table = table
        self._stage = stage
        self._numbers = itertools.count()

    def append(self, event: Event) -> None:
        """Puts one item; the listing is kept up to date by the canary's start and end.

        Raises:
            AwsError: DynamoDB says no.
        """
        text = to_text(event)
        body: dict[str, Any] = {"S": text}
        if len(text) > COMPRESS_ABOVE:
            body = {"B": gzip.compress(text.encode())}
        key = {
            "pk": {"S": f"{event.stage}#{event.canary_id}"},
            "sk": {"S": f"{event.at.isoformat()}#{next(self._numbers):06d}#{event.event}"},
        }
        self._api.call("PutItem", TableName=self._table, Item={**key, "event": body})
        if isinstance(event, CanaryStarted):
            moves = ", ".join(f"{move.function} {move.base} → {move.candidate}" for move in event.functions)
            self._list(event, {"started_at": event.at.isoformat(), "versions": moves})
        elif isinstance(event, CanaryEnded):
            said = {"ended_at": event.at.isoformat(), "outcome": event.outcome.value, "why": event.why}
            self._list(event, {"started_at": event.started_at.isoformat(), **said})

    def events(self, canary_id: str) -> Iterator[Event]:
        """All events of one canary, oldest first."""
        for stage in self._stages(canary_id):
            values = {":pk": {"S": f"{stage}#{canary_id}"}}
            found = self._api.pages(
                "Query",
                "Items",
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues=values,
                ConsistentRead=True,
            )
            for item in found:
                body = item.get("event", {})
                text = gzip.decompress(body["B"]).decode() if "B" in body else str(body.get("S", ""))
                if event := from_text(text):
                    yield event

    def canaries(self, stage: str | None = None) -> Sequence[Mapping[str, str]]:
        """One row per canary, newest first."""
        chosen = stage or self._stage
        if chosen is None:
            found = self._api.pages(
                "Scan",
                "Items",
                TableName=self._table,
                FilterExpression="attribute_exists(canary_id)",
            )
        else:
            found = self._api.pages(
                "Query",
                "Items",
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": f"{chosen}#canaries"}},
            )
        return sorted((_row(item) for item in found), key=lambda row: row["started_at"], reverse=True)

    def _list(self, event: CanaryStarted | CanaryEnded, said: Mapping[str, str]) -> None:
        said = {**said, "canary_id": event.canary_id, "stage": event.stage}
        self._api.call(
            "UpdateItem",
            TableName=self._table,
            Key={"pk": {"S": f"{event.stage}#canaries"}, "sk": {"S": event.canary_id}},
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in said),
            ExpressionAttributeNames={f"#{name}": name for name in said},
            ExpressionAttributeValues={f":{name}": {"S": value} for name, value in said.items()},
        )

    def _stages(self, canary_id: str) -> list[str]:
        if self._stage is not None:
            return [self._stage]
        return [row["stage"] for row in self.canaries() if row["canary_id"] == canary_id]


_COLUMNS: Final = ("canary_id", "stage", "started_at", "ended_at", "outcome", "why", "versions")


def _row(item: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(item.get(name, {}).get("S", "")) for name in _COLUMNS}
