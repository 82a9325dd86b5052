"""Writes the generated pages: public API, error catalogue, command reference. `--check` only compares.

python docs/generate.py [--check]
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import commands  # noqa: E402 - a script beside this one

WRITTEN_WITH = (3, 11)
PUBLIC = ("flagkit", "flagkit.authoring", "flagkit.testing", "canary", "canary.testing")
ERRORS = {"flagkit": "FlagkitError", "canary": "CanaryError"}


def first_line(thing: object) -> str:
    """The summary line of a docstring."""
    return (inspect.getdoc(thing) or "").split("\n\n", 1)[0].replace("\n", " ").strip()


def signature(thing: Callable[..., object]) -> str:
    """A signature without module names and memory addresses, the same on every Python."""
    try:
        text = str(inspect.signature(thing))
    except (TypeError, ValueError):
        return "(...)"
    text = re.sub(r" at 0x[0-9a-f]+", "", text)
    return re.sub(r"\b(?:[a-z_]\w*\.)+(?=[A-Z])", "", text).replace("'", "")


def members(cls: type) -> Iterator[str]:
    """The public members that a class itself defines."""
    if issubclass(cls, Enum):
        yield "values: " + ", ".join(f"`{item.value}`" for item in cls)
        return
    if is_dataclass(cls):
        yield "fields: " + ", ".join(f"`{field.name}`" for field in fields(cls) if not field.name.startswith("_"))
    for name, member in vars(cls).items():
        if name.startswith("_"):
            continue
        plain = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        if isinstance(plain, property):
            yield f"`.{name}`: {first_line(plain)}"
        elif inspect.isfunction(plain):
            yield f"`.{name}{signature(plain)}`: {first_line(plain)}"


def api_page() -> str:
    """Every public name with its signature: what a release may not break."""
    note = "Generated from the code by `make generate`. What isn't listed here may change at any time."
    lines = ["# Public API", "", note, ""]
    for module_name in PUBLIC:
        module = importlib.import_module(module_name)
        lines += [f"## {module_name}", "", first_line(module), ""]
        for name in sorted(module.__all__):
            thing = getattr(module, name)
            if inspect.isclass(thing):
                heading = name if issubclass(thing, Enum | BaseException) else name + signature(thing)
                lines += [f"### `{heading}`", "", first_line(thing), ""]
                lines += [f"- {member}" for member in members(thing)]
            elif callable(thing):
                lines += [f"### `{name}{signature(thing)}`", "", first_line(thing)]
            else:
                lines += [f"### `{name}`"]
            lines.append("")
    return "\n".join(line.rstrip() for line in lines).rstrip() + "\n"


def errors_page() -> str:
    """Every error with its code, exit code and hint."""
    lines = ["# Error catalogue", "", "Generated from `errors.py` of both packages by `make generate`.", ""]
    for package, base_name in ERRORS.items():
        module = importlib.import_module(f"{package}.errors")
        lines += [f"## {package}", "", "| code | class | exit code | meaning | what to do |", "|---|---|---|---|---|"]
        base = getattr(module, base_name)
        for cls in _tree(base):
            meaning = re.sub(r"\s*Since \d+\.\d+\.", "", first_line(cls)).replace("|", "\\|")
            exit_code = getattr(cls, "exit_code", "")
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
    return {
        HERE / "reference" / "api.md": api_page(),
        HERE / "reference" / "errors.md": errors_page(),
        HERE / "reference" / "flagkit-commands.md": commands.flagkit_page(),
        HERE / "reference" / "canary-commands.md": commands.canary_page(),
    }


def main(arguments: list[str]) -> int:
    """Writes or compares; returns the exit code."""
    stale = []
    if "--check" in arguments and sys.version_info[:2] != WRITTEN_WITH:
        print("the generated pages are compared on Python 3.11: signatures print differently elsewhere")
        return 0
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
