"""docs/architecture.md shows the layers of pyproject.toml, every room, and walks through functions that exist."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"


@pytest.fixture(scope="module")
def picture() -> ModuleType:
    spec = importlib.util.spec_from_file_location("picture", ROOT / "scripts" / "architecture_picture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_shows_the_layers_of_the_contracts(picture: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert picture.main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("package", ["flagkit", "canary"])
def test_every_room_is_described(package: str, picture: ModuleType) -> None:
    section = PAGE.read_text("utf-8").split(f"## Rooms of {package}\n", 1)[1].split("\n## ", 1)[0]
    described = {
        name for row in section.splitlines() if "|" in row for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    rooms = {room for layer in picture.layers(package) for room in layer}
    assert rooms - described == set(), "describe them in docs/architecture.md"


def functions(path: Path) -> set[str]:
    """The names of all functions and methods of a file, `Class.method` for methods."""
    found: set[str] = set()

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(prefix + child.name)
                visit(child, f"{prefix}{child.name}.")
            else:
                visit(child, prefix)

    visit(ast.parse(path.read_text("utf-8")), "")
    return found


def test_every_function_and_file_of_a_walk_exists() -> None:
    steps = re.findall(r"^\| \d+ \| `([\w.]+)` \| `([\w/]+\.py)` \|", PAGE.read_text("utf-8"), re.MULTILINE)
    missing = [
        f"{name} in {file}" for name, file in steps if not (ROOT / file).is_file() or name not in functions(ROOT / file)
    ]
    assert missing == []
