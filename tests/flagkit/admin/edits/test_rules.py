"""Ordered rules: the first that is true decides, percentages and lists keep their place, and everything reads back."""

from __future__ import annotations

import datetime as dt
import json
from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagkit import EditError, Snapshot
from flagkit.admin import edits
from flagkit.authoring import AuthoringDocument, FlagDocument, compile_document, decompile
from flagkit.authoring.language import read_where

US, PRO = read_where("country = US"), read_where("plan = pro")


@pytest.fixture
def document() -> FlagDocument:
    """A flag that is on for 25 % of the users."""
    made = edits.create(FlagDocument.parse({"version": "1"}), "f")
    return edits.switch_on(edits.rollout(made, "f", 25), "f")


@lru_cache
def snapshot_of(content: str) -> Snapshot:
    return Snapshot.from_json(content, now=lambda: dt.datetime(2026, 1, 1, tzinfo=dt.UTC))


def answer(document: FlagDocument, user: str = "7", **context: str) -> tuple[bool, str | None]:
    found = snapshot_of(json.dumps(document.to_dict())).evaluate("f", user, context)
    return found.enabled, found.variant


def order(document: FlagDocument) -> list[str]:
    return [rule.variant for rule in edits.list_rules(document, "f")]


def test_rules_stand_before_percentages_in_the_order_they_were_added(document: FlagDocument) -> None:
    changed = edits.add_rule(edits.add_rule(document, "f", when=US), "f", when=PRO, enabled=False)
    assert order(changed) == ["rule-1", "rule-2", "on"]
    assert answer(changed, country="US", plan="pro") == (True, "rule-1")
    assert answer(changed, plan="pro") == (False, "rule-2")
    first = edits.add_rule(changed, "f", when=PRO, variant="vip", position=1)
    assert order(first) == ["vip", "rule-1", "rule-2", "on"]
    assert answer(first, country="US", plan="pro") == (True, "vip")


def test_a_percentage_of_a_rule_is_one_of_its_users(document: FlagDocument) -> None:
    changed = edits.add_rule(edits.rollout(document, "f", 0), "f", when=US, percent=50)
    on = [user for user in map(str, range(400)) if answer(changed, user, country="US")[0]]
    assert 150 < len(on) < 250
    assert not any(answer(changed, user, country="DE")[0] for user in on)
    (rule, own) = edits.list_rules(changed, "f")
    assert (rule.users, own.users) == ("50 % of users where country = US", "0 % of users")


def test_a_second_rule_of_a_variant_is_an_alternative(document: FlagDocument) -> None:
    changed = edits.add_rule(edits.add_rule(document, "f", when=US, variant="vip"), "f", when=PRO, variant="vip")
    assert answer(changed, country="US") == answer(changed, plan="pro") == (True, "vip")
    assert edits.list_rules(changed, "f")[0].users == "users where country = US or users where plan = pro"


def test_the_short_forms_change_the_flag_beside_its_rules(document: FlagDocument) -> None:
    changed = edits.add_rule(document, "f", when=US)
    assert edits.list_rules(edits.rollout(changed, "f", 60), "f")[1].users == "60 % of users"
    targeted = edits.target(changed, "f", users=["42"])
    assert edits.list_rules(targeted, "f")[1].lists == ("user 42",)
    assert answer(edits.switch_off(targeted, "f"), "42", country="US")[0] is False
    assert edits.switch_on(edits.switch_off(targeted, "f"), "f").to_dict() == targeted.to_dict()


def test_moving_a_rule_changes_which_one_decides(document: FlagDocument) -> None:
    changed = edits.add_rule(edits.add_rule(document, "f", when=US), "f", when=PRO, enabled=False)
    moved = edits.move_rule(changed, "f", "rule-2", 1)
    assert order(moved) == ["rule-2", "rule-1", "on"]
    assert answer(moved, country="US", plan="pro") == (False, "rule-2")
    assert edits.move_rule(moved, "f", 1, 2).to_dict() == changed.to_dict()


def test_removing_the_rules_brings_back_what_was_before(document: FlagDocument) -> None:
    changed = edits.remove_rule(edits.add_rule(document, "f", when=US), "f", 1)
    assert order(changed) == ["on"]
    assert [answer(changed, str(user)) for user in range(99)] == [answer(document, str(user)) for user in range(99)]


@pytest.mark.parametrize("on", [True, False])
def test_a_flag_whose_last_rule_is_removed_keeps_on_or_off(on: bool) -> None:
    made = edits.create(FlagDocument.parse({"version": "1"}), "f", enabled=on)
    changed = edits.add_rule(made, "f", when=US, enabled=not on)
    assert answer(changed, country="US")[0] is False  # off for them, or the flag is off
    assert answer(edits.remove_rule(changed, "f", "rule-1"))[0] is on


def test_a_flag_that_is_off_stays_off() -> None:
    made = edits.create(FlagDocument.parse({"version": "1"}), "f")
    changed = edits.add_rule(made, "f", when=US)
    assert answer(changed, country="US")[0] is False
    assert answer(edits.switch_on(changed, "f"), country="US")[0] is True
    bare = edits.remove_rule(edits.switch_on(changed, "f"), "f", 1)
    assert answer(bare, country="US")[0] is False  # on for nobody


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda it: edits.add_rule(it, "f"), "needs a condition or a percentage"),
        (lambda it: edits.add_rule(it, "f", when=US, variant="off"), "is the default variant"),
        (lambda it: edits.add_rule(it, "f", when=US, variant="on", enabled=False), "variant on of f is on"),
        (
            lambda it: edits.add_rule(edits.add_rule(it, "f", when=US, variant="on"), "f", when=US, variant="on"),
            "has this",
        ),
        (lambda it: edits.add_rule(it, "f", when=US, position=3), "no position 3"),
        (lambda it: edits.add_rule(it, "f", when=US, percent=140), "140"),
        (lambda it: edits.add_rule(edits.create(it, "g", enabled=True), "g", when=US), "changes nothing"),
        (lambda it: edits.move_rule(it, "f", "x", 1), "has no rule x"),
        (lambda it: edits.move_rule(it, "f", 1, 2), "no position 2"),
        (lambda it: edits.remove_rule(it, "f", 2), "has no rule 2"),
        (lambda it: edits.list_rules(it, "g"), "there is no flag"),
    ],
)
def test_what_makes_no_rule_is_refused(document: FlagDocument, edit, said: str) -> None:
    with pytest.raises(EditError, match=said):
        edit(document)


@pytest.mark.parametrize(
    "flag",
    [
        {"enabled": True},
        {"percent": "25"},
        {"percent": "25", "users": ["7", "8"]},
        {"users": ["7", "8"]},
        {"where": PRO, "users": ["7"]},
        {"where": PRO},
        {"percent": "25", "where": PRO, "groups": ["beta"], "from": "2020-01-01T00:00:00Z"},
        {"ramp": [{"at": "2020-01-01T00:00:00Z", "percent": "25"}]},
        {"ramp": [{"at": "2020-01-01T00:00:00Z", "percent": "25"}], "users": ["7", "8"]},
        {"variants": [{"name": "red", "weight": "40"}, {"name": "default", "enabled": False}], "percent": "50"},
    ],
)
def test_a_rule_changes_nothing_for_those_who_do_not_fulfil_it(flag: dict[str, object]) -> None:
    document = compile_document(AuthoringDocument.parse({"flags": {"f": flag}}))
    changed = edits.add_rule(document, "f", when=US, enabled=False)
    for user in map(str, range(300)):
        for context in ({}, {"plan": "pro"}, {"group": "beta"}):
            assert answer(changed, user, **context)[0] == answer(document, user, **context)[0]
        assert answer(changed, user, country="US") == (False, "rule-1")
    removed = edits.remove_rule(changed, "f", "rule-1")
    for user in map(str, range(300)):
        assert answer(removed, user, plan="pro")[0] == answer(document, user, plan="pro")[0]


def test_a_ramp_and_lists_are_listed_as_one_rule() -> None:
    flag = {"ramp": [{"at": "2020-01-01T00:00:00Z", "percent": "25"}], "users": ["7", "8"]}
    (view,) = edits.list_rules(compile_document(AuthoringDocument.parse({"flags": {"f": flag}})), "f")
    assert (view.users, view.lists) == ("a growing share of users", ("users 7, 8",))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from([US, PRO]), st.sampled_from([None, 30]), st.booleans()),
        st.tuples(st.just("move"), st.integers(1, 3), st.integers(1, 3)),
        st.tuples(st.just("remove"), st.integers(1, 3)),
        st.tuples(st.just("rollout"), st.sampled_from([0, 40])),
        st.tuples(st.just("target"), st.sampled_from(["42", "43"])),
        st.tuples(st.just("on")),
        st.tuples(st.just("off")),
    ),
    max_size=7,
)


@given(STEPS)
def test_any_sequence_of_edits_reads_back_and_keeps_on_and_off(steps) -> None:  # type: ignore[no-untyped-def]
    document = edits.rollout(edits.create(FlagDocument.parse({"version": "1"}), "f"), "f", 25)
    on = False
    for name, *arguments in steps:
        try:
            match name:
                case "add":
                    when, percent, enabled = arguments
                    document = edits.add_rule(document, "f", when=when, percent=percent, enabled=enabled)
                case "move":
                    document = edits.move_rule(document, "f", *arguments)
                case "remove":
                    document = edits.remove_rule(document, "f", *arguments)
                case "rollout":
                    document = edits.rollout(document, "f", *arguments)
                case "target":
                    document = edits.target(document, "f", users=arguments)
                case _:
                    document = edits.switch_on(document, "f") if name == "on" else edits.switch_off(document, "f")
                    on = name == "on"
        except EditError:
            continue
        source = decompile(document)
        assert source.flags["f"].is_off is not on
        again = compile_document(source)
        context = {"country": "US", "plan": "pro"}
        for user in ("42", "7", "8"):
            assert answer(again, user, **context) == answer(document, user, **context)


def split_button() -> FlagDocument:
    made = edits.create(FlagDocument.parse({"version": "1"}), "f", enabled=True)
    return edits.split(made, "f", {"red": 50, "blue": 50})


def test_a_rule_for_a_variant_of_a_split_wins_over_the_percentages_of_the_others() -> None:
    changed = edits.add_rule(split_button(), "f", when=US, variant="blue")
    users = [str(number) for number in range(200)]
    assert {answer(changed, user, country="US")[1] for user in users} == {"blue"}
    assert [answer(changed, user) for user in users] == [answer(split_button(), user) for user in users]
    assert edits.list_rules(changed, "f")[1].users == "users where country = US and 50 % of users"
    assert edits.remove_rule(changed, "f", "blue") == split_button()


def test_the_users_that_a_percentage_of_a_rule_leaves_are_split_as_all_others() -> None:
    """The rule's percentage has a seed of its own: who is above it isn't all in one variant."""
    for document in (
        edits.add_rule(split_button(), "f", when=US, percent=50, variant="vip"),
        edits.add_rule(split_button(), "f", when=US, percent=50, variant="blue"),
        edits.split(
            edits.add_rule(
                edits.switch_on(edits.create(FlagDocument.parse({"version": "1"}), "f"), "f"),
                "f",
                when=US,
                percent=50,
                enabled=False,
            ),
            "f",
            {"red": 50, "blue": 50},
        ),
    ):
        left = [answer(document, str(number), country="US")[1] for number in range(2000)]
        assert 430 < left.count("red") < 570, document


def test_what_rule_list_shows_can_be_removed_by_its_number(document: FlagDocument) -> None:
    changed = edits.target(edits.add_rule(document, "f", when=US), "f", users=["7"])
    assert order(changed) == ["rule-1", "on"]
    alone = edits.remove_rule(changed, "f", 2)
    assert order(alone) == ["rule-1"]
    assert answer(alone)[0] is False
    with pytest.raises(EditError, match="on is the only variant of f that is on"):
        edits.remove_rule(edits.add_rule(document, "f", when=US, enabled=False), "f", 2)
    assert order(edits.remove_rule(split_button(), "f", 1)) == ["blue"]


def test_a_rollout_and_a_ramp_stand_beside_rules_alone() -> None:
    made = edits.create(FlagDocument.parse({"version": "1"}), "f", enabled=True)
    ruled = edits.add_rule(made, "f", when=US, enabled=False)
    assert answer(ruled)[0] is True
    rolled = edits.rollout(ruled, "f", 30)
    users = [str(number) for number in range(1000)]
    assert 240 < sum(answer(rolled, user)[0] for user in users) < 360
    assert not any(answer(rolled, user, country="US")[0] for user in users)
    growing = edits.ramp(rolled, "f", [(dt.datetime(2025, 1, 1, tzinfo=dt.UTC), 30)])
    assert [answer(growing, user) for user in users] == [answer(rolled, user) for user in users]
    assert compile_document(decompile(growing)) == growing
    assert decompile(growing).flags["f"].ramp


def test_a_split_of_a_percentage_keeps_who_takes_part(document: FlagDocument) -> None:
    """Nobody joins or leaves when the 25 % are split into two variants."""
    users = [str(number) for number in range(2000)]
    for before in (document, edits.ramp(document, "f", [(dt.datetime(2025, 1, 1, tzinfo=dt.UTC), 25)])):
        after = edits.split(before, "f", {"red": 50, "blue": 50})
        assert [answer(after, user)[0] for user in users] == [answer(before, user)[0] for user in users]
        variants = [answer(after, user)[1] for user in users]
        assert abs(variants.count("red") - variants.count("blue")) < 80
        raised = edits.rollout(after, "f", 50)
        assert all(
            answer(raised, user)[1] == variant
            for user, variant in zip(users, variants, strict=True)
            if variant != "off"
        )
        assert compile_document(decompile(after)) == after


def test_rules_are_written_in_toml_as_conditions(document: FlagDocument) -> None:
    from flagkit.admin.code import plan, pull

    changed = edits.add_rule(document, "f", when=US, percent=50)
    text = pull(changed)
    assert 'rules = [{ when = "country = US", percent = 50 }]' in text
    assert not plan(changed, text).diff
    assert answer(plan(changed, text.replace("US", "DE")).document, country="DE", user="3")[1] == "rule-1"


def test_a_rule_may_be_a_percentage_alone(document: FlagDocument) -> None:
    changed = edits.add_rule(document, "f", percent=40, enabled=False)
    assert edits.list_rules(changed, "f")[0].users == "40 % of users"


def test_to_target_a_user_who_gets_another_variant_first_is_refused(document: FlagDocument) -> None:
    """It would say "saved", and the user would get what the rule says as before."""
    for changed in (
        edits.add_rule(document, "f", percent=100, variant="red"),
        edits.add_rule(document, "f", when=read_where("userId in [7, 8]"), variant="red"),
    ):
        with pytest.raises(EditError, match="user 7 gets variant red first, by its rule"):
            edits.target(changed, "f", users=["7"], variant="on")
        moved = edits.target(edits.move_rule(changed, "f", "red", 2), "f", users=["7"], variant="on")
        assert answer(moved) == (True, "on")
    limited = edits.add_rule(document, "f", when=US, variant="red")
    assert answer(edits.target(limited, "f", users=["7"], variant="on")) == (True, "on")


def test_a_rule_that_no_user_would_get_is_refused(document: FlagDocument) -> None:
    ruled = edits.add_rule(document, "f", when=US)
    narrower = read_where("country = US and plan = pro")
    for when in (US, narrower, read_where("country = DE and country = FR")):
        with pytest.raises(EditError, match="variant blue is unreachable"):
            edits.add_rule(ruled, "f", when=when, variant="blue")
    assert order(edits.add_rule(ruled, "f", when=narrower, variant="blue", position=1)) == ["blue", "rule-1", "on"]


def test_the_difference_names_the_users_of_a_rule_of_an_existing_variant() -> None:
    from flagkit.admin.diff import compare

    changed = edits.add_rule(split_button(), "f", when=US, variant="blue")
    assert compare(split_button(), changed).of("f").audience == ("Now users where country = US get variant blue.",)
    assert compare(changed, split_button()).of("f").audience == ("The rule for users where country = US is removed.",)
