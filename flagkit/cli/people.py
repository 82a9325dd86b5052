"""Users from a file, and what a flag answers to all of them. It must not print."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from flagkit.cli.loading import read_text
from flagkit.core.evaluation import Evaluation
from flagkit.core.snapshot import Snapshot
from flagkit.errors import UsageError

ID_COLUMNS = ("userId", "user_id", "user", "id")


@dataclass(frozen=True, slots=True)
class Person:
    """One user and what rules may look at. Since 0.1."""

    user_id: str
    context: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Moved:
    """How many users go from one answer of a flag to another; the first few of them by id. Since 0.1."""

    key: str
    before: str
    after: str
    count: int
    examples: tuple[str, ...]


def read_people(path: Path) -> list[Person]:
    """Reads users: CSV with a column `userId` and columns for the context, or one id in each line.

    Raises:
        UsageError: it can't be read, or there is no column with ids.

    Since 0.1.
    """
    lines = [line for line in read_text(path).splitlines() if line.strip()]
    if not lines:
        raise UsageError(f"there are no users in {path}")
    head = next(csv.reader(lines[:1]))
    column = next((name for name in ID_COLUMNS if name in head), None)
    if column is None and len(head) == 1:
        return [Person(line.strip(), {}) for line in lines]
    if column is None:
        raise UsageError(f"{path} has no column userId, only {', '.join(head)}", hint="Name the column of ids userId.")
    rows = csv.DictReader(lines)
    return [
        Person(row[column] or "", {name: value for name, value in row.items() if name and name != column and value})
        for row in rows
    ]


def distribution(
    snapshot: Snapshot, key: str, people: Iterable[Person], context: Mapping[str, object]
) -> list[tuple[str, int]]:
    """How many users get which answer of a flag, most first. Since 0.1."""
    counted = Counter(
        answer_of(snapshot.evaluate(key, person.user_id, {**context, **person.context})) for person in people
    )
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))


def moves(
    before: Snapshot, after: Snapshot, keys: Iterable[str], people: list[Person], context: Mapping[str, object]
) -> Iterator[Moved]:
    """Whoever gets another answer after than before, flag by flag. Since 0.1."""
    for key in keys:
        gone: dict[tuple[str, str], list[str]] = {}
        for person in people:
            about = {**context, **person.context}
            first = answer_of(before.evaluate(key, person.user_id, about))
            second = answer_of(after.evaluate(key, person.user_id, about))
            if first != second:
                gone.setdefault((first, second), []).append(person.user_id)
        for (first, second), who in sorted(gone.items(), key=lambda item: -len(item[1])):
            yield Moved(key, first, second, len(who), tuple(who[:3]))


def answer_of(evaluation: Evaluation) -> str:
    """An answer in a word or two. Since 0.1."""
    if evaluation.error is not None:
        return f"no answer ({evaluation.error.value})"
    state = "on" if evaluation.enabled else "off"
    if evaluation.variant is not None and evaluation.variant != state:
        state = f"{evaluation.variant}{'' if evaluation.enabled else ' (off)'}"
    if evaluation.enabled and not isinstance(evaluation.value, bool):
        state = f"{state} = {evaluation.value}"
    return state
