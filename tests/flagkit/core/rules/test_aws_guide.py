"""Every example of AWS's guide and of the recordings: appconfig.md §2.6, by its number there."""

import pytest

from flagkit.core.bucketing import bucket
from flagkit.core.rules.parser import parse_rule
from flagkit.core.snapshot import Snapshot
from flagkit.errors import RuleError
from tests.laws.evaluators import compile_rule

IDS = [f"user-{number}" for number in range(100_000)]
FEWER = IDS[:30_000]


def ask(rule: str, **context: object) -> bool:
    return compile_rule(parse_rule(rule), default_seed="flag")(None, context)


def share(rule: str, **context: object) -> float:
    test = compile_rule(parse_rule(rule), default_seed="flag")
    return sum(test(user_id, context) for user_id in IDS) / len(IDS) * 100


def flag(*variants: tuple[str, str | None], key: str = "flag", off: tuple[str, ...] = (), **attributes: dict):
    entries = [{"name": name, "rule": rule, "enabled": name not in off} for name, rule in variants]
    entries = [{k: v for k, v in entry.items() if v is not None} for entry in entries]
    for entry in entries:
        entry["attributeValues"] = attributes.get(entry["name"], {})
    return Snapshot.from_document({"version": "1", "values": {key: {"_variants": entries}}}).flags[key]


def shares(function, ids=IDS, **context: object) -> dict[str, float]:
    found: dict[str, float] = {}
    for user_id in ids:
        variant = function(None, {**context, "uniqueId": user_id, "userId": user_id}).variant
        found[variant] = found.get(variant, 0) + 100 / len(ids)
    return found


def test_01_eq_is_case_sensitive_and_false_without_the_key():
    rule = '(eq $state "Virginia")'
    assert [ask(rule, state="Virginia"), ask(rule, state="virginia"), ask(rule)] == [True, False, False]


def test_02_gt():
    assert [ask("(gt $age 65)", age=66), ask("(gt $age 65)", age=65), ask("(gt $age 65)")] == [True, False, False]


def test_03_gte():
    assert [ask("(gte $age 65)", age="65"), ask("(gte $age 65)", age="64")] == [True, False]


def test_04_lt():
    assert [ask("(lt $age 65)", age=64), ask("(lt $age 65)", age=65)] == [True, False]


def test_05_lte():
    assert [ask("(lte $age 65)", age=65), ask("(lte $age 65)", age=66)] == [True, False]


def test_06_and():
    rule = '(and (eq $state "Virginia") (gt $age 65))'
    asked = [("Virginia", 66), ("Virginia", 65), ("Ohio", 70)]
    assert [ask(rule, state=state, age=age) for state, age in asked] == [True, False, False]


def test_07_or():
    rule = '(or (eq $state "Virginia") (gt $age 65))'
    asked = [("Ohio", 66), ("Virginia", 1), ("Ohio", 1)]
    assert [ask(rule, state=state, age=age) for state, age in asked] == [True, True, False]


def test_08_not():
    rule = '(not (eq $state "Virginia"))'
    assert [ask(rule, state="Ohio"), ask(rule, state="Virginia")] == [True, False]


def test_09_begins_with():
    rule = '(begins_with $state "A")'
    assert [ask(rule, state="Alabama"), ask(rule, state="Texas")] == [True, False]


def test_10_ends_with():
    rule = '(ends_with $email "amazon.com")'
    assert [ask(rule, email="a@amazon.com"), ask(rule, email="a@x.org")] == [True, False]


def test_11_contains():
    rule = '(contains $promoCode "WIN")'
    assert [ask(rule, promoCode="XWINX"), ask(rule, promoCode="win")] == [True, False]


def test_12_in():
    rule = '(in $userId ["123","456"])'
    assert [ask(rule, userId="123"), ask(rule, userId="789")] == [True, False]


def test_13_matches_is_not_anchored():
    rule = '(matches in::$greeting pattern::"h.*y")'
    assert [ask(rule, greeting=text) for text in ("hey", "oh henry", "bye")] == [True, True, False]


def test_14_exists_asks_for_any_value():
    rule = '(exists key::"country")'
    assert [ask(rule, country=""), ask(rule, country="US"), ask(rule)] == [True, True, False]


def test_15_split_takes_its_share():
    assert share('(split pct::10 by::$userId seed::"abc")') == pytest.approx(10, abs=0.5)


def test_16_a_split_and_a_default():
    found = shares(flag(("A", "(split by::$uniqueId pct::20)"), ("C", None)))
    assert found == {"A": pytest.approx(20, abs=0.5), "C": pytest.approx(80, abs=0.5)}


def test_17_two_equal_splits_give_the_second_nothing():
    found = shares(flag(("A", "(split by::$uniqueId pct::20)"), ("B", "(split by::$uniqueId pct::20)"), ("C", None)))
    assert found == {"A": pytest.approx(20, abs=0.5), "C": pytest.approx(80, abs=0.5)}


def test_18_a_larger_second_split_gets_the_difference():
    found = shares(flag(("A", "(split by::$uniqueId pct::20)"), ("B", "(split by::$uniqueId pct::25)"), ("C", None)))
    assert [round(found[name]) for name in "ABC"] == [20, 5, 75]


def test_19_different_seeds_are_independent():
    first, second = (
        f'(split by::$uniqueId pct::{pct} seed::"{seed}")' for pct, seed in ((20, "seed_one"), (25, "seed_two"))
    )
    found = shares(flag(("A", first), ("B", second), ("C", None)))
    assert [round(found[name]) for name in "ABC"] == [20, 20, 60]


UI_REFRESH = flag(
    ("QA", '(ends_with $email "qa-testers.mycompany.com")'),
    ("Beta Testers", '(exists key::"opted_in_to_beta")'),
    ("Sample Population", "(split pct::10 by::$email)"),
    ("Default Variant", None),
    key="ui_refresh",
    off=("Default Variant",),
    **{"QA": {"dark_mode_support": True}, "Default Variant": {"dark_mode_support": False}},
)


def test_20_a_tester_gets_the_first_variant_and_its_attributes():
    found = UI_REFRESH(None, {"email": "jane@qa-testers.mycompany.com"})
    assert (found.variant, found.enabled, dict(found.attributes)) == ("QA", True, {"dark_mode_support": True})


def test_21_exists_ignores_the_value_false():
    found = UI_REFRESH(None, {"email": "jane_doe@example.org", "opted_in_to_beta": False})
    assert (found.variant, found.enabled) == ("Beta Testers", True)


def test_22_without_context_the_default_and_no_attributes():
    found = UI_REFRESH(None, None)
    assert (found.variant, found.enabled, dict(found.attributes)) == ("Default Variant", False, {})


TIERED = (
    '(or (and (eq $group "Tier1") (split by::$userId pct::1 seed::"2025.01.01"))'
    ' (and (eq $group "Tier2") (split by::$userId pct::7 seed::"2025.01.01")))'
)


def test_23_tiers_of_one_seed_nest():
    test = compile_rule(parse_rule(TIERED), default_seed="flag")
    tiers = [
        {user_id for user_id in FEWER if test(user_id, context)}
        for context in ({"group": "Tier1"}, {"group": "Tier2"}, {})
    ]
    assert [round(len(tier) / len(FEWER) * 100, 1) for tier in tiers] == [
        pytest.approx(1, abs=0.2),
        pytest.approx(7, abs=0.4),
        0,
    ]
    assert tiers[0] < tiers[1]


def test_24_colorway():
    colorway = flag(
        ("BetaTesters", '(contains $userId "beta")'),
        ("SplitRollOutRedAndBlue", "(split by::$userId pct::10)"),
        ("default", None),
        key="colorway",
    )
    assert colorway("xbeta1", None).variant == "BetaTesters"
    found = shares(colorway)
    assert found == {"SplitRollOutRedAndBlue": pytest.approx(10, abs=0.5), "default": pytest.approx(90, abs=0.5)}


def test_25_simple_feature_and_a_basic_flag():
    simple = flag(("BetaTesters", '(contains $userId "beta")'), ("default", None), off=("default",))
    assert [simple("beta-7", {}).enabled, simple("other", {}).enabled] == [True, False]
    basic = {"version": "1", "values": {"button_color": {"enabled": True, "color": "orange"}}}
    found = Snapshot.from_document(basic).evaluate("button_color")
    assert (found.enabled, dict(found.attributes)) == (True, {"color": "orange"})


@pytest.mark.parametrize("rule", ["not-a-rule", "true", "$tier"])
def test_26_what_is_no_expression_is_refused(rule):
    with pytest.raises(RuleError, match="expression") as caught:
        parse_rule(rule)
    assert (caught.value.reason, caught.value.path) == ("NotAnExpression", "")


def test_27_an_unknown_operator_is_refused():
    with pytest.raises(RuleError) as caught:
        parse_rule('(nope $tier "premium")')
    assert (caught.value.reason, caught.value.path) == ("UnknownSymbol", "")


def test_28_a_missing_operand_is_refused_at_its_operator():
    with pytest.raises(RuleError) as caught:
        parse_rule("(eq $tier)")
    assert (caught.value.reason, caught.value.path) == ("TooFewOperands", "eq")


def test_29_true_may_stand_in_and():
    assert ask('(and true (eq $tier "premium"))', tier="premium")


def test_30_the_overlay_of_an_experiment_is_a_range_of_ten_percent():
    rule = (
        '(and (exists key::"entityId") (eq $country "US")'
        ' (and (split pct::60 by::$entityId seed::"S") (not (split pct::50 by::$entityId seed::"S"))))'
    )
    test = compile_rule(parse_rule(rule), default_seed="flag")
    inside = {user_id for user_id in FEWER if test(None, {"entityId": user_id, "country": "US"})}
    assert len(inside) / len(FEWER) * 100 == pytest.approx(10, abs=0.5)
    assert inside == {user_id for user_id in FEWER if 0.5 <= bucket("S", user_id) / 2**32 < 0.6}
    assert not test(None, {"entityId": IDS[0], "country": "DE"})
    assert not test(None, {"country": "US"})
