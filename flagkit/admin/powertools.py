"""Reading the feature flags of AWS Lambda Powertools. Pure. A flag means the same afterwards, or it isn't imported.

Format: docs.powertools.aws.dev/lambda/python/latest/utilities/feature_flags. A rule is a list of conditions that must
all hold; the first rule that matches wins; otherwise the default. A key that the context doesn't have satisfies no
condition, not even a negative one. Three differences are inherent: text in a context is compared as the type of the
rule's value, as AppConfig does it; a null attribute counts as a missing one; a tuple or a set counts as a list.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import TypeGuard
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import JsonValue

from flagkit.admin.entries import EMPTY, Entry, with_entries
from flagkit.authoring.conditions import NOW, all_of, any_of
from flagkit.authoring.language.clock import window_of
from flagkit.core.context import element_text
from flagkit.core.documents import FlagDocument
from flagkit.core.rules.ast import (
    And,
    Boolean,
    Compare,
    CompareOperator,
    Condition,
    Constant,
    Exists,
    Key,
    Membership,
    Not,
    Number,
    Or,
    Text,
    TextOperator,
    TextTest,
    Timestamp,
)
from flagkit.core.rules.keys import DAYS
from flagkit.core.rules.printer import print_rule
from flagkit.errors import DocumentError, EditError, RuleError

_KEY = re.compile(r"[a-z][a-zA-Z0-9_-]{0,63}")
# `$now` and `$currentTime` are the clock in a rule.
_CONTEXT_KEY = re.compile(r"(?!(?:now|currentTime)$)[A-Za-z_][A-Za-z0-9_]*")
_COMPARE: dict[str, CompareOperator] = {
    "EQUALS": "eq",
    "KEY_GREATER_THAN_VALUE": "gt",
    "KEY_GREATER_THAN_OR_EQUAL_VALUE": "gte",
    "KEY_LESS_THAN_VALUE": "lt",
    "KEY_LESS_THAN_OR_EQUAL_VALUE": "lte",
}
_TEXT: dict[str, TextOperator] = {"STARTSWITH": "begins_with", "ENDSWITH": "ends_with"}
_DAY_NAMES = dict(
    zip(DAYS, ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"), strict=True)
)
_DAY_MINUTES = 24 * 60
_TYPES = {bool: "boolean", int: "number", float: "number", str: "string", list: "array"}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that can't be expressed, or a remark.

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
        document: the flags that can be expressed as a whole.
        problems: why the other flags can't be.
        remarks: what was changed or ignored without changing an answer.
    """

    document: FlagDocument
    problems: tuple[Problem, ...]
    remarks: tuple[Problem, ...] = ()

    @property
    def refused(self) -> tuple[str, ...]:
        """The flags that were not imported."""
        return tuple(dict.fromkeys(problem.place.partition(".")[0] for problem in self.problems))


class _Untranslatable(Exception):  # noqa: N818 - not an error: it becomes a Problem
    """Carries a problem out of the depth of a rule."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(reason)
        self.problem = Problem(place, reason)


def read_powertools(schema: object) -> Imported:
    """Read a feature flags document of Powertools.

    Raises:
        EditError: it isn't one.
    """
    if not isinstance(schema, Mapping) or not all(isinstance(entry, Mapping) for entry in schema.values()):
        raise EditError("not a feature flags document of Powertools: features are objects by name")
    if not schema:
        raise EditError("the document has no feature")
    document, problems, remarks = EMPTY, list[Problem](), list[Problem]()
    for name, feature in schema.items():
        assert isinstance(feature, Mapping)
        found, noted = list[Problem](), list[Problem]()
        try:
            entry = _feature(name, feature, found, noted)
            if not found:
                document = with_entries(document, {name: entry})
        except _Untranslatable as refused:
            found.append(refused.problem)
        except DocumentError as error:
            found.append(Problem(name, error.message))
        problems += found
        remarks += [] if found else noted
    return Imported(document, tuple(problems), tuple(remarks))


def _feature(name: str, feature: Mapping[str, object], problems: list[Problem], remarks: list[Problem]) -> Entry:
    if _KEY.fullmatch(name) is None:
        raise _Untranslatable(name, "a flag key in AWS starts with a lower-case letter; rename the feature")
    if "default" not in feature:
        raise _Untranslatable(name, "it has no default")
    boolean = bool(feature.get("boolean_type", True))
    remarks += [
        Problem(f"{name}.{key}", "is not a key of Powertools' format")
        for key in feature
        if key not in {"default", "boolean_type", "rules"}
    ]
    variants: list[JsonValue] = []
    rules = feature.get("rules") or {}
    if "rules" in feature and not rules:
        remarks.append(Problem(f"{name}.rules", "is empty: every user gets the default"))
    if not isinstance(rules, Mapping):
        raise _Untranslatable(f"{name}.rules", "is not an object")
    for title, rule in rules.items():
        try:
            variants.append(_variant(name, str(title), rule, boolean=boolean))
        except _Untranslatable as found:
            problems.append(found.problem)
    _shorten(variants, f"{name}.rules", remarks)
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
    return {"name": title, "rule": text, **_answer(f"{place}.when_match", rule["when_match"], boolean=boolean)}


def _answer(place: str, value: object, *, boolean: bool) -> dict[str, JsonValue]:
    if boolean:
        if not isinstance(value, bool):
            raise _Untranslatable(place, "a feature of boolean type needs a value that is true or false")
        return {"enabled": value}
    if isinstance(value, dict) or value is None:
        raise _Untranslatable(place, "an attribute in AWS can't be an object or null")
    assert isinstance(value, str | int | float | bool | list)
    return {"enabled": True, "attributeValues": {"value": value}}


def _condition(place: str, item: object) -> Condition:
    if not isinstance(item, Mapping):
        raise _Untranslatable(place, "is not an object")
    action, name, value = str(item.get("action")), str(item.get("key")), item.get("value")
    if action.startswith("SCHEDULE_"):
        return _scheduled(place, action, value if isinstance(value, Mapping) else {})
    if _CONTEXT_KEY.fullmatch(name) is None:
        raise _Untranslatable(place, f"{name!r} is not a valid context key in a rule")
    try:
        condition = _on_key(place, action, Key(name), value)
    except RuleError as error:
        raise _Untranslatable(place, error.message) from None
    if condition is None:
        raise _Untranslatable(place, f"AWS's rules can't express {action}")
    return condition


def _on_key(place: str, action: str, key: Key, value: object) -> Condition | None:
    if action in _COMPARE:
        return Compare(_COMPARE[action], key, _constant(place, value))
    if action == "NOT_EQUALS":
        return And((Exists(key), Not(Compare("eq", key, _constant(place, value)))))
    if action in _TEXT and isinstance(value, str):
        return TextTest(_TEXT[action], key, Text(value))
    if action in {"IN", "KEY_IN_VALUE"}:
        return And((Exists(key), Not(Exists(key)))) if value == [] else _among(place, key, value)
    if action in {"NOT_IN", "KEY_NOT_IN_VALUE"}:
        return Exists(key) if value == [] else And((Exists(key), Not(_among(place, key, value))))
    if action in {"VALUE_IN_KEY", "VALUE_NOT_IN_KEY"} and isinstance(value, str):
        within = Or((_listed(key, [value]), And((Not(_is_list(key)), TextTest("contains", key, Text(value))))))
        return within if action == "VALUE_IN_KEY" else And((Exists(key), Not(within)))
    if action in {"ANY_IN_VALUE", "NONE_IN_VALUE"} and isinstance(value, list) and _are_texts(value):
        return _listed(key, value) if action == "ANY_IN_VALUE" else And((_is_list(key), Not(_listed(key, value))))
    return None  # MODULO_RANGE; ALL_IN_VALUE; lists with numbers, which have more than one text


def _is_list(key: Key) -> Condition:
    """Whether the text of an attribute is that of a list (flagkit.core.context)."""
    return Or((TextTest("begins_with", key, Text('["')), Compare("eq", key, Text("[]"))))


def _listed(key: Key, values: Sequence[str]) -> Condition:
    """Whether an attribute is a list with one of the values."""
    elements = [TextTest("contains", key, Text(element_text(value))) for value in values]
    return And((_is_list(key), any_of(elements) if elements else Not(_is_list(key))))


def _are_texts(values: Sequence[object]) -> TypeGuard[Sequence[str]]:
    return all(isinstance(value, str) for value in values)


def _among(place: str, key: Key, value: object) -> Condition:
    if not isinstance(value, list) or not value:
        raise _Untranslatable(place, "AWS's `in` needs a list; a part of a text can't be expressed")
    return Membership(key, tuple(_constant(place, item) for item in value))


def _scheduled(place: str, action: str, words: Mapping[str, object]) -> Condition:
    if action == "SCHEDULE_BETWEEN_DATETIME_RANGE":
        return _between(place, words)
    zone = str(words.get("TIMEZONE") or "UTC")
    if not _is_zone(zone):
        raise _Untranslatable(place, f"{zone!r} is not a known time zone")
    if action == "SCHEDULE_BETWEEN_DAYS_OF_WEEK":
        given = words.get("DAYS")
        days = [day for day in DAYS if isinstance(given, list) and _DAY_NAMES[day] in given]
        if not days:
            raise _Untranslatable(place, f"DAYS has no day of the week: {given!r}")
        return window_of(tuple(days), None, zone)
    if action == "SCHEDULE_BETWEEN_TIME_RANGE":
        start, end = (_minutes(words.get(word)) for word in ("START", "END"))
        if start is None or end is None:
            raise _Untranslatable(place, "START and END must be times such as 09:30")
        # The whole minute of END is in the range; a range that is a whole day has no hours.
        after = end + 1 if end >= start or end + 1 < start else None
        if after is None or (start, after) == (0, _DAY_MINUTES):
            return window_of(DAYS, None, zone)
        return window_of(None, (_clock(start), _clock(after)), zone)
    raise _Untranslatable(place, f"AWS's rules can't express {action}")


def _minutes(text: object) -> int | None:
    found = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9])", str(text))
    return None if found is None else int(found[1]) * 60 + int(found[2])


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _between(place: str, words: Mapping[str, object]) -> Condition:
    edges: list[Condition] = []
    sides: tuple[tuple[str, CompareOperator], ...] = (("START", "gte"), ("END", "lte"))
    for word, operator in sides:
        moment = _moment(words.get(word), words.get("TIMEZONE", "UTC"))
        if moment is None:
            raise _Untranslatable(
                place, f"{word} is not a valid time without an offset, in a known TIMEZONE: {words.get(word)!r}"
            )
        edges.append(Compare(operator, NOW, Timestamp(moment)))
    return And(tuple(edges))


def _moment(text: object, zone: object) -> str | None:
    name = str(zone or "UTC")
    try:
        moment = dt.datetime.fromisoformat(str(text))
    except ValueError:
        return None
    if moment.tzinfo is not None or not _is_zone(name):
        return None  # Powertools refuses it
    moment = moment.replace(tzinfo=ZoneInfo(name))
    return moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat() + "Z"


def _constant(place: str, value: object) -> Constant:
    match value:
        case bool():
            return Boolean(value)
        case int():
            return Number(value)
        case float() if isfinite(value):
            return Number(Decimal(str(value)))
        case str():
            return Text(value)
        case _:
            raise _Untranslatable(place, "compares with something that is not text, a number, true or false")


def _shorten(variants: list[JsonValue], place: str, remarks: list[Problem]) -> None:
    """Make the names of rules names of variants: one line of 1 to 64 characters, each once."""
    taken: set[str] = set()
    for variant in variants:
        fields = _object(variant)
        title = str(fields["name"])
        line = " ".join(title.split()) or "rule"
        name, number = line[:64], 1
        while name in taken:
            number += 1
            name = f"{line[: 63 - len(str(number))]} {number}"
        taken.add(name)
        if name != title:
            remarks.append(
                Problem(f"{place}.{title}", f"is called {name!r}: a variant's name has at most 64 characters")
            )
        fields["name"] = name


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _object(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}
