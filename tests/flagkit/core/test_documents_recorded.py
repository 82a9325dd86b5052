"""Facts of the real service, recorded from AWS us-east-1 on 2026-09-28 (appconfig.md §1.1, recordings).

Each case is one CreateHostedConfigurationVersion: the content that was sent, and what AWS stored or refused.
"""

import json
from datetime import UTC, datetime

import pytest

from flagkit.core.documents import FlagDocument, normalise, reduce, serialise
from flagkit.errors import DocumentError

NOW = datetime(2026, 9, 28, 11, 56, 54, 984_000, tzinfo=UTC)
STAMP = "2026-09-28T11:56:54.984Z"
STAMPS = {"_createdAt": STAMP, "_updatedAt": STAMP}

COLOR = {"constraints": {"type": "string", "required": True, "enum": ["blue", "green"]}}
LIMIT = {"constraints": {"type": "number", "minimum": 1, "maximum": 5}}
TAGS = {"constraints": {"type": "array", "elements": {"type": "string", "pattern": "^[a-z]+$"}}}
FEATURE = {"name": "Feature", "attributes": {"color": COLOR, "limit": LIMIT, "tags": TAGS}}
DISABLED = {"name": "Disabled", "attributes": {"color": {"constraints": {"type": "string"}}}}
GOOD = {"enabled": True, "color": "blue", "limit": 2, "tags": ["ok"]}
OFF = {"enabled": False, "color": "hidden"}

# The service shows the refused attribute definitions as its own structs.
GO_COLOR = '{"Constraints":{"Type":"string","Required":true,"Maximum":null,"Enum":["blue","green"]},"Description":""}'
GO_ATTRIBUTES = (
    f'{{"color":{GO_COLOR},'
    '"limit":{"Constraints":{"Type":"number","Minimum":1,"Maximum":5},"Description":""},'
    '"tags":{"Constraints":{"Type":"array","Maximum":null,'
    '"Elements":{"Type":"string","Maximum":null,"Pattern":"^[a-z]+$"}},"Description":""}}'
)
MISSING_COLOR = [
    ("Not(IsZero([]))", "values.feature.attributes", GO_ATTRIBUTES, ""),
    ("Entries", "values.feature.attributes.color", f'{{"Key":"color","Value":{GO_COLOR}}}', ""),
]


def with_values(**feature):
    return {
        "version": "1",
        "flags": {"feature": FEATURE, "disabled": DISABLED},
        "values": {"feature": feature, "disabled": OFF},
    }


def simple(feature, definition=None):
    return {"version": "1", "flags": {"feature": definition or {}}, "values": {"feature": feature}}


def checkout(*variants, **beside):
    attributes = {"color": {"constraints": {"type": "string"}}}
    return {
        "version": "1",
        "flags": {"checkout": {"name": "Checkout", "attributes": attributes}},
        "values": {"checkout": {"_variants": list(variants), **beside}},
    }


def ruled(rule):
    return {"name": "blue", "enabled": True, "rule": rule, "attributeValues": {"color": "blue"}}


PREMIUM = '(eq $tier "premium")'
RED = {"name": "default", "enabled": False, "attributeValues": {"color": "red"}}


def refused(content):
    with pytest.raises(DocumentError) as caught:
        FlagDocument.parse(content)
    return caught.value.violations


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({}, [("Required", "version", "", "")]),
        ({"version": "2"}, [("OneOf(1)", "version", "2", "")]),
        (with_values(enabled=True, limit=2, tags=["ok"]), MISSING_COLOR),
        (with_values(**GOOD | {"color": "red"}), [("OneOf(blue, green)", "values.feature.color", "red", "")]),
        (with_values(**GOOD | {"limit": 0}), [("FloatGTE(1)", "values.feature.limit", "0", "")]),
        (with_values(**GOOD | {"limit": 6}), [("FloatLTE(5)", "values.feature.limit", "6", "")]),
        (with_values(**GOOD | {"limit": "2"}), [("AttributeType(number)", "values.feature.limit", "2", "")]),
        (with_values(**GOOD | {"tags": ["BAD"]}), [("Regexp(^[a-z]+$)", "values.feature.tags.0", "BAD", "")]),
        (with_values(**GOOD | {"tags": ["ok", 3]}), [("ElementType(string)", "values.feature.tags.1", "3", "")]),
        (with_values(enabled=False), MISSING_COLOR),
        (
            with_values(enabled=False, limit=9),
            [("FloatLTE(5)", "values.feature.limit", "9", ""), *MISSING_COLOR],
        ),
        (
            {"version": "1", "flags": {}, "values": {"feature": {"enabled": True, "attr": "abc"}}},
            [("Satisfies(map[])", "values.feature.attr", '{"Key":"attr","Value":"abc"}', "")],
        ),
        (
            checkout(ruled(PREMIUM)),
            [("Empty", "values.checkout._variants.variants.blue.rule", PREMIUM, "")],
        ),
        (
            checkout({"name": "first", "enabled": True}, {"name": "default", "enabled": False}),
            [("NonEmpty", "values.checkout._variants.variants.first.rule", "", "")],
        ),
        *(
            (
                checkout(ruled(rule), RED),
                [
                    ("Empty", "values.checkout._variants.0.rule", rule, ""),
                    ("RuleIsValid", f"values.checkout._variants.0.rule{path}", rule, reason),
                ],
            )
            for rule, path, reason in (
                ("not-a-rule", "", "NotAnExpression"),
                ("true", "", "NotAnExpression"),
                ("$tier", "", "NotAnExpression"),
                ('(nope $tier "premium")', "", "UnknownSymbol"),
                ("(eq $tier)", ".eq", "TooFewOperands"),
                ("(gt $date 2024-01)", ".gt", "TooFewOperands"),
            )
        ),
    ],
)
def test_a_refusal_names_aws_constraint_location_value_and_reason(content, expected):
    """What AWS refused is refused with the same words, in the same order."""
    found = refused(content)
    assert [(v.constraint, v.location, v.value, v.reason) for v in found] == expected
    assert all(v.message for v in found)
    # Natively everything but a bad `enabled` is of this type; `version` is checked with the shapes here.
    assert {v.type for v in found} == {"NotSatisfied"}


@pytest.mark.parametrize("value", ["invalid", 1, 0])
def test_enabled_is_refused_with_type_invalid(value):
    """Numbers and other words are no booleans for AWS."""
    (violation,) = refused(simple({"enabled": value}))
    assert violation.constraint == "AttributeType(boolean)"
    assert violation.location == "values.feature.enabled"
    assert violation.type == "Invalid"
    assert violation.value == str(value)


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        *((word, True) for word in ("true", "TRUE", "True", "1", "t")),
        *((word, False) for word in ("false", "FALSE", "0", "f", None)),
    ],
)
def test_enabled_is_read_as_go_reads_booleans(value, stored):
    """The service takes Go's words for booleans, and null as false."""
    document = FlagDocument.parse(simple({"enabled": value}))
    assert normalise(document, previous=None, now=NOW)["values"] == {"feature": {**STAMPS, "enabled": stored}}


def test_variant_names_must_differ():
    (violation,) = refused(
        checkout({"name": "default", "enabled": True, "rule": PREMIUM}, {"name": "default", "enabled": False})
    )
    assert (violation.constraint, violation.location) == (
        "UniqueVariantNames",
        "values.checkout._variants.variants.variants",
    )


def test_enabled_beside_variants_is_refused():
    (violation,) = refused(checkout(ruled(PREMIUM), RED, enabled=False))
    assert (violation.constraint, violation.location) == ("StrictVariants", "values.checkout")


def test_the_stored_form_is_sorted_stamped_and_without_unknown_keys():
    document = FlagDocument.parse(with_values(**GOOD))
    assert serialise(normalise(document, previous=None, now=NOW)).decode() == (
        '{"flags":{"disabled":{"_createdAt":"2026-09-28T11:56:54.984Z","_updatedAt":"2026-09-28T11:56:54.984Z",'
        '"attributes":{"color":{"constraints":{"type":"string"}}},"name":"Disabled"},'
        '"feature":{"_createdAt":"2026-09-28T11:56:54.984Z","_updatedAt":"2026-09-28T11:56:54.984Z",'
        '"attributes":{"color":{"constraints":{"enum":["blue","green"],"required":true,"type":"string"}},'
        '"limit":{"constraints":{"maximum":5,"minimum":1,"type":"number"}},'
        '"tags":{"constraints":{"elements":{"pattern":"^[a-z]+$","type":"string"},"type":"array"}}},'
        '"name":"Feature"}},"values":{"disabled":{"_createdAt":"2026-09-28T11:56:54.984Z",'
        '"_updatedAt":"2026-09-28T11:56:54.984Z","color":"hidden","enabled":false},'
        '"feature":{"_createdAt":"2026-09-28T11:56:54.984Z","_updatedAt":"2026-09-28T11:56:54.984Z",'
        '"color":"blue","enabled":true,"limit":2,"tags":["ok"]}},"version":"1"}'
    )


@pytest.mark.parametrize(
    ("content", "stored"),
    [
        ({"version": "1", "unknown": "value"}, {"version": "1"}),
        (
            {"version": "1", "flags": {}, "values": {"other": {"enabled": True}}},
            {"values": {"other": {**STAMPS, "enabled": True}}, "version": "1"},
        ),
        (
            {"version": "1", "flags": {"feature": {"name": "Feature"}}, "values": {}},
            {"flags": {"feature": {**STAMPS, "name": "Feature"}}, "version": "1"},
        ),
        (
            simple({}, {"name": "Feature"}),
            {
                "flags": {"feature": {**STAMPS, "name": "Feature"}},
                "values": {"feature": {**STAMPS, "enabled": False}},
                "version": "1",
            },
        ),
        (
            simple({"enabled": True}, {"unknown": "value"}),
            {"flags": {"feature": STAMPS}, "values": {"feature": {**STAMPS, "enabled": True}}, "version": "1"},
        ),
        (
            simple({"_variants": []}),
            {"flags": {"feature": STAMPS}, "values": {"feature": STAMPS}, "version": "1"},
        ),
        (
            simple(
                {"enabled": True, "items": []},
                {"attributes": {"items": {"constraints": {"type": "array", "elements": {"type": "string"}}}}},
            ),
            {
                "flags": {
                    "feature": {
                        **STAMPS,
                        "attributes": {"items": {"constraints": {"elements": {"type": "string"}, "type": "array"}}},
                    }
                },
                "values": {"feature": {**STAMPS, "enabled": True, "items": []}},
                "version": "1",
            },
        ),
    ],
)
def test_odd_but_accepted_documents_are_stored_in_aws_form(content, stored):
    """Unknown keys vanish, empty parts are left out, a missing `enabled` becomes false."""
    assert normalise(FlagDocument.parse(content), previous=None, now=NOW) == stored


def test_the_same_content_again_makes_no_new_version():
    first = normalise(FlagDocument.parse(checkout(ruled(PREMIUM), RED)), previous=None, now=NOW)
    later = datetime(2026, 9, 28, 11, 57, 54, 0, tzinfo=UTC)
    assert normalise(FlagDocument.parse(first), previous=first, now=later) == first
    assert normalise(FlagDocument.parse(checkout(ruled(PREMIUM), RED)), previous=first, now=later) == first


def test_only_the_changed_side_gets_a_new_update_time():
    first = normalise(FlagDocument.parse(checkout(ruled(PREMIUM), RED)), previous=None, now=NOW)
    changed = json.loads(json.dumps(first))
    changed["values"]["checkout"]["_variants"][0]["attributeValues"]["color"] = "green"
    later = datetime(2026, 9, 28, 11, 57, 54, 729_000, tzinfo=UTC)
    second = normalise(FlagDocument.parse(changed), previous=first, now=later)
    assert second["flags"] == first["flags"]
    assert second["values"]["checkout"]["_createdAt"] == STAMP
    assert second["values"]["checkout"]["_updatedAt"] == "2026-09-28T11:57:54.729Z"


def test_a_flag_that_was_gone_for_one_version_starts_anew():
    """Creation times come from the latest version only."""
    first = normalise(FlagDocument.parse(simple({"enabled": True})), previous=None, now=NOW)
    gone = normalise(FlagDocument.parse(simple({"enabled": True}) | {"values": {}}), previous=first, now=NOW)
    later = datetime(2026, 9, 28, 11, 59, 27, 600_000, tzinfo=UTC)
    back = normalise(FlagDocument.parse(simple({"enabled": True})), previous=gone, now=later)
    assert back["flags"]["feature"]["_createdAt"] == STAMP
    assert back["values"]["feature"]["_createdAt"] == "2026-09-28T11:59:27.6Z"


def test_a_full_client_timestamp_is_kept_as_creation_time_only():
    old = {"_createdAt": "2000-01-01T00:00:00Z", "_updatedAt": "2000-01-01T00:00:00Z"}
    document = FlagDocument.parse(simple({"enabled": True, **old}, old))
    stored = normalise(document, previous=None, now=NOW)
    expected = {"_createdAt": "2000-01-01T00:00:00Z", "_updatedAt": STAMP}
    assert stored["flags"]["feature"] == expected
    assert stored["values"]["feature"] == {**expected, "enabled": True}


def test_a_short_client_timestamp_is_refused():
    """AWS answers 500 with an empty message; here the place is named."""
    (violation,) = refused(simple({"enabled": True, "_createdAt": "2000-01-01"}))
    assert (violation.constraint, violation.location) == ("Timestamp", "values.feature._createdAt")


def test_angle_brackets_and_ampersands_are_escaped_in_the_stored_bytes():
    attributes = {"attributes": {"text": {"constraints": {"type": "string"}}}}
    document = FlagDocument.parse(simple({"enabled": True, "text": "<hello>&"}, attributes))
    stored = normalise(document, previous=None, now=NOW)
    assert rb'"text":"\u003chello\u003e\u0026"' in serialise(stored)
    assert json.loads(serialise(stored)) == stored


def test_thirty_three_variants_are_taken_with_a_warning():
    """One more than the published schema allows."""
    variants = [{"name": f"v{n}", "enabled": True, "rule": f'(eq $tier "{n}")'} for n in range(32)]
    document = FlagDocument.parse(checkout(*variants, {"name": "default", "enabled": False}))
    (warning,) = document.warnings
    assert warning.location == "values.checkout._variants"
    assert FlagDocument.parse(checkout(*variants[1:], {"name": "default", "enabled": False})).warnings == ()


@pytest.mark.parametrize(
    ("content", "served"),
    [
        (
            with_values(**GOOD),
            {"disabled": {"enabled": False}, "feature": {"color": "blue", "enabled": True, "limit": 2, "tags": ["ok"]}},
        ),
        (checkout(ruled(PREMIUM), RED), {"checkout": {"_variant": "default", "enabled": False}}),
        (
            checkout(ruled(PREMIUM), {"name": "fallback", "enabled": True, "attributeValues": {"color": "green"}}),
            {"checkout": {"_variant": "fallback", "color": "green", "enabled": True}},
        ),
        ({"version": "1", "flags": {"feature": {}}, "values": {}}, {}),
        (simple({"_variants": []}), {"feature": {"enabled": False}}),
    ],
)
def test_a_plain_client_gets_default_variants_without_rules(content, served):
    """Recorded answers of GetLatestConfiguration (appconfig.md §1.2, §3.1)."""
    document = FlagDocument.parse(content)
    assert reduce(document) == served
    stored = normalise(document, previous=None, now=NOW)
    assert reduce(FlagDocument.parse(stored)) == served
