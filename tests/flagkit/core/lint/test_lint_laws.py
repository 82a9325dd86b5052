"""What lint calls unreachable is never answered, whoever asks; and what it says about weights is what users get."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flagkit.core.lint import lint
from flagkit.core.lint.logic import Logic
from flagkit.core.rules.ast import Condition, Or
from flagkit.core.rules.parser import parse_rule
from flagkit.core.snapshot import Snapshot

pytestmark = pytest.mark.sweep

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
VALUES = ("x", "y", "z", None)
USERS = [None, *map(str, range(60))]


def leaf() -> st.SearchStrategy[str]:
    key = st.sampled_from(["a", "b"])
    value = st.sampled_from(["x", "y", "z"])
    percent = st.sampled_from([0, 20, 40, 60, 80, 100])
    seed = st.sampled_from(["s", "t"])
    moment = st.sampled_from(["2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"])
    return st.one_of(
        st.builds('(eq ${} "{}")'.format, key, value),
        st.builds('(in ${} ["{}", "{}"])'.format, key, value, value),
        st.builds('(exists key::"{}")'.format, key),
        st.builds('(split pct::{} by::$userId seed::"{}")'.format, percent, seed),
        st.builds("({} $now {})".format, st.sampled_from(["lt", "gte"]), moment),
    )


def rule() -> st.SearchStrategy[str]:
    return st.recursive(
        leaf(),
        lambda inner: st.one_of(
            st.builds("(not {})".format, inner),
            st.builds("(and {} {})".format, inner, inner),
            st.builds("(or {} {})".format, inner, inner),
            st.builds("(and {} {} {})".format, inner, inner, inner),
        ),
        max_leaves=6,
    )


class Thorough(Logic):
    """Compares every pair."""

    def _may_imply(self, node: Condition, other: Condition) -> bool:
        return True


@settings(max_examples=500, deadline=None)
@given(rule(), st.lists(rule(), min_size=2, max_size=4))
def test_what_is_not_compared_would_not_have_been_shown(text: str, others: list[str]) -> None:
    node, alternatives = parse_rule(text), Or(tuple(parse_rule(other) for other in others))
    assert Logic("f").implies(node, alternatives) == Thorough("f").implies(node, alternatives)


@settings(max_examples=300, deadline=None)
@given(st.lists(rule(), min_size=1, max_size=4))
def test_a_variant_that_is_called_unreachable_is_never_answered(rules: list[str]) -> None:
    variants = [{"name": str(index), "enabled": True, "rule": text} for index, text in enumerate(rules)]
    value = {"_variants": [*variants, {"name": "default", "enabled": False}]}
    document = {"version": "1", "flags": {"f": {}}, "values": {"f": value}}
    found = lint(json.dumps(document), now=NOW)
    dead = {
        finding.location.split(".")[3]
        for finding in found
        if finding.code in {"unreachable", "shadowed-split", "expired"}
    }
    snapshot = Snapshot.from_document(document, now=lambda: NOW)
    answers = Counter(
        snapshot.evaluate("f", user, {name: it for name, it in (("a", a), ("b", b)) if it is not None}).variant
        for user, a, b in itertools.product(USERS, VALUES, VALUES)
    )
    assert not dead & set(answers), (rules, found, answers)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=2, max_size=4))
def test_shares_that_are_split_are_never_called_shadowed(weights: list[int]) -> None:
    from flagkit.authoring import AuthoringDocument, compile_document

    if sum(weights) > 100:
        return
    variants: list[dict[str, object]] = [{"name": f"v{i}", "weight": weight} for i, weight in enumerate(weights)]
    source = AuthoringDocument.parse({"flags": {"f": {"variants": [*variants, {"name": "default", "enabled": False}]}}})
    codes = {finding.code for finding in lint(compile_document(source).to_json(), now=NOW)}
    assert codes <= {"weights"}
    assert ("weights" in codes) == (sum(weights) == 99)
