"""Checks a whole document: what AWS refuses, and likely mistakes that it accepts. Pure: `now` is an argument."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from flagkit.core.context import boolean_of
from flagkit.core.definitions import SWITCHED_OFF
from flagkit.core.documents import MAX_BYTES, FlagDocument, FlagValue
from flagkit.core.lint.findings import Finding, Positions, Severity
from flagkit.core.lint.reach import RuledVariant, reach, split_lines
from flagkit.core.lint.slips import rule_slips, unknown_keys, value_slips
from flagkit.core.metadata import is_past, read_metadata
from flagkit.core.rules.ast import Matches, walk
from flagkit.core.rules.parser import parse_rule
from flagkit.core.rules.patterns import INSTALL, patterns_work
from flagkit.errors import DocumentError, RuleError, Violation

_RULE_LOCATION = re.compile(r"values\.([^.]+)\._variants\.(\d+)\.rule(?:\.|$)")
_LARGE_BYTES = MAX_BYTES * 9 // 10
_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTICE: 2}


def lint(
    content: bytes | str,
    *,
    now: datetime,
    previous: FlagDocument | None = None,
    known_keys: Collection[str] | None = None,
) -> tuple[Finding, ...]:
    """Return the errors and likely mistakes of a document, the most severe first.

    Args:
        content: the document as JSON.
        now: the time for schedules and removal dates.
        previous: the document that this one replaces; then percentages that would reassign all users are found.
        known_keys: the context keys that callers set; without them only misspelt ones are found.
    """
    data = content if isinstance(content, bytes) else content.encode()
    found: list[Finding] = []
    raw: object = None
    document: FlagDocument | None = None
    try:
        raw = json.loads(data)
        document = FlagDocument.parse(data)
    except DocumentError as error:
        found += _violations(error.violations, raw)
        document = _rest(raw, error.violations)
    except (ValueError, RecursionError) as error:
        found.append(_no_json(error))
    if document is not None:
        found += _mistakes(document, now, known_keys)
        found += _reassigned(previous, document) if previous is not None else ()
        found += _enabled_as_text(raw)
    if len(data) >= _LARGE_BYTES:
        message = f"{len(data):,} of at most {MAX_BYTES:,} bytes"
        found.append(Finding("large-document", Severity.WARNING, "", message, "Remove flags that are no longer used."))
    text = data.decode("utf-8-sig", errors="replace")
    positions = Positions(text)
    located = found if raw is None else [_located(finding, positions) for finding in found]
    return tuple(sorted(located, key=lambda finding: (_ORDER[finding.severity], finding.line, finding.column)))


def _violations(violations: tuple[Violation, ...], raw: object) -> Iterator[Finding]:
    for violation in violations:
        found_at = _RULE_LOCATION.match(violation.location)
        # AWS reports an invalid rule twice, as not empty and as not valid; the second has the reason.
        if found_at is not None and violation.constraint == "Empty":
            continue
        caret, hint = _rule_fault(raw, found_at) if found_at is not None else ("", "")
        location = violation.location
        message = violation.message.removeprefix(f"{location}: ") or violation.reason or violation.constraint
        reason = f" ({violation.reason})" if violation.reason else ""
        yield Finding(violation.constraint, Severity.ERROR, location, f"{message}{reason}", hint, caret)


def _rule_fault(raw: object, found_at: re.Match[str]) -> tuple[str, str]:
    rule = _at(raw, ["values", found_at[1], "_variants", int(found_at[2]), "rule"])
    try:
        parse_rule(rule if isinstance(rule, str) else "")
    except RuleError as error:
        return error.caret, error.hint
    return "", ""  # a pattern that RE2 refuses, or a rule that is too long


def _at(value: object, path: list[str | int]) -> object:
    for part in path:
        try:
            value = value[part]  # type: ignore[index] # whatever can't be indexed is answered below
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _no_json(error: Exception) -> Finding:
    if isinstance(error, json.JSONDecodeError):
        message = f"is not valid JSON: {error.msg}"
        return Finding("ValidJson", Severity.ERROR, "", message, line=error.lineno, column=error.colno)
    return Finding("ValidJson", Severity.ERROR, "", f"is not valid JSON: {error}")


def _rest(raw: object, violations: tuple[Violation, ...]) -> FlagDocument | None:
    """Return the flags that AWS would accept, so that one run finds everything."""
    broken = {parts[1] for violation in violations if len(parts := violation.location.split(".")) > 1}
    if not isinstance(raw, dict) or any("." not in violation.location for violation in violations):
        return None
    rest = dict(raw)
    for part in ("flags", "values"):
        rest[part] = {key: entry for key, entry in (raw.get(part) or {}).items() if key not in broken}
    try:
        return FlagDocument.parse(json.dumps(rest))
    except DocumentError:  # a key with dots in it isn't found by its location
        return None


def _mistakes(document: FlagDocument, now: datetime, known_keys: Collection[str] | None) -> Iterator[Finding]:
    for warning in document.warnings:
        message = warning.message.removeprefix(f"{warning.location}: ")
        yield Finding(warning.constraint, Severity.WARNING, warning.location, message)
    ruled = {key: _ruled(key, value) for key, value in document.values.items()}
    for key, value in document.values.items():
        if any(variant.enabled for variant in value.variants):
            yield from reach(key, ruled[key], now)
        for variant in ruled[key]:
            yield from rule_slips(variant, key, now)
        yield from value_slips(value.attributes, f"values.{key}")
        for index, entry in enumerate(value.variants):
            yield from value_slips(entry.attribute_values, f"values.{key}._variants.{index}.attributeValues")
    yield from unknown_keys(ruled, known_keys)
    yield from _unchecked(ruled)
    yield from _declared(document, now)


def _unchecked(ruled: Mapping[str, list[RuledVariant]]) -> Iterator[Finding]:
    """Yield the first pattern, if RE2 is missing: here such flags are off, and their patterns can't be checked."""
    uses = (
        variant
        for variants in ruled.values()
        for variant in variants
        if any(isinstance(part, Matches) for part in walk(variant.rule))
    )
    if (variant := next(uses, None)) is not None and not patterns_work():
        message = "google-re2 is not installed: patterns are not checked, and flags that use them are off here"
        yield Finding("patterns-unchecked", Severity.WARNING, variant.location, message, INSTALL)


def _ruled(key: str, value: FlagValue) -> list[RuledVariant]:
    return [
        RuledVariant(variant.name, f"values.{key}._variants.{index}.rule", variant.rule, parse_rule(variant.rule))
        for index, variant in enumerate(value.variants)
        if variant.rule
    ]


def _declared(document: FlagDocument, now: datetime) -> Iterator[Finding]:
    for key, definition in document.flags.items():
        if key not in document.values:
            message = f"flag {key} is declared but has no value: reads return the code's default"
            yield Finding("no-value", Severity.NOTICE, f"flags.{key}", message, f"Run `flagkit off {key}` to set one.")
        day = None if definition.deprecation is None else definition.deprecation.date
        if day is not None and is_past(day, now):
            message = f"the removal date of flag {key} has passed: {day}"
            hint = f"Find its uses with `flagkit stale src/`, then run `flagkit delete {key}`."
            yield Finding("removal-due", Severity.WARNING, f"flags.{key}._deprecation.date", message, hint)
        value = document.values.get(key)
        if value is not None and _can_be_on(value) and read_metadata(definition.description).archived:
            message = f"flag {key} is archived, but on"
            hint = f"Run `flagkit off {key}`, or `flagkit archive {key} --undo`."
            yield Finding("archived-on", Severity.WARNING, f"flags.{key}.description", message, hint)
    for key in document.values:
        if key not in document.flags:
            message = f"flag {key} has a value but no declaration, so it has no display name"
            hint = f"Run `flagkit describe {key} --name …` to declare it."
            yield Finding("undeclared", Severity.NOTICE, f"values.{key}", message, hint)


def _can_be_on(value: FlagValue) -> bool:
    if not value.variants:
        return bool(value.enabled)
    # Behind the variant that switches a flag off, no other is reached.
    return value.variants[0].name != SWITCHED_OFF and any(variant.enabled for variant in value.variants)


def _reassigned(previous: FlagDocument, document: FlagDocument) -> Iterator[Finding]:
    for key, value in document.values.items():
        before = [variant.rule for variant in _ruled(key, previous.values.get(key, FlagValue()))]
        ruled = _ruled(key, value)
        old, new = split_lines(key, before), split_lines(key, [variant.rule for variant in ruled])
        if old and new and not old & new:
            message = f"the percentages of {key} use another seed or key than before: all users are reassigned"
            hint = "Keep seed and key; then raising a percentage removes no user."
            yield Finding("reshuffle", Severity.WARNING, ruled[0].location, message, hint)


def _enabled_as_text(raw: object) -> Iterator[Finding]:
    """Yield `enabled` values written as text: AWS reads `"true"` as true, other readers do not always."""
    for location in _enabled_locations(raw):
        enabled = _at(raw, [int(part) if part.isdigit() else part for part in location.split(".")])
        if isinstance(enabled, str) and boolean_of(enabled) is not None:
            message = f'enabled is the text "{enabled}"; AWS reads it as {enabled.lower()}, other readers do not always'
            yield Finding("type-slip", Severity.WARNING, location, message, "Write it without quotes.")


def _enabled_locations(raw: object) -> Iterator[str]:
    values = _at(raw, ["values"])
    for key in values if isinstance(values, Mapping) else ():
        yield f"values.{key}.enabled"
        variants = _at(raw, ["values", key, "_variants"])
        for index in range(len(variants) if isinstance(variants, list) else 0):
            yield f"values.{key}._variants.{index}.enabled"


def _located(finding: Finding, positions: Positions) -> Finding:
    line, column = positions.of(finding.location)
    return replace(finding, line=line, column=column)
