"""Draws the layers of both packages into docs/architecture.md, from import-linter's contracts. `--check` only compares.

python scripts/architecture_picture.py [--check]
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- layers: drawn by scripts/architecture_picture.py -->\n", "<!-- end of layers -->"


def layers(package: str) -> list[list[str]]:
    """The rooms of a package, layer by layer, the highest first."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    for contract in tomllib.loads(text)["tool"]["importlinter"]["contracts"]:
        if contract["type"] == "layers" and contract.get("containers") == [package]:
            found = [re.findall(r"[a-z_]+", layer) for layer in contract["layers"]]
            return [layer for layer in found if layer != ["__main__"]]
    raise LookupError(f"pyproject.toml has no layers contract for {package}")


def bridges() -> list[str]:
    """The rooms of canary that import flagkit."""
    found: set[str] = set()
    for path in (ROOT / "canary").rglob("*.py"):
        room = path.relative_to(ROOT / "canary").parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if room != "__init__" and any(name.split(".")[0] == "flagkit" for name in names):
                found.add(room)
    return sorted(found)


def lines() -> Iterator[str]:
    """The picture, in mermaid's language."""
    yield "flowchart TB"
    for package in ("canary", "flagkit"):
        yield f"  subgraph {package}"
        rooms = layers(package)
        for number, layer in enumerate(rooms):
            yield f'    subgraph {package}_layer{number}[" "]'
            yield "      direction LR"
            yield from (f"      {package}_{room}[{room}]" for room in layer)
            yield "    end"
        for number in range(len(rooms) - 1):
            yield f"    {package}_layer{number} --> {package}_layer{number + 1}"
        yield "  end"
    for room in bridges():
        yield f"  canary_{room} -.-> flagkit"


def drawn(page: str) -> str:
    """The page with the picture of today's contracts."""
    start, end = page.index(BEGIN) + len(BEGIN), page.index(END)
    picture = "```mermaid\n" + "\n".join(lines()) + "\n```\n"
    return page[:start] + picture + page[end:]


def main(arguments: list[str]) -> int:
    """Writes or compares the picture; returns the exit code."""
    present = PAGE.read_text("utf-8")
    wanted = drawn(present)
    if wanted == present:
        return 0
    if "--check" in arguments:
        print(f"{PAGE} shows other layers than pyproject.toml: run python scripts/architecture_picture.py")
        return 1
    PAGE.write_text(wanted, "utf-8")
    print(f"{PAGE} written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
