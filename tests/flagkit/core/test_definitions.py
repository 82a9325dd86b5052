"""One flag, decoded as leniently as the service does (appconfig.md §1.1 and the recording of 2026-09-28)."""

import pytest

from flagkit.core.definitions import read_flag, read_retrieved
from flagkit.errors import DocumentError


def refused(entry: object) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        read_flag("a", entry)
    assert len(caught.value.violations) == 1
    return caught.value


@pytest.mark.parametrize("value", [True, "true", "True", "TRUE", "t", "T", "1"])
def test_enabled_may_be_spelled_as_in_go(value):
    assert read_flag("a", {"enabled": value}).enabled is True


@pytest.mark.parametrize("value", [False, None, "false", "False", "FALSE", "f", "F", "0"])
def test_off_may_be_spelled_as_in_go_and_null_is_off(value):
    assert read_flag("a", {"enabled": value}).enabled is False


def test_no_enabled_is_off():
    assert read_flag("a", {}).enabled is False


@pytest.mark.parametrize("value", [1, 0, "invalid", "tRuE", "", [], {}, 1.0])
def test_other_values_of_enabled_are_refused_where_they_stand(value):
    violation = refused({"enabled": value}).violations[0]
    assert (violation.constraint, violation.location) == ("AttributeType(boolean)", "values.a.enabled")


def test_attributes_are_kept_and_metadata_is_not():
    flag = read_flag(
        "a", {"enabled": True, "_createdAt": "x", "_updatedAt": "y", "color": "red", "_other": 1, "value": None}
    )
    assert dict(flag.attributes) == {"color": "red", "_other": 1, "value": None}


def test_attributes_cannot_be_changed():
    flag = read_flag("a", {"enabled": True, "tags": ["x", {"y": ["z"]}]})
    assert flag.attributes["tags"] == ("x", {"y": ("z",)})
    with pytest.raises(TypeError):
        flag.attributes["tags"] = ()
    with pytest.raises(TypeError):
        flag.attributes["tags"][1]["y"] = ()


def test_an_attribute_that_is_no_json_is_refused():
    assert refused({"x": object()}).violations[0].location == "values.a.x"


def test_variants_are_read_and_unknown_properties_dropped():
    entry = {
        "_variants": [
            {"name": "on", "enabled": "t", "rule": "(x)", "attributeValues": {"value": 1}, "unknown": 1},
            {"name": "off", "enabled": None, "rule": "", "attributeValues": None},
        ]
    }
    on, off = read_flag("a", entry).variants
    assert (on.name, on.enabled, on.rule, dict(on.attributes)) == ("on", True, "(x)", {"value": 1})
    assert (off.name, off.enabled, off.rule, dict(off.attributes)) == ("off", False, None, {})


@pytest.mark.parametrize("variants", [None, []])
def test_no_variants_is_a_flag_without_rules(variants):
    assert read_flag("a", {"enabled": True, "_variants": variants}).variants == ()


DEFAULT = {"name": "default", "enabled": True}
RULED = {"name": "on", "enabled": True, "rule": "(x)"}


@pytest.mark.parametrize(
    ("entry", "constraint", "location"),
    [
        ([], "AttributeType(object)", "values.a"),
        (None, "AttributeType(object)", "values.a"),
        ({"_variants": {}}, "AttributeType(array)", "values.a._variants"),
        ({"_variants": [None]}, "AttributeType(object)", "values.a._variants.0"),
        ({"_variants": [{}]}, "Required", "values.a._variants.0.name"),
        ({"_variants": [{"name": ""}]}, "Required", "values.a._variants.0.name"),
        ({"_variants": [{"name": "x", "rule": 1}]}, "AttributeType(string)", "values.a._variants.0.rule"),
        (
            {"_variants": [{"name": "x", "attributeValues": []}]},
            "AttributeType(object)",
            "values.a._variants.0.attributeValues",
        ),
        ({"_variants": [{"name": "x", "enabled": 1}]}, "AttributeType(boolean)", "values.a._variants.0.enabled"),
        ({"_variants": [RULED]}, "Empty", "values.a._variants.0.rule"),
        ({"enabled": True, "x": [1.5, -1e400]}, "AttributeType(number)", "values.a.x"),
        ({"_variants": [DEFAULT, RULED, DEFAULT]}, "Required", "values.a._variants.0.rule"),
        ({"_variants": [RULED, {**DEFAULT, "name": "on"}]}, "UniqueVariantNames", "values.a._variants"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_where_it_stands(entry, constraint, location):
    violation = refused(entry).violations[0]
    assert (violation.constraint, violation.location) == (constraint, location)


def test_a_message_never_shows_a_rule():
    rule = {"name": "on", "rule": '(in $userId ["somebody@example.org"])'}
    assert "somebody" not in refused({"_variants": [rule]}).message


def test_a_retrieved_flag_has_attributes_but_no_metadata():
    flag = read_retrieved("a", {"enabled": True, "color": "red"})
    assert (flag.enabled, dict(flag.attributes), flag.unseen_variant) == (True, {"color": "red"}, None)


def test_a_retrieved_flag_with_a_variant_has_rules_that_nobody_saw():
    flag = read_retrieved("a", {"_variant": "default", "enabled": False})
    assert (flag.enabled, dict(flag.attributes), flag.unseen_variant) == (False, {}, "default")


def test_a_retrieved_flag_that_is_no_object_is_refused():
    with pytest.raises(DocumentError):
        read_retrieved("a", "on")
