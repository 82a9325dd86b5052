"""Laws of edits, merges and sentences, on random lives of random flags."""

from __future__ import annotations

import datetime as dt
import json
import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flagkit.admin import edits
from flagkit.admin.code import plan, pull
from flagkit.admin.diff import compare
from flagkit.admin.entries import EMPTY, changed_entries, is_same, rewritten
from flagkit.admin.merge import merge
from flagkit.authoring import apply_source, decompile
from flagkit.core.definitions import INTERNAL_FLAGS
from flagkit.core.documents import FlagDocument
from flagkit.core.snapshot import Snapshot
from flagkit.errors import ConflictError, FlagkitError

pytestmark = pytest.mark.sweep

NOW = dt.datetime(2026, 1, 5, 9, tzinfo=dt.UTC)
KEYS = ("a", "b", "c")
USERS = [str(number) for number in range(2000)]

percents = st.integers(0, 1_000_000).map(lambda steps: steps / 10_000) | st.sampled_from([0, 1, 25, 50, 100])
names = st.sampled_from(["red", "blue", "green"])
users = st.lists(st.sampled_from(["1", "2", "3", "Ü", 'quo"te']), min_size=1, max_size=3)
values = st.sampled_from(["x", 1, True, None])
wheres = st.sampled_from([None, "", '(eq $country "US")', '(not (in $plan ["free"]))'])


def call(name, /, **arguments):
    return st.tuples(st.just(name), st.sampled_from(KEYS), st.fixed_dictionaries(arguments))


flag_edits = st.one_of(
    call("create", enabled=st.booleans()),
    call("switch_on"),
    call("switch_off"),
    call("kill"),
    call("rollout", percent=percents, where=wheres, by=st.sampled_from([None, "accountId"])),
    call("rollout", percent=percents, seed=st.sampled_from([None, "s1", "s2"])),
    call("target", users=users, remove=st.booleans(), variant=st.none() | names),
    call("target", segments=st.just(["staff"]), remove=st.booleans(), variant=st.none() | names),
    call("split", weights=st.dictionaries(names, st.sampled_from([10, 20, 33.3333, 50]), min_size=1)),
    call("set_attributes", values=st.dictionaries(names, values), variant=st.none() | names),
    call("split", weights=st.just({"red": 50, "blue": 20}), remove=st.sampled_from([[], ["green"], ["red"]])),
    call("schedule", starts=st.just(NOW), now=st.just(NOW)),
    call("schedule", clear=st.just(True), now=st.just(NOW)),
    call("schedule", ends=st.just(NOW + dt.timedelta(days=9)), now=st.just(NOW), enable=st.booleans()),
    call(
        "add_rule",
        when=st.sampled_from(["country = US", "requires a = red", "plan in [pro] and not (requires b)"]),
        percent=st.sampled_from([None, 30]),
        variant=st.none() | names,
        enabled=st.booleans(),
    ),
    call("add_rule", percent=st.just(40), position=st.integers(1, 3)),
    call("move_rule", rule=st.integers(1, 3), position=st.integers(1, 3)),
    call("remove_rule", rule=st.integers(1, 3)),
    call("require", others=st.lists(st.sampled_from(["a", "b = off", "c = blue"]), max_size=2), remove=st.booleans()),
    call("holdout", name=st.just("h"), percent=st.sampled_from([None, 10, 20]), remove=st.booleans()),
    call("ramp", steps=st.sampled_from([[(NOW, 10)], [(NOW, 5), (NOW + dt.timedelta(days=1), 60)]])),
    call("describe", description=st.sampled_from([None, "", "words"])),
    call("delete"),
)  # fmt: skip
segment_edits = st.one_of(
    st.tuples(st.just("put_segment"), st.just("staff"), st.fixed_dictionaries({"users": users})),
    st.tuples(st.just("change_segment"), st.just("staff"), st.fixed_dictionaries({"users": users})),
    st.tuples(st.just("delete_segment"), st.just("staff"), st.just({})),
)
lives = st.lists(flag_edits | segment_edits, max_size=12)


def apply(document, life):
    """Applies all edits that make sense."""
    for name, key, arguments in life:
        try:
            document = getattr(edits, name)(document, key, **arguments)
        except FlagkitError:
            continue
    return document


def start(life):
    document = EMPTY
    for key in KEYS:
        document = edits.create(document, key, enabled=key == "b")
    return apply(document, life)


@given(lives)
def test_a_flag_is_as_the_last_on_off_or_kill_left_it(life):
    """On and off are apart from targeting: no other edit changes them (decision 0015)."""
    document = start([])
    is_on = {key: key == "b" for key in KEYS}
    for name, key, arguments in life:
        try:
            document = getattr(edits, name)(document, key, **arguments)
        except FlagkitError:
            continue
        if name in {"switch_on", "switch_off", "kill"}:
            is_on[key] = name == "switch_on"
        elif arguments.get("enable"):
            is_on[key] = True
        elif name == "create":
            is_on[key] = arguments["enabled"]
        elif name == "delete":
            del is_on[key]
    assert {key: not flag.is_off for key, flag in decompile(document).flags.items()} == is_on


@given(lives, flag_edits)
def test_an_edit_changes_its_flag_or_is_refused(life, edit):
    """Nothing else changes, but for where unused segments are kept, and flags that require it or share its holdout."""
    before = start(life)
    name, key, arguments = edit
    try:
        after = getattr(edits, name)(before, key, **arguments)
    except FlagkitError:
        return
    assert FlagDocument.parse(after.to_dict()) == after
    found = compare(before, after).flags
    following = {flag.key for flag in found if flag.kind == "follows"}
    assert set(changed_entries(before, after)) <= {key, *following, *INTERNAL_FLAGS}
    assert {flag.key for flag in found} <= {key, *following, "segment staff", "holdout h"}


@given(lives, flag_edits)
def test_an_edit_of_the_related_flags_is_the_edit_of_the_whole(life, edit):
    """Only related flags are read and compiled; the result is that of compiling everything."""
    before = start(life)
    name, key, arguments = edit
    try:
        after = getattr(edits, name)(before, key, **arguments)
    except FlagkitError:
        return
    assert is_same(apply_source(before, decompile(after)), after)


@given(lives, st.sampled_from(KEYS), users, names)
def test_a_targeted_user_gets_what_was_said(life, key, named, variant):
    """Whatever the percentages are; segments named by an earlier variant come first."""
    document = start(life)
    try:
        document = edits.switch_on(edits.target(document, key, users=named, variant=variant), key)
    except FlagkitError:
        return
    flag = decompile(document).flags[key]
    assume(flag.starts is None and flag.ends is None and not flag.requires)
    assume(not any(it.segments or any(rule.when for rule in it.rules) for it in flag.variants))
    snapshot = Snapshot.from_document(document.to_dict())
    assert {snapshot.evaluate(key, user).variant for user in named} == {variant}


@given(lives, st.sampled_from(KEYS))
def test_off_is_for_nobody_and_on_brings_everything_back(life, key):
    before = start(life)
    assume(key in before.values)
    off = edits.switch_off(before, key)
    snapshot = Snapshot.from_document(off.to_dict())
    assert not any(snapshot.evaluate(key, user, {"country": "US"}).enabled for user in (*USERS[:20], None))
    if any(Snapshot.from_document(before.to_dict()).evaluate(key, user).enabled for user in USERS[:200]):
        assert is_same(edits.switch_on(off, key), before)


@given(lives, lives, lives)
def test_merging_commutes_and_keeps_both(life, ours, theirs):
    base = start(life)
    one, two = apply(base, ours), apply(base, theirs)
    try:
        merged = merge(base, one, two)
    except ConflictError:
        touched = [{flag.key for flag in compare(base, side).flags} for side in (one, two)]
        assert touched[0] & touched[1]
        return
    other = merge(base, two, one)
    assert not compare(merged, other)
    assert not compare(one, merge(base, one, base))
    for side in (one, two):
        for key in {flag.key for flag in compare(base, side).flags if flag.kind != "follows"}:
            found = compare(side, merged).of(key)
            assert found is None or found.kind == "follows"


@given(lives)
def test_pulling_and_planning_changes_nothing(life):
    document = start(life)
    found = plan(document, pull(document))
    assert is_same(found.document, document)
    assert not found.diff


@given(lives, lives)
def test_writing_changes_only_what_the_edit_changed(life, more):
    before = start(life)
    after = apply(before, more)
    content = json.dumps({"x": 1, **before.to_dict()}).encode()
    written = rewritten(content, before, after)
    assert is_same(FlagDocument.parse(written), after)
    assert json.loads(written)["x"] == 1
    assert rewritten(written, after, after) == written


_ADDED = re.compile(r"about ([0-9.]+) % of users now get it, none lose it")
_REMOVED = re.compile(r"about ([0-9.]+) % of users lose it, none get it")
_RESHUFFLED = re.compile(r"reassigned: about ([0-9.]+) % of users now get it, about ([0-9.]+) % lose it")


@settings(max_examples=60)
@given(
    percents,
    percents,
    st.sampled_from([None, "s"]),
    st.booleans(),
)
def test_the_sentence_is_what_happens_to_users(first, second, seed, through_off):
    """The numbers in the sentence against 2,000 evaluated users."""
    before = edits.rollout(edits.create(EMPTY, "a", enabled=True), "a", first)
    if through_off:
        before = edits.switch_on(edits.switch_off(before, "a"), "a")
    after = edits.rollout(before, "a", second, seed=seed)
    old, new = (Snapshot.from_document(document.to_dict()) for document in (before, after))
    was = {user for user in USERS if old.evaluate("a", user).enabled}
    now = {user for user in USERS if new.evaluate("a", user).enabled}
    added, removed = (100 * len(part) / len(USERS) for part in (now - was, was - now))
    found = compare(before, after).of("a")
    text = " ".join(found.audience) if found else ""
    if match := _RESHUFFLED.search(text):
        assert abs(float(match[1]) - added) < 5
        assert abs(float(match[2]) - removed) < 5
    elif match := _ADDED.search(text):
        assert abs(float(match[1]) - added) < 5
        assert removed == 0
    elif match := _REMOVED.search(text):
        assert abs(float(match[1]) - removed) < 5
        assert added == 0
    else:
        assert was == now
