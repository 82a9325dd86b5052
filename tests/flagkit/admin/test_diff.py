"""What an edit changes, and for whom: in data and in sentences."""

# ruff: noqa: E501 - a table of sentences reads best with one case a line

from __future__ import annotations

import datetime as dt
import json

import pytest

from flagkit.admin import edits
from flagkit.admin.diff import compare, describe_audience, empty_diff
from flagkit.admin.edits.workbench import read_words, rebuilt
from flagkit.authoring import HoldoutSource, LayerSource, decompile
from flagkit.core.documents import FlagDocument, normalise

NOW = dt.datetime(2026, 1, 5, 9, tzinfo=dt.UTC)
PLAIN = FlagDocument.parse({"version": "1", "flags": {"f": {"name": "f"}}, "values": {"f": {"enabled": False}}})
ON = edits.switch_on(PLAIN, "f")
US = '(eq $country "US")'


def share(percent, **more):
    return edits.rollout(PLAIN, "f", percent, **more)


def weights(start=PLAIN, **shares):
    return edits.split(start, "f", shares)


def written(**words):
    source = decompile(PLAIN)
    return rebuilt(PLAIN, source.model_copy(update={"flags": {"f": read_words("f", words)}}), {"f"})


TESTERS = edits.put_segment(PLAIN, "testers", users=["7"])
RAMP = written(ramp=[{"at": "2026-02-01T00:00:00Z", "percent": 10}, {"at": "2026-03-01T00:00:00Z", "percent": 50}])

SENTENCES = [
    (share(25), share(40), "25 % → 40 %: about 15 % of users are added, nobody is removed"),
    (share(40), share(12.5), "40 % → 12.5 %: about 27.5 % of users are removed, nobody is added"),
    (share(25), share(40, seed="new"), "25 % → 40 % reshuffles everyone: about 30 % of users are added, about 15 % are removed"),
    (share(50), share(50, by="accountId"), "50 % → 50 % reshuffles everyone: about 25 % of users are added, about 25 % are removed"),
    (share(10, where=US), share(20, where=US), "10 % → 20 %: about 10 % of users (where country = US) are added, nobody is removed"),
    (PLAIN, ON, "nobody (off) → everybody"),
    (ON, PLAIN, "everybody → nobody (off)"),
    (PLAIN, share(25), "nobody (off) → 25 % of users"),
    (share(25), edits.switch_off(share(25), "f"), "25 % of users → nobody (off)"),
    (ON, share(25), "100 % → 25 %: about 75 % of users are removed, nobody is added"),
    (ON, share(25, where=US), "everybody → 25 % of users (where country = US); nobody is added"),
    (share(25, where=US), ON, "25 % of users (where country = US) → everybody; nobody is removed"),
    (
        share(25),
        share(25, where=US),
        "25 % of users → 25 % of users (where country = US); "
        "how many users that concerns can't be computed from percentages; try it on a list of users",
    ),
    (share(0), edits.target(share(0), "f", users=["42"]), "nobody (off) → user 42"),
    (share(5), edits.target(share(5), "f", users=["42"]), "user 42 is added"),
    (share(5), edits.target(share(5), "f", users=list("abcd")), "4 users by name are added"),
    (edits.target(share(5), "f", groups=["qa", "x"]), edits.target(share(5), "f", groups=["x"]), "group qa is removed from the list"),
    (weights(red=50, blue=50), weights(red=40, blue=60), "10 % of users move from red to blue; nobody else moves"),
    (PLAIN, weights(red=50), "nobody (off) → 50 % of users"),
    (PLAIN, weights(red=50, blue=20), "nobody (off) → red 50 %, blue 20 %, default the rest"),
    (weights(red=50, blue=50), edits.rollout(weights(red=50, blue=50), "f", 10), "those who take part: 100 % → 10 %: about 90 % of users leave, nobody joins"),
    (weights(red=50, blue=50), edits.target(weights(red=50, blue=50), "f", users=["1"], variant="red"), "conditions, lists or rules change: how many users that concerns can't be computed from percentages; try it on a list of users"),
    (weights(red=50, blue=50), edits.set_attributes(weights(red=50, blue=50), "f", {"c": 1}, variant="red"), "everybody who gets a changed variant gets its new values"),
    (weights(red=50, blue=50), edits.split(PLAIN, "f", {"red": 50, "blue": 50}, seed="s"), "reshuffles everyone: about 50 % of users get another variant"),
    (edits.rollout(weights(red=50, blue=50), "f", 10), edits.rollout(weights(red=50, blue=50), "f", 20), "about 5 % of users move from default to blue; about 5 % of users move from default to red"),
    (share(25), edits.split(share(25), "f", {"red": 50, "blue": 50}), "about 18.75 % of users move from on to off; about 12.5 % of users move from off to blue; about 6.25 % of users move from off to red; about 6.25 % of users move from on to red"),
    (weights(red=50, blue=50), edits.switch_off(weights(red=50, blue=50), "f"), "red 50 %, blue 50 %, default the rest → nobody (off)"),
    (ON, edits.set_attributes(ON, "f", {"color": "red"}), "who gets it stays the same"),
    (share(5), RAMP, "5 % of users → a growing share of users (by ramp: 10 % from 2026-02-01 00:00 UTC, 50 % from 2026-03-01 00:00 UTC); how many users that concerns can't be computed from percentages; try it on a list of users"),
    (edits.switch_off(share(5), "f"), edits.target(edits.switch_off(share(5), "f"), "f", users=["1"]), "nobody notices: it is off"),
    (ON, edits.schedule(ON, "f", ends=NOW + dt.timedelta(days=1), now=NOW), "everybody → everybody (until 2026-01-06 09:00 UTC); nobody is added"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "sentence"), SENTENCES, ids=[sentence[:40] for *_, sentence in SENTENCES])
def test_the_audience_in_a_sentence(before, after, sentence):
    assert sentence in compare(before, after).of("f").audience


def test_two_ways_of_drawing_are_not_computed():
    def rule(percent, seed):
        return f'(split pct::{percent} by::$userId seed::"{seed}")'

    def drawn(percent):
        variants = [
            {"name": "a", "enabled": True, "rule": rule(percent, "one")},
            {"name": "b", "enabled": True, "rule": rule(20, "two")},
            {"name": "c", "enabled": False},
        ]
        return FlagDocument.parse({"version": "1", "flags": {"f": {}}, "values": {"f": {"_variants": variants}}})

    (sentence, *_) = compare(drawn(10), drawn(20)).of("f").audience
    assert sentence.startswith("its variants are drawn in several ways")


def test_what_aws_injects_is_no_change():
    """appconfig.md §10, pain 4: _createdAt and _updatedAt show up as drift in other tools."""
    stored = FlagDocument.parse(json.dumps(normalise(ON, previous=None, now=NOW)))
    assert not compare(ON, stored)
    assert compare(ON, stored).to_text() == "nothing changes"


def test_a_rule_written_differently_is_no_change():
    spaced = share(25).to_dict()
    variant = spaced["values"]["f"]["_variants"][0]
    variant["rule"] = variant["rule"].replace(" ", "   ")
    assert not compare(share(25), FlagDocument.parse(spaced))


def test_words_for_people_have_no_audience():
    diff = compare(ON, edits.describe(ON, "f", description="Searches", remove_by=dt.date(2026, 6, 1))).of("f")
    assert diff.audience == ()
    assert {change.to_text() for change in diff.changes} == {"description: Searches", "deprecated: 2026-06-01"}


def test_created_and_deleted_flags_say_for_whom():
    new = edits.create(PLAIN, "g", enabled=True)
    created, deleted = compare(PLAIN, new).of("g"), compare(new, PLAIN).of("g")
    assert (created.kind, created.audience) == ("created", ("for everybody",))
    assert deleted.audience == ("it was for everybody; from now on the code's default is served",)
    assert created.to_text().splitlines()[0] == "+ g (new)"
    assert [flag.key for flag in empty_diff(new).flags] == ["f", "g"]


def test_a_segment_is_one_change_and_its_flags_follow():
    before = edits.target(TESTERS, "f", segments=["testers"])
    diff = compare(before, edits.change_segment(before, "testers", users=["8"]))
    assert [(flag.key, flag.kind) for flag in diff.flags] == [("segment testers", "changed"), ("f", "follows")]
    assert diff.of("segment testers").changes[0].to_text() == "users: 7 → 7, 8"
    assert [flag.key for flag in compare(PLAIN, TESTERS).flags] == ["segment testers"]
    assert [flag.kind for flag in compare(TESTERS, PLAIN).flags] == ["deleted"]


def test_changes_are_named_word_by_word():
    diff = compare(share(25), share(40, where=US))
    assert {change.to_text() for change in diff.of("f").changes} == {"percent: 25 → 40", "where: country = US"}
    split = compare(weights(red=50, blue=50), edits.set_attributes(weights(red=40), "f", {"c": [1]}, variant="red"))
    texts = [change.to_text() for change in split.of("f").changes]
    assert "variant red weight: 50 → 40" in texts
    assert "variant red c: [1]" in texts
    assert "variant blue weight: 50 → nothing" in texts
    assert diff.to_dict()["f"]["kind"] == "changed"
    assert compare(PLAIN, ON).to_text() == "~ f\n    nobody (off) → everybody\n      enabled: false → true"


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (edits.target(share(25), "f", users=["1"], groups=["a", "b"]), "25 % of users and user 1 and group a, b"),
        (share(100), "everybody"),
        (edits.switch_off(weights(red=50), "f"), "nobody (off)"),
        (
            edits.rollout(weights(red=50, blue=20), "f", 10),
            "red 50 %, blue 20 %, default the rest of 10 % who take part",
        ),
    ],
)
def test_who_gets_a_flag(document, text):
    assert describe_audience(document, "f") == text


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ({"percent": 10, "among": ["testers"]}, "10 % of users (in segment testers)"),
        ({"percent": 10, "requires": ["base"]}, "10 % of users (base on)"),
        ({"percent": 10, "holdout": "q3"}, "10 % of users (outside holdout q3)"),
        ({"layer": {"name": "checkout", "share": 30}}, "everybody (in their part of layer checkout)"),
        ({"segments": ["testers"]}, "segment testers"),
        ({"users": [str(number) for number in range(9)]}, "9 users by name"),
        ({"variants": [{"name": "a", "ranges": [[10, 30]]}, {"name": "b", "enabled": False}]}, "20 % of users"),
        (
            {
                "variants": [
                    {"name": "a", "rule": '(not (exists key::"x"))'},
                    {"name": "c", "users": ["1"]},
                    {"name": "b", "enabled": False},
                ]
            },
            "a by rule, c by list, b the rest",
        ),
    ],
)
def test_who_gets_a_flag_under_conditions(words, text):
    source = decompile(edits.create(TESTERS, "base", enabled=True))
    flags = {**source.flags, "f": read_words("f", words)}
    holdouts = {"q3": HoldoutSource(percent=5)}
    layers = {"checkout": LayerSource()}
    whole = source.model_copy(update={"flags": flags, "holdouts": holdouts, "layers": layers})
    document = rebuilt(edits.create(TESTERS, "base", enabled=True), whole, {"f"})
    assert describe_audience(document, "f") == text


def test_two_limits_that_both_change_are_not_computed():
    one, two = share(25, where=US), share(50, where='(eq $plan "pro")')
    (sentence,) = compare(one, two).of("f").audience
    assert sentence.endswith("try it on a list of users")


def test_a_limit_that_comes_with_the_first_share_removes_nobody():
    listed = edits.target(PLAIN, "f", users=["1"])
    (sentence, *_) = compare(listed, edits.rollout(listed, "f", 10, where=US)).of("f").audience
    assert sentence.endswith("nobody is removed")
    (sentence, *_) = compare(edits.rollout(listed, "f", 10, where=US), listed).of("f").audience
    assert sentence.endswith("nobody is added")
