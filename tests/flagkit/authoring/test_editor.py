"""Editing one flag of a native document leaves the others alone, to the letter."""

import pytest

from flagkit.authoring import AuthoringDocument, FlagSource, apply_source, compile_document, decompile, edit_flag
from flagkit.core.documents import FlagDocument
from flagkit.core.snapshot import Snapshot
from flagkit.errors import EditError, UnknownFlagError

STAMPS = {"_createdAt": "2026-01-01T00:00:00Z", "_updatedAt": "2026-02-01T00:00:00Z"}
BASE = '( split  pct::10 seed::"base" by::$userId )'
NATIVE = {
    "version": "1",
    "flags": {
        "base": {"name": "Base", **STAMPS},
        "button": {"attributes": {"color": {"constraints": {"type": "string", "required": "false"}}}},
        "declared": {},
    },
    "values": {
        "base": {
            "_variants": [{"name": "on", "enabled": True, "rule": BASE}, {"name": "off", "enabled": False}],
            **STAMPS,
        },
        "button": {
            "_variants": [
                {
                    "name": "red",
                    "enabled": True,
                    "rule": '(split pct::50 by::$userId seed::"button")',
                    "attributeValues": {"color": "red"},
                },
                {"name": "off", "enabled": False, "attributeValues": {}},
            ]
        },
        "child": {
            "_variants": [
                {
                    "name": "on",
                    "enabled": True,
                    "rule": f'(or {BASE} (split pct::0 by::$userId seed::"requires:base"))',
                },
                {"name": "off", "enabled": False},
            ]
        },
        "plain": {"enabled": "false", **STAMPS},
    },
}


def document():
    return FlagDocument.parse(NATIVE)


def test_nothing_changed_is_the_same_document():
    present = document()
    assert apply_source(present, decompile(present)) == present


def test_only_the_edited_flag_and_those_that_require_it_change():
    present = document()
    edited = edit_flag(present, "base", lambda flag: flag.model_copy(update={"percent": 250_000}))
    assert edited.values["base"].variants[0].rule == '(split pct::25 by::$userId seed::"base")'
    assert edited.values["base"].updated_at == STAMPS["_updatedAt"], "the service moves it, not the edit"
    assert "pct::25" in edited.values["child"].variants[0].rule
    for key in ("button", "plain"):
        assert edited.values[key] == present.values[key]
    assert edited.flags == present.flags
    assert FlagDocument.parse(edited.to_dict()).to_dict() == edited.to_dict()


def test_a_plain_flag_becomes_a_targeted_one_and_back():
    present = document()
    targeted = edit_flag(present, "plain", lambda flag: flag.model_copy(update={"users": ("42",), "enabled": None}))
    snapshot = Snapshot.from_document(targeted.to_dict())
    assert snapshot.evaluate("plain", "42").enabled
    assert not snapshot.evaluate("plain", "43").enabled
    back = edit_flag(targeted, "plain", lambda flag: flag.model_copy(update={"users": (), "enabled": False}))
    assert back.values["plain"].variants == ()
    assert back.values["plain"].enabled is False


def test_values_and_declarations_can_be_edited():
    present = document()
    on = edit_flag(present, "plain", lambda flag: flag.model_copy(update={"enabled": True}))
    assert on.values["plain"].enabled is True
    named = edit_flag(present, "base", lambda flag: flag.model_copy(update={"name": "New"}))
    assert named.flags["base"].name == "New"
    assert named.flags["base"].created_at == STAMPS["_createdAt"]
    assert named.values == present.values


def test_variants_can_be_renamed_and_reallocated():
    def green(flag):
        red, off = flag.variants
        return flag.model_copy(update={"variants": (red.model_copy(update={"weight": 600_000, "ranges": None}), off)})

    edited = edit_flag(document(), "button", green)
    assert edited.values["button"].variants[0].rule == '(split pct::60 by::$userId seed::"button")'
    assert edited.values["button"].variants[0].attribute_values == {"color": "red"}

    def blue(flag):
        red, off = flag.variants
        return flag.model_copy(update={"variants": (red.model_copy(update={"values": {"color": "blue"}}), off)})

    painted = edit_flag(document(), "button", blue)
    assert painted.values["button"].variants[0].attribute_values == {"color": "blue"}


def test_flags_are_added_and_removed_by_the_source():
    present = document()
    source = decompile(present)
    flags = {key: flag for key, flag in source.flags.items() if key not in {"declared", "child"}}
    words = AuthoringDocument.parse({"flags": {"fresh": {"percent": 5}}})
    edited = apply_source(present, source.model_copy(update={"flags": {**flags, **words.flags}}))
    assert set(edited.values) == {"base", "button", "plain", "fresh"}
    assert set(edited.flags) == {"base", "button", "fresh"}


def test_an_unknown_flag_is_refused_with_a_suggestion():
    with pytest.raises(UnknownFlagError) as caught:
        edit_flag(document(), "buton", lambda flag: flag)
    assert caught.value.hint.startswith("Did you mean button?")
    with pytest.raises(UnknownFlagError):
        edit_flag(document(), "zzzzzz", lambda flag: flag)


def test_a_change_that_makes_no_sense_is_refused_with_its_place():
    words = {"flags": {"f": {"ramp": [{"at": "2026-12-01T00:00:00Z", "percent": 1}]}}}
    ramp = AuthoringDocument.parse(words).flags["f"].ramp
    with pytest.raises(EditError, match=r"flags\.base: .*not both"):
        edit_flag(document(), "base", lambda flag: flag.model_copy(update={"ramp": ramp}))


def test_a_flag_may_name_what_only_unrelated_flags_name():
    """A segment, prerequisite, layer or holdout of another flag is found, though the two had nothing to do before."""
    words = {
        "segments": {"staff": {"users": ["1"]}},
        "layers": {"checkout": {}},
        "holdouts": {"q3": {"percent": 5}},
        "flags": {
            "a": {"segments": ["staff"]},
            "b": {"layer": {"name": "checkout", "share": 30}, "holdout": "q3"},
            "base": {"enabled": True},
            "f": {"percent": 50},
        },
    }
    present = compile_document(AuthoringDocument.parse(words))
    more = {"segments": ["staff"], "layer": {"name": "checkout", "share": 20}, "holdout": "q3", "requires": ["base"]}
    edited = edit_flag(present, "f", lambda _: FlagSource.parse({"percent": 50, **more}))
    assert decompile(edited).flags["f"] == FlagSource.parse({"percent": 50, **more})
    assert {key for key in present.values if present.values[key] != edited.values[key]} == {"f"}
    with pytest.raises(EditError, match="there is no stuff"):
        edit_flag(present, "f", lambda _: FlagSource.parse({"segments": ["stuff"]}))
