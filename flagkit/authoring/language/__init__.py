"""The condition language of `--when`, `--where` and TOML: `country in US, CA and appVersion >= 1.10.0`.

It compiles to native rules and reads them back; `docs/conditions.md` is its reference.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol

from flagkit.authoring.conditions import all_of, parsed, parts_of, read_share
from flagkit.authoring.language.grammar import read_condition, remarks_on
from flagkit.authoring.language.phrases import show_condition
from flagkit.authoring.ranges import show_percent
from flagkit.core.rules.ast import Boolean, Condition
from flagkit.core.rules.parser import parse_rule
from flagkit.core.rules.printer import print_rule
from flagkit.errors import RuleError

__all__ = [
    "ShownRule",
    "read_condition",
    "read_where",
    "remarks_on",
    "show_condition",
    "show_rule",
    "show_rules",
    "show_where",
    "written_condition",
]


class ShownRule(Protocol):
    """A rule of a variant, as one of the two readers of documents has it; its percentage is in steps of 0.0001 %."""

    @property
    def when(self) -> str | None:
        """Its condition."""
        ...

    @property
    def percent(self) -> int | None:
        """Its percentage."""
        ...


def read_where(text: str) -> str:
    """Return the native rule of a condition; a native rule in parentheses is returned in its printed form.

    Raises:
        EditError: the text is not a condition; the message shows the place.
    """
    condition = read_condition(text)
    assert not isinstance(condition, Boolean)  # the grammar has no constant condition
    return print_rule(condition)


def written_condition(condition: Condition) -> str:
    """Return a condition as people write it, or as a native rule if it has no such form."""
    return show_condition(condition) or print_rule(condition)


@lru_cache(maxsize=4096)  # one condition is usually shared by many flags
def show_where(rule: str) -> str:
    """Return a native rule as a condition people write, or as it is if it has no such form."""
    try:
        return show_condition(parse_rule(rule)) or rule
    except RuleError:
        return rule


def show_rule(rule: str) -> str:
    """Return who a native rule is for, e.g. `50 % of users where country = US`, or the rule if it has no such form."""
    try:
        parts = parts_of(parsed(rule))
    except RuleError:
        return rule
    share = read_share(parts[-1])
    others = parts if share is None else parts[:-1]
    steps = None if share is None else sum(span.size for span in share.ranges)
    return _users(steps, written_condition(all_of(others)) if others else None)


def show_rules(rules: Iterable[ShownRule]) -> str:
    """Return who the rules of a variant are for, e.g. `50 % of users where country = US or users where plan = pro`."""
    return " or ".join(_users(rule.percent, rule.when) for rule in rules)


def _users(steps: int | None, when: str | None) -> str:
    percent = "" if steps is None else f"{show_percent(steps)} % of "
    return f"{percent}users{f' where {show_where(when)}' if when else ''}"
