"""The import against the real package: generated documents and contexts, every answer equal or the flag refused."""

from __future__ import annotations

import datetime as dt
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flagkit.admin.powertools import read_powertools
from flagkit.core.snapshot import Snapshot

feature_flags = pytest.importorskip("aws_lambda_powertools.utilities.feature_flags")

# Text in a context is compared as the type of the rule's value (decision 0021), so each key has one type.
VALUES = {
    "plan": st.sampled_from(["pro", "free", "", "Ünï", 'quo"te', "10", "9"]),
    "age": st.integers(-3, 3) | st.sampled_from([1.5, 0.1, 10**12]),
    "beta": st.booleans(),
}
ANY = ["EQUALS", "NOT_EQUALS"]
ORDERED = [f"KEY_{it}_VALUE" for it in ("GREATER_THAN", "GREATER_THAN_OR_EQUAL", "LESS_THAN", "LESS_THAN_OR_EQUAL")]
LISTS = ["IN", "NOT_IN", "KEY_IN_VALUE", "KEY_NOT_IN_VALUE"]
IN_KEY = ["VALUE_IN_KEY", "VALUE_NOT_IN_KEY"]
ROLES = st.sampled_from(["admin", "adm", "", 'quo"te', "a,b", "Ü", "["])
OF_LISTS = ["ANY_IN_VALUE", "NONE_IN_VALUE", "ALL_IN_VALUE"]


@st.composite
def conditions(draw):
    key = draw(st.sampled_from([*sorted(VALUES), "roles", "roles"]))
    value = VALUES.get(key, ROLES)
    actions = ANY + LISTS + (ORDERED if key != "beta" else [])
    actions += ["STARTSWITH", "ENDSWITH", *IN_KEY] if key == "plan" else []
    actions = IN_KEY + OF_LISTS if key == "roles" else actions
    action = draw(st.sampled_from(actions * 5 + ["MODULO_RANGE"]))
    if action in LISTS + OF_LISTS:
        value = st.lists(value, max_size=3)
    elif action == "MODULO_RANGE":
        value = st.just({"BASE": 10, "START": 0, "END": 4})
    return {"action": action, "key": key, "value": draw(value)}


@st.composite
def features(draw):
    answers, extra = st.booleans(), {}
    if draw(st.booleans()):
        answers, extra = (
            draw(st.sampled_from([st.text(max_size=3), st.integers(0, 9), st.just(["a", "b"])])),
            {"boolean_type": False},
        )
    rules = st.dictionaries(
        st.text("abc \n", min_size=1, max_size=70),
        st.fixed_dictionaries({"when_match": answers, "conditions": st.lists(conditions(), min_size=1, max_size=3)}),
        max_size=3,
    )
    return {"default": draw(answers), "rules": draw(rules), **extra}


contexts = st.fixed_dictionaries({}, optional={**VALUES, "roles": st.lists(ROLES | st.none(), max_size=3)})
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])
CLOCK_TIMES = st.times().map(lambda time: f"{time:%H:%M}")
DAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]
windows = st.fixed_dictionaries({"START": CLOCK_TIMES, "END": CLOCK_TIMES}, optional={"TIMEZONE": ZONES}) | st.just(
    {"START": "09:00", "END": "08:59"}
)
weekdays = st.fixed_dictionaries(
    {"DAYS": st.lists(st.sampled_from(DAYS), min_size=1, unique=True)}, optional={"TIMEZONE": ZONES}
)
# Twice through the changes of daylight saving time in both zones that have it.
MARCH = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
moments = st.integers(0, 254 * 86_400).map(lambda seconds: MARCH + dt.timedelta(seconds=seconds))


class Store:
    """A store of Powertools that has its document already."""

    def __init__(self, schema):
        self.schema = schema

    def get_configuration(self):
        return self.schema


def answer(found, feature):
    if feature.get("boolean_type", True):
        return found.enabled
    value = found.attributes["value"]
    return list(value) if isinstance(value, tuple) else value


@settings(max_examples=300)
@given(features(), st.lists(contexts, min_size=1, max_size=8))
def test_every_answer_is_that_of_powertools_or_the_flag_is_refused(feature, asked):
    imported = read_powertools({"f": feature})
    if imported.refused:
        assert imported.problems
        return
    powertools = feature_flags.FeatureFlags(Store({"f": feature}))
    snapshot = Snapshot.from_document(imported.document.to_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for context in asked:
            wanted = powertools.evaluate(name="f", context=context, default=None)
            assert answer(snapshot.evaluate("f", None, context), feature) == wanted, context


@pytest.mark.parametrize("action", [*ANY[:1], *ORDERED, "STARTSWITH", "ENDSWITH", "IN"])
def test_null_satisfies_no_condition_that_asks_for_a_value(action):
    value = ["x"] if action == "IN" else "x"
    rule = {"when_match": True, "conditions": [{"action": action, "key": "plan", "value": value}]}
    schema = {"f": {"default": False, "rules": {"r": rule}}}
    powertools = feature_flags.FeatureFlags(Store(schema))
    snapshot = Snapshot.from_document(read_powertools(schema).document.to_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for context in ({}, {"plan": None}, {"plan": "x"}):
            wanted = powertools.evaluate(name="f", context=context, default=None)
            assert snapshot.evaluate("f", None, context).enabled == wanted


@settings(max_examples=100)
@given(windows | weekdays, moments)
def test_a_time_window_is_open_when_it_is_in_powertools(value, now):
    comparators = pytest.importorskip("aws_lambda_powertools.utilities.feature_flags.comparators")
    action, key = ("TIME_RANGE", "CURRENT_TIME") if "START" in value else ("DAYS_OF_WEEK", "CURRENT_DAY_OF_WEEK")
    condition = {"action": f"SCHEDULE_BETWEEN_{action}", "key": key, "value": value}
    schema = {"f": {"default": False, "rules": {"r": {"when_match": True, "conditions": [condition]}}}}
    imported = read_powertools(schema)
    assert not imported.problems
    snapshot = Snapshot.from_document(imported.document.to_dict(), now=lambda: now)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(comparators, "_get_now_from_timezone", lambda zone: now.astimezone(zone or dt.UTC))
        wanted = feature_flags.FeatureFlags(Store(schema)).evaluate(name="f", context={}, default=None)
    assert snapshot.evaluate("f").enabled == wanted


@pytest.mark.parametrize(
    ("action", "value", "why"),
    [
        ("SCHEDULE_BETWEEN_TIME_RANGE", {"START": "9:00", "END": "17:00"}, "START and END must be times"),
        ("SCHEDULE_BETWEEN_TIME_RANGE", {"START": "09:00", "END": "17:00", "TIMEZONE": "Mars/Base"}, "Mars/Base"),
        ("SCHEDULE_BETWEEN_DAYS_OF_WEEK", {"DAYS": ["Someday"]}, "DAYS has no day of the week"),
        ("SCHEDULE_BETWEEN_TIDES", {}, "can't express SCHEDULE_BETWEEN_TIDES"),
        ("MODULO_RANGE", {"BASE": 10, "START": 0, "END": 4}, "can't express MODULO_RANGE"),
        ("ALL_IN_VALUE", ["a"], "can't express ALL_IN_VALUE"),
        ("ANY_IN_VALUE", ["a", 1], "can't express ANY_IN_VALUE"),
    ],
)
def test_what_a_rule_cannot_say_is_refused_by_name(action, value, why):
    condition = {"action": action, "key": "k", "value": value}
    schema = {"f": {"default": False, "rules": {"r": {"when_match": True, "conditions": [condition]}}}}
    imported = read_powertools(schema)
    assert imported.refused == ("f",)
    assert why in imported.problems[0].reason
