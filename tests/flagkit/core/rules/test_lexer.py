"""Ion text lexis (appconfig.md §2.1)."""

from decimal import Decimal

import pytest

from flagkit.core.rules.lexer import number, tokenize
from flagkit.errors import RuleError


def kinds(text: str) -> list[tuple[str, str]]:
    return [(token.kind, token.value) for token in tokenize(text)][:-1]


def test_punctuation_symbols_and_keys():
    assert kinds("(eq $a [true,b])") == [
        ("(", "("),
        ("symbol", "eq"),
        ("symbol", "$a"),
        ("[", "["),
        ("symbol", "true"),
        (",", ","),
        ("symbol", "b"),
        ("]", "]"),
        (")", ")"),
    ]


def test_the_last_token_is_the_end_and_positions_are_characters():
    assert [(token.kind, token.position) for token in tokenize('("é" 1)  ')] == [
        ("(", 0),
        ("text", 1),
        ("number", 5),
        (")", 6),
        ("end", 9),
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r'""', ""),
        (r'"a b"', "a b"),
        (r'"\0\a\b\t\n\f\r\v"', "\0\a\b\t\n\f\r\v"),
        (r'"\"\'\?\\\/"', "\"'?\\/"),
        (r'"\x41\u00e9\U0001F600"', "Aé😀"),
        (r'"\ud83d\ude00"', "😀"),
        ('"a\\\nb"', "ab"),
        ('"a\\\r\nb"', "ab"),
        ('"tab\there"', "tab\there"),
        ('"emoji 😀 \u2028 \x7f"', "emoji 😀 \u2028 \x7f"),
        ("'''a\nb'''", "a\nb"),
        ("'''a\r\nb\rc'''", "a\nb\nc"),
        (r"'''it's \r\n'''", "it's \r\n"),
        ("'''a''' /* and */ '''b'''\n'''c'''", "abc"),
        ("''''''", ""),
        (r"'''\''''", "'"),
    ],
)
def test_a_string_means(written, meant):
    assert kinds(written) == [("text", meant)]


def test_long_strings_are_joined_only_while_they_are_adjacent():
    assert kinds("'''a''' 1 '''b'''") == [("text", "a"), ("number", "1"), ("text", "b")]
    assert kinds("'''a''' \"b\"") == [("text", "a"), ("text", "b")]


@pytest.mark.parametrize(
    ("written", "meant"),
    [("'$user-id'", "$user-id"), ("''", ""), (r"'a\'b'", "a'b"), ("'\"'", '"'), (r"'\u0024a'", "$a")],
)
def test_a_quoted_symbol_means(written, meant):
    assert kinds(written) == [("quoted", meant)]


@pytest.mark.parametrize(
    "space", [" ", "\t", "\n", "\r\n", "\v", "\f", "// x\n", "/* x */", "/**/", "/* // \n */", "//\n//\n", ""]
)
def test_space_and_comments_separate(space):
    assert kinds(f"by{space}::{space}$a{space}") == [("symbol", "by"), ("::", "::"), ("symbol", "$a")]


@pytest.mark.parametrize("text", ["", " ", "// only a comment", "/* x */"])
def test_nothing_but_space_is_only_the_end(text):
    assert kinds(text) == []


def test_operator_characters_make_one_symbol_and_a_slash_is_one():
    assert kinds("== / -") == [("operator", "=="), ("operator", "/"), ("operator", "-")]
    assert kinds("$a-b") == [("symbol", "$a"), ("operator", "-"), ("symbol", "b")]


@pytest.mark.parametrize("text", ["1", "-1", "0xFF", "1.5e-3", "2024-01-31T10:00:00.5+01:30", "1_000"])
@pytest.mark.parametrize("after", [")", "]", ",", " ", "\n", '"x"', "/*c*/", "//c", ""])
def test_a_number_ends_where_ion_says(text, after):
    assert kinds(f"{text}{after}")[0] == ("number", text)


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ('("abc', 1, "unterminated"),
        ('("a\nb")', 1, "unterminated"),
        ('("a\0b")', 1, "control"),
        ("('''abc'')", 1, "unterminated"),
        ("('abc)", 1, "unterminated"),
        ('("\\', 1, "unterminated"),
        ("(/* abc", 1, "comment"),
        ("  {", 2, "struct"),
        ("}", 0, "struct"),
        ("(é)", 1, "unexpected character"),
        ("(1é)", 1, "unexpected character"),
        ("\u00a0", 0, "unexpected character"),
        (":", 0, "unexpected character"),
        (r'("\q")', 2, "escape"),
        (r'("a\x4")', 3, "escape"),
        (r'("a\u12")', 3, "escape"),
        (r'("\U00110000")', 2, "escape"),
        (r'("\UFFFFFFFF")', 2, "escape"),
    ],
)
def test_what_is_no_token_is_refused_where_it_stands(text, position, words):
    with pytest.raises(RuleError, match=words) as caught:
        list(tokenize(text))
    assert (caught.value.reason, caught.value.position, caught.value.rule) == ("BadToken", position, text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-0", 0),
        ("65", 65),
        ("-17", -17),
        ("1_000_000", 1_000_000),
        ("0xFF", 255),
        ("-0Xf_f", -255),
        ("0b101", 5),
        ("-0B1_0", -2),
        ("9223372036854775808", 2**63),
        ("3.14", Decimal("3.14")),
        ("5.", Decimal(5)),
        ("1_0.2_5", Decimal("10.25")),
        ("-1d3", Decimal(-1000)),
        ("1.5D-2", Decimal("0.015")),
        ("0d0", Decimal(0)),
        ("1e3", 1000.0),
        ("-1.25E+2", -125.0),
        ("1.234e-5", 1.234e-5),
    ],
)
def test_a_number_means_its_ion_type_and_value(text, value):
    assert number(text) == value
    assert type(number(text)) is type(value)


# fmt: off
NO_NUMBERS = ["007", "-", "1__0", "1_", "_1", "0x", "0xG", "0b2", "1.5.2", "1e", "1e1.5", "1d", "e5", ".5", "--1",
              "1_.5", "1._5", "0x_f", "1e99999", "9" * 129, "2024-01", "2024-01-31"]
# fmt: on


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_no_number_is_none(text):
    assert number(text) is None
