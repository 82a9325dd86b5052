"""The import against the real package: generated documents and contexts, every answer equal or the flag refused."""

from __future__ import annotations

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
OTHERS = ["VALUE_IN_KEY", "VALUE_NOT_IN_KEY", "ALL_IN_VALUE", "ANY_IN_VALUE", "NONE_IN_VALUE", "MODULO_RANGE"]


@st.composite
def conditions(draw):
    key = draw(st.sampled_from(sorted(VALUES)))
    value = VALUES[key]
    actions = ANY + LISTS + (ORDERED if key != "beta" else [])
    actions += ["STARTSWITH", "ENDSWITH"] if key == "plan" else []
    action = draw(st.sampled_from(actions * 5 + OTHERS))
    if action in LISTS:
        value = st.lists(value, max_size=3)
    elif action == "MODULO_RANGE":
        value = st.just({"BASE": 10, "START": 0, "END": 4})
    elif action in OTHERS and action.endswith("IN_VALUE"):
        value = st.lists(value, max_size=3)
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


contexts = st.fixed_dictionaries({}, optional=VALUES)


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
