"""The pages are true: their commands print what is shown, and the README renders outside the repository."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Source"]
README = (ROOT / "README.md").read_text("utf-8")
LINKS = re.findall(r"\]\(([^)]+)\)", README)


@pytest.fixture(scope="module")
def blocks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("console_blocks", ROOT / "scripts" / "console_blocks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "page",
    ["README.md", "docs/product-teams.md", pytest.param("docs/canary/first-release.md", marks=pytest.mark.sweep)],
)
def test_the_commands_of_a_page_print_what_it_shows(page: str, blocks: ModuleType) -> None:
    """The README's blocks run in an empty directory, in its order, Python and canary.toml included."""
    text = (ROOT / page).read_text("utf-8")
    assert blocks.executed(text, page) == text, "run: python scripts/console_blocks.py"


def test_every_page_with_console_blocks_is_run(blocks: ModuleType) -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    assert {str(path.relative_to(ROOT)) for path in pages if "```console" in path.read_text("utf-8")} <= set(
        blocks.PAGES
    )


def test_the_links_of_the_readme_work_on_the_package_index() -> None:
    assert [link for link in LINKS if not link.startswith("https://")] == []


def test_the_links_of_the_readme_lead_to_files_that_exist() -> None:
    raw = SOURCE.replace("github.com", "raw.githubusercontent.com") + "/main/"
    paths = [link.split("#")[0].removeprefix(SOURCE + "/blob/main/").removeprefix(raw) for link in LINKS]
    assert [path for path in paths if not (ROOT / path).exists()] == []
