"""Reading the feature flags of AWS Lambda Powertools. Pure. What can't be expressed is listed, never dropped silently.

Format: docs.powertools.aws.dev/lambda/python/latest/utilities/feature_flags. A rule is a list of conditions that must
all hold; the first rule that matches wins; otherwise the default.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from pydantic import JsonValue

from flagkit.admin.entries import EMPTY, Entry, with_entries
from flagkit.authoring.conditions import NOW, all_of
from flagkit.core.documents import FlagDocument
from flagkit.core.rules.ast import (
    And,
    Boolean,
    Compare,
    CompareOperator,
    Condition,
    Constant,
    Key,
    Membership,
    Not,
    Number,
    Text,
    TextOperator,
    TextTest,
    Timestamp,
)
from flagkit.core.rules.printer import print_rule
from flagkit.errors import DocumentError, EditError, RuleError

_KEY = re.compile(r"[a-z][a-zA-Z0-9_-]{0,63}")
_CONTEXT_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COMPARE: dict[str, CompareOperator] = {
    "EQUALS": "eq",
    "KEY_GREATER_THAN_VALUE": "gt",
    "KEY_GREATER_THAN_OR_EQUAL_VALUE": "gte",
    "KEY_LESS_THAN_VALUE": "lt",
    "KEY_LESS_THAN_OR_EQUAL_VALUE": "lte",
}
_TEXT: dict[str, TextOperator] = {"STARTSWITH": "begins_with", "ENDSWITH": "ends_with"}
_TYPES = {bool: "boolean", int: "number", float: "number", str: "string", list: "array"}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that couldn't be expressed.

    Attributes:
        place: e.g. `premium.rules.tier is premium.conditions.0`.
        reason: why, in one sentence.
    """

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What was read.

    Attributes:
        document: the flags that could be expressed; a rule that couldn't is left out of its flag.
        problems: everything that couldn't be expressed.
    """

    document: FlagDocument
    problems: tuple[Problem, ...]


class _Untranslatable(Exception):  # noqa: N818 - not an error: it becomes a Problem
    """Carries a problem out of the depth of a rule."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(reason)
        self.problem = Problem(place, reason)


def read_powertools(schema: Mapping[str, object]) -> Imported:
    """Read a feature flags document of Powertools.

    Raises:
        EditError: it isn't one.
    """
    if not isinstance(schema, Mapping) or not all(isinstance(entry, Mapping) for entry in schema.values()):
        raise EditError("not a feature flags document of Powertools: features are objects by name")
    document, problems = EMPTY, list[Problem]()
    for name, feature in schema.items():
        assert isinstance(feature, Mapping)
        try:
            entry = _feature(name, feature, problems)
            document = with_entries(document, {name: entry})
        except _Untranslatable as found:
            problems.append(found.problem)
        except DocumentError as error:
            problems.append(Problem(name, error.message))
    return Imported(document, tuple(problems))


def _feature(name: str, feature: Mapping[str, object], problems: list[Problem]) -> Entry:
    if _KEY.fullmatch(name) is None:
        raise _Untranslatable(name, "a flag key in AWS starts with a lower-case letter; rename the feature")
    if "default" not in feature:
        raise _Untranslatable(name, "it has no default")
    boolean = feature.get("boolean_type", True) is not False
    problems += [
        Problem(f"{name}.{word}", "isn't a word of Powertools' format")
        for word in feature
        if word not in {"default", "boolean_type", "rules"}
    ]
    variants: list[JsonValue] = []
    rules = feature.get("rules") or {}
    if not isinstance(rules, Mapping):
        raise _Untranslatable(f"{name}.rules", "isn't an object")
    for title, rule in rules.items():
        try:
            variants.append(_variant(name, str(title), rule, boolean=boolean))
        except _Untranslatable as found:
            problems.append(found.problem)
    answer = _answer(f"{name}.default", feature["default"], boolean=boolean)
    definition: dict[str, JsonValue] = {"name": name[:64]}
    if not boolean:
        kind = _TYPES[type(feature["default"])]
        definition["attributes"] = {"value": {"constraints": {"type": kind}}}
    if not variants:
        return definition, {"enabled": answer["enabled"], **_object(answer.get("attributeValues"))}
    names = {str(_object(variant)["name"]) for variant in variants}
    return definition, {"_variants": [*variants, {"name": _free("default", names), **answer}]}


def _variant(name: str, title: str, rule: object, *, boolean: bool) -> JsonValue:
    place = f"{name}.rules.{title}"
    if not isinstance(rule, Mapping) or "when_match" not in rule:
        raise _Untranslatable(place, "it has no when_match")
    conditions = rule.get("conditions")
    if not isinstance(conditions, list) or not conditions:
        raise _Untranslatable(place, "it has no conditions")
    parts = [_condition(f"{place}.conditions.{index}", item) for index, item in enumerate(conditions)]
    try:
        condition = all_of(parts)
        assert not isinstance(condition, Boolean)
        text = print_rule(condition)
    except RuleError as error:
        raise _Untranslatable(place, error.message) from None
    if "\n" in title or not 1 <= len(title) <= 64:
        raise _Untranslatable(place, "its name isn't one line of 1 to 64 characters, as AWS has it for variants")
    return {"name": title, "rule": text, **_answer(f"{place}.when_match", rule["when_match"], boolean=boolean)}


def _answer(place: str, value: object, *, boolean: bool) -> dict[str, JsonValue]:
    if boolean:
        if not isinstance(value, bool):
            raise _Untranslatable(place, "a feature of boolean type has a value that isn't true or false")
        return {"enabled": value}
    if isinstance(value, dict) or value is None:
        raise _Untranslatable(place, "AWS's attributes hold no objects and no null")
    assert isinstance(value, str | int | float | bool | list)
    return {"enabled": True, "attributeValues": {"value": value}}


def _condition(place: str, item: object) -> Condition:
    if not isinstance(item, Mapping):
        raise _Untranslatable(place, "isn't an object")
    action, name, value = str(item.get("action")), str(item.get("key")), item.get("value")
    if action == "SCHEDULE_BETWEEN_DATETIME_RANGE":
        return _between(place, value)
    if _CONTEXT_KEY.fullmatch(name) is None:
        raise _Untranslatable(place, f"{name!r} can't be written as a context key")
    try:
        condition = _on_key(place, action, Key(name), value)
    except RuleError as error:
        raise _Untranslatable(place, error.message) from None
    if condition is None:
        raise _Untranslatable(place, f"AWS's rules have nothing like {action}")
    return condition


def _on_key(place: str, action: str, key: Key, value: object) -> Condition | None:
    if action in _COMPARE:
        return Compare(_COMPARE[action], key, _constant(place, value))
    if action == "NOT_EQUALS":
        return Not(Compare("eq", key, _constant(place, value)))
    if action in _TEXT and isinstance(value, str):
        return TextTest(_TEXT[action], key, Text(value))
    if action in {"IN", "KEY_IN_VALUE"}:
        return _among(place, key, value)
    if action in {"NOT_IN", "KEY_NOT_IN_VALUE"}:
        return Not(_among(place, key, value))
    # Lists in the context (VALUE_IN_KEY, ANY_IN_VALUE, …), times of day, days of the week, MODULO_RANGE.
    return None


def _among(place: str, key: Key, value: object) -> Condition:
    if not isinstance(value, list) or not value:
        raise _Untranslatable(place, "AWS's `in` needs a list with something in it")
    return Membership(key, tuple(_constant(place, item) for item in value))


def _between(place: str, value: object) -> Condition:
    words = value if isinstance(value, Mapping) else {}
    edges: list[Condition] = []
    sides: tuple[tuple[str, CompareOperator], ...] = (("START", "gte"), ("END", "lte"))
    for word, operator in sides:
        moment = _moment(words.get(word), words.get("TIMEZONE", "UTC"))
        if moment is None:
            raise _Untranslatable(place, f"{word} isn't a time that can be written in UTC: {words.get(word)!r}")
        edges.append(Compare(operator, NOW, Timestamp(moment)))
    return And(tuple(edges))


def _moment(text: object, zone: object) -> str | None:
    import zoneinfo

    try:
        moment = dt.datetime.fromisoformat(str(text))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zoneinfo.ZoneInfo(str(zone)))
    except (ValueError, KeyError, OSError):
        return None
    return moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat() + "Z"


def _constant(place: str, value: object) -> Constant:
    match value:
        case bool():
            return Boolean(value)
        case int():
            return Number(value)
        case float():
            return Number(Decimal(str(value)))
        case str():
            return Text(value)
        case _:
            raise _Untranslatable(place, "compares with something that is neither text, number nor true/false")


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _object(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}
