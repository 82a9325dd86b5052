"""Public cases of other flag systems: a converted condition answers as theirs, or differs for a stated reason."""

import datetime as dt
import json
from collections import Counter
from pathlib import Path

import pytest

from flagkit.authoring import AuthoringDocument, compile_document, decompile
from flagkit.core.snapshot import Snapshot

pytestmark = pytest.mark.sweep

ROWS = json.loads((Path(__file__).parents[2] / "conformance" / "conditions.json").read_text("utf-8"))
DIFFERENT = {
    # AppConfig's context is text, and text is read as the type of the value that it is compared with.
    "operators-numeric: ": "text that is a number compares as one",
    "comparing numbers and strings - v2": "a number compares with text as text",
    "operators-equality-bool-number: integer": "1 and 0 are spellings of true and false",
    "operators-string: True": "a boolean has a text",
    "operators-string: 99": "a number has a text",
    "operators-string: [": "a text test doesn't look into lists",
    "$inGroup fails for improperly typed data": "the number 3 and the text 3 are one value",
    # A missing attribute is in no relation to a number.
    "missing attribute with comparison operators": "a missing attribute isn't 0",
    "operators-date-bad-syntax: ": "a date without a time is midnight in UTC",
    "operators-semver-bad-": "2 and v2.0.0 are versions",
    "14-constraint-semver-operators: F8.invalidSemverWithLeadingV": "2 and v2.0.0 are versions",
    "version ": "a text that isn't a version is in no relation to one",
    "attribute-references: attribute is interpreted as unescaped name": "a name can't begin with a slash",
}
PARENTS = {
    "parent_enabled": {"enabled": True},
    "parent_disabled": {"enabled": False},
    "parent_with_variant": {
        "variants": [{"name": "parent.variant", "weight": 100}, {"name": "disabled", "enabled": False}]
    },
    "parent_with_constraint": {"where": "environment in [prod]"},
}


def answer(row):
    context = dict(row["context"])
    now = dt.datetime.fromisoformat(context.pop("currentTime", "2026-01-01T00:00:00Z"))
    user = context.pop("userId", None) if "userId" in context else "user" if "requires" in row["condition"] else None
    document = compile_document(AuthoringDocument.parse({"flags": {**PARENTS, "f": {"where": row["condition"]}}}))
    assert compile_document(decompile(document)) == document
    snapshot = Snapshot.from_document(document.to_dict(), now=lambda: now)
    walked = snapshot.evaluate("f", user, context).enabled
    snapshot.prepare()
    assert snapshot.evaluate("f", user, context).enabled == walked
    return walked


@pytest.mark.parametrize("suite", ["GrowthBook", "LaunchDarkly", "Unleash"])
def test_a_condition_answers_as_in_the_suite_that_it_is_from(suite):
    different = Counter()
    for row in ROWS:
        if row["suite"] != suite or answer(row) == row["answer"]:
            continue
        (why,) = {why for case, why in DIFFERENT.items() if row["case"].startswith(case)}
        different[why] += 1
    assert sum(different.values()) == {"GrowthBook": 7, "LaunchDarkly": 31, "Unleash": 1}[suite], different
