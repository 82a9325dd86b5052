"""One function per intent: what each edit writes, and what it refuses."""

from __future__ import annotations

import datetime as dt

import pytest

from flagkit.admin import edits
from flagkit.admin.entries import is_same, keys_of
from flagkit.authoring import FlagSource, decompile, edit_flag, flag_movement, show_where
from flagkit.authoring.movement import flag_allocation
from flagkit.authoring.ranges import sizes
from flagkit.core.definitions import SEGMENTS_FLAG
from flagkit.core.documents import FlagDocument
from flagkit.core.snapshot import Snapshot
from flagkit.errors import DocumentError, EditError, UnknownFlagError

NOW = dt.datetime(2026, 1, 5, 9, tzinfo=dt.UTC)
US = '(eq $country "US")'


def document(**flags):
    """A document of plain flags: `True`, `False`, or a native value entry."""
    values = {key: value if isinstance(value, dict) else {"enabled": value} for key, value in flags.items()}
    return FlagDocument.parse({"version": "1", "flags": {key: {"name": key} for key in flags}, "values": values})


def native(rule=US, **more):
    variants = [{"name": "inside", "enabled": True, "rule": rule}, {"name": "outside", "enabled": False}]
    return document(flag={"_variants": variants}, **more)


def for_none():
    """A flag that is on for 0 % of the users."""
    return edits.rollout(document(flag=True), "flag", 0)


def rule(found, key="flag", index=0):
    return found.values[key].variants[index].rule


def is_on(found, user="42", key="flag", **context):
    return Snapshot.from_document(found.to_dict()).evaluate(key, user, context).enabled


def share(found, key="flag"):
    """How many of 1,000 users get it."""
    snapshot = Snapshot.from_document(found.to_dict())
    return sum(snapshot.evaluate(key, str(user)).enabled for user in range(1000))


class TestOnAndOff:
    def test_a_plain_flag_is_switched(self):
        on = edits.switch_on(document(flag=False), "flag")
        assert is_on(on)
        assert not is_on(edits.switch_off(on, "flag"))

    def test_a_rolled_out_flag_keeps_its_share_while_it_is_off(self):
        rolled = edits.rollout(document(flag=True), "flag", 25)
        off = edits.kill(rolled, "flag")
        assert share(off) == 0
        assert is_same(edits.switch_on(off, "flag"), rolled)

    @pytest.mark.parametrize("start", [native(), edits.split(document(flag=True), "flag", {"red": 50, "blue": 50})])
    def test_a_flag_with_variants_is_switched_off_and_on_as_it_was(self, start):
        off = edits.switch_off(start, "flag")
        assert decompile(off).flags["flag"].is_off
        assert decompile(off).flags["flag"].variants == decompile(start).flags["flag"].variants
        assert not is_on(off, country="US")
        assert not is_on(off, None, country="US")
        assert is_same(edits.switch_on(off, "flag"), start)

    def test_switching_twice_changes_nothing(self):
        off = edits.switch_off(native(), "flag")
        assert edits.switch_off(off, "flag") is off
        assert is_same(edits.switch_on(native(), "flag"), native())

    def test_on_is_refused_where_it_could_mean_any_variant(self):
        variants = [
            {"name": "a", "enabled": False, "rule": US},
            {"name": "b", "enabled": False, "rule": '(eq $country "CA")'},
            {"name": "c", "enabled": False},
        ]
        start = document(flag={"_variants": variants})
        with pytest.raises(EditError, match="every variant of flag is off by itself: a, b, c"):
            edits.switch_on(start, "flag")
        assert edits.switch_off(start, "flag") is start

    def test_on_switches_the_only_variant_on(self):
        variants = [{"name": "a", "enabled": False, "rule": US}, {"name": "b", "enabled": False}]
        assert is_on(edits.switch_on(document(flag={"_variants": variants}), "flag"), country="US")

    def test_a_flag_that_is_off_has_its_required_attributes(self):
        start = edits.split(with_required(), "flag", {"red": 100})
        off = edits.switch_off(start, "flag")
        assert off.values["flag"].variants[0].attribute_values == {"color": "blue"}

    def test_an_unknown_flag_is_named_with_the_nearest(self):
        with pytest.raises(UnknownFlagError, match="there is no flag flog") as error:
            edits.switch_on(document(flag=True), "flog")
        assert error.value.hint.startswith("Did you mean flag?")

    def test_where_segments_are_kept_is_not_a_flag(self):
        kept = edits.put_segment(document(), "staff", users=["1"])
        with pytest.raises(UnknownFlagError):
            edits.switch_on(kept, SEGMENTS_FLAG)

    def test_other_flags_stay_untouched(self):
        odd = '(or   (eq $country "US") (eq $country "CA"))  // by hand'
        start = native(odd, other=False)
        assert rule(edits.switch_on(start, "other")) == odd


def with_required():
    return FlagDocument.parse(
        {
            "version": "1",
            "flags": {"flag": {"attributes": {"color": {"constraints": {"type": "string", "required": True}}}}},
            "values": {"flag": {"enabled": True, "color": "blue"}},
        }
    )


class TestOnAndOffAreApartFromTargeting:
    """Only on, off and kill change whether a flag is on (decision 0015)."""

    EDITS = (
        lambda it: edits.rollout(it, "flag", 50),
        lambda it: edits.target(it, "flag", users=["7"]),
        lambda it: edits.split(it, "flag", {"red": 50, "blue": 50}),
        lambda it: edits.set_attributes(it, "flag", {"color": "red"}),
        lambda it: edits.schedule(it, "flag", starts=NOW - dt.timedelta(days=1), now=NOW),
        lambda it: edits.describe(it, "flag", description="d"),
    )

    def test_a_killed_flag_stays_off_through_every_later_edit(self):
        """`create pay; rollout pay 50; kill pay; target pay --user 7; rollout pay 0`."""
        found = edits.kill(edits.rollout(document(flag=True), "flag", 50), "flag")
        found = edits.rollout(edits.target(found, "flag", users=["7"]), "flag", 0)
        assert not is_on(found, "7")
        assert is_on(edits.switch_on(found, "flag"), "7")

    @pytest.mark.parametrize("edit", EDITS)
    def test_a_flag_that_was_never_on_behaves_as_a_killed_one(self, edit):
        never, killed = document(flag=False), edits.kill(document(flag=True), "flag")
        assert is_same(edit(never), edit(killed))
        assert decompile(edit(never)).flags["flag"].is_off

    @pytest.mark.parametrize("edit", EDITS)
    def test_a_flag_that_is_on_stays_on(self, edit):
        assert not decompile(edit(for_none())).flags["flag"].is_off

    @pytest.mark.parametrize("edit", EDITS)
    def test_off_then_on_gives_what_the_edit_gave(self, edit):
        start = for_none()
        edited_while_off = edit(edits.switch_off(start, "flag"))
        assert is_same(edits.switch_on(edited_while_off, "flag"), edit(start))

    def test_without_anybody_on_its_lists_a_flag_is_for_no_user(self):
        listed = edits.target(document(flag=False), "flag", users=["42"])
        assert share(edits.switch_on(edits.target(listed, "flag", users=["42"], remove=True), "flag")) == 0
        variants = edits.split(document(flag=True), "flag", {"red": 0, "blue": 100})
        assert share(variants) == 1000


class TestUsersMove:
    def test_a_targeted_user_moves_to_the_other_variant(self):
        """`split b red=50 blue=50; target b --user 42 --variant red; target b --user 42 --variant blue`."""
        start = edits.split(document(flag=True), "flag", {"red": 0, "blue": 100})
        red = edits.target(start, "flag", users=["42", "43"], variant="red")
        blue = edits.target(red, "flag", users=["42"], variant="blue")
        flag = decompile(blue).flags["flag"]
        assert [variant.users for variant in flag.variants] == [("43",), ("42",), ()]
        snapshot = Snapshot.from_document(blue.to_dict())
        assert (snapshot.evaluate("flag", "42").variant, snapshot.evaluate("flag", "43").variant) == ("blue", "red")

    @pytest.mark.parametrize("variant", ["red", "blue", "green"])
    def test_a_targeted_user_gets_the_variant_whatever_the_weights_say(self, variant):
        start = edits.split(document(flag=True), "flag", {"red": 40, "blue": 40, "green": 20})
        users = [str(user) for user in range(20)]
        found = edits.target(start, "flag", users=users, variant=variant)
        snapshot = Snapshot.from_document(found.to_dict())
        assert {snapshot.evaluate("flag", user).variant for user in users} == {variant}
        before = Snapshot.from_document(start.to_dict())
        others = [str(user) for user in range(20, 500)]
        assert all(before.evaluate("flag", u).variant == snapshot.evaluate("flag", u).variant for u in others)
        assert [item.rule for item in decompile(found).flags["flag"].variants] == [None] * 4
        assert is_same(edits.target(found, "flag", users=users, variant=variant, remove=True), start)

    def test_groups_and_segments_get_the_variant_whatever_the_weights_say(self):
        start = edits.put_segment(edits.split(document(flag=True), "flag", {"red": 80, "blue": 20}), "s", users=["7"])
        found = edits.target(start, "flag", groups=["qa"], segments=["s"], variant="blue")
        snapshot = Snapshot.from_document(found.to_dict())
        assert snapshot.evaluate("flag", "7").variant == "blue"
        assert {snapshot.evaluate("flag", str(u), {"group": "qa"}).variant for u in range(50)} == {"blue"}
        assert edits.list_segments(found)["s"][1] == ("flag",)

    def test_a_user_who_gets_another_variant_first_by_a_segment_is_refused(self):
        start = edits.put_segment(edits.split(document(flag=True), "flag", {"red": 50, "blue": 50}), "s", users=["7"])
        start = edits.target(start, "flag", segments=["s"], variant="red")
        with pytest.raises(EditError, match="user 7 gets variant red first, by segment s"):
            edits.target(start, "flag", users=["7", "8"], variant="blue")
        assert edits.target(start, "flag", users=["7"], variant="red") != start
        assert edits.target(start, "flag", users=["8"], variant="blue") != start

    def test_a_variant_whose_last_user_leaves_is_for_no_user(self):
        variants = [{"name": "red", "users": ["1"]}, {"name": "blue", "weight": 40}, {"name": "off", "enabled": False}]
        start = edit_flag(
            document(flag=True), "flag", lambda _: FlagSource.parse({"percent": 50, "variants": variants})
        )
        found = edits.target(start, "flag", users=["1"], variant="red", remove=True)
        assert decompile(found).flags["flag"].variants[0].weight == 0


class TestRollout:
    def test_a_share_gets_it(self):
        assert rule(edits.rollout(document(flag=True), "flag", 12.5)) == ('(split pct::12.5 by::$userId seed::"flag")')

    def test_raising_removes_nobody(self):
        low, high = (edits.rollout(document(flag=True), "flag", percent) for percent in (10, 40))
        first, second = (Snapshot.from_document(each.to_dict()) for each in (low, high))
        users = [str(user) for user in range(1000)]
        assert {u for u in users if first.evaluate("flag", u).enabled} <= {
            u for u in users if second.evaluate("flag", u).enabled
        }

    def test_by_where_and_seed_are_set_and_kept(self):
        start = edits.rollout(document(flag=True), "flag", 10, by="accountId", where=US, seed="s")
        assert rule(edits.rollout(start, "flag", 20)) == (
            '(and (eq $country "US") (split pct::20 by::$accountId seed::"s"))'
        )
        assert rule(edits.rollout(start, "flag", 20, where="")) == '(split pct::20 by::$accountId seed::"s")'

    def test_lists_stay(self):
        start = edits.target(for_none(), "flag", users=["42"])
        assert is_on(edits.rollout(start, "flag", 0), "42")

    @pytest.mark.parametrize("percent", [101, -1, "many", 0.00001, float("nan")])
    def test_what_is_no_percentage_is_refused(self, percent):
        with pytest.raises(EditError):
            edits.rollout(document(flag=True), "flag", percent)

    def test_a_rule_by_hand_is_not_replaced_by_accident(self):
        with pytest.raises(EditError, match="rule written by hand"):
            edits.rollout(native('(not (exists key::"x"))'), "flag", 10)
        replaced = edits.rollout(native('(not (exists key::"x"))'), "flag", 10, where=US)
        assert rule(replaced) == '(split pct::10 by::$userId seed::"flag")' or US in rule(replaced)

    def test_a_flag_with_required_attributes_has_them_in_both_variants(self):
        rolled = edits.rollout(with_required(), "flag", 30)
        assert [v.attribute_values for v in rolled.values["flag"].variants] == [{"color": "blue"}] * 2
        again = edits.rollout(rolled, "flag", 40)
        assert rule(again) == '(split pct::40 by::$userId seed::"flag")'

    def test_the_share_of_a_single_weighted_variant_is_its_weight(self):
        start = edits.switch_on(edits.split(document(flag=False), "flag", {"new": 10}), "flag")
        assert rule(edits.rollout(start, "flag", 35)) == '(split pct::35 by::$userId seed::"flag")'


class TestTarget:
    def test_users_groups_and_segments_are_added_and_removed(self):
        start = edits.put_segment(for_none(), "staff", users=["7"])
        found = edits.target(start, "flag", users=["42", "42"], groups=["qa"], segments=["staff"])
        assert is_on(found, "42")
        assert is_on(found, "1", group="qa")
        assert is_on(found, "7")
        assert not is_on(found, "1")
        gone = edits.target(found, "flag", users=["42"], groups=["qa"], segments=["staff"], remove=True)
        assert is_same(gone, start)

    def test_adding_again_changes_nothing(self):
        found = edits.target(for_none(), "flag", users=["42"])
        assert is_same(edits.target(found, "flag", users=["42"]), found)

    @pytest.mark.parametrize(
        ("start", "call", "words"),
        [
            (document(flag=True), {"users": ["1"]}, "already on for all users"),
            (for_none(), {"users": ["1"], "remove": True}, "not targeted to user 1"),
            (for_none(), {}, "no users, groups or segments"),
            (for_none(), {"users": ["1"], "variant": "red"}, "no variant red"),
            (native('(not (exists key::"x"))'), {"users": ["1"]}, "rule written by hand"),
            (for_none(), {"segments": ["staff"]}, "there is no staff"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, start, call, words):
        with pytest.raises(EditError, match=words):
            edits.target(start, "flag", **call)

    def test_a_variant_is_named_where_there_are_several(self):
        start = edits.split(document(flag=True), "flag", {"red": 50, "blue": 50})
        with pytest.raises(EditError, match="several variants: red, blue"):
            edits.target(start, "flag", users=["1"])
        with pytest.raises(EditError, match="no variant green"):
            edits.target(start, "flag", users=["1"], variant="green")
        found = edits.target(start, "flag", users=["1"], variant="blue")
        assert '(in $userId ["1"])' in rule(found, index=1)

    def test_required_attributes_stay_in_both_variants(self):
        none = edits.rollout(with_required(), "flag", 0)
        found = edits.target(none, "flag", users=["42"])
        assert is_on(found, "42")
        assert not is_on(found, "43")


class TestSplit:
    def test_weights_become_disjoint_ranges(self):
        found = edits.split(document(flag=True), "flag", {"red": 20, "blue": 20})
        found_allocation = flag_allocation(found, "flag")
        assert sizes(found_allocation.allocation) == {"red": 200_000, "blue": 200_000}
        variants = found.values["flag"].variants
        assert [variant.name for variant in variants] == ["red", "blue", "default"]

    def test_a_third_variant_moves_as_few_users_as_possible(self):
        before = edits.split(document(flag=True), "flag", {"red": 50, "blue": 50})
        after = edits.split(before, "flag", {"red": 40, "blue": 40, "green": 20})
        assert flag_movement(before, after, "flag").percent == 20

    def test_the_default_may_be_named_when_all_is_shared_out(self):
        found = edits.split(document(flag=True), "flag", {"red": 30, "default": 70})
        assert [variant.name for variant in found.values["flag"].variants] == ["red", "default"]
        with pytest.raises(EditError, match="gets the rest"):
            edits.split(document(flag=True), "flag", {"red": 30, "default": 60})

    @pytest.mark.parametrize("weights", [{}, {"red": 0}, {"red": 60, "blue": 60}, {"red": "x"}])
    def test_weights_that_do_not_add_up_are_refused(self, weights):
        with pytest.raises(EditError):
            edits.split(document(flag=True), "flag", weights)

    def test_a_variant_with_a_weight_is_dropped_only_by_name(self):
        start = edits.split(document(flag=True), "flag", {"red": 50, "blue": 50})
        with pytest.raises(EditError, match="variant red of flag has a weight, but is not named") as error:
            edits.split(start, "flag", {"rde": 50, "blue": 50})
        assert error.value.hint.startswith("Did you mean red instead of rde?")
        assert "--remove red" in error.value.hint
        found = edits.split(start, "flag", {"green": 50, "blue": 50}, remove=["red"])
        assert [variant.name for variant in found.values["flag"].variants] == ["blue", "green", "default"]

    @pytest.mark.parametrize(
        ("remove", "problem"),
        [("red", "be removed and have a weight"), ("default", "default variant"), ("green", "no variant green")],
    )
    def test_only_variants_without_a_weight_are_removed(self, remove, problem):
        start = edits.split(document(flag=True), "flag", {"red": 50, "blue": 50})
        with pytest.raises(EditError, match=problem):
            edits.split(start, "flag", {"red": 50, "blue": 50}, remove=[remove])

    def test_a_variant_with_a_list_only_stays(self):
        start = edits.split(document(flag=True), "flag", {"red": 50, "blue": 50})
        listed = edits.target(start, "flag", users=["1"], variant="blue")
        zero = edits.split(listed, "flag", {"red": 100, "blue": 0})
        assert Snapshot.from_document(zero.to_dict()).evaluate("flag", "1").variant in {"red", "blue"}
        assert zero.values["flag"].variants[1].name == "blue"

    def test_a_rolled_out_flag_keeps_its_share_as_participants(self):
        start = edits.rollout(document(flag=True), "flag", 25)
        found = edits.split(start, "flag", {"red": 50, "blue": 50}, by="accountId", seed="s")
        flag = decompile(found).flags["flag"]
        assert (flag.percent, flag.by, flag.seed) == (250_000, "accountId", "s")

    def test_a_rule_by_hand_is_not_replaced(self):
        with pytest.raises(EditError, match="rule written by hand"):
            edits.split(native('(not (exists key::"x"))'), "flag", {"inside": 10})


class TestAttributes:
    def test_values_are_set_declared_and_removed(self):
        values = {"color": "blue", "size": 3, "big": True, "tags": ["a"]}
        found = edits.set_attributes(document(flag=True), "flag", values)
        assert found.values["flag"].attributes == values
        kinds = {name: item.constraints.type for name, item in found.flags["flag"].attributes.items()}
        assert kinds == {"color": "string", "size": "number", "big": "boolean", "tags": "array"}
        fewer = edits.set_attributes(found, "flag", {"color": None})
        assert "color" not in fewer.values["flag"].attributes

    def test_a_wrong_type_is_refused_with_its_location(self):
        start = edits.set_attributes(document(flag=True), "flag", {"size": 3})
        with pytest.raises(DocumentError) as error:
            edits.set_attributes(start, "flag", {"size": "big"})
        assert error.value.violations[0].location == "values.flag.size"

    def test_variants_have_their_own_values(self):
        start = edits.split(document(flag=True), "flag", {"red": 50, "blue": 50})
        found = edits.set_attributes(start, "flag", {"color": "#f00"}, variant="red")
        assert found.values["flag"].variants[0].attribute_values == {"color": "#f00"}
        with pytest.raises(EditError, match="several variants"):
            edits.set_attributes(start, "flag", {"color": "#f00"})
        with pytest.raises(EditError, match="no variant rad") as error:
            edits.set_attributes(start, "flag", {"color": "#f00"}, variant="rad")
        assert error.value.hint == "Did you mean red?"

    def test_what_is_not_there_can_not_be_removed(self):
        with pytest.raises(EditError, match="no value for the attribute color"):
            edits.set_attributes(document(flag=True), "flag", {"color": None})
        with pytest.raises(EditError, match="no variant x"):
            edits.set_attributes(document(flag=True), "flag", {"color": "a"}, variant="x")

    def test_text_is_read_as_the_declared_type(self):
        values = {"color": "1", "size": 3, "big": True, "tags": ["a"]}
        start = edits.set_attributes(document(flag=True), "flag", values)
        read = [("color", "1", "1"), ("size", "2.5", 2.5), ("big", "false", False), ("tags", "a,b", ["a", "b"])]
        for name, text, value in read:
            assert edits.read_value(start, "flag", name, text) == value
        assert edits.read_value(start, "flag", "new", "12") == 12
        assert edits.read_value(start, "flag", "new", "null") == "null"
        assert edits.read_value(start, "flag", "new", "plain words") == "plain words"
        with pytest.raises(EditError, match="which is a number"):
            edits.read_value(start, "flag", "size", "big")


class TestSchedule:
    def test_a_flag_opens_and_closes(self):
        ends = NOW + dt.timedelta(days=1)
        found = edits.schedule(document(flag=True), "flag", starts=NOW, ends=ends, now=NOW)
        assert rule(found) == "(and (gte $now 2026-01-05T09:00:00Z) (lt $now 2026-01-06T09:00:00Z))"
        later = edits.schedule(found, "flag", ends=ends + dt.timedelta(days=1), now=NOW)
        assert "2026-01-07" in rule(later)

    def test_a_schedule_keeps_on_and_off(self):
        ends = NOW + dt.timedelta(days=1)
        for enabled in (True, False):
            found = edits.schedule(document(flag=enabled), "flag", starts=NOW, ends=ends, now=NOW)
            assert decompile(found).flags["flag"].is_off is not enabled
            cleared = edits.schedule(found, "flag", clear=True, now=NOW)
            assert is_same(cleared, document(flag=enabled))

    def test_a_schedule_switches_on_only_if_it_says_so(self):
        found = edits.schedule(document(flag=False), "flag", starts=NOW, enable=True, now=NOW)
        assert not decompile(found).flags["flag"].is_off

    @pytest.mark.parametrize(
        ("call", "words"),
        [
            ({}, "no start and no end"),
            ({"starts": NOW, "clear": True}, "give a start"),
            ({"ends": NOW - dt.timedelta(days=1)}, "in the past"),
            ({"starts": NOW + dt.timedelta(days=2), "ends": NOW + dt.timedelta(days=1)}, "from must be before until"),
            ({"clear": True}, "has no schedule"),
            ({"starts": NOW.replace(tzinfo=None)}, "needs an offset"),
        ],
    )
    def test_times_that_make_no_sense_are_refused(self, call, words):
        with pytest.raises(EditError, match=words):
            edits.schedule(document(flag=True), "flag", **call, now=NOW)

    def test_shares_lists_and_variants_keep_what_they_have(self):
        rolled = edits.rollout(document(flag=True), "flag", 25)
        found = edits.schedule(rolled, "flag", starts=NOW, now=NOW)
        assert is_same(edits.schedule(found, "flag", clear=True, now=NOW), rolled)
        required = edits.schedule(with_required(), "flag", starts=NOW, now=NOW)
        opened = edits.schedule(required, "flag", clear=True, now=NOW)
        assert share(opened) == 1000
        by_hand = edits.schedule(native('(not (exists key::"x"))'), "flag", starts=NOW, now=NOW)
        assert rule(by_hand) == '(and (gte $now 2026-01-05T09:00:00Z) (not (exists key::"x")))'


class TestLifecycle:
    def test_a_flag_is_made_described_and_deleted(self):
        made = edits.create(
            document(), "new_flag", description="d", attributes={"color": "red"}, remove_by=dt.date(2026, 6, 1)
        )
        assert not is_on(made, key="new_flag")
        described = edits.describe(made, "new_flag", name="New", description="", remove_by=dt.date(2026, 7, 1))
        definition = described.flags["new_flag"]
        assert (definition.name, definition.description, definition.deprecation.date) == ("New", None, "2026-07-01")
        assert edits.describe(described, "new_flag", remove_by=False).flags["new_flag"].deprecation is None
        assert is_same(edits.delete(made, "new_flag"), document())

    def test_keys_are_used_once_and_follow_aws(self):
        with pytest.raises(EditError, match="the flag flag exists"):
            edits.create(document(flag=True), "flag")
        with pytest.raises(DocumentError, match="'New Checkout!' is not a valid flag key") as error:
            edits.create(document(), "New Checkout!")
        assert error.value.hint == "Try: new_checkout"
        with pytest.raises(DocumentError) as error:
            edits.create(document(), "§§")
        assert "Try" not in error.value.hint

    def test_a_required_flag_is_not_deleted_and_its_followers_follow(self):
        start = document(base=True, flag=False)
        linked = edit_flag(start, "flag", lambda _: FlagSource(requires=("base",), percent=50))
        with pytest.raises(EditError, match="required by flag"):
            edits.delete(linked, "base")
        assert share(edits.switch_off(linked, "base")) == 0
        assert share(edits.restore(edits.switch_off(linked, "base"), "base", start)) > 0
        with pytest.raises(EditError, match="required by flag"):
            edits.restore(linked, "base", document())

    def test_a_flag_or_everything_comes_back(self):
        before, after = document(flag=True, other=True), document(flag=False)
        assert is_on(edits.restore(after, "flag", before))
        assert is_same(edits.restore(before, "other", after), document(flag=True))
        assert is_same(edits.restore_all(after, before), before)
        with pytest.raises(UnknownFlagError):
            edits.restore(before, "third", after)


class TestSegments:
    def test_a_segment_is_kept_until_a_flag_uses_it(self):
        start = edits.put_segment(for_none(), "staff", users=["1"], groups=["qa"], where=US)
        assert keys_of(start) == ("flag",)
        assert not is_on(start, "1", SEGMENTS_FLAG)
        used = edits.target(start, "flag", segments=["staff"])
        assert SEGMENTS_FLAG not in used.values
        (segment, using) = edits.list_segments(used)["staff"]
        assert (segment.users, segment.groups, segment.where, using) == (("1",), ("qa",), show_where(US), ("flag",))
        assert SEGMENTS_FLAG in edits.delete(used, "flag").values

    def test_flags_follow_their_segment(self):
        start = edits.put_segment(for_none(), "staff", users=["1"])
        used = edits.target(start, "flag", segments=["staff"])
        assert is_on(edits.change_segment(used, "staff", users=["2"]), "2")
        assert not is_on(edits.change_segment(used, "staff", users=["2"], groups=[]), "3")
        more = edits.change_segment(used, "staff", users=["2"])
        assert not is_on(edits.change_segment(more, "staff", users=["1"], remove=True), "1")

    def test_what_makes_no_sense_is_refused(self):
        start = edits.put_segment(for_none(), "staff", users=["1"])
        used = edits.target(start, "flag", segments=["staff"])
        for words, call in [
            ("would be empty", lambda: edits.put_segment(start, "other")),
            ("would be empty", lambda: edits.change_segment(start, "staff", users=["1"], remove=True)),
            ("is not in segment", lambda: edits.change_segment(start, "staff", users=["9"], remove=True)),
            ("no segment stuff", lambda: edits.change_segment(start, "stuff", users=["9"])),
            ("is not a valid segment name", lambda: edits.put_segment(start, "a\nb", users=["1"])),
            ("used by flag", lambda: edits.delete_segment(used, "staff")),
            ("where", lambda: edits.put_segment(start, "bad", where="(nope)")),
        ]:
            with pytest.raises(EditError, match=words):
                call()
        assert is_same(edits.delete_segment(start, "staff"), for_none())

    def test_more_segments_than_variants_can_wait_for_a_flag(self):
        start = document()
        for number in range(70):
            start = edits.put_segment(start, f"s{number}", users=[str(number)])
        assert len(start.values[SEGMENTS_FLAG].variants) <= 32
        assert set(edits.list_segments(start)) == {f"s{number}" for number in range(70)}
