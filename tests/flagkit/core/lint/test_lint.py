"""Lint finds what AWS refuses, at the exact place, and what it takes although it was hardly meant."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from flagkit.core.documents import MAX_BYTES, FlagDocument
from flagkit.core.lint import Finding, Severity, findings, lint
from flagkit.core.lint.logic import Logic

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def document(values: dict[str, Any], flags: dict[str, Any] | None = None) -> dict[str, Any]:
    declared: dict[str, Any] = {key: {"name": key} for key in values} if flags is None else flags
    return {"version": "1", "flags": declared, "values": values}


def flag(*rules: str, **more: Any) -> dict[str, Any]:
    """A flag with variants `a`, `b`, … by these rules, and a default."""
    ruled = [{"name": chr(97 + index), "enabled": True, "rule": rule} for index, rule in enumerate(rules)]
    return {"_variants": [*ruled, {"name": "default", "enabled": False}], **more}


def found(content: dict[str, Any] | str | bytes, **options: Any) -> tuple[Finding, ...]:
    text = json.dumps(content, indent=2) if isinstance(content, dict) else content
    return lint(text, now=NOW, **options)


def codes(*rules: str, **options: Any) -> list[str]:
    return [finding.code for finding in found(document({"f": flag(*rules)}), **options)]


def split(percent: float, seed: str = "f", by: str = "userId") -> str:
    return f'(split pct::{percent} by::${by} seed::"{seed}")'


def test_a_tidy_document_has_no_findings() -> None:
    tidy = document(
        {
            "f": flag(f'(and (eq $country "US") {split(25)})'),
            "plain": {"enabled": True, "color": "red"},
        },
        {"f": {"name": "F"}, "plain": {"attributes": {"color": {"constraints": {"type": "string"}}}}},
    )
    assert found(tidy) == ()


# What AWS refuses


def test_a_broken_rule_is_shown_with_place_and_caret() -> None:
    (finding,) = found(document({"f": flag("(eq $country)")}))
    assert finding.severity is Severity.ERROR
    assert finding.code == "RuleIsValid"
    assert finding.location.startswith("values.f._variants.0.rule")
    assert finding.caret.splitlines()[0] == "(eq $country)"
    assert finding.caret.splitlines()[1].strip() == "^"
    assert finding.line > 1
    text = finding.to_text("flags.json")
    assert text.startswith(f"flags.json:{finding.line}:{finding.column}: error[RuleIsValid]: values.f._variants.0.rule")
    assert "    (eq $country)\n" in text


def test_a_pattern_that_the_engine_refuses_has_no_caret_but_a_place() -> None:
    (finding,) = found(document({"f": flag('(matches in::$a pattern::"(")')}))
    assert (finding.code, finding.caret) == ("RuleIsValid", "")


def test_line_and_column_point_at_the_value() -> None:
    text = '{"version": "1",\n "values": {"f": {"enabled": true,\n   "size": 3}}}'
    (finding,) = found(text)
    assert finding.location == "values.f.size"
    assert (finding.line, finding.column) == (3, 12)


def test_equal_keys_are_an_error_that_names_both_lines() -> None:
    text = '{"version": "1", "values": {"f": {"enabled": 1},\n"f": {"enabled": 7}, "g": {"enabled": false}}}'
    finding = found(text)[0]
    assert (finding.code, finding.location, finding.line, finding.column) == ("UniqueKeys", "values.f", 2, 6)
    assert "lines 1 and 2" in finding.message


@pytest.mark.parametrize(("text", "line", "column"), [("{", 1, 2), ('{"version": }', 1, 13), (b"\xff", 0, 0)])
def test_text_that_is_no_json_is_an_error_with_a_position(text: str | bytes, line: int, column: int) -> None:
    (finding,) = found(text)
    assert (finding.severity, finding.line, finding.column) == (Severity.ERROR, line, column)


def test_a_byte_order_mark_is_no_fault() -> None:
    assert found(b"\xef\xbb\xbf" + json.dumps(document({"f": {"enabled": True}})).encode()) == ()


def test_one_run_finds_breaks_and_doubts_of_the_other_flags() -> None:
    both = found(document({"bad": {"enabled": "maybe"}, "f": flag(split(20), split(20))}))
    assert [finding.code for finding in both] == ["AttributeType(boolean)", "shadowed-split"]


@pytest.mark.parametrize(
    "text",
    ['{"values": {"f": {"enabled": true}}}', "[]", "7", '{"version": "1", "values": {"a.b": {}, "f": {"enabled": 3}}}'],
)
def test_a_document_that_is_broken_as_a_whole_yields_errors_only(text: str) -> None:
    assert {finding.severity for finding in found(text)} == {Severity.ERROR}


def test_a_rule_longer_than_aws_allows_is_an_error_and_a_nearly_as_long_one_a_warning() -> None:
    (error,) = found(document({"f": flag(f'(in $userId ["{"x" * 16_384}"])')}))
    assert (error.code, error.severity) == ("MaxLength(16384)", Severity.ERROR)
    assert codes(f'(in $userId ["{"x" * 15_000}"])') == ["long-rule"]


def test_more_variants_than_documented_are_a_warning() -> None:
    rules = [f'(eq $country "{index}")' for index in range(33)]
    assert codes(*rules) == ["MaxEntries(32)"]


def test_a_document_near_the_limit_is_a_warning() -> None:
    big = json.dumps(document({"f": {"enabled": True}})) + " " * (MAX_BYTES * 9 // 10)
    assert [finding.code for finding in found(big)] == ["large-document"]


# Who gets which variant


def test_two_equal_splits_give_the_second_nothing() -> None:
    (finding,) = found(document({"f": flag(split(20), split(20))}))
    assert finding.code == "shadowed-split"
    assert finding.message == "variant b gets 0 %, not 20 %: those users already get a"
    assert "flagkit split" in finding.hint


def test_a_smaller_split_behind_a_larger_one_is_shadowed_and_a_larger_one_is_not() -> None:
    assert codes(split(20), split(10)) == ["shadowed-split"]
    assert codes(split(20), split(40)) == []
    assert codes(split(20), split(20, by="teamId"))[:1] == ["mixed-draws"]


@pytest.mark.parametrize(
    "rules",
    [
        ('(eq $country "US")', '(and (eq $country "US") (eq $plan "pro"))'),
        ('(in $country ["US", "CA"])', '(eq $country "CA")'),
        ('(in $country ["US", "CA"])', '(eq "CA" $country)'),
        ('(eq $country "US")', '(eq $country "US")'),
        ('(eq $country "US")', '(eq $plan "pro")', '(or (eq $plan "pro") (eq $country "US"))'),
        (f'(or (eq $plan "pro") {split(60)})', split(30)),
        (split(60), f'(and (eq $country "US") {split(50)})'),
        (split(50), f"(and {split(80)} (not {split(50)}))", f'(and {split(70)} (eq $a "b"))'),
        ('(not (in $a ["x", "y", "z"]))', '(not (in $a ["x", "y", "z", "w"]))'),
        ('(and (eq $a "x") (eq $b "y"))', '(and (eq $b "y") (eq $c "z") (eq $a "x"))'),
        ("(gte $now 2026-01-01T00:00:00Z)", '(eq $a "b")'),
        (f"(and (or {split(10)} {split(30)}) (eq $a 1))", f"(and {split(25)} (eq $a 1))"),
        ('(eq $a "x")', '(eq $a "y")', '(and (or (eq $a "x") (eq $a "y")) (exists key::"b"))'),
        ('(eq $a "x")', f'(or (eq $a "x") {split(0)})'),
        ('(eq $a "x")', '(eq $b "y")', '(and (or (eq $a "x") (eq $b "y")) (or (eq $c "z") (eq $d "z")))'),
        ('(or (eq $a "x") (eq $b "y"))', '(eq $c "z")', '(or (and (eq $c "z") (eq $d "z")) (eq $c "z"))'),
    ],
)
def test_a_variant_whose_users_are_all_taken_is_unreachable(rules: tuple[str, ...]) -> None:
    assert {"unreachable", "shadowed-split"} & set(codes(*rules))


@pytest.mark.parametrize(
    "rules",
    [
        ('(and (eq $country "US") (eq $plan "pro"))', '(eq $country "US")'),
        ('(eq $country "CA")', '(in $country ["US", "CA"])'),
        (f'(and (eq $country "US") {split(60)})', split(50)),
        (split(50), f"(and {split(80)} (not {split(50)}))"),
        (split(50), f'(and {split(70)} (eq $a "b"))'),
        ('(not (eq $a "x"))', '(not (eq $a "y"))'),
        ('(eq $a "x")', '(begins_with $a "x")', '(exists key::"a")', '(matches in::$a pattern::"x")', "(gt $a 3)"),
        ('(eq $a "1")', "(eq $a 1)"),
        (split(0), split(0)),
        ("(eq $a $b)", "(eq $b $a)"),
    ],
)
def test_a_variant_that_somebody_may_reach_is_not_reported(rules: tuple[str, ...]) -> None:
    assert not {"unreachable", "shadowed-split"} & set(codes(*rules))


@pytest.mark.parametrize(
    "rule",
    [
        f"(and {split(20)} (not {split(50)}))",
        '(and (eq $a "x") (eq $a "y"))',
        '(and (eq $a "x") (in $a ["y", "z"]) (exists key::"b"))',
        f'(or (and {split(20)} (not {split(50)})) (and (eq $a "x") (eq $a "y")))',
    ],
)
def test_a_rule_whose_parts_exclude_each_other_is_unreachable(rule: str) -> None:
    assert codes(rule) == ["unreachable"]


def test_equal_values_of_two_types_do_not_exclude_each_other() -> None:
    assert codes('(and (eq $a "1") (eq $a 1))') == []


@pytest.mark.parametrize(
    "rule", [split(0), f'(and (eq $a "x") {split(0)})', f"(or {split(0)} {split(0, 'segment:x')})"]
)
def test_nobody_yet_is_no_fault(rule: str) -> None:
    assert codes(rule) == []


# Weights and draws


def test_percentages_that_read_like_weights_are_named_with_what_they_really_give() -> None:
    (finding,) = found(document({"f": flag(split(30), split(70))}))
    assert finding.code == "weights"
    assert finding.message == "the percentages read like weights, but give a 30 %, b 40 % and the default 30 %"
    assert "flagkit split f a=30 b=70" in finding.hint


def test_ranges_that_miss_a_little_of_everybody_are_named() -> None:
    second = f"(and {split(66.6)} (not {split(33.3)}))"
    third = f"(and {split(99.9)} (not {split(66.6)}))"
    (finding,) = found(document({"f": flag(split(33.3), second, third)}))
    assert (finding.code, "99.9 %" in finding.message) == ("weights", True)


def test_ranges_that_leave_a_share_to_the_default_are_meant() -> None:
    assert codes(split(30), f"(and {split(60)} (not {split(30)}))") == []
    assert codes(split(50), f"(and {split(100)} (not {split(50)}))") == []
    assert codes(split(30), '(eq $a "b")') == []


def test_variants_of_one_flag_that_draw_differently_are_named() -> None:
    (finding,) = found(document({"f": flag(split(20), '(eq $a "b")', split(30, "other"), split(40, "third"))}))
    assert (finding.code, finding.location) == ("mixed-draws", "values.f._variants.2.rule")


def test_exclusion_groups_and_names_in_rules_are_no_draws() -> None:
    layered = f"(and {split(30, 'layer:shop')} {split(50)})"
    other = f"(and {split(30, 'layer:shop')} (not {split(5, 'holdout:q')}) {split(70)})"
    assert codes(layered, other) == []
    assert codes(split(30, "f:exposure"), split(50)) == []


def test_a_split_without_a_seed_is_named_with_the_seed_to_write() -> None:
    (finding,) = found(document({"f": flag("(split pct::20 by::$userId)")}))
    assert (finding.code, 'seed::"f"' in finding.message, finding.caret != "") == ("missing-seed", True, True)


def test_a_new_seed_or_key_reshuffles_everybody() -> None:
    old = FlagDocument.parse(document({"f": flag(split(20)), "g": flag(split(20)), "h": {"enabled": True}}))
    new = document({"f": flag(split(30, "2")), "g": flag(split(40)), "h": flag(split(10, "h"))})
    (finding,) = found(new, previous=old)
    assert (finding.code, finding.location) == ("reshuffle", "values.f._variants.0.rule")


# Slips


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ('(eq $beta "true")', "Write true without quotes."),
        ('(eq "False" $beta)', "Write false without quotes."),
        ('(in $beta ["a", "TRUE"])', "Write true without quotes."),
        ('(gt $age "18")', "Write 18 without quotes."),
    ],
)
def test_literals_of_another_type_than_they_look_are_named(rule: str, said: str) -> None:
    (finding,) = found(document({"f": flag(rule)}))
    assert (finding.code, finding.hint) == ("type-slip", said)
    assert finding.caret.splitlines()[0] == rule


def test_a_rule_in_another_spelling_than_ours_is_named_without_caret() -> None:
    (finding,) = found(document({"f": flag('(eq  $beta   "true")')}))
    assert (finding.code, finding.caret) == ("type-slip", "")


@pytest.mark.parametrize(
    "rule", ['(eq $a "b")', "(eq $a true)", '(gt $a "b")', '(eq "x" "true")', "(gt $a $b)", '(in "a" ["true"])']
)
def test_literals_that_are_what_they_look_like_are_left_alone(rule: str) -> None:
    assert "type-slip" not in codes(rule)


def test_switches_and_attribute_values_in_quotes_are_named() -> None:
    attributes = {"dark": {"constraints": {"type": "string"}}, "name": {}}
    findings = found(
        document(
            {
                "f": {"enabled": "true", "dark": "False", "name": "x"},
                "g": {"_variants": [{"name": "a", "enabled": "T", "attributeValues": {"dark": "true"}}]},
            },
            {"f": {"attributes": attributes}, "g": {"attributes": attributes}},
        )
    )
    assert {finding.code for finding in findings} == {"type-slip"}
    assert [finding.location for finding in findings] == [
        "values.f.enabled",
        "values.f.dark",
        "values.g._variants.0.enabled",
        "values.g._variants.0.attributeValues.dark",
    ]


def test_a_rare_spelling_of_a_known_key_is_named() -> None:
    rules = flag('(eq $country "US")', '(eq $country "CA")', '(eq $contry "DE")')
    (finding,) = found(document({"f": rules}))
    assert (finding.code, finding.hint) == ("unknown-key", "Did you mean $country?")
    assert codes('(eq $userid "1")') == ["unknown-key"]
    assert codes('(eq $planet "x")') == []


def test_with_a_list_of_keys_every_other_key_is_named() -> None:
    findings = found(document({"f": flag('(eq $plan "pro")', '(eq $color "red")')}), known_keys={"plan"})
    assert [(finding.code, finding.message) for finding in findings] == [("unknown-key", "unknown context key $color")]


# Time


@pytest.mark.parametrize(
    "rule",
    [
        "(lt $now 2026-11-01T00:00:00Z)",
        "(gte 2026-11-01T00:00:00Z $currentTime)",
        f"(and (lt $now 2026-11-01T00:00:00Z) {split(50)})",
        "(not (gt $now 2026-11-01T00:00:00Z))",
        "(or (lt $now 2026-11-01T00:00:00Z) (lte $now 2026-10-01T00:00:00Z))",
    ],
)
def test_a_schedule_that_has_ended_is_expired(rule: str) -> None:
    assert "expired" in codes(rule)


@pytest.mark.parametrize(
    "rule",
    [
        "(lt $now 2026-12-01T00:00:00Z)",
        "(gt $now 2026-12-01T00:00:00Z)",
        "(eq $now 2026-11-01T00:00:00Z)",
        "(lt $day 2026-11-01T00:00:00Z)",
        f"(and (lt $now 2026-11-01T00:00:00Z) {split(0)})",
        '(or (lt $now 2026-11-01T00:00:00Z) (eq $a "b"))',
    ],
)
def test_a_schedule_that_has_not_ended_is_not_expired(rule: str) -> None:
    assert "expired" not in codes(rule)


def test_a_start_that_has_passed_is_only_noticed() -> None:
    (finding,) = found(document({"f": flag(f"(and (gte $now 2026-11-01T00:00:00Z) {split(50)})")}))
    assert (finding.code, finding.severity) == ("started", Severity.NOTICE)


@pytest.mark.parametrize(("day", "due"), [("2026-11-22", True), ("2026-11-23", False), ("2026-99-99", False)])
def test_a_flag_past_its_removal_date_is_named(day: str, due: bool) -> None:
    flags = {"f": {"name": "F", "_deprecation": {"status": "planned", "date": day}}}
    assert [finding.code for finding in found(document({"f": {"enabled": True}}, flags))] == ["removal-due"] * due


def test_a_plan_to_remove_without_a_date_is_no_finding() -> None:
    assert found(document({"f": {"enabled": True}}, {"f": {"_deprecation": {"status": "planned"}}})) == ()


def test_flags_that_lack_one_half_are_noticed() -> None:
    findings = found(document({"f": {"enabled": True}}, {"g": {"name": "G"}}))
    assert sorted(finding.code for finding in findings) == ["no-value", "undeclared"]


def test_findings_are_data_and_text() -> None:
    finding = Finding("x", Severity.NOTICE, "", "said")
    assert finding.to_text() == "notice[x]: document: said"
    assert finding.to_text("f.json") == "f.json: notice[x]: document: said"
    assert finding.to_dict()["severity"] == "notice"


def test_errors_come_before_warnings_before_notices() -> None:
    findings = found(document({"z": flag(split(20), split(20)), "a": {"enabled": 1}}, {"q": {}, "z": {}, "a": {}}))
    assert [finding.severity.value for finding in findings] == ["error", "warning", "notice"]


def test_a_split_shadowed_by_several_names_them_and_nobody_else() -> None:
    second, third = f"(and {split(60)} (not {split(30)}))", f"(and {split(90)} (not {split(60)}))"
    (finding,) = found(document({"f": flag(split(30), second, third, split(50))}))
    assert finding.message == "variant d gets 0 %, not 50 %: those users already get a and b"


def test_a_flag_that_is_switched_off_in_front_of_its_variants_is_judged_without_that() -> None:
    off = '(not (split pct::0 by::$userId seed::"switched off"))'
    assert codes(off, split(20)) == []
    assert codes(off, split(20), split(20)) == ["shadowed-split"]


def test_variants_that_are_all_off_shadow_nothing() -> None:
    rules = flag(split(20), split(20))
    for variant in rules["_variants"]:
        variant["enabled"] = False
    assert found(document({"f": rules})) == ()


@pytest.mark.parametrize(
    ("value", "is_on"),
    [
        ({"enabled": True}, True),
        ({"enabled": False}, False),
        ({"_variants": [{"name": "on", "enabled": True}]}, True),
        ({"_variants": [{"name": "off", "enabled": False}]}, False),
        ({"_variants": [{"name": "switched off", "enabled": False}, {"name": "on", "enabled": True}]}, False),
    ],
)
def test_an_archived_flag_that_is_on_is_named(value: dict[str, Any], is_on: bool) -> None:
    if len(value.get("_variants", ())) > 1:
        value["_variants"][0]["rule"] = '(not (split pct::0 by::$userId seed::"switched off"))'
    flags = {"f": {"name": "F", "description": "[flagkit archived]"}}
    found_codes = {finding.code for finding in found(document({"f": value}, flags))}
    assert ("archived-on" in found_codes) == is_on


def test_the_cost_of_lint_grows_with_the_rules_and_not_with_their_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted: comparisons of rules, and objects read to find lines."""
    counted: dict[str, int] = {}

    def count(name: str, function: Any) -> Any:
        def call(*arguments: Any) -> Any:
            counted[name] = counted.get(name, 0) + 1
            return function(*arguments)

        return call

    monkeypatch.setattr(Logic, "implies", count("implies", Logic.implies))
    monkeypatch.setattr(findings, "_members", count("members", findings._members))
    rules = {
        "by value": lambda number: f'(and (eq $country "C{number}") {split(50)})',
        "by seed": lambda number: f'(and (eq $country "US") (split pct::50 by::$userId seed::"{number}"))',
        "by pattern": lambda number: (
            f'(and (matches in::$v pattern::"^{number}") (not (eq $plan "p{number}")) {split(50)})'
        ),
        "one line": lambda number: f"(split pct::{number + 1} by::$userId)",
    }
    for rule in rules.values():
        for variants in (20, 100):
            counted.clear()
            named = [{"name": f"v{number}", "enabled": True, "rule": rule(number)} for number in range(variants - 1)]
            found(document({"f": {"_variants": [*named, {"name": "default", "enabled": False}]}}))
            assert counted.get("implies", 0) <= 20 * variants
            assert counted.get("members", 0) <= 2 * variants


def test_a_variant_whose_users_many_others_have_names_three_of_them() -> None:
    rules = [f"(split pct::{percent} by::$userId)" for percent in (10, 20, 30, 40, 50, 5)]
    named = [{"name": f"v{number}", "enabled": True, "rule": rule} for number, rule in enumerate(rules)]
    all_found = found(document({"f": {"_variants": [*named, {"name": "default", "enabled": False}]}}))
    (finding,) = [finding for finding in all_found if finding.code == "shadowed-split"]
    assert "those users already get v0, v1, v2 and 2 more" in finding.message
