"""The tree's own rules: one job a file, said in its first docstring, short enough to read in five minutes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(path for package in ("flagkit", "canary") for path in (ROOT / package).rglob("*.py"))
FORBIDDEN_NAMES = re.compile(r"(Manager|Helper|Utils?|Impl)$")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_says_its_job_and_stays_short(path: Path) -> None:
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "the first docstring says the job"
    assert text.count("\n") <= 450, "one job a file: split it"
    classes = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    assert [name for name in classes if FORBIDDEN_NAMES.search(name)] == []


def test_every_public_error_is_drawn_in_its_tree() -> None:
    for package in ("flagkit", "canary"):
        text = (ROOT / package / "errors.py").read_text("utf-8")
        tree = ast.parse(text)
        drawn = ast.get_docstring(tree) or ""
        errors = [n.name for n in tree.body if isinstance(n, ast.ClassDef) and n.name.endswith("Error")]
        assert [name for name in errors if name not in drawn] == []


def test_error_codes_are_unique_within_a_package() -> None:
    for package in ("flagkit", "canary"):
        codes = re.findall(
            r'^    code(?:: ClassVar\[str\])? = "(\w+)"', (ROOT / package / "errors.py").read_text(), re.MULTILINE
        )
        assert len(codes) == len(set(codes)) > 5
