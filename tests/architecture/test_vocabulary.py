"""One vocabulary: what the glossary replaces appears in no name, no text that a person sees, and no page.

The right-hand words are defined in `docs/glossary.md`; the tables below are its left-hand column.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = sorted(
    path
    for room in ("flagkit", "canary", "examples", "tests", "benchmarks", "scripts")
    for path in (ROOT / room).rglob("*.py")
    if path != Path(__file__) and ".venv" not in str(path)
)
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])

NOT_IN_NAMES = {
    "take_back": "rollback",
    "taken_back": "rolled_back",
    "taking_back": "rolling_back",
    "took_back": "rolled_back",
    "come_back": "rollback",
    "came_back": "rolled_back",
    "way_back": "rollback",
    "go_back": "rollback",
    "sick": "unhealthy",
    "sickness": "unhealthy",
    "hear": "notify",
    "heard": "trigger, event",
    "tell": "publish",
    "told": "published",
    "telling": "events",
    "teller": "session",
    "story": "view, demo",
    "driving": "drive",
    "keeper": "(internal to compile and decompile)",
    "workbench": "flag editor",
    "bench": "edit context",
    "manner": "options",
    "world": "context, scenario",
    "trouble": "fault",
    "troubles": "faults",
    "cuts": "allocations",
    "recut": "reallocate",
    "bands": "ranges",
    "band": "range",
    "ground": "finding",
    "grounds": "findings",
    "claimed": "started",
    "unclaimed": "unstarted",
    "deal": "assign",
}
"""Parts of identifiers (split at underscores and capitals), with what to write instead."""

NOT_IN_TEXT = {
    r"(take[sn]?|took|taking|comes?|came|coming|gives?|gave|turn(s|ed)?|way) (it |them |all )?back": "roll back",
    r"sick": "unhealthy",
    r"hurts?": "regression",
    r"deals? (everybody )?anew": "reassigns users",
    r"nobody notices": "No effect while the flag is off.",
    r"(is|says) so already": "no change",
    r"told to stop": "interrupted",
    r"workbench": "flag editor",
    r"invented world": "synthetic traffic",
    r"(?<!there )is no (percentage|time|day|TOML|JSON|field|word|text|flag|number|name|file|URL|plan|rule|key)": (
        "is not a valid …"
    ),
    r"not a word of this form": "unknown key",
    r"for whom\?": "Missing option …",
    r"(back|export) to what\?": "Missing option …",
    r"read back on": "verified",
    r"every alias is claimed": "canary started",
    r"watched on": "post-promotion watch",
}
"""Phrases as regular expressions between word boundaries, any case, with what to write instead."""

PHRASES = re.compile("|".join(rf"\b(?:{phrase})(?!\w)" for phrase in NOT_IN_TEXT), re.IGNORECASE)


def where(path: Path) -> str:
    """A file as the reader of a failure names it."""
    return str(path.relative_to(ROOT))


def forbidden_parts(name: str) -> list[str]:
    """The left-hand words in an identifier: `TakeBack`, `take_back` and `takeBack` are one."""
    parts = "_" + re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower() + "_"
    return [left for left in NOT_IN_NAMES if f"_{left}_" in parts]


def names_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every identifier that a file itself writes down."""
    for node in ast.walk(tree):
        for field in ("name", "id", "attr", "arg", "asname"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                yield getattr(node, "lineno", 0), value


@pytest.mark.slow
def test_names_and_texts_in_code_use_the_words_of_the_glossary() -> None:
    wrong = []
    for path in CODE:
        text = path.read_text("utf-8")
        for line, name in names_in(ast.parse(text)):
            wrong += [f"{where(path)}:{line}: {name}: write {NOT_IN_NAMES[left]}" for left in forbidden_parts(name)]
        wrong += [f"{where(path)}:{line}: {found}" for line, found in phrases_in(text)]
    assert not wrong, "\n".join(wrong)


def test_pages_use_the_words_of_the_glossary() -> None:
    wrong = [f"{where(path)}:{line}: {found}" for path in PAGES for line, found in phrases_in(path.read_text("utf-8"))]
    assert not wrong, "\n".join(wrong)


def test_file_names_use_the_words_of_the_glossary() -> None:
    assert [where(path) for path in CODE if forbidden_parts(path.stem)] == []


def test_the_check_finds_what_it_looks_for() -> None:
    tree = ast.parse("def take_back(x): x.isSick = Teller")
    assert {name for _, name in names_in(tree)} == {"take_back", "x", "isSick", "Teller"}
    assert [forbidden_parts(name) for name in ("take_back_all", "isSick", "Teller", "background")] == [
        ["take_back"],
        ["sick"],
        ["teller"],
        [],
    ]
    assert dict(phrases_in("fine\nit Takes it back\nback pack")) == {2: "Takes it back"}


def phrases_in(text: str) -> Iterator[tuple[int, str]]:
    """Every phrase of the left-hand column, with its line."""
    for number, line in enumerate(text.splitlines(), 1):
        for found in PHRASES.finditer(line):
            yield number, found.group(0)
