"""The playground: what each flag answers to some users, and why. It reads, and renders nothing."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from flagkit.admin.flag_view import FlagView, reason_of
from flagkit.admin.people import User, answer_of
from flagkit.core.evaluation import Evaluation
from flagkit.core.explanation import Explanation, explain
from flagkit.core.snapshot import Snapshot
from flagkit.errors import UsageError

MAX_USERS: Final = 20
MAX_FLAGS: Final = 100


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, with its reason in a sentence and rule by rule."""

    answer: str
    reason: str
    explanation: Explanation

    @property
    def evaluation(self) -> Evaluation:
        """The answer as data."""
        return self.explanation.evaluation

    @property
    def tone(self) -> str:
        """`on`, `off` or `broken`."""
        if self.evaluation.error is not None:
            return "broken"
        return "on" if self.evaluation.enabled else "off"


@dataclass(frozen=True, slots=True)
class Played:
    """The answers of one flag, in the order of the users."""

    flag: FlagView
    answers: tuple[Answer, ...]

    @property
    def differs(self) -> bool:
        """Whether the users get different answers."""
        return len({each.answer for each in self.answers}) > 1


def read_people(text: str) -> tuple[User, ...]:
    """Read users, one on a line: an id and what is known about them, e.g. `42 country=US plan=pro`.

    Raises:
        UsageError: there is none, there are too many, or a word has no `=`.
    """
    found: list[User] = []
    for line in text.splitlines():
        if not line.strip():
            continue
        try:
            words = shlex.split(line)
        except ValueError:
            raise UsageError(f"a quote is not closed: {line.strip()}", hint="Close it, or leave it out.") from None
        user_id = "" if "=" in words[0] else words.pop(0)
        context: dict[str, str] = {}
        for word in words:
            name, sign, value = word.partition("=")
            if not sign or not name:
                hint = "Write a user as: 42 country=US plan=pro"
                raise UsageError(f"{word!r} is not of the form NAME=VALUE", hint=hint)
            context[name] = value
        found.append(User(user_id, context))
    if not found:
        raise UsageError("no user is given", hint="Write one user on a line, e.g. 42 country=US plan=pro")
    if len(found) > MAX_USERS:
        raise UsageError(f"{len(found)} users are given; at most {MAX_USERS} are shown", hint="Give fewer users.")
    return tuple(found)


def play(
    snapshot: Snapshot, views: Mapping[str, FlagView], people: tuple[User, ...], search: str
) -> tuple[tuple[Played, ...], int]:
    """Return the answers of the flags whose key contains a text, and how many such flags there are."""
    keys = [key for key, view in views.items() if search.lower() in key.lower() and not view.is_hidden]
    found = tuple(
        Played(views[key], tuple(_answer(snapshot, views[key], user) for user in people)) for key in keys[:MAX_FLAGS]
    )
    return found, len(keys)


def _answer(snapshot: Snapshot, view: FlagView, user: User) -> Answer:
    explanation = explain(snapshot, view.key, user.user_id or None, user.context)
    return Answer(answer_of(explanation.evaluation), reason_of(explanation, view), explanation)
