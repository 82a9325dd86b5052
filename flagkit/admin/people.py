"""Lists of users: how many get which answer of a flag, and how many another one than before. Pure."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from flagkit.core.evaluation import ErrorCode, Evaluation
from flagkit.core.snapshot import Snapshot
from flagkit.errors import UsageError

ID_COLUMNS = frozenset({"userid", "user", "id"})  # in any spelling: userId, user_id, "User ID"


@dataclass(frozen=True, slots=True)
class User:
    """One user and what rules may look at."""

    user_id: str
    context: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Moved:
    """How many users go from one answer of a flag to another; the first few of them by id."""

    key: str
    before: str
    after: str
    count: int
    examples: tuple[str, ...]


def parse_users(text: str, name: str) -> tuple[list[User], tuple[str, ...]]:
    """Return users and the names of their context, of CSV with a column `userId`, or of one id in each line.

    Args:
        text: the users.
        name: where they come from, for errors.

    Raises:
        UsageError: there are no users, or there is no column with ids.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise UsageError(f"{name} contains no users", hint="Give one user id per line, or CSV with a column userId.")
    delimiter = next((sign for sign in ",;\t|" if sign in lines[0]), ",")
    head = [each.strip() for each in next(csv.reader(lines[:1], delimiter=delimiter))]
    column = next((index for index, each in enumerate(head) if re.sub(r"[^a-z]", "", each.lower()) in ID_COLUMNS), None)
    if column is None and len(head) > 1:
        raise UsageError(
            f"{name} has no column userId; its columns are {', '.join(head)}",
            hint="Name the column with the user ids userId.",
        )
    rows = list(csv.reader(lines if column is None else lines[1:], delimiter=delimiter))
    users = [_user(head, column or 0, row) if column is not None else User(row[0].strip(), {}) for row in rows if row]
    context = [each for index, each in enumerate(head) if index != column] if column is not None else []
    return users, tuple(context)


def _user(head: list[str], column: int, row: list[str]) -> User:
    values = dict(zip(head, (value.strip() for value in row), strict=False))
    user_id = values.pop(head[column], "")
    return User(user_id, {name: value for name, value in values.items() if name and value})


def distribution(
    snapshot: Snapshot, key: str, people: Iterable[User], context: Mapping[str, object]
) -> list[tuple[str, int]]:
    """How many users get which answer of a flag, most first."""
    counted = Counter(
        answer_of(snapshot.evaluate(key, person.user_id, {**context, **person.context})) for person in people
    )
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))


def moves(
    before: Snapshot, after: Snapshot, keys: Iterable[str], people: Sequence[User], context: Mapping[str, object]
) -> Iterator[Moved]:
    """Whoever gets another answer after than before, flag by flag."""
    for key in keys:
        gone: dict[tuple[str, str], list[str]] = {}
        for person in people:
            about = {**context, **person.context}
            old, new = (snapshot.evaluate(key, person.user_id, about) for snapshot in (before, after))
            first, second = answer_of(old), answer_of(new)
            if first != second and not _both_off(old, new):
                gone.setdefault((first, second), []).append(person.user_id)
        for (first, second), who in sorted(gone.items(), key=lambda item: -len(item[1])):
            yield Moved(key, first, second, len(who), tuple(who[:3]))


def _both_off(old: Evaluation, new: Evaluation) -> bool:
    """Whether a user notices nothing: the flag is off as before, whatever variant that is."""
    no_error = old.error is None and new.error is None
    return no_error and not (old.enabled or new.enabled) and old.attributes == new.attributes


def answer_of(evaluation: Evaluation) -> str:
    """An answer in a word or two."""
    if evaluation.error is ErrorCode.FLAG_NOT_FOUND:
        return "does not exist"
    if evaluation.error is not None:
        return f"no answer ({evaluation.error.value})"
    state = "on" if evaluation.enabled else "off"
    if evaluation.variant is not None and evaluation.variant != state:
        state = f"{evaluation.variant}{'' if evaluation.enabled else ' (off)'}"
    if evaluation.enabled and not isinstance(evaluation.value, bool):
        state = f"{state} = {evaluation.value}"
    return state
