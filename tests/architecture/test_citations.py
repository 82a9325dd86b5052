"""Citations resolve: facts in docs/facts, decisions in docs/decisions, and no file outside the repository."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FACTS = ROOT / "docs" / "facts"
DECISIONS = ROOT / "docs" / "decisions"
FOLDERS = ("flagkit", "canary", "tests", "docs", "benchmarks", "examples", "conformance", "scripts", ".github")
SUFFIXES = {".py", ".md", ".toml", ".yml", ".yaml", ".json", ".txt"}

PAGE = r"(?<![\w./-])(?:docs/facts/)?([a-z][a-z0-9-]*\.md)"
SECTION = re.compile(PAGE + r"((?:,| and|-)? ?§(\d+(?:\.\d+)*))(?:-(\d+(?:\.\d+)*))?")
MORE_SECTIONS = re.compile(r"(?:,| and) §(\d+(?:\.\d+)*)")
BARE_SECTION = re.compile(r"(RFC \d+ |semver\.org (?:[\d.]+ )?)?§(\d+(?:\.\d+)*)")
ROWS = re.compile(r"[, ]*(?:traps?|rows?|pains?) (\d+(?:(?:, | and )\d+)*)")
DECISION = re.compile(r"\bdecisions? (\d{4}(?:(?:, | and )\d{4})*)")
FILE = re.compile(r"(?<![\w./:#-])((?:[\w.-]+/)*[\w.-]+\.md)\b")
OUTSIDE = re.compile(
    r"\breference/(?:appconfig|lambda-canary|statistics|openfeature-ofrep|flag-peers)\.md|\bDESIGN\b|\btestdata/"
)
NO_FILES = {"summary.md", "NNNN-title.md"}  # what a program writes, and a pattern


@cache
def sources() -> list[Path]:
    """Every text of the repository that may cite something."""
    inside = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]
    top = [path for path in ROOT.iterdir() if path.suffix in SUFFIXES or path.name == "Makefile"]
    ours = (path for path in (*inside, *top) if path != Path(__file__) and "node_modules" not in path.parts)
    return sorted(path for path in ours if path.is_file())


def in_one_line(path: Path) -> str:
    """The text without line breaks and comment marks, so that a citation may be wrapped."""
    return re.sub(r"\s*\n\s*(?:#:? ?)?", " ", path.read_text("utf-8"))


def sections(page: Path) -> dict[str, str]:
    """The text of each numbered section, its subsections included."""
    found: dict[str, str] = {}
    for part in re.split(r"^(?=#{2,4} )", page.read_text("utf-8"), flags=re.MULTILINE):
        heading = re.match(r"#{2,4} (\d+(?:\.\d+)*)\.? ", part)
        if heading:
            current = heading[1]
            for number in [current, *(known for known in found if current.startswith(known + "."))]:
                found[number] = found.get(number, "") + part
        elif found:
            found[list(found)[-1]] += part
    return found


def numbers(text: str) -> list[str]:
    return re.findall(r"\d+", text)


def unresolved_facts(text: str, pages: dict[str, dict[str, str]]) -> Iterator[str]:
    """Citations of facts that name no page, section or row."""
    for match in SECTION.finditer(text):
        name, rest = match[1], text[match.end() :]
        cited = [number for number in (match[3], match[4]) if number]
        while more := MORE_SECTIONS.match(rest):
            cited.append(more[1])
            rest = rest[more.end() :]
        if name not in pages:
            yield f"{name} §{cited[0]}: docs/facts has no page {name}"
            continue
        yield from (f"{name} §{number}: no such section" for number in cited if number not in pages[name])
        if (rows := ROWS.match(rest)) and cited[-1] in pages[name]:
            yield from missing_rows(name, cited[-1], numbers(rows[1]), pages[name][cited[-1]])
    for match in re.finditer(PAGE + r" (?:traps?) (\d+)", text):
        yield from missing_rows(match[1], "9", [match[2]], pages.get(match[1], {}).get("9", ""))


def unnamed_sections(text: str, pages: dict[str, dict[str, str]]) -> Iterator[str]:
    """Sections without a page in front that are in no page which the text cites; other standards are named in front."""
    known = {number for name in re.findall(PAGE, text) for number in pages.get(name, {})}
    for match in BARE_SECTION.finditer(text):
        if match[1] is None and match[2] not in known:
            yield f"§{match[2]}: of which page?"


def missing_rows(name: str, section: str, cited: list[str], text: str) -> Iterator[str]:
    known = re.findall(r"^\| (\d+) \|", text, re.MULTILINE)
    yield from (f"{name} §{section}, row {number}: no such row" for number in cited if number not in known)


def unresolved_decisions(text: str) -> Iterator[str]:
    known = {path.name[:4] for path in DECISIONS.glob("[0-9]*.md")}
    for match in DECISION.finditer(text):
        yield from (f"decision {number}: no such page" for number in numbers(match[1]) if number not in known)


def files_outside(text: str, names: set[str]) -> Iterator[str]:
    """Names of Markdown files that the repository doesn't have, links aside."""
    for match in FILE.finditer(re.sub(r"https?://\S+", "", text)):
        name = match[1].rsplit("/", 1)[-1]
        if name not in names | NO_FILES:
            yield f"{match[1]}: no such file in the repository"


@pytest.fixture(scope="module")
def pages() -> dict[str, dict[str, str]]:
    return {path.name: sections(path) for path in FACTS.glob("*.md")}


@pytest.mark.parametrize("folder", [*FOLDERS, "."])
def test_every_citation_resolves(folder: str, pages: dict[str, dict[str, str]]) -> None:
    markdown = {path.name for path in sources() if path.suffix == ".md"}
    wrong = []
    for path in sources():
        place = path.relative_to(ROOT)
        if (place.parts[0] if len(place.parts) > 1 else ".") != folder:
            continue
        text = in_one_line(path)
        found = [*unresolved_facts(text, pages), *unresolved_decisions(text), *files_outside(text, markdown)]
        if path.parent != FACTS:
            found += unnamed_sections(text, pages)
            found += [f"{name}: outside the repository" for name in OUTSIDE.findall(text)]
        wrong += [f"{place}: {problem}" for problem in found]
    assert wrong == []


def test_a_citation_that_does_not_resolve_is_found(pages: dict[str, dict[str, str]]) -> None:
    text = (
        "appconfig.md §1.1, §99; lambda-canary.md §9, traps 12, 99; statistics.md §4.3-4.99; lambda-canary.md trap 77; "
        "none.md §1; decisions 0001, 9999"
    )
    assert [*unresolved_facts(text, pages), *unresolved_decisions(text)] == [
        "appconfig.md §99: no such section",
        "lambda-canary.md §9, row 99: no such row",
        "statistics.md §4.99: no such section",
        "none.md §1: docs/facts has no page none.md",
        "lambda-canary.md §9, row 77: no such row",
        "decision 9999: no such page",
    ]
    assert list(unnamed_sections("statistics.md §4.1, §4.2 and RFC 9110 §5.5; §77", pages)) == ["§77: of which page?"]
    assert list(files_outside("see foo.md and https://a.org/b.md", set())) == ["foo.md: no such file in the repository"]


def test_the_index_of_the_decisions_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("decisions_index", ROOT / "scripts" / "decisions_index.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.main(["--check"]) == 0, capsys.readouterr().out
