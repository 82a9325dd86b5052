"""What an edit changes, and for whom: in data and in sentences."""

# ruff: noqa: E501 - a table of sentences reads best with one case a line

from __future__ import annotations

import datetime as dt
import json

import pytest

from flagkit.admin import edits
from flagkit.admin.audience import status_of, statuses
from flagkit.admin.diff import compare
from flagkit.admin.entries import EMPTY
from flagkit.authoring import FlagSource, edit_flag
from flagkit.core.documents import FlagDocument, normalise

NOW = dt.datetime(2026, 1, 5, 9, tzinfo=dt.UTC)
PLAIN = FlagDocument.parse({"version": "1", "flags": {"f": {"name": "f"}}, "values": {"f": {"enabled": False}}})
ON = edits.switch_on(PLAIN, "f")
US = '(eq $country "US")'


def share(percent, **more):
    return edits.rollout(ON, "f", percent, **more)


def weights(start=PLAIN, **shares):
    return edits.switch_on(edits.split(start, "f", shares), "f")


def written(**words):
    return edit_flag(PLAIN, "f", lambda _: FlagSource.parse(words))


TESTERS = edits.put_segment(PLAIN, "testers", users=["7"])
RAMP = written(ramp=[{"at": "2026-02-01T00:00:00Z", "percent": 10}, {"at": "2026-03-01T00:00:00Z", "percent": 50}])

UNKNOWN = "How many users this affects can't be computed from percentages; try it on a list of users."
SPLIT = weights(red=50, blue=50)
TOMORROW = NOW + dt.timedelta(days=1)

SENTENCES = [
    (share(25), share(40), "25 % → 40 %: about 15 % of users now get it, none lose it."),
    (share(40), share(12.5), "40 % → 12.5 %: about 27.5 % of users lose it, none get it."),
    (share(25), share(40, seed="new"), "25 % → 40 %, and all users are reassigned: about 30 % of users now get it, about 15 % lose it."),
    (share(50), share(50, by="accountId"), "50 % → 50 %, and all users are reassigned: about 25 % of users now get it, about 25 % lose it."),
    (share(10, where=US), share(20, where=US), "10 % → 20 %: about 10 % of users (where country = US) now get it, none lose it."),
    (PLAIN, ON, "All users get it."),
    (ON, PLAIN, "All users lose it."),
    (edits.rollout(PLAIN, "f", 25), share(25), "25 % of users get it."),
    (share(25), edits.switch_off(share(25), "f"), "25 % of users lose it."),
    (PLAIN, edits.rollout(PLAIN, "f", 25), "No effect while the flag is off."),
    (PLAIN, edits.target(PLAIN, "f", users=["1"]), "No effect while the flag is off."),
    (PLAIN, edits.schedule(PLAIN, "f", starts=NOW, now=NOW), "No effect while the flag is off."),
    (ON, share(25), "100 % → 25 %: about 75 % of users lose it, none get it."),
    (ON, share(25, where=US), "All users → 25 % of users (where country = US): no other user gets it."),
    (share(25, where=US), ON, "25 % of users (where country = US) → all users: no user loses it."),
    (share(25), share(25, where=US), "25 % of users → 25 % of users (where country = US): no other user gets it."),
    (share(25, where=US), share(40), "25 % of users (where country = US) → 40 % of users: no user loses it."),
    (share(25), share(40, where=US), f"25 % of users → 40 % of users (where country = US). {UNKNOWN}"),
    (share(25), share(20, where=US, seed="new"), f"25 % of users → 20 % of users (where country = US). {UNKNOWN}"),
    (share(5), edits.target(share(5), "f", users=["42"]), "User 42 now gets it."),
    (share(5), edits.target(share(5), "f", users=list("abcd")), "4 users by name now get it."),
    (edits.target(share(5), "f", groups=["qa", "x"]), edits.target(share(5), "f", groups=["x"]), "Group qa no longer gets it by name."),
    (SPLIT, weights(red=40, blue=60), "10 % of users move from red to blue."),
    (SPLIT, weights(red=40, blue=60), "No other user moves."),
    (edits.split(PLAIN, "f", {"red": 50, "blue": 20}), weights(red=50, blue=20), "Users get it: red 50 %, blue 20 %, default for the rest."),
    (SPLIT, edits.rollout(SPLIT, "f", 10), "Users who take part: 100 % → 10 %: about 90 % of users leave, none join."),
    (SPLIT, edits.target(SPLIT, "f", users=["1"], variant="red"), "User 1 now gets variant red."),
    (edits.target(SPLIT, "f", users=["1", "2"], variant="red"), edits.target(edits.target(SPLIT, "f", users=["1"], variant="red"), "f", users=["2"], variant="blue"), "User 2 now gets variant blue."),
    (edits.target(SPLIT, "f", users=["1"], variant="red"), SPLIT, "User 1 no longer gets a variant by name."),
    (SPLIT, edits.set_attributes(SPLIT, "f", {"c": 1}, variant="red"), "Users of variant red get the new values."),
    (SPLIT, edits.split(SPLIT, "f", {"red": 50, "blue": 50}, seed="s"), "All users are reassigned: about 50 % of users get another variant."),
    (edits.rollout(SPLIT, "f", 10), edits.rollout(SPLIT, "f", 20), "About 5 % of users move from default to blue."),
    (share(25), edits.split(share(25), "f", {"red": 50, "blue": 50}), "About 12.5 % of users move from on to blue."),
    (SPLIT, edits.switch_off(SPLIT, "f"), "Users lose it: red 50 %, blue 50 %."),
    (ON, edits.set_attributes(ON, "f", {"color": "red"}), "Users who get it get the new values."),
    (share(5), RAMP, f"5 % of users → a growing share of users (by ramp: 10 % from 2026-02-01 00:00 UTC, 50 % from 2026-03-01 00:00 UTC). {UNKNOWN}"),
    (ON, edits.schedule(ON, "f", ends=TOMORROW, now=NOW), "All users lose it at 2026-01-06 09:00 UTC."),
    (ON, edits.schedule(ON, "f", starts=TOMORROW, now=NOW), "All users lose it until 2026-01-06 09:00 UTC."),
    (edits.schedule(share(25), "f", starts=TOMORROW, now=NOW), share(25), "25 % of users get it now."),
    (edits.schedule(ON, "f", starts=TOMORROW, now=NOW), edits.schedule(ON, "f", starts=NOW, ends=TOMORROW, now=NOW), "All users get it now, until 2026-01-06 09:00 UTC."),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "sentence"), SENTENCES, ids=[sentence[:40] for *_, sentence in SENTENCES])
def test_the_audience_in_a_sentence(before, after, sentence):
    assert sentence in compare(before, after, now=NOW).of("f").audience


def test_two_bucketing_seeds_are_not_computed():
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
    assert sentence.startswith("Its variants use several bucketing seeds.")


def test_what_aws_injects_is_not_a_change():
    """appconfig.md §10, pain 4: _createdAt and _updatedAt show up as drift in other tools."""
    stored = FlagDocument.parse(json.dumps(normalise(ON, previous=None, now=NOW)))
    assert not compare(ON, stored)
    assert compare(ON, stored).to_text() == "No changes."


def test_a_rule_written_differently_is_not_a_change():
    spaced = share(25).to_dict()
    variant = spaced["values"]["f"]["_variants"][0]
    variant["rule"] = variant["rule"].replace(" ", "   ")
    assert not compare(share(25), FlagDocument.parse(spaced))


def test_texts_for_people_have_no_audience():
    diff = compare(ON, edits.describe(ON, "f", description="Searches", remove_by=dt.date(2026, 6, 1))).of("f")
    assert diff.audience == ()
    assert {change.to_text() for change in diff.changes} == {"description: Searches", "remove_by: 2026-06-01"}


def test_created_and_deleted_flags_say_for_whom():
    new = edits.create(PLAIN, "g", enabled=True)
    created, deleted = compare(PLAIN, new).of("g"), compare(new, PLAIN).of("g")
    assert (created.kind, created.audience) == ("created", ("All users get it.",))
    assert deleted.audience == ("All users lose it. Code that asks for it gets its own default.",)
    assert created.to_text().splitlines()[0] == "+ g (new)"
    assert [flag.key for flag in compare(EMPTY, new).flags] == ["f", "g"]
    assert compare(PLAIN, edits.create(PLAIN, "g")).of("g").audience == ("The flag is off.",)
    assert compare(PLAIN, EMPTY).of("f").audience[0].startswith("The flag is off.")


def test_a_segment_is_one_change_and_its_flags_follow():
    before = edits.target(TESTERS, "f", segments=["testers"])
    diff = compare(before, edits.change_segment(before, "testers", users=["8"]))
    assert [(flag.key, flag.kind) for flag in diff.flags] == [("segment testers", "changed"), ("f", "follows")]
    assert diff.of("segment testers").changes[0].to_text() == "users: 7 → 7, 8"
    assert [flag.key for flag in compare(PLAIN, TESTERS).flags] == ["segment testers"]
    assert [flag.kind for flag in compare(TESTERS, PLAIN).flags] == ["deleted"]


def test_changes_are_named_key_by_key():
    diff = compare(share(25), share(40, where=US))
    assert {change.to_text() for change in diff.of("f").changes} == {"percent: 25 → 40", "where: country = US"}
    split = compare(weights(red=50, blue=50), edits.set_attributes(weights(red=40), "f", {"c": [1]}, variant="red"))
    texts = [change.to_text() for change in split.of("f").changes]
    assert "variant red weight: 50 → 40" in texts
    assert "variant red c: [1]" in texts
    assert "variant blue weight: 50 → (removed)" in texts
    assert diff.to_dict()["f"]["kind"] == "changed"
    switched = compare(PLAIN, ON)
    assert switched.to_text() == "~ f\n    All users get it."
    assert switched.to_dict()["f"]["changes"] == [{"what": "enabled", "before": False, "after": True}]


@pytest.mark.parametrize(
    ("document", "state", "audience"),
    [
        (PLAIN, "off", "all users"),
        (ON, "on", "all users"),
        (share(100), "on", "all users"),
        (share(25), "25 %", "25 % of users"),
        (share(0), "0 %", "0 % of users"),
        (edits.switch_off(share(25), "f"), "off", "25 % of users"),
        (
            edits.target(share(25), "f", users=["1"], groups=["a", "b"]),
            "25 %",
            "25 % of users and user 1 and groups a, b",
        ),
        (edits.schedule(ON, "f", starts=TOMORROW, now=NOW), "scheduled", "all users (from 2026-01-06 09:00 UTC)"),
        (edits.schedule(ON, "f", starts=NOW, now=NOW), "on", "all users (from 2026-01-05 09:00 UTC)"),
        (
            edits.schedule(ON, "f", ends=NOW, now=NOW - dt.timedelta(days=1)),
            "ended",
            "all users (until 2026-01-05 09:00 UTC)",
        ),
        (edits.schedule(PLAIN, "f", starts=TOMORROW, now=NOW), "off", "all users (from 2026-01-06 09:00 UTC)"),
        (SPLIT, "on", "red 50 %, blue 50 %"),
        (weights(red=50, blue=20), "partial", "red 50 %, blue 20 %, default for the rest"),
        (weights(ON, red=50, blue=20), "on", "red 50 %, blue 20 %, default for the rest"),
        (edits.switch_off(weights(red=50), "f"), "off", "50 % of users"),
        (
            edits.rollout(weights(red=50, blue=20), "f", 10),
            "10 %",
            "10 % of users, split into red 50 %, blue 20 %, default for the rest",
        ),
    ],
)
def test_state_and_audience_are_apart(document, state, audience):
    found = statuses(document, now=NOW)["f"]
    assert (found.to_text(), found.audience) == (state, audience)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ({"percent": 10, "among": ["testers"]}, "10 % of users (in segment testers)"),
        ({"percent": 10, "requires": ["base"]}, "10 % of users (base on)"),
        ({"percent": 10, "holdout": "q3"}, "10 % of users (outside holdout q3)"),
        ({"layer": {"name": "checkout", "share": 30}}, "all users (in their part of layer checkout)"),
        ({"segments": ["testers"]}, "segment testers"),
        ({"users": [str(number) for number in range(9)]}, "9 users by name"),
        ({"variants": [{"name": "a", "ranges": [[10, 30]]}, {"name": "b", "enabled": False}]}, "20 % of users"),
        (
            {"variants": [{"name": "a", "weight": 20, "users": ["7"]}, {"name": "c", "weight": 30}, {"name": "b"}]},
            "a 20 % and user 7, c 30 %, b for the rest",
        ),
        (
            {
                "variants": [
                    {"name": "a", "rule": '(not (exists key::"x"))'},
                    {"name": "c", "users": ["1"]},
                    {"name": "b", "enabled": False},
                ]
            },
            "a for users where x is missing, c for user 1, b for the rest",
        ),
    ],
)
def test_the_audience_under_conditions(words, text):
    assert status_of(FlagSource.parse(words), now=NOW).audience == text


def test_two_limits_that_both_change_are_not_computed():
    one, two = share(25, where=US), share(50, where='(eq $plan "pro")')
    (sentence,) = compare(one, two).of("f").audience
    assert sentence.endswith(UNKNOWN)


def test_a_limit_that_comes_with_the_first_share_removes_nobody():
    listed = edits.target(share(0), "f", users=["1"])
    (sentence, *_) = compare(listed, edits.rollout(listed, "f", 10, where=US)).of("f").audience
    assert sentence.endswith("no user loses it.")
    (sentence, *_) = compare(edits.rollout(listed, "f", 10, where=US), listed).of("f").audience
    assert sentence.endswith("no other user gets it.")


def test_a_summary_counts_what_is_added_changed_and_deleted():
    new = edits.create(edits.create(PLAIN, "g", enabled=True), "h")
    after = edits.create(edits.delete(edits.delete(edits.switch_on(new, "f"), "g"), "h"), "i")
    diff = compare(new, after)
    assert diff.summary() == "1 to add, 1 to change, 2 to delete"
    assert diff.deleted_live == ("g",)
