"""The public API is one list, in pyproject.toml: modules, their `__all__`, and nothing else in docs and examples."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PUBLIC: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["flagkit-canary"]["public"]
PACKAGES = [name for name in PUBLIC if (ROOT / name.replace(".", "/") / "__init__.py").exists()]
PAGES = [
    ROOT / "README.md",
    *(path for path in sorted((ROOT / "docs").rglob("*.md")) if "reference" not in path.parts),
    *(path for path in sorted((ROOT / "examples").rglob("*.md")) if "node_modules" not in path.parts),
]


def exported(module: str) -> list[str]:
    return list(importlib.import_module(module).__all__)


@pytest.mark.parametrize("module_name", PUBLIC)
def test_the_public_names_are_sorted_and_exist(module_name: str) -> None:
    module = importlib.import_module(module_name)
    assert list(module.__all__) == sorted(module.__all__)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("module_name", PACKAGES)
def test_a_lazy_name_is_that_of_no_file_beside_it(module_name: str) -> None:
    """Whoever imports the file first would find the module under the name."""
    folder = ROOT / module_name.replace(".", "/")
    files = {path.stem for path in folder.glob("*.py")} & set(exported(module_name))
    assert {
        name for name in files if f'"{module_name}.{name}": (' in (folder / "__init__.py").read_text("utf-8")
    } == set()


@pytest.mark.parametrize("module_name", PACKAGES)
def test_a_lazy_package_names_each_thing_the_same_three_times(module_name: str) -> None:
    tree = ast.parse((ROOT / module_name.replace(".", "/") / "__init__.py").read_text("utf-8"))
    assigned = {it.targets[0].id: it.value for it in tree.body if isinstance(it, ast.Assign)}  # type: ignore[attr-defined]
    if "__getattr__" not in assigned:
        return
    guarded = next(it for it in tree.body if isinstance(it, ast.If))
    imported = {(it.module, name.name) for it in guarded.body if isinstance(it, ast.ImportFrom) for name in it.names}
    (homes,) = [it for it in ast.walk(assigned["__getattr__"]) if isinstance(it, ast.Dict)]
    loaded = set()
    for home, names in zip(homes.keys, homes.values, strict=True):
        module = ast.literal_eval(home) if isinstance(home, ast.Constant) else module_name
        listed = ast.literal_eval(names if isinstance(names, ast.Tuple) else assigned["__all__"])
        loaded |= {(module, name) for name in listed}
    assert loaded == imported
    assert {name for _, name in loaded} == set(ast.literal_eval(assigned["__all__"])) - {"__version__"}


def test_contributing_names_the_one_list() -> None:
    assert "`[tool.flagkit-canary] public` in `pyproject.toml`" in (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def code_for_users() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            yield page, block
    for path in sorted((ROOT / "examples").rglob("*.py")):
        yield path, path.read_text("utf-8")


def test_docs_and_examples_import_only_public_names() -> None:
    wrong = []
    for path, code in code_for_users():
        for line in code.splitlines():
            found = re.match(
                r"\s*(?:from ((?:flagkit|canary)[\w.]*) import (.*)|import ((?:flagkit|canary)[\w.]*))", line
            )
            if found is None:
                continue
            module = found[1] or found[3]
            parent, _, name = module.rpartition(".")
            is_public = module in PUBLIC or (parent in PUBLIC and name in exported(parent))
            names = re.findall(r"\w+", re.sub(r"#.*| as \w+", "", found[2] or ""))
            if module in PUBLIC:
                is_public = set(names) <= {*exported(module), "__version__"}
            if not is_public:
                wrong.append(f"{path.relative_to(ROOT)}: {line.strip()}")
    assert wrong == []
