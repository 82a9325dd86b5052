"""Rules of 16,384 characters that make careless readers slow or deep. Shared by the laws and benchmarks/fuzz.py."""

from __future__ import annotations

CHARS = 16_384


def filled(start: str, piece: str, end: str = "") -> str:
    return start + piece * ((CHARS - len(start) - len(end)) // len(piece)) + end


def splits(count: int) -> str:
    return " ".join(f"(split pct::{number % 100} by::$u)" for number in range(count))


HOSTILE = {
    "open parentheses": filled("", "("),
    "nested not": filled("", "(not "),
    "nested lists": filled("(in $a ", "["),
    "string without end": filled('(eq $a "', "x"),
    "escapes without end": filled('(eq $a "', "\\n"),
    "quotes": filled("", "'"),
    "long strings": filled("(eq $a ", "'''a''' ", ")"),
    "long strings without end": filled("(eq $a ", "'''a"),
    "quoted symbols without end": filled("(eq $a '", "a\\'b"),
    "comment openings": filled("", "/*"),
    "comments": filled("", "/**/"),
    "line comments": filled("", "//"),
    "digits": filled("(eq $a ", "1", ")"),
    "digits and underscores": filled("(eq $a ", "1_", "1)"),
    "hexadecimal": filled("(eq $a 0x", "f", ")"),
    "decimals": filled("(eq $a 1.", "1", ")"),
    "exponent": filled("(eq $a 1e", "1", ")"),
    "colons": filled("", ":"),
    "annotations": filled("(eq ", "a::", "1 2)"),
    "dollars": filled("(eq ", "$", " 1)"),
    "operators": filled("(", "+", ")"),
    "surrogate pairs": filled('(eq $a "', "\\ud83d\\ude00", '")'),
    "half pairs": filled('(eq $a "', "\\ud83d", '")'),
    "numbers in a list": filled("(in $a [", "1,", "1])"),
    "strings in a list": filled("(in $a [", '"",', '""])'),
    "operands": filled("(and ", "true ", "true)"),
    "splits": f"(or {splits(580)})",
    "splits under not": f"{'(not ' * 60}(and (eq $a 1) {splits(580)}){')' * 60}",
    "splits in nested or": f"{'(or (eq $a 1) ' * 60}{splits(560)}{')' * 60}",
    "splits in alternation": "".join(f"(and (eq $a 1) (or (split pct::{n} by::$u) " for n in range(31))
    + splits(500)
    + "))" * 31,
    "regex of stars": f'(matches in::$a pattern::"{"(a*)*" * 200}b")',
    "regex of plusses": f'(matches in::$a pattern::"{"(x+x+)+" * 140}y")',
    "regex of groups": f'(matches in::$a pattern::"{"(" * 500}a{")" * 500}")',
    "regex of captures": f'(matches in::$a pattern::"{"(.*)(.*)" * 120}x")',
    "regex of repeats": '(matches in::$a pattern::"((a{100}){100}){100}")',
    "regex of a thousand": '(matches in::$a pattern::"[a-z]{1000}[a-z]{1000}")',
}
