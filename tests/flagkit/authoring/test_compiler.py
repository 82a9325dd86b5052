"""What is written means what it says: compiled to native rules and evaluated by a snapshot."""

from datetime import UTC, datetime, timedelta

import pytest

from flagkit.authoring import AuthoringDocument, compile_document
from flagkit.authoring.movement import read_allocations
from flagkit.core.evaluation import Reason
from flagkit.core.snapshot import Snapshot
from flagkit.errors import DocumentError, EditError, UnknownFlagError

MONDAY = datetime(2026, 12, 7, 9, tzinfo=UTC)
USERS = [f"user-{number}" for number in range(4_000)]


def native(**words):
    return compile_document(AuthoringDocument.parse(words))


def snapshot(now=MONDAY, **words):
    made = Snapshot.from_document(native(**words).to_dict(), now=lambda: now)
    assert made.check() == {}
    return made


def on(made, key, context=None):
    """Who has the flag."""
    return {user for user in USERS if made.evaluate(key, user, context).enabled}


def share(users):
    return len(users) / len(USERS)


def rules(document, key="f"):
    return [variant.rule for variant in document.values[key].variants]


def test_a_plain_flag_stays_a_plain_flag():
    document = native(
        flags={
            "f": {
                "name": "F",
                "description": "about",
                "remove_by": True,
                "enabled": True,
                "attributes": {"a": {"type": "string", "enum": ["x"], "required": True, "description": "A"}, "b": {}},
                "values": {"a": "x", "b": 1},
            },
            "off": {"enabled": False},
            "declared": {"remove_by": "2026-12-31"},
        }
    )
    assert document.to_dict() == {
        "flags": {
            "declared": {"_deprecation": {"date": "2026-12-31", "status": "planned"}},
            "f": {
                "_deprecation": {"status": "planned"},
                "attributes": {
                    "a": {"constraints": {"enum": ["x"], "required": True, "type": "string"}, "description": "A"},
                    "b": {},
                },
                "description": "about",
                "name": "F",
            },
            "off": {},
        },
        "values": {"f": {"a": "x", "b": 1, "enabled": True}, "off": {"enabled": False}},
        "version": "1",
    }


def test_a_percentage_is_a_split_with_the_flags_key_as_seed():
    document = native(flags={"f": {"percent": 25}})
    assert rules(document) == ['(split pct::25 by::$userId seed::"f")', None]


def test_a_percentage_lets_in_its_share_and_grows_without_losing_anybody():
    quarter = on(snapshot(flags={"f": {"percent": 25}}), "f")
    half = on(snapshot(flags={"f": {"percent": 50}}), "f")
    assert 0.22 < share(quarter) < 0.28
    assert quarter < half
    assert on(snapshot(flags={"f": {"percent": 0}}), "f") == set()
    assert on(snapshot(flags={"f": {"percent": 100}}), "f") == set(USERS)


def test_another_seed_or_key_splits_otherwise():
    document = native(flags={"f": {"percent": 25, "by": "accountId", "seed": "s1"}})
    assert rules(document)[0] == '(split pct::25 by::$accountId seed::"s1")'
    made = Snapshot.from_document(document.to_dict())
    answers = {made.evaluate("f", user, {"accountId": "one"}).enabled for user in USERS[:50]}
    assert len(answers) == 1


def test_lists_are_in_whatever_the_percentage_says():
    made = snapshot(
        segments={"staff": {"users": ["boss"], "groups": ["hr"], "where": '(ends_with $email "@example.com")'}},
        flags={"f": {"users": ["alice"], "groups": ["qa"], "segments": ["staff"], "percent": 0, "values": {}}},
    )
    for user, context in [
        ("alice", None),
        ("bob", {"group": "qa"}),
        ("boss", None),
        ("bob", {"group": "hr"}),
        ("bob", {"email": "bob@example.com"}),
    ]:
        answer = made.evaluate("f", user, context)
        assert answer.enabled
        assert answer.variant == "on"
        assert answer.reason is Reason.TARGETING_MATCH
    assert not made.evaluate("f", "bob", {"group": "other", "email": "bob@example.org"}).enabled


def test_where_and_among_limit_the_percentage():
    """First the list, else country and plan, then 25 %."""
    made = snapshot(
        segments={"eu": {"where": '(in $country ["DE", "FR"])'}},
        flags={
            "where": {"users": ["alice"], "where": '(and (eq $country "US") (eq $plan "pro"))', "percent": 25},
            "among": {"among": ["eu"], "percent": 25},
            "all": {"where": '(eq $country "US")'},
        },
    )
    us = {"country": "US", "plan": "pro"}
    assert made.evaluate("where", "alice").enabled
    assert 0.22 < share(on(made, "where", us)) < 0.28
    assert on(made, "where", {"country": "US", "plan": "free"}) == set()
    assert 0.22 < share(on(made, "among", {"country": "FR"})) < 0.28
    assert on(made, "among", us) == set()
    assert on(made, "all", us) == set(USERS)


def test_weights_are_disjoint_ranges():
    made = snapshot(
        flags={
            "f": {
                "variants": [
                    {"name": "red", "weight": 20, "values": {}},
                    {"name": "blue", "weight": 25, "users": ["alice"]},
                    {"name": "green", "ranges": [[90, 100]]},
                    {"name": "off", "enabled": False},
                ]
            }
        }
    )
    counted: dict[str | None, int] = {}
    for user in USERS:
        variant = made.evaluate("f", user).variant
        counted[variant] = counted.get(variant, 0) + 1
    for name, expected in {"red": 0.20, "blue": 0.25, "green": 0.10, "off": 0.45}.items():
        assert abs(counted[name] / len(USERS) - expected) < 0.03
    assert made.evaluate("f", "alice").variant == "blue"


def test_ranges_are_written_as_aws_writes_them():
    document = native(
        flags={"f": {"variants": [{"name": "a", "weight": 50}, {"name": "b", "weight": 50}, {"name": "d"}]}}
    )
    assert rules(document) == [
        '(split pct::50 by::$userId seed::"f")',
        '(and (split pct::100 by::$userId seed::"f") (not (split pct::50 by::$userId seed::"f")))',
        None,
    ]


def test_users_without_the_key_are_in_no_share():
    made = snapshot(
        flags={
            "w": {"variants": [{"name": "a", "weight": 50}, {"name": "b", "weight": 50}, {"name": "d"}]},
            "all": {"percent": 100},
        }
    )
    assert made.evaluate("w").variant == "d"
    assert not made.evaluate("all").enabled


def test_a_flag_percentage_draws_participants_independently_of_the_weights():
    """Growing the share never moves anybody between variants."""
    variants = [{"name": "a", "weight": 50}, {"name": "b", "weight": 50}, {"name": "off", "enabled": False}]
    small = snapshot(flags={"f": {"percent": 20, "variants": variants}})
    large = snapshot(flags={"f": {"percent": 60, "variants": variants}})
    for user in USERS:
        before = small.evaluate("f", user).variant
        if before != "off":
            assert large.evaluate("f", user).variant == before
    assert 0.17 < share(on(small, "f")) < 0.23
    only_a = {user for user in on(small, "f") if small.evaluate("f", user).variant == "a"}
    assert 0.4 < len(only_a) / len(on(small, "f")) < 0.6


def test_a_prerequisite_is_the_other_flags_condition():
    made = snapshot(
        flags={
            "base": {"percent": 40},
            "on": {"enabled": True},
            "off": {"enabled": False},
            "child": {"requires": ["base", "on"]},
            "grandchild": {"requires": ["child"], "percent": 50},
            "never": {"requires": ["off"], "users": ["alice"]},
        }
    )
    assert on(made, "child") == on(made, "base")
    assert on(made, "grandchild") < on(made, "base")
    assert on(made, "never") == set()
    assert not made.evaluate("never", "alice").enabled


@pytest.mark.parametrize("default", [True, False])
def test_a_prerequisite_follows_disabled_variants_too(default):
    """The condition is exactly "the other flag is on", for every order of enabled and disabled variants."""
    variants = [
        {"name": "blocked", "enabled": False, "rule": '(eq $country "KP")'},
        {"name": "pro", "rule": '(eq $plan "pro")'},
        {"name": "half", "enabled": not default, "weight": 50},
        {"name": "same", "enabled": default, "rule": '(eq $plan "x")'},
        {"name": "default", "enabled": default},
    ]
    made = snapshot(flags={"base": {"variants": variants}, "child": {"requires": ["base"]}})
    for context in ({}, {"country": "KP", "plan": "pro"}, {"plan": "pro"}, {"plan": "x"}, {"country": "US"}):
        assert on(made, "child", context) == on(made, "base", context)


def test_circles_of_prerequisites_are_refused_by_name():
    with pytest.raises(EditError, match="a → b → c → a"):
        native(flags={"a": {"requires": ["b"]}, "b": {"requires": ["c"]}, "c": {"requires": ["a"]}})
    with pytest.raises(EditError, match="a → a"):
        native(flags={"z": {"requires": ["a"]}, "a": {"requires": ["a"]}})


@pytest.mark.parametrize("step", [1, -1])
def test_a_chain_of_prerequisites_too_long_for_a_rule_is_refused_by_name(step):
    flags = {f"f{n}": {"percent": 50, **({"requires": [f"f{n - 1}"]} if n else {})} for n in range(400)}
    with pytest.raises(EditError, match=r"flags\.f\d+: "):
        native(flags=dict(list(flags.items())[::step]))


def test_prerequisites_that_double_at_each_step_are_refused_before_they_fill_the_memory():
    flags = {f"f{n}": {"percent": 50, "requires": [f"f{m}" for m in (n - 1, n - 2) if m >= 0]} for n in range(100)}
    with pytest.raises(EditError, match="too long to be repeated"):
        native(flags=flags)


def test_an_unknown_prerequisite_is_refused_with_a_suggestion():
    with pytest.raises(UnknownFlagError, match="there is no flag chekout") as caught:
        native(flags={"checkout": {}, "b": {"requires": ["chekout"]}})
    assert caught.value.hint == "Did you mean checkout?"
    with pytest.raises(UnknownFlagError):
        native(flags={"b": {"requires": ["zzz"]}})


def test_experiments_of_a_layer_exclude_each_other():
    words = {
        "layers": {"checkout": {}},
        "flags": {
            "a": {"layer": {"name": "checkout", "share": 30}},
            "b": {"layer": {"name": "checkout", "share": 40}, "percent": 50},
            "c": {"layer": {"name": "checkout", "ranges": [[95, 100]]}},
        },
    }
    made = snapshot(**words)
    a, b, c = on(made, "a"), on(made, "b"), on(made, "c")
    assert not (a & b | b & c | a & c)
    assert 0.27 < share(a) < 0.33
    assert 0.17 < share(b) < 0.23
    assert 0.03 < share(c) < 0.07


def test_a_full_layer_is_refused():
    with pytest.raises(EditError, match=r"layers\.l: the shares add up to 110 %"):
        native(
            layers={"l": {}},
            flags={key: {"layer": {"name": "l", "share": 55}} for key in ("a", "b")},
        )


def test_a_holdout_never_sees_an_experiment():
    made = snapshot(
        holdouts={"q3": {"percent": 10}, "none": {"percent": 0}},
        flags={
            "a": {"holdout": "q3"},
            "b": {"holdout": "q3", "percent": 50},
            "d": {"holdout": "none"},
        },
    )
    held = set(USERS) - on(made, "a")
    assert 0.08 < share(held) < 0.12
    assert not on(made, "b") & held
    assert on(made, "d") == set(USERS)
    one = min(held)
    listed = snapshot(holdouts={"q3": {"percent": 10}}, flags={"c": {"holdout": "q3", "users": [one]}})
    assert on(listed, "c") & held == {one}, "lists are in whatever a holdout says"


def test_a_schedule_opens_and_closes_a_flag():
    words = {"flags": {"f": {"from": MONDAY, "until": MONDAY + timedelta(days=1), "percent": 100}}}
    assert on(snapshot(MONDAY - timedelta(seconds=1), **words), "f") == set()
    assert on(snapshot(MONDAY, **words), "f") == set(USERS)
    assert on(snapshot(MONDAY + timedelta(days=1), **words), "f") == set()
    assert rules(native(**words))[0].startswith(
        "(and (gte $now 2026-12-07T09:00:00Z) (lt $now 2026-12-08T09:00:00Z) (split"
    )


def test_without_a_clock_a_schedule_is_closed():
    """The Agent doesn't send `$now`: such flags are off there unless the caller sends it."""
    document = native(flags={"f": {"from": MONDAY}, "u": {"until": MONDAY}}).to_dict()
    made = Snapshot.from_document(document)
    assert not made.evaluate("f", "1").enabled
    assert not made.evaluate("u", "1").enabled
    assert made.evaluate("f", "1", {"now": "2026-12-08T00:00:00Z"}).enabled


def test_a_ramp_grows_with_the_clock_and_keeps_everybody():
    """10 % on Monday, 50 % on Wednesday, without another deployment."""
    wednesday = MONDAY + timedelta(days=2)
    steps = [
        {"at": MONDAY, "percent": 10},
        {"at": wednesday, "percent": 50},
        {"at": MONDAY.replace(day=20), "percent": 50},
    ]
    words = {"flags": {"f": {"ramp": [{"at": MONDAY - timedelta(days=1), "percent": 0}, *steps]}}}
    before = on(snapshot(MONDAY - timedelta(seconds=1), **words), "f")
    monday = on(snapshot(MONDAY, **words), "f")
    later = on(snapshot(wednesday, **words), "f")
    assert before == set()
    assert 0.08 < share(monday) < 0.12
    assert 0.46 < share(later) < 0.54
    assert monday < later


def test_a_ramp_of_variants_keeps_everybodys_variant():
    variants = [{"name": "a", "weight": 50}, {"name": "b", "weight": 50}, {"name": "off", "enabled": False}]
    words = {
        "flags": {
            "f": {
                "ramp": [{"at": MONDAY, "percent": 10}, {"at": MONDAY + timedelta(days=2), "percent": 50}],
                "variants": variants,
            }
        }
    }
    early, late = snapshot(MONDAY, **words), snapshot(MONDAY + timedelta(days=2), **words)
    for user in on(early, "f"):
        assert early.evaluate("f", user).variant == late.evaluate("f", user).variant


def test_native_rules_stay_as_they_are_written():
    text = '(eq   $tier "premium") // paying'
    document = native(
        flags={
            "f": {"variants": [{"name": "p", "rule": text}, {"name": "d"}]},
            "gated": {"requires": ["f"], "variants": [{"name": "p", "rule": text}, {"name": "d"}]},
        }
    )
    assert rules(document)[0] == text
    assert "paying" not in rules(document, "gated")[0]


def test_a_variant_without_words_takes_everybody_the_flag_lets_in():
    made = snapshot(
        flags={
            "f": {
                "percent": 25,
                "variants": [
                    {"name": "vip", "users": ["alice"]},
                    {"name": "beta", "values": {}},
                    {"name": "off", "enabled": False},
                ],
            }
        }
    )
    variants = {made.evaluate("f", user).variant for user in USERS}
    assert variants == {"beta", "off"}
    assert made.evaluate("f", "alice").variant == "vip"
    assert 0.22 < share(on(made, "f")) < 0.28


def test_a_switched_off_targeted_flag_keeps_its_targeting():
    document = native(flags={"f": {"percent": 25, "enabled": False}})
    assert [variant.enabled for variant in document.values["f"].variants] == [False, False]
    assert rules(document)[0] is not None


def test_compiling_over_a_document_reallocates_with_least_movement():
    def flags(*names):
        variants = [{"name": name, "weight": 100 / len(names)} for name in names]
        return {"f": {"variants": [*variants, {"name": "off"}]}}

    old = native(flags=flags("a", "b"))
    new = compile_document(
        AuthoringDocument.parse({"flags": flags("a", "b", "c", "d")}), allocations=read_allocations(old)
    )
    before, after = Snapshot.from_document(old.to_dict()), Snapshot.from_document(new.to_dict())
    moved = [(before.evaluate("f", u).variant, after.evaluate("f", u).variant) for u in USERS]
    assert 0.45 < sum(old != new for old, new in moved) / len(USERS) < 0.55
    assert not {("a", "b"), ("b", "a")} & set(moved)


def test_layers_are_reallocated_with_least_movement():
    def words(**shares):
        return AuthoringDocument.parse(
            {"layers": {"l": {}}, "flags": {k: {"layer": {"name": "l", "share": v}} for k, v in shares.items()}}
        )

    old = compile_document(words(b=50))
    new = compile_document(words(a=30, b=50), allocations=read_allocations(old))
    assert rules(new, "b") == rules(old, "b")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"flags": {"f": {"percnt": 5}}}, r"flags\.f\.percnt: unknown key 'percnt' \(did you mean 'percent'\?\)"),
        ({"flags": {"f": {"percent": True}}}, r"flags\.f\.percent: must be a percentage"),
        ({"flags": {"f": {"percent": 140}}}, "140 is not a percentage from 0 to 100"),
        ({"flags": {"f": {"percent": 5, "ramp": [{"at": MONDAY, "percent": 5}]}}}, "not both"),
        ({"flags": {"f": {"from": datetime(2026, 1, 1)}}}, "needs an offset"),  # noqa: DTZ001
        ({"flags": {"f": {"from": MONDAY, "until": MONDAY}}}, "before until"),
        (
            {"flags": {"f": {"ramp": [{"at": MONDAY, "percent": 5}, {"at": MONDAY, "percent": 6}]}}},
            "forward in time",
        ),
        ({"flags": {"f": {"layer": {"name": "l"}}}}, "a share or ranges"),
        ({"flags": {"f": {"values": {"a": 1}, "variants": [{"name": "d"}]}}}, "belong to the variants"),
        ({"flags": {"f": {"variants": [{"name": "d", "weight": 5}]}}}, "is the default"),
        ({"flags": {"f": {"variants": [{"name": "a", "rule": "x", "weight": 5}, {"name": "d"}]}}}, "can't be combined"),
        (
            {"flags": {"f": {"variants": [{"name": "a", "weight": 5, "ranges": []}, {"name": "d"}]}}},
            "a weight or ranges",
        ),
        ({"flags": {"f": {"variants": [{"name": "a", "ranges": 5}, {"name": "d"}]}}}, "list of"),
        ({"flags": {"f": {"variants": [{"name": "a", "ranges": [5]}, {"name": "d"}]}}}, "list of"),
        ({"flags": {"f": {"variants": [{"name": "a", "ranges": [[9, 5]]}, {"name": "d"}]}}}, "is not valid"),
        ({"flags": {"f": {"variants": [{"name": "a"}, {"name": "d"}]}}}, "no users, groups, segments, weight or rule"),
        ({"flags": {"f": {"segments": ["x"]}}}, r"flags\.f\.on\.segments: there is no x"),
        ({"segments": {"eux": {"users": ["1"]}}, "flags": {"f": {"among": ["eu"]}}}, "did you mean eux"),
        ({"flags": {"f": {"holdout": "h"}}}, "there is no h"),
        ({"flags": {"f": {"layer": {"name": "l", "share": 5}}}}, "there is no l"),
        ({"segments": {"s": {}}, "flags": {"f": {"segments": ["s"]}}}, "is empty"),
        ({"flags": {"f": {"where": "(eq $a)"}}}, r"flags\.f\.where: (.|\n)*\^"),
        ({"flags": {"f": {"variants": [{"name": "a", "rule": "true"}, {"name": "d"}]}}}, r"flags\.f\.a"),
        (
            {"flags": {"f": {"variants": [{"name": "a", "weight": 60}, {"name": "b", "weight": 60}, {"name": "d"}]}}},
            r"flags\.f: the shares add up to 120 %",
        ),
        (
            {
                "flags": {
                    "f": {
                        "variants": [
                            {"name": "a", "ranges": [[0, 60]]},
                            {"name": "b", "ranges": [[50, 60]]},
                            {"name": "d"},
                        ]
                    }
                }
            },
            "two ranges overlap at 50 %",
        ),
        ({"flag": {}}, r"flag: unknown key 'flag' \(did you mean 'flags'\?\)"),
    ],
)
def test_nonsense_is_refused_with_its_place(words, message):
    with pytest.raises(EditError, match=message):
        native(**words)


def test_a_rule_longer_than_aws_allows_is_refused():
    with pytest.raises(DocumentError) as caught:
        native(flags={"f": {"users": [f"user-{number}" for number in range(2_000)]}})
    assert caught.value.violations[0].constraint == "MaxLength(16384)"
    assert caught.value.violations[0].location == "values.f._variants.0.rule"


def test_a_list_of_a_thousand_ids_fits():
    assert len(rules(native(flags={"f": {"users": [f"{number:08d}" for number in range(1_000)]}}))[0]) < 16_384


def test_given_ranges_push_former_owners_aside():
    """A reallocation beside fixed ranges moves only who stood there."""

    def words(**b):
        return AuthoringDocument.parse(
            {"flags": {"f": {"variants": [{"name": "a", "weight": 50}, {"name": "b", **b}, {"name": "off"}]}}}
        )

    old = compile_document(words(ranges=[[60, 70]]))
    new = compile_document(words(ranges=[[0, 10]]), allocations=read_allocations(old))
    assert rules(new)[0] == '(and (split pct::60 by::$userId seed::"f") (not (split pct::10 by::$userId seed::"f")))'
    assert rules(new)[1] == '(split pct::10 by::$userId seed::"f")'


def test_values_belong_to_their_variant():
    declared = {"color": {"type": "string"}}
    made = snapshot(
        flags={
            "switch": {"attributes": declared, "users": ["1"], "values": {"color": "red"}},
            "f": {
                "attributes": declared,
                "variants": [{"name": "a", "users": ["1"], "values": {"color": "red"}}, {"name": "off"}],
            },
        }
    )
    for key in ("switch", "f"):
        assert made.evaluate(key, "1").attributes == {"color": "red"}
        assert made.evaluate(key, "2").attributes == {}
