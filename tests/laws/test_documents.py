"""The two readers of flag documents hold together: what people may write, and what is served (decision 0004).

What the authoring reader takes, the read path serves without a problem and with the same meaning. What it refuses, the
read path refuses as a whole or isolates to the flags at fault. Documents are generated valid, then broken at a point.
"""

import copy
import json
from datetime import UTC, datetime

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagkit.authoring import apply_source, decompile, read_toml, write_toml
from flagkit.core.documents import FlagDocument, normalise, reduce, serialise
from flagkit.core.snapshot import Snapshot
from flagkit.errors import DocumentError

pytestmark = pytest.mark.sweep

NOW = datetime(2026, 12, 1, tzinfo=UTC)
SCHEMA = jsonschema.Draft4Validator(
    {**FlagDocument.json_schema(), "$schema": "http://json-schema.org/draft-04/schema#"},
)

keys = st.from_regex(r"[a-z][a-zA-Z0-9_-]{0,8}", fullmatch=True)
attribute_keys = keys.filter(lambda key: key != "enabled")
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
names = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\n"), min_size=1, max_size=12)
numbers = st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6, allow_nan=False)
toggles = st.sampled_from([True, False, "true", "FALSE", "t", "0", None])
moments = st.sampled_from(["2026-09-28T11:56:57.65Z", "2000-01-01T00:00:00+02:00", None])
rules = st.sampled_from(
    [
        '(eq $tier "premium")',
        "(gt $age 65)",
        "(split pct::10 by::$userId)",
        '(split pct::33.3333 by::$userId seed::"é\\"")',
        '(or (in $userId ["1", "2"]) (not (exists key::"x")))',
        '(matches in::$email pattern::"^[a-z]+@")',
        "(gte $now 2026-01-01T00:00:00Z) // since",
        "(and true (lt $now 2026-01-01T00:00:00Z))",
    ]
)


@st.composite
def attributes(draw):
    """A declared attribute and a value that fits it."""
    kind = draw(st.sampled_from(["string", "enum", "number", "boolean", "texts", "numbers", "free"]))
    match kind:
        case "string":
            return {"constraints": {"type": "string", "pattern": ""}}, draw(texts)
        case "enum":
            choices = draw(st.lists(texts, min_size=1, max_size=4))
            return {"constraints": {"type": "string", "enum": choices}}, draw(st.sampled_from(choices))
        case "number":
            value = draw(numbers)
            return {"constraints": {"type": "number", "minimum": value, "maximum": value}}, value
        case "boolean":
            return {"description": draw(texts), "constraints": {"type": "boolean"}}, draw(st.booleans())
        case "texts":
            declared = {"type": "array", "elements": {"type": "string"}, "required": draw(toggles)}
            return {"constraints": declared}, draw(st.lists(texts, max_size=4))
        case "numbers":
            return {"constraints": {"type": "array", "elements": {"type": "number"}}}, draw(
                st.lists(numbers, max_size=4)
            )
        case _:
            return {}, draw(texts | numbers | st.booleans() | st.lists(texts, max_size=3))


@st.composite
def flags(draw):
    declared = draw(st.dictionaries(attribute_keys, attributes(), max_size=4))
    definition = {
        "name": draw(names),
        "attributes": {key: attribute for key, (attribute, _) in declared.items()},
        "_createdAt": draw(moments),
        "unknown": draw(st.booleans()),
    }
    values = {key: value for key, (_, value) in declared.items()}
    if draw(st.booleans()):
        return definition, {"enabled": draw(toggles), "_updatedAt": draw(moments), **values}
    variants = [
        {"name": name, "enabled": draw(toggles), "rule": draw(rules), "attributeValues": values}
        for name in draw(st.lists(names, unique=True, max_size=4))
    ]
    default = {"name": "the default variant", "enabled": draw(toggles), "attributeValues": values}
    return definition, {"_variants": [*variants, default]}


@st.composite
def documents(draw):
    drawn = draw(st.dictionaries(keys, flags(), max_size=4))
    return {
        "version": "1",
        "flags": {key: definition for key, (definition, _) in drawn.items() if definition["attributes"] or key < "m"},
        "values": {key: value for key, (_, value) in drawn.items()},
        "unknown": draw(st.none() | st.integers()),
    }


# Anything JSON can hold, to be put into the place of anything.
junk = st.sampled_from(
    [
        None,
        True,
        0,
        1,
        -1.5,
        10**400,
        "",
        "x",
        "(eq $a",
        "true",
        "x\ny",
        "z" * 1100,
        [],
        ["x", 1],
        {},
        {"x": {}},
        "__class__",
    ]
).map(copy.deepcopy)


@st.composite
def broken(draw):
    content = copy.deepcopy(draw(documents()))
    for _ in range(draw(st.integers(1, 3))):
        place = content
        while True:
            inner = [key for key, value in _items(place) if isinstance(value, dict | list) and value]
            if not inner or draw(st.integers(0, 3)) == 0:
                break
            place = place[draw(st.sampled_from(inner))]
        choices = [key for key, _ in _items(place)]
        action = draw(st.sampled_from(["replace", "remove", "add"]))
        if action == "add" and isinstance(place, dict):
            place[draw(keys | st.sampled_from(["Bad", "", "_variants", "enabled", "rule"]))] = draw(junk)
        elif action == "remove" and choices:
            del place[draw(st.sampled_from(choices))]
        elif choices:
            place[draw(st.sampled_from(choices))] = draw(junk)
    return content


def _items(place):
    return list(place.items()) if isinstance(place, dict) else list(enumerate(place))


def parsed(content):
    try:
        return FlagDocument.parse(content)
    except DocumentError as error:
        return error


@given(documents())
def test_a_valid_document_is_taken_by_both_readers(content):
    document = FlagDocument.parse(json.dumps(content))
    snapshot = Snapshot.from_json(json.dumps(content))
    assert snapshot.check() == {}
    assert set(snapshot.flags) == set(document.values)
    assert SCHEMA.is_valid(content)


@given(broken())
def test_what_the_authoring_reader_takes_is_served_without_a_problem(content):
    """Broken on purpose, but sometimes not enough to matter."""
    document = parsed(content)
    if isinstance(document, FlagDocument):
        assert Snapshot.from_json(json.dumps(content)).check() == {}
        assert SCHEMA.is_valid(content)


@given(broken())
def test_what_is_refused_is_isolated_to_the_flags_at_fault(content):
    """The read path never raises but for a document that is none; flags without a fault are served."""
    document = parsed(content)
    try:
        snapshot = Snapshot.from_json(json.dumps(content))
    except DocumentError:
        assert isinstance(document, DocumentError)
        return
    problems = snapshot.check()
    for key in snapshot.flags:
        evaluation = snapshot.evaluate(key, "user-1", {"tier": "premium"})
        assert (evaluation.error is not None) == (key in problems)
    if isinstance(document, DocumentError):
        faulty = [violation.location.split(".", 2) for violation in document.violations]
        whole = any(len(parts) < 2 for parts in faulty)
        assert whole or {parts[1] for parts in faulty} >= set(problems)


@given(documents(), st.sampled_from([{}, {"tier": "premium", "age": "70"}, {"x": "1"}]), texts)
def test_the_stored_form_means_the_same(content, context, user):
    """Normalising changes no answer, and neither does storing twice."""
    saved = normalise(FlagDocument.parse(content), previous=None, now=NOW)
    again = normalise(FlagDocument.parse(serialise(saved)), previous=saved, now=NOW.replace(year=2027))
    assert again == saved
    written = Snapshot.from_json(json.dumps(content), now=lambda: NOW)
    stored = Snapshot.from_json(serialise(saved), now=lambda: NOW)
    for key in written.flags:
        assert written.evaluate(key, user, context) == stored.evaluate(key, user, context)


@given(documents())
def test_the_retrieval_form_is_the_default_answer(content):
    """What a plain client gets is what the rules answer when none is true, minus the knowledge that rules exist."""
    document = FlagDocument.parse(content)
    served = reduce(document)
    retrieved = Snapshot.from_retrieved(json.dumps(served))
    assert retrieved.check() == {}
    bare = {
        key: {"_variants": [entry["_variants"][-1]]} if "_variants" in entry else entry
        for key, entry in content["values"].items()
    }
    defaults = Snapshot.from_document({"version": "1", "values": bare})
    for key in served:
        got, want = retrieved.evaluate(key), defaults.evaluate(key)
        assert (got.enabled, got.variant, dict(got.attributes)) == (want.enabled, want.variant, dict(want.attributes))


@given(documents())
def test_the_readable_json_is_the_same_document(content):
    document = FlagDocument.parse(content)
    assert FlagDocument.parse(document.to_json()).to_dict() == document.to_dict()


@given(documents() | broken())
def test_the_readable_form_put_over_its_own_document_changes_nothing(content):
    """Not a byte, whatever the document holds, by way of TOML, too."""
    document = parsed(content)
    if isinstance(document, FlagDocument):
        source = decompile(document)
        assert apply_source(document, source).to_json() == document.to_json()
        assert read_toml(write_toml(source)) == source
