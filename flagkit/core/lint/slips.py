"""Likely slips in one rule or value: types, misspelt keys, missing seeds. It must not know variants' order."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain

from flagkit.core.context import number_of
from flagkit.core.lint.findings import Finding, Severity, caret_under
from flagkit.core.lint.logic import TRUE, keys_of, settle
from flagkit.core.lint.reach import RuledVariant
from flagkit.core.rules.ast import MAX_RULE_CHARS, Compare, Condition, Key, Membership, Split, Text, walk
from flagkit.core.rules.keys import CLOCK_KEYS
from flagkit.core.rules.printer import print_operand, print_rule

_ALWAYS_KNOWN = frozenset({"userId", "group", *CLOCK_KEYS})
_TRUTHS = frozenset({"true", "false"})
_LONG_RULE_CHARS = MAX_RULE_CHARS * 9 // 10


def rule_slips(variant: RuledVariant, key: str, now: datetime) -> Iterator[Finding]:
    """Yield the likely mistakes in one rule."""
    if len(variant.text) >= _LONG_RULE_CHARS:
        message = f"the rule has {len(variant.text):,} of at most {MAX_RULE_CHARS:,} characters"
        yield Finding(
            "long-rule", Severity.WARNING, variant.location, message, "Replace long lists of users with a group."
        )
    for part in walk(variant.rule):
        match part:
            case Compare(operator, left, right):
                yield from _compared(variant, operator, left, right)
                if settle(part, now) == TRUE:
                    message = f"{print_rule(part)} is always true from now on"
                    yield _at(variant, part, "started", Severity.NOTICE, message, "Remove the condition.")
            case Membership(Key(name), items) if truths := [item for item in items if _is_truth(item)]:
                yield _truth(variant, part, name, truths[0])
            case Split(_, _, None):
                message = (
                    f'the split has no seed; flagkit uses the flag\'s key, other evaluators may not: seed::"{key}"'
                )
                hint = "Write the seed, so that every evaluator selects the same users."
                yield _at(variant, part, "missing-seed", Severity.WARNING, message, hint)
            case _:
                pass


def unknown_keys(variants: Mapping[str, Sequence[RuledVariant]], known: Collection[str] | None) -> Iterator[Finding]:
    """Yield unknown context keys: not among `known`, or, without that, a rarer spelling of another one."""
    used: Counter[str] = Counter()
    places: dict[str, tuple[RuledVariant, Condition]] = {}
    for variant in chain.from_iterable(variants.values()):
        for part in walk(variant.rule):
            for name in keys_of(part):
                used[name] += 1
                places.setdefault(name, (variant, part))
    for name, (variant, part) in places.items():
        if name in _ALWAYS_KNOWN or (known is not None and name in known):
            continue
        others = _ALWAYS_KNOWN | (set(known) if known is not None else {it for it in used if used[it] > used[name]})
        alike = difflib.get_close_matches(name, sorted(others), 1, cutoff=0.8)
        if known is None and not alike:
            continue
        hint = f"Did you mean ${alike[0]}?" if alike else "List the known keys with --context-key."
        yield _at(variant, part, "unknown-key", Severity.WARNING, f"unknown context key ${name}", hint)


def value_slips(values: Mapping[str, object], location: str) -> Iterator[Finding]:
    """Yield attribute values that look like another type than they have."""
    for name, value in values.items():
        if isinstance(value, str) and value.lower() in _TRUTHS:
            message = f'"{value}" is a string, and every non-empty string is true in a program'
            hint = f"Write {value.lower()} without quotes."
            yield Finding("type-slip", Severity.WARNING, f"{location}.{name}", message, hint)


def _compared(variant: RuledVariant, operator: str, left: object, right: object) -> Iterator[Finding]:
    part = Compare(operator, left, right)  # type: ignore[arg-type] # taken apart just before
    key = next((operand.name for operand in (left, right) if isinstance(operand, Key)), None)
    text = next((operand for operand in (left, right) if isinstance(operand, Text)), None)
    if key is None or text is None:
        return
    if operator == "eq" and _is_truth(text):
        yield _truth(variant, part, key, text)
    elif operator != "eq" and number_of(text.value) is not None:
        message = f'${key} is compared with "{text.value}" as text, where "10" is less than "9"'
        yield _at(variant, part, "type-slip", Severity.WARNING, message, f"Write {text.value} without quotes.")


def _truth(variant: RuledVariant, part: Condition, key: str, text: object) -> Finding:
    assert isinstance(text, Text)
    message = f"${key} is compared with the text {print_operand(text)}, so True, TRUE and 1 are not equal to it"
    hint = f"Write {text.value.lower()} without quotes."
    return _at(variant, part, "type-slip", Severity.WARNING, message, hint)


def _is_truth(operand: object) -> bool:
    return isinstance(operand, Text) and operand.value.lower() in _TRUTHS


def _at(variant: RuledVariant, part: Condition, code: str, severity: Severity, message: str, hint: str) -> Finding:
    # Trees hold no positions; a part printed in the canonical form is found in nearly every rule.
    position = variant.text.find(print_rule(part))
    caret = caret_under(variant.text, position) if position >= 0 else ""
    return Finding(code, severity, variant.location, message, hint, caret)
