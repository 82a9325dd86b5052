"""docs/rules.md is executed: each row of its tables is a test."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flagkit.core.context import MAX_NUMBER_CHARS
from flagkit.core.rules.ast import MAX_DEPTH, MAX_PATTERN_CHARS, MAX_RULE_CHARS
from flagkit.core.rules.parser import parse_rule
from flagkit.core.snapshot import Snapshot
from flagkit.core.variants import MAX_READ_CHARS
from flagkit.errors import RuleError
from tests.laws.evaluators import compile_rule

PAGE = (Path(__file__).parents[4] / "docs" / "rules.md").read_text("utf-8")
NOW = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)


def rows(heading: str) -> list[list[str]]:
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    found = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:3] == "| `"
    ]
    assert found
    return found


def compiled(text: str):
    return compile_rule(parse_rule(text), default_seed="flag", now=lambda: NOW)


@pytest.mark.parametrize(("rule", "context", "result"), rows("Examples"))
def test_an_example_does_what_its_row_says(rule: str, context: str, result: str) -> None:
    text, values = rule.strip("`"), json.loads(context.strip("`"))
    if result.startswith("refused: "):
        with pytest.raises(RuleError) as caught:
            compiled(text)
        assert caught.value.reason == result.removeprefix("refused: ")
        return
    expected = {"true": True, "false": False}[result]
    assert compiled(text)(None, values) is expected
    user_id = values.pop("userId", None)
    assert compiled(text)(user_id, values) is expected, "the user id may be given by position"


@pytest.mark.parametrize(("rule", "reason", "place"), rows("Invalid rules"))
def test_a_refused_rule_is_refused_for_the_reason_and_at_the_place_of_its_row(rule, reason, place) -> None:
    text = rule.strip("`")
    with pytest.raises(RuleError) as caught:
        compiled(text)
    assert (caught.value.reason, caught.value.path) == (reason, place)
    assert 0 <= caught.value.position <= len(text)
    assert caught.value.hint


def test_a_refused_rule_switches_its_flag_off_and_no_other() -> None:
    variants = [{"name": "a", "enabled": True, "rule": "(nope)"}, {"name": "b", "enabled": True}]
    snapshot = Snapshot.from_document(
        {"version": "1", "values": {"broken": {"_variants": variants}, "whole": {"enabled": True}}}
    )
    assert snapshot.evaluate("broken").error == "PARSE_ERROR"
    assert snapshot.evaluate("whole").is_on is True


@pytest.mark.parametrize("row", rows("Operators"))
def test_every_form_of_an_operator_in_the_table_is_accepted(row: list[str]) -> None:
    for form in re.findall(r"`\((.*?)\)`", row[0].replace("…", "$x")):
        text = re.sub(r"\ba\b", "$a", re.sub(r"\bb\b", '"b"', re.sub(r"\be\b|\$x(?=\))", "true", form)))
        text = text.replace("in::$a", "in::$a").replace("::p ", "::10 ").replace(", $x]", "]").replace("$x", "true")
        parse_rule(f"({text})")


def test_the_limits_are_those_of_the_page() -> None:
    limits = " ".join(cell for row in PAGE.split("## Limits")[1].splitlines() for cell in row.split("|"))
    for number in (MAX_RULE_CHARS, MAX_READ_CHARS, MAX_DEPTH, MAX_PATTERN_CHARS, MAX_NUMBER_CHARS):
        assert f"{number:,}" in limits
