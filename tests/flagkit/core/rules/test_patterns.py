"""Patterns have a budget, for each and for a document; without RE2 only flags with patterns are off."""

import json
import sys
from datetime import UTC, datetime

import pytest

from flagkit.core.documents import FlagDocument
from flagkit.core.explanation import explain
from flagkit.core.lint import lint
from flagkit.core.rules.parser import parse_rule
from flagkit.core.rules.patterns import (
    MAX_DOCUMENT_PROGRAM,
    MAX_PROGRAM,
    MAX_WORK,
    PatternRefusedError,
    Patterns,
    PatternsMissingError,
    compile_pattern,
)
from flagkit.core.snapshot import Snapshot
from flagkit.errors import DocumentError
from tests.laws.evaluators import compile_rule

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TOO_LARGE = r"(\\pN|\\pL|\\pM){300}"


def document(*patterns: str) -> bytes:
    variants = [
        {"name": f"v{index}", "enabled": True, "rule": f'(matches in::$a pattern::"{pattern}")'}
        for index, pattern in enumerate(patterns)
    ]
    values = {"ruled": {"_variants": [*variants, {"name": "off", "enabled": False}]}, "plain": {"enabled": True}}
    return json.dumps({"version": "1", "flags": {"ruled": {}, "plain": {}}, "values": values}).encode()


def test_a_pattern_is_compiled_once():
    patterns = Patterns()
    assert patterns.search("a+") is patterns.search("a+")
    assert patterns.search("a+")("baab") is not None
    assert patterns.search("a+")("b") is None


@pytest.mark.parametrize("pattern", ["[", "(?=a)", r"(a)\1", "*", "((a{100}){100}){100}"])
def test_what_is_not_re2_is_refused_with_the_reason(pattern):
    with pytest.raises(PatternRefusedError, match=r"\w"):
        compile_pattern(pattern)


def test_a_pattern_whose_program_is_too_large_is_refused():
    with pytest.raises(PatternRefusedError, match="too large"):
        compile_pattern(r"(\pN|\pL|\pM){300}")
    with pytest.raises(PatternRefusedError, match=f"needs 8,004 RE2 instructions, the limit is {MAX_PROGRAM:,}"):
        compile_pattern(".{1000}")
    assert compile_pattern(".{1,255}").size <= MAX_PROGRAM


def test_a_document_whose_patterns_are_too_large_together_is_refused():
    patterns = Patterns()
    size = compile_pattern("10.{400}").size
    for number in range(10, 10 + MAX_DOCUMENT_PROGRAM // size):
        patterns.search(f"{number}.{{400}}")
    with pytest.raises(PatternRefusedError, match=f"the limit is {MAX_DOCUMENT_PROGRAM:,}"):
        patterns.search("99.{400}")


def test_authoring_refuses_what_exceeds_the_budget():
    with pytest.raises(DocumentError, match="too large"):
        FlagDocument.parse(document(TOO_LARGE))
    with pytest.raises(DocumentError, match="the patterns of the document need"):
        FlagDocument.parse(document(*(f"{number}.{{400}}" for number in range(30))))


def test_reading_serves_such_a_flag_off_with_the_reason_and_its_neighbours():
    flags = Snapshot.from_json(document(TOO_LARGE))
    assert flags.evaluate("ruled").is_on is None
    assert flags.evaluate("plain").is_on is True
    assert "variant v0: the pattern can't be used: " in flags.problems["ruled"]


@pytest.mark.parametrize("letter", ["a", "é"])
def test_a_text_too_long_for_a_pattern_is_not_searched(letter):
    size = compile_pattern(f"^{letter}+$").size
    longest = MAX_WORK // size // (1 if letter.isascii() else 4)
    flags = Snapshot.from_json(document(f"^{letter}+$"))
    for _ in ("walked", "generated"):
        for length, variant in ((1, "v0"), (longest, "v0"), (longest + 1, "off"), (10 * longest, "off")):
            assert flags.evaluate("ruled", None, {"a": letter * length}).variant == variant
        flags.prepare()


LONG = "a" * (MAX_WORK // compile_pattern("^a+$").size + 1)
MATCHES = '(matches in::$a pattern::"^a+$")'


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (MATCHES, False),
        (f"(not {MATCHES})", False),
        (f"(not (not {MATCHES}))", False),
        (f"(and {MATCHES} (eq $b 1))", False),
        (f"(not (and {MATCHES} (eq $b 1)))", False),
        (f"(not (and {MATCHES} (eq $b 2)))", True),
        (f"(not (and (eq $b 2) {MATCHES}))", True),
        (f"(or {MATCHES} (eq $b 1))", True),
        (f"(or (eq $b 1) {MATCHES})", True),
        (f"(or {MATCHES} (split pct::100 by::$b))", True),
        (f"(or {MATCHES} (eq $b 2))", False),
        (f"(not (or {MATCHES} (eq $b 2)))", False),
        (f"(not (or {MATCHES} (eq $b 1)))", False),
    ],
)
def test_whether_a_text_too_long_for_a_pattern_matches_is_unknown(rule, expected):
    assert compile_rule(parse_rule(rule))(None, {"a": LONG, "b": 1}) is expected


@pytest.mark.parametrize("rule", ["{}", "(not {})"])
def test_a_constant_too_long_for_its_pattern_is_unknown(rule):
    constant = parse_rule(rule.format(f'(matches in::"{LONG}" pattern::"^a+$")'), max_chars=10**6)
    assert compile_rule(constant)(None, {}) is False
    assert compile_rule(parse_rule('(matches in::"aa" pattern::"^a+$")'))(None, {}) is True


def test_the_next_variant_is_asked_where_a_rule_is_unknown_and_the_explanation_says_why():
    flags = Snapshot.from_json(document("^a+$", "^b"))
    explanation = explain(flags, "ruled", None, {"a": LONG})
    assert explanation.evaluation.variant == "off"
    assert [rule.outcome for rule in explanation.rules] == ["no match", "no match", "default"]
    assert ", which is too long for the pattern" in explanation.to_text()


def test_the_pattern_of_a_constraint_refuses_a_value_that_is_too_long_for_it():
    attributes = {"name": {"constraints": {"type": "string", "pattern": "^a+$"}}}
    content = {"version": "1", "flags": {"f": {"attributes": attributes}}, "values": {"f": {"enabled": True}}}
    content["values"]["f"]["name"] = LONG
    with pytest.raises(DocumentError):
        FlagDocument.parse(content)


class TestWithoutRe2:
    @pytest.fixture(autouse=True)
    def missing(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "re2", None)

    def test_a_flag_with_a_pattern_is_off_with_the_reason_and_its_neighbours_serve(self):
        flags = Snapshot.from_json(document("^a"))
        assert flags.evaluate("ruled").is_on is None
        assert flags.evaluate("plain").is_on is True
        assert "google-re2 is not installed" in flags.problems["ruled"]

    def test_a_pattern_is_not_called_invalid(self):
        with pytest.raises(PatternsMissingError):
            compile_pattern("[")
        assert FlagDocument.parse(document("^a")).values.keys() == {"ruled", "plain"}

    def test_a_constraint_is_not_checked(self):
        flag = {"attributes": {"name": {"constraints": {"type": "string", "pattern": "^a"}}}}
        content = {"version": "1", "flags": {"f": flag}, "values": {"f": {"enabled": True, "name": "b"}}}
        assert FlagDocument.parse(content).values["f"].attributes == {"name": "b"}

    def test_lint_says_that_patterns_are_not_checked(self):
        found = [finding for finding in lint(document("^a", "["), now=NOW) if finding.code == "patterns-unchecked"]
        assert [finding.location for finding in found] == ["values.ruled._variants.0.rule"]
        assert "flagkit-canary[patterns]" in found[0].hint
