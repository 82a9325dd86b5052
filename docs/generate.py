"""Writes what is generated: public API, errors, commands, schema. `--check` only compares. The same on every Python.

python docs/generate.py [--check]
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import api  # noqa: E402 - scripts beside this one
import commands  # noqa: E402
import plan_schema  # noqa: E402

from flagkit.cli.errors import exit_code_of  # noqa: E402
from flagkit.errors import FlagkitError  # noqa: E402

ERRORS = {"flagkit": "FlagkitError", "canary": "CanaryError"}


def first_line(thing: object) -> str:
    """The summary line of a docstring."""
    return (inspect.getdoc(thing) or "").split("\n\n", 1)[0].replace("\n", " ").strip()


def errors_page() -> str:
    """Every error with its code, exit code and hint."""
    lines = ["# Error catalogue", "", "Generated from `errors.py` of both packages by `make generate`.", ""]
    for package, base_name in ERRORS.items():
        module = importlib.import_module(f"{package}.errors")
        lines += [f"## {package}", "", "| code | class | exit code | meaning | next step |", "|---|---|---|---|---|"]
        base = getattr(module, base_name)
        for cls in _tree(base):
            meaning = first_line(cls).replace("|", "\\|")
            exit_code = exit_code_of(cls) if issubclass(cls, FlagkitError) else cls.exit_code
            hint = cls.default_hint.replace("|", "\\|")
            lines.append(f"| `{cls.code}` | `{cls.__name__}` | {exit_code} | {meaning} | {hint} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _tree(cls: type) -> Iterator[type]:
    yield cls
    for child in cls.__subclasses__():
        if child.__module__.endswith(".errors"):
            yield from _tree(child)


def pages() -> dict[Path, str]:
    """The generated pages by their path."""
    found = {
        **api.api_pages(),
        "errors.md": errors_page(),
        "flagkit-commands.md": commands.flagkit_page(),
        "canary-commands.md": commands.canary_page(),
    }
    generated = {HERE / "reference" / name: text for name, text in found.items()}
    return {**generated, plan_schema.TARGET: plan_schema.plan_schema()}


def main(arguments: list[str]) -> int:
    """Writes or compares; returns the exit code."""
    stale = []
    for path, text in pages().items():
        if path.exists() and path.read_text("utf-8") == text:
            continue
        stale.append(path)
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    for path in stale:
        verb = "is out of date: run `make generate`" if "--check" in arguments else "written"
        print(f"{path.relative_to(HERE.parent)} {verb}")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
