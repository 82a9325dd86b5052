"""The playground: what each flag answers to some users, and why. It reads, and renders nothing."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from flagkit.admin.flag_view import FlagView, reason_of
from flagkit.admin.people import User, answer_of
from flagkit.authoring import show_where
from flagkit.core.evaluation import Evaluation
from flagkit.core.explanation import Explanation, Step, explain
from flagkit.core.shares import REQUIRES, RULE, SEGMENT
from flagkit.core.snapshot import Snapshot
from flagkit.errors import UsageError

MAX_USERS: Final = 20
MAX_FLAGS: Final = 100
_LONGEST = 160
_MARK = re.compile(rf'seed::"(?:{SEGMENT}|{REQUIRES}|{RULE})')


@dataclass(frozen=True, slots=True)
class ShownStep:
    """One part of a rule, as people read it.

    Attributes:
        text: the condition, or `all of` and `any of` for what is below it.
        result: whether it is true.
        used: the values that it looked at.
        steps: the parts of it.
    """

    text: str
    result: bool
    used: str = ""
    steps: tuple[ShownStep, ...] = ()


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
    def rules(self) -> tuple[tuple[str, str, ShownStep | None], ...]:
        """The rules: variant, outcome, and how it was evaluated."""
        return tuple(
            (rule.variant, rule.outcome, None if rule.step is None else shown_step(rule.step))
            for rule in self.explanation.rules
        )

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


def shown_step(step: Step) -> ShownStep:
    """Return a step of an explanation in readable conditions; marks that hold for nobody are left out."""
    inner = tuple(shown_step(each) for each in step.steps if not _is_mark(each))
    operator = step.text[1:4].rstrip(" (") if step.text.startswith("(") else ""
    if operator in {"and", "or"} and inner:
        if len(inner) == 1:
            return inner[0]
        return ShownStep("all of" if operator == "and" else "any of", step.result, steps=inner)
    readable = show_where(step.text)
    if len(readable) > _LONGEST:
        readable = f"{readable[: _LONGEST - 1]}…"
    return ShownStep(readable, step.result, step.to_text(), inner if operator == "not" else ())


def _is_mark(step: Step) -> bool:
    """Whether it is a split of 0 % that only names what a rule is about."""
    return step.percent == 0 and _MARK.search(step.text) is not None


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
