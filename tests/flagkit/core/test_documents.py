"""Limits, shapes and helpers of the authoring document beyond what AWS recordings show."""

import json
from datetime import UTC, datetime, timedelta, timezone

import jsonschema
import pytest
from pydantic import ValidationError

from flagkit.core.documents import MAX_BYTES, FlagDocument, FlagValue, normalise, serialise
from flagkit.core.documents.models import aws_timestamp, is_full_timestamp
from flagkit.errors import DocumentError

NOW = datetime(2026, 9, 28, 12, 0, 0, tzinfo=UTC)


def document(attributes=None, **values):
    return {"version": "1", "flags": {"f": {"attributes": attributes or {}}}, "values": {"f": values}}


def constrained(constraints, value):
    return document({"a": {"constraints": constraints}}, enabled=True, a=value)


def violations(content):
    with pytest.raises(DocumentError) as caught:
        FlagDocument.parse(content)
    assert caught.value.violations
    assert all(v.constraint and v.message for v in caught.value.violations)
    return [(v.constraint, v.location) for v in caught.value.violations]


def test_the_largest_document_is_two_mebibytes():
    """2,097,152 bytes are taken, one more is too large (appconfig.md §1.1)."""
    empty = b'{"version":"1","x":""}'
    largest = b'{"version":"1","x":"' + b"a" * (MAX_BYTES - len(empty)) + b'"}'
    assert FlagDocument.parse(largest).values == {}
    assert violations(largest + b" ") == [("PayloadTooLarge", "")]


@pytest.mark.parametrize(
    "content",
    [
        "not json!!",
        b"\xff\xfe",
        b'{"version": "1", "flags": {"a\xed": {}}, "values": {"b": 5}}',
        '{"version": "1", "x": "\ud800"}',
        '{"version": NaN}',
        '{"version": "1", "x": Infinity}',
        '{"version": "1", "x": -1e400}',
        '{"version": "1", "x": "\\ud800"}',
        "[" * 100_000,
        {"version": object()},
    ],
)
def test_what_is_not_json_is_refused(content):
    assert violations(content) == [("ValidJson", "")]


def test_an_escaped_emoji_is_no_lone_surrogate():
    assert FlagDocument.parse('{"version": "1", "x": "\\ud83d\\ude00"}').to_dict() == {"version": "1"}


def test_a_byte_order_mark_is_skipped():
    assert FlagDocument.parse(b'\xef\xbb\xbf{"version": "1"}').version == "1"


def test_the_document_must_be_an_object():
    assert violations("[]") == [("AttributeType(object)", "")]


def test_the_message_names_three_faults_and_counts_the_rest():
    content = {"version": "1", "flags": {key: {} for key in ("A", "B", "C", "D", "E")}}
    with pytest.raises(DocumentError) as caught:
        FlagDocument.parse(content)
    assert "flags.A" in caught.value.message
    assert "flags.D" not in caught.value.message
    assert "and 2 more" in caught.value.message


@pytest.mark.parametrize("key", ["", "A", "1a", "a.b", "a b", "ä", "a٣", "a" * 65, "a\n"])
def test_flag_keys_follow_aws_pattern(key):
    expected = ("Regexp(^[a-z][a-zA-Z0-9_-]{0,63}$)", f"flags.{key}")
    assert violations({"version": "1", "flags": {key: {}}}) == [expected]
    assert violations({"version": "1", "values": {key: {"enabled": True}}}) == [
        (expected[0], f"values.{key}"),
    ]


def test_faults_of_shape_and_of_meaning_are_named_together():
    content = document({}, _variants=[ruleless := {"name": "x", "enabled": True}, {**ruleless, "name": "y"}])
    content["flags"]["g"] = {"name": 7}
    content["values"]["g"] = {"enabled": 7}
    assert violations(content) == [
        ("AttributeType(string)", "flags.g.name"),
        ("AttributeType(boolean)", "values.g.enabled"),
        ("NonEmpty", "values.f._variants.variants.x.rule"),
    ]
    assert violations({**content, "version": "2"})[0] == ("OneOf(1)", "version")


def test_an_attribute_may_not_be_called_enabled():
    assert violations(document({"enabled": {}})) == [("AttributeKey", "flags.f.attributes.enabled")]


def test_a_flag_has_at_most_25_attributes():
    many = {f"a{n}": {} for n in range(26)}
    assert violations(document(many)) == [("MaxEntries(25)", "flags.f.attributes")]
    undeclared = violations(document({}, enabled=True, **dict.fromkeys(many, 1)))
    assert ("MaxEntries(25)", "values.f") in undeclared


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"name": "a\nb"}, ("Regexp(^[^\\n]{0,64}$)", "flags.f.name")),
        ({"name": 7}, ("AttributeType(string)", "flags.f.name")),
        ({"description": "d" * 1025}, ("MaxLength(1024)", "flags.f.description")),
        ({"_deprecation": {"status": "done"}}, ("OneOf(planned)", "flags.f._deprecation.status")),
        (
            {"_deprecation": {"status": "planned", "date": "soon"}},
            ("Regexp(^[0-9]{4}-[0-9]{2}-[0-9]{2}$)", "flags.f._deprecation.date"),
        ),
        ({"attributes": {"a": 1}}, ("AttributeType(object)", "flags.f.attributes.a")),
        ({"attributes": []}, ("AttributeType(object)", "flags.f.attributes")),
        ({"attributes": {"a": {"constraints": {}}}}, ("Required", "flags.f.attributes.a.constraints.type")),
        (
            {"attributes": {"a": {"constraints": {"type": "object"}}}},
            ("OneOf(string, number, boolean, array)", "flags.f.attributes.a.constraints.type"),
        ),
        (
            {"attributes": {"a": {"constraints": {"type": "number", "minimum": "1"}}}},
            ("AttributeType(number)", "flags.f.attributes.a.constraints.minimum"),
        ),
        (
            {"attributes": {"a": {"constraints": {"type": "string", "enum": ["x"] * 101}}}},
            ("MaxEntries(100)", "flags.f.attributes.a.constraints.enum"),
        ),
        (
            {"attributes": {"a": {"constraints": {"type": "string", "enum": 5}}}},
            ("AttributeType(array)", "flags.f.attributes.a.constraints.enum"),
        ),
        (
            {"attributes": {"a": {"constraints": {"type": "string", "enum": ["x"], "pattern": "x"}}}},
            ("PatternXorEnum", "flags.f.attributes.a.constraints"),
        ),
        (
            {"attributes": {"a": {"constraints": {"type": "array", "elements": {"type": "string", "pattern": "("}}}}},
            ("Regexp", "flags.f.attributes.a.constraints.elements.pattern"),
        ),
    ],
)
def test_definitions_are_checked(part, expected):
    assert violations({"version": "1", "flags": {"f": part}}) == [expected]


@pytest.mark.parametrize(
    ("constraints", "value", "expected"),
    [
        ({"type": "string"}, 1, ("AttributeType(string)", "values.f.a")),
        ({"type": "string"}, "x" * 1025, ("MaxLength(1024)", "values.f.a")),
        ({"type": "string", "pattern": "^b"}, "ab", ("Regexp(^b)", "values.f.a")),
        ({"type": "number"}, True, ("AttributeType(number)", "values.f.a")),
        ({"type": "boolean"}, "true", ("AttributeType(boolean)", "values.f.a")),
        ({"type": "array"}, "x", ("AttributeType(array)", "values.f.a")),
        ({"type": "array"}, ["x", 1], ("ElementType(string)", "values.f.a.1")),
        ({"type": "array"}, [1, "x"], ("ElementType(number)", "values.f.a.1")),
        ({"type": "array", "elements": {"type": "number", "maximum": 2}}, [3], ("FloatLTE(2)", "values.f.a.0")),
        (None, {"x": 1}, ("AttributeType(string)", "values.f.a")),
        (None, None, ("AttributeType(string)", "values.f.a")),
        (None, "x" * 1025, ("MaxLength(1024)", "values.f.a")),
        (None, [1, True], ("ElementType(number)", "values.f.a.1")),
    ],
)
def test_values_are_checked_against_their_constraints(constraints, value, expected):
    assert violations(constrained(constraints, value)) == [expected]


@pytest.mark.parametrize(
    ("constraints", "value"),
    [
        ({"type": "string", "pattern": "b"}, "abc"),
        ({"type": "string", "enum": ["x", ""]}, ""),
        ({"type": "number", "minimum": -1, "maximum": 2.5}, 2.5),
        ({"type": "boolean"}, False),
        ({"type": "array"}, []),
        ({"type": "array", "elements": {"type": "number"}}, [1, 2.5]),
        ({"type": "array", "elements": None, "required": "true"}, ["x"]),
        (None, True),
        (None, 0),
        (None, ""),
        (None, ["x"]),
    ],
)
def test_fitting_values_are_taken_as_they_are(constraints, value):
    parsed = FlagDocument.parse(constrained(constraints, value))
    assert parsed.values["f"].attributes == {"a": value}
    assert parsed.to_dict()["values"]["f"]["a"] == value


def test_variants_are_checked_for_their_attributes():
    attributes = {"a": {"constraints": {"type": "number", "required": True}}, "b": {"description": "free"}}
    variants = [
        {"name": "x", "enabled": True, "rule": '(exists key::"k")', "attributeValues": {"a": "1"}},
        {"name": "y", "enabled": False, "attributeValues": {"c": 1}},
    ]
    assert violations(document(attributes, _variants=variants)) == [
        ("AttributeType(number)", "values.f._variants.0.attributeValues.a"),
        (
            "Satisfies(map[a:{{number <nil> {<nil> <nil>} {<nil> <nil>} {<nil>}} } "
            "b:{{ <nil> {<nil> <nil>} {<nil> <nil>} {<nil>}} free}])",
            "values.f._variants.1.attributeValues.c",
        ),
        ("Not(IsZero([]))", "values.f._variants.1.attributes"),
        ("Entries", "values.f._variants.1.attributes.a"),
    ]


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ({"enabled": True}, ("Required", "values.f._variants.0.name")),
        ({"name": "x"}, ("Required", "values.f._variants.0.enabled")),
        ({"name": "", "enabled": True}, ("Regexp(^[^\\n]{1,64}$)", "values.f._variants.0.name")),
        ({"name": "x", "enabled": 1}, ("AttributeType(boolean)", "values.f._variants.0.enabled")),
        (
            {"name": "x", "enabled": True, "rule": "(" + "x" * 16_384},
            ("MaxLength(16384)", "values.f._variants.0.rule"),
        ),
    ],
)
def test_the_shape_of_variants_is_checked(variant, expected):
    assert violations(document({}, _variants=[variant])) == [expected]


def test_the_path_in_a_rule_is_part_of_the_location():
    variants = [
        {"name": "x", "enabled": True, "rule": '(and (eq $a "b") (not (eq $a)))'},
        {"name": "y", "enabled": False},
    ]
    with pytest.raises(DocumentError) as caught:
        FlagDocument.parse(document({}, _variants=variants))
    _, violation = caught.value.violations
    assert violation.location.startswith("values.f._variants.0.rule.and")
    assert violation.location.endswith(".eq")
    assert violation.reason == "TooFewOperands"


def test_null_attribute_values_and_sections_are_empty():
    content = {"version": "1", "flags": None, "values": {"f": {"_variants": [{"name": "x", "enabled": True}]}}}
    content["values"]["f"]["_variants"][0]["attributeValues"] = None
    parsed = FlagDocument.parse(content)
    assert parsed.values["f"].default_variant.attribute_values == {}
    assert parsed.values["f"].variants[0].name == "x"


def test_a_long_refused_value_is_shown_shortened():
    with pytest.raises(DocumentError) as caught:
        FlagDocument.parse(constrained({"type": "number"}, "x" * 5000))
    assert len(caught.value.violations[0].value) == 1025


def test_optional_empty_parts_are_left_out():
    content = {
        "version": "1",
        "flags": {
            "f": {
                "name": "",
                "description": "",
                "_deprecation": {"status": "planned", "date": "2026-12-31", "x": 1},
                "attributes": {
                    "a": {"description": "", "constraints": {"type": "string", "required": False}},
                    "b": {"constraints": {"type": "array", "elements": {"type": "number", "required": False}}},
                    "c": {"description": "free"},
                },
            },
            "g": {"attributes": {}},
        },
        "values": {"f": {"_variants": [{"name": "x", "enabled": "f", "rule": "", "attributeValues": {}}]}},
    }
    parsed = FlagDocument.parse(content)
    assert parsed.to_dict() == {
        "flags": {
            "f": {
                "_deprecation": {"status": "planned", "date": "2026-12-31"},
                "attributes": {
                    "a": {"constraints": {"type": "string"}},
                    "b": {"constraints": {"type": "array", "elements": {"type": "number"}}},
                    "c": {"description": "free"},
                },
            },
            "g": {},
        },
        "values": {"f": {"_variants": [{"enabled": False, "name": "x"}]}},
        "version": "1",
    }
    assert json.loads(parsed.to_json()) == parsed.to_dict()
    assert parsed.to_json().endswith(b"}\n")


def test_whole_floats_are_stored_as_go_prints_them():
    parsed = FlagDocument.parse(document({"a": {}, "b": {}}, enabled=True, a=2.0, b=[0.5, 1e300]))
    assert b'"a":2,"b":[0.5,1e+300]' in serialise(normalise(parsed, previous=None, now=NOW))


def test_documents_are_immutable():
    parsed = FlagDocument.parse({"version": "1"})
    with pytest.raises(ValidationError):
        parsed.version = "2"


def test_a_value_can_be_built_by_its_python_names():
    assert FlagValue(enabled=True, created_at="2026-09-28T12:00:00Z").created_at is not None


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (NOW, "2026-09-28T12:00:00Z"),
        (NOW + timedelta(microseconds=600_999), "2026-09-28T12:00:00.6Z"),
        (NOW + timedelta(milliseconds=57), "2026-09-28T12:00:00.057Z"),
        (datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))), "2025-12-31T23:00:00Z"),
    ],
)
def test_timestamps_are_printed_as_aws_prints_them(moment, text):
    assert aws_timestamp(moment) == text
    assert is_full_timestamp(text)


@pytest.mark.parametrize(
    "text", ["2000-01-01", "2000-13-01T00:00:00Z", "2000-01-01T00:00:00", "x", "٢000-01-01T00:00:00Z"]
)
def test_other_timestamps_are_not_full(text):
    assert not is_full_timestamp(text)


def test_the_json_schema_fits_an_appconfig_validator():
    """Content ≤ 32,768 characters, no external $ref, no words that draft-04 reads differently."""
    schema = FlagDocument.json_schema()
    text = json.dumps(schema)
    assert len(text) <= 32_768
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    for word in ('"const"', '"exclusiveMinimum"', '"propertyNames"', '"if"', '"contains"', '"$defs"', "http://example"):
        assert word not in text
    references = [part.split('"')[0] for part in text.split('"$ref": "')[1:]]
    assert references
    assert all(reference.removeprefix("#/definitions/") in schema["definitions"] for reference in references)
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.Draft4Validator.check_schema({**schema, "$schema": "http://json-schema.org/draft-04/schema#"})


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"version": "2"},
        {"version": "1", "flags": {"A": {}}},
        {"version": "1", "flags": {"f": {"name": "a\nb"}}},
        {"version": "1", "values": {"f": {"enabled": 1}}},
        {"version": "1", "values": {"f": {"enabled": True, "a": {"x": 1}}}},
        {"version": "1", "values": {"f": {"_variants": [{"name": "x"}]}}},
        {"version": "1", "values": {"f": {"_variants": [{"name": "x", "enabled": True, "rule": 5}]}}},
        {"version": "1", "flags": {"f": {"attributes": {"a": {"constraints": {"type": "object"}}}}}},
        {"version": "1", "flags": {"f": {"_createdAt": "yesterday"}}},
    ],
)
def test_the_json_schema_refuses_wrong_shapes(content):
    for validator in (jsonschema.Draft7Validator, jsonschema.Draft4Validator):
        assert not validator(FlagDocument.json_schema()).is_valid(content)
    with pytest.raises(DocumentError):
        FlagDocument.parse(content)


def test_a_pattern_that_is_not_valid_is_one_violation_whatever_the_values_are():
    elements = {"type": "string", "pattern": "[]+$"}
    document = {
        "version": "1",
        "flags": {"f": {"name": "f", "attributes": {"a": {"constraints": {"type": "array", "elements": elements}}}}},
        "values": {"f": {"enabled": True, "a": ["x", "y"]}},
    }
    with pytest.raises(DocumentError) as refused:
        FlagDocument.parse(document)
    (violation,) = refused.value.violations
    assert (violation.constraint, violation.location) == ("Regexp", "flags.f.attributes.a.constraints.elements.pattern")


@pytest.mark.parametrize("rest", ["]", "}}", '"', ",", ' "values": {"a": NaN}}', "[" * 100_000])
def test_text_that_is_no_json_after_a_key_twice_is_not_valid_json(rest):
    with pytest.raises(DocumentError) as refused:
        FlagDocument.parse('{"flags": {"a": 1, "a": 2}' + rest)
    assert [violation.constraint for violation in refused.value.violations] == ["ValidJson"]


def test_a_key_that_is_there_twice_is_refused_with_both_lines():
    """Readers keep the last one: 10 % would silently become everybody."""
    text = """{
  "version": "1",
  "flags": {"a": {"name": "A"}},
  "values": {
    "a": {"enabled": false},
    "b": {"_variants": [{"name": "x", "enabled": true, "enabled": false}]},
    "a": {"enabled": true}
  }
}"""
    with pytest.raises(DocumentError) as caught:
        FlagDocument.parse(text)
    found = [(violation.location, violation.message) for violation in caught.value.violations]
    assert found == [
        ("values.b._variants.enabled", "values.b._variants.enabled: is in the document twice, in lines 6 and 6"),
        ("values.a", "values.a: is in the document twice, in lines 5 and 7"),
    ]


def test_the_size_is_that_of_the_stored_form():
    """Cyrillic text takes 2 bytes a letter where it is stored, 6 where it is escaped."""
    flags = {f"f{number}": {"description": "щ" * 1000} for number in range(500)}
    document = FlagDocument.parse({"version": "1", "flags": flags})
    assert len(document.to_json()) < 1_100_000
