"""Tokens to trees, and what is refused."""

from decimal import Decimal

import pytest

from flagkit.core.rules.ast import (
    MAX_DEPTH,
    MAX_RULE_CHARS,
    And,
    Boolean,
    Compare,
    Exists,
    Key,
    Matches,
    Membership,
    Not,
    Number,
    Or,
    Split,
    Text,
    TextTest,
    Timestamp,
)
from flagkit.core.rules.operators import OPERATORS
from flagkit.core.rules.parser import parse_rule
from flagkit.core.rules.printer import print_rule
from flagkit.errors import RuleError

A = Key("a")


def refused(text: str, **options) -> RuleError:
    with pytest.raises(RuleError) as caught:
        parse_rule(text, **options)
    assert caught.value.rule == text
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ('(eq $a "x")', Compare("eq", A, Text("x"))),
        ("(gt 1 $a)", Compare("gt", Number(1), A)),
        ("(gte $a 1.5)", Compare("gte", A, Number(Decimal("1.5")))),
        ("(lt $a 1e0)", Compare("lt", A, Number(1.0))),
        ("(lte $a 2024T)", Compare("lte", A, Timestamp("2024T"))),
        ("(eq $a true)", Compare("eq", A, Boolean(True))),
        ('(begins_with $a "x")', TextTest("begins_with", A, Text("x"))),
        ("(ends_with $a $b)", TextTest("ends_with", A, Key("b"))),
        ('(contains "xyz" $a)', TextTest("contains", Text("xyz"), A)),
        ("(and (eq $a 1))", And((Compare("eq", A, Number(1)),))),
        ("(or true false true)", Or((Boolean(True), Boolean(False), Boolean(True)))),
        ("(not true)", Not(Boolean(True))),
        ('(in $a ["x", 1, true, 2024T,])', Membership(A, (Text("x"), Number(1), Boolean(True), Timestamp("2024T")))),
        ("(in 5 [])", Membership(Number(5), ())),
        ('(matches in::$a pattern::"x")', Matches(A, Text("x"))),
        ('(matches pattern :: "x" in /*c*/ :: "y")', Matches(Text("y"), Text("x"))),
        ('(exists key::"a")', Exists(A)),
        ("(split by::$a pct::0x10)", Split(Number(16), A)),
        ('(split seed::"" pct::100 by::$a)', Split(Number(100), A, Text(""))),
        ("('eq' '$a' '''x''')", Compare("eq", A, Text("x"))),
        ("('split' 'pct'::1 'by'::$a)", Split(Number(1), A)),
        ("(eq '$10' 1)", Compare("eq", Key("10"), Number(1))),
        ("(eq $$ 1)", Compare("eq", Key("$"), Number(1))),
        ("//c\n(eq/**/$a/**/1)//", Compare("eq", A, Number(1))),
    ],
)
def test_a_rule_reads_as_its_tree(text, tree):
    assert parse_rule(text) == tree


def test_every_operator_reads_its_own_example():
    for operator, signature in OPERATORS.items():
        assert signature.example.startswith(f"({operator} ")
        parse_rule(signature.example)


@pytest.mark.parametrize(
    ("text", "reason", "position", "path"),
    [
        ("", "NotAnExpression", 0, ""),
        ("  // nothing", "NotAnExpression", 12, ""),
        ('"x"', "NotAnExpression", 0, ""),
        ("[1]", "NotAnExpression", 0, ""),
        ("a::(eq $a 1)", "NotAnExpression", 0, ""),
        ("()", "NotAnExpression", 1, ""),
        ('("eq" $a 1)', "NotAnExpression", 1, ""),
        ("((eq $a 1))", "NotAnExpression", 1, ""),
        ("(eq $a 1))", "NotAnExpression", 9, ""),
        ("(", "NotAnExpression", 1, ""),
        ("(== $a 1)", "UnknownSymbol", 1, ""),
        ("(EQ $a 1)", "UnknownSymbol", 1, ""),
        ("($eq $a 1)", "UnknownSymbol", 1, ""),
        ("(and (or (nope)))", "UnknownSymbol", 10, "and.0.or.0"),
        ("(eq $a null)", "UnknownSymbol", 7, "eq"),
        ("(eq $a 'true')", "UnknownSymbol", 7, "eq"),
        ("(and)", "TooFewOperands", 0, "and"),
        ("(not)", "TooFewOperands", 0, "not"),
        ("(matches in::$a)", "TooFewOperands", 0, "matches"),
        ("(eq $a 1 2)", "TooManyOperands", 9, "eq"),
        ("(and true (not true true))", "TooManyOperands", 20, "and.1.not"),
        ('(exists key::"a" key::"b")', "TooManyOperands", 17, "exists"),
        ("(and true 1)", "NotAnExpression", 10, "and.1"),
        ("(or [1])", "NotAnExpression", 4, "or.0"),
        ("(not $a)", "NotAnExpression", 5, "not.0"),
        ("(eq (eq $a 1) true)", "BadOperand", 4, "eq"),
        ("(eq $a [1])", "BadOperand", 7, "eq"),
        ("(eq x::$a 1)", "BadOperand", 4, "eq"),
        ("(and x::true)", "BadOperand", 5, "and"),
        ("(eq a::b::$a 1)", "UnknownSymbol", 7, "eq"),
        ("(exists $a)", "BadOperand", 8, "exists"),
        ('(exists key::"")', "BadOperand", 0, "exists"),
        ("(split pct::true by::$a)", "BadOperand", 7, "split"),
        ('(split pct::1 by::"a")', "BadOperand", 14, "split"),
        ("(split pct::1 by::$a seed::1)", "BadOperand", 21, "split"),
        ("(split pct::-1 by::$a)", "BadOperand", 0, "split"),
        ("(split pct::100.1 by::$a)", "BadOperand", 0, "split"),
        ('(matches in::1 pattern::"x")', "BadOperand", 9, "matches"),
        ("(in $a [[1]])", "BadOperand", 8, "in"),
        ("(in $a [(eq $a 1)])", "BadOperand", 8, "in"),
        ("(in $a [,1])", "BadOperand", 8, "in"),
        ("(in $a [1 2])", "BadToken", 10, "in"),
        ("(in $a [1", "BadToken", 9, "in"),
        ("(in $a [1,", "BadToken", 10, "in"),
        ("(eq $a 1]", "BadOperand", 8, "eq"),
        ("(eq $a ::)", "BadOperand", 9, "eq"),
        ("(eq $a", "BadToken", 6, "eq"),
        ("(eq a::", "BadToken", 7, "eq"),
        ("(eq $10 1)", "BadToken", 4, "eq"),
        ("(eq $ 1)", "BadOperand", 4, "eq"),
        ("(eq $a 1x)", "BadToken", 7, "eq"),
        ("(eq $a 2024-13T)", "BadToken", 7, "eq"),
        ("(eq $a 2024-01-31T10:00)", "BadToken", 7, "eq"),
        ("(eq $a 2024-01-31T10:00:00.1234567890Z)", "BadToken", 7, "eq"),
        ("(eq $a 1e999)", "BadOperand", 7, "eq"),
        ("(eq $a 1d999)", "TooLong", 7, "eq"),
        ('(eq $a "\\ud800")', "BadToken", 7, "eq"),
        ('(eq $a "\ud800")', "BadToken", 7, "eq"),
        (f'(matches in::$a pattern::"{"x" * 1025}")', "TooLong", 0, "matches"),
    ],
)
def test_a_wrong_rule_is_refused_with_reason_position_and_path(text, reason, position, path):
    error = refused(text)
    assert (error.reason, error.position, error.path) == (reason, position, path)
    assert error.caret.count("\n") == 1


def test_the_hint_for_awss_own_date_says_what_to_write():
    assert "2024-01T" in refused("(gt $date 2024-01)").hint


def test_the_hint_for_a_dash_in_a_key_says_how_to_quote_it():
    assert "'$user-id'" in refused("(eq $user-id 1)").hint


def test_a_rule_may_be_as_long_as_aws_allows_and_no_longer():
    longest = '(eq $a "' + "x" * (MAX_RULE_CHARS - 10) + '")'
    assert len(longest) == MAX_RULE_CHARS
    parse_rule(longest)
    error = refused(longest + " ")
    assert (error.reason, error.position) == ("TooLong", MAX_RULE_CHARS)


def test_a_reader_may_allow_more_than_aws():
    ids = ", ".join(f'"user-{number:015}"' for number in range(10_000))
    rule = parse_rule(f"(in $userId [{ids}])", max_chars=300_000)
    assert isinstance(rule, Membership)
    assert len(rule.items) == 10_000


def test_nesting_is_bounded():
    def nested(depth: int) -> str:
        return "(not " * (depth - 1) + "(eq $a 1)" + ")" * (depth - 1)

    parse_rule(nested(MAX_DEPTH))
    error = refused(nested(MAX_DEPTH + 1))
    assert (error.reason, error.position) == ("TooDeep", 5 * MAX_DEPTH)
    assert refused("(not " * 3000).reason == "TooDeep"
    assert refused("(" * 16_000).reason == "NotAnExpression"
    assert refused("(in $a " + "[" * 16_000).reason == "BadOperand"


def test_a_tree_that_is_too_deep_cannot_be_built():
    rule = Boolean(True)
    for _ in range(MAX_DEPTH):
        rule = Not(rule)
    with pytest.raises(RuleError, match="deeper") as caught:
        Not(rule)
    assert caught.value.reason == "TooDeep"


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda: And(()), "TooFewOperands"),
        (lambda: Key(""), "BadOperand"),
        (lambda: Key("\ud800"), "BadOperand"),
        (lambda: Text("\udfff"), "BadToken"),
        (lambda: Number(True), "BadOperand"),
        (lambda: Number(float("nan")), "BadOperand"),
        (lambda: Number(Decimal("inf")), "BadOperand"),
        (lambda: Number(10**128), "TooLong"),
        (lambda: Number(Decimal("1E+129")), "TooLong"),
        (lambda: Number(Decimal("1" * 129)), "TooLong"),
        (lambda: Timestamp("2024"), "BadToken"),
        (lambda: Timestamp("2024-01"), "BadToken"),
        (lambda: Timestamp("2023-02-29"), "BadToken"),
        (lambda: Split(Number(101), A), "BadOperand"),
    ],
)
def test_a_node_that_means_nothing_cannot_be_built(build, reason):
    with pytest.raises(RuleError) as caught:
        build()
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("text", "reason", "position", "path"),
    [
        ('(and (split pct::100.5 by::$userId seed::"x") (eq $a 1))', "BadOperand", 5, "and.0.split"),
        ('(in $a ["x", "\ud800"])', "BadToken", 7, "in"),
        ('(and (eq $b 1) (in $a ["x", "\ud800"]))', "BadToken", 22, "and.1.in"),
    ],
)
def test_what_is_read_at_once_is_refused_at_its_place(text: str, reason: str, position: int, path: str) -> None:
    error = refused(text)
    assert (error.reason, error.position, error.path) == (reason, position, path)


@pytest.mark.parametrize(
    "text",
    [
        '(eq $a "x")',
        '(begins_with $a "")',
        '(in $a ["x", "y,]"])',
        '(in $a ["x", "é"])',
        '(and (gte $a "2") (in $b ["1"]) (split pct::5 by::$a seed::"s"))',
    ],
)
def test_what_is_read_at_once_reads_as_token_by_token(text):
    apart = text.replace("(", "( ").replace(")", " )")
    assert parse_rule(text) == parse_rule(apart)
    assert print_rule(parse_rule(text)) == text


@pytest.mark.parametrize(
    "text", ['(eq $a "\ud800")', '(in $a ["x", "\ud800"])', '(eq $a "x" "y")', '(in $a ["x" "y"])']
)
def test_what_is_refused_is_refused_at_the_same_place(text):
    with pytest.raises(RuleError) as at_once:
        parse_rule(text)
    with pytest.raises(RuleError) as apart:
        parse_rule(text.replace("(", "( "))
    assert (at_once.value.reason, at_once.value.message) == (apart.value.reason, apart.value.message)
    assert at_once.value.position + 1 == apart.value.position
