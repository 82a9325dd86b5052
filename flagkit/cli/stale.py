"""The command that finds flags to remove: it reads code and history. What is stale is decided in flagkit.admin."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from flagkit.cli import options
from flagkit.cli.arguments import Argument, Context, Option
from flagkit.cli.context import cli_context
from flagkit.cli.errors import FOUND
from flagkit.cli.evaluations import evaluations_of
from flagkit.cli.output import echo, paragraph, print_json
from flagkit.errors import UsageError

if TYPE_CHECKING:
    from flagkit.admin.evaluations import Evaluations
    from flagkit.admin.stale import Reference, Stale

_SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages", "dist", "build", "venv"})
_CODE = frozenset(
    {".py", ".js", ".jsx", ".ts", ".tsx", ".mjs", ".vue", ".svelte", ".java", ".kt", ".go", ".rs", ".rb", ".cs", ".php"}
    | {".swift", ".html", ".jinja", ".j2"}
)
_MAX_BYTES = 2_000_000


def stale(
    context: Context,
    paths: Annotated[list[Path], Argument(metavar="PATH...", help="Files or directories with code.")],
    days: Annotated[int, Option("--days", metavar="N", min=1, help="Constantly on or off for this many days.")] = 90,
    fix_list: Annotated[bool, Option("--fix-list", help="Also list the lines of code to change.")] = False,
    source: options.Source = None,
    as_json: options.AsJson = False,
) -> int:
    """Find flags that can be removed.

    Flags that are in the code but not in the document, in the document but not in the code, constantly on or
    off, or no longer evaluated.

    Example: flagkit stale src/ --days 60 --fix-list
    """
    from flagkit.admin.history import last_changes
    from flagkit.admin.stale import find_stale, scan

    cli = cli_context(context)
    references = [reference for path in _files(paths) for reference in scan(str(path), _text(path))]
    with cli.store(source) as store:
        document = store.read().document
        changed = last_changes(store)
    evaluated = evaluations_of(cli, source, document.flags)
    found = find_stale(document, references, changed, now=cli.clock.now(), days=days, evaluations=evaluated)
    if as_json:
        print_json({"stale": [_data(item, evaluated) for item in found]})
        return FOUND if found else 0
    for item in found:
        paragraph(f"{item.key}: {item.finding.replace('_', ' ')}: {item.reason}")
        for line in _lines(item.places) if fix_list else ():
            echo(f"  {line}")
    echo(
        f"{len(found)} of {len({*document.flags, *document.values})} flags can be removed."
        if found
        else "No stale flags."
    )
    return FOUND if found else 0


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_file():
            yield path
        elif path.is_dir():
            yield from _below(path)
        else:
            raise UsageError(f"{path} does not exist", hint="Name files or directories with code.")


def _below(directory: Path) -> Iterator[Path]:
    for root, names, files in os.walk(directory):
        names[:] = sorted(name for name in names if name not in _SKIPPED and not name.startswith("."))
        for name in sorted(files):
            path = Path(root, name)
            if path.suffix in _CODE and path.stat().st_size <= _MAX_BYTES:
                yield path


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}", hint="Check the permissions of the file."
        ) from error


def _lines(places: tuple[Reference, ...]) -> Iterator[str]:
    for place in places:
        yield f"{place.path}:{place.line}{'' if place.is_call else ' (mention)'}"


def _data(item: Stale, evaluated: Evaluations | None) -> dict[str, object]:
    last = None if evaluated is None else evaluated.last(item.key)
    places = [{"path": it.path, "line": it.line, "is_call": it.is_call} for it in item.places]
    return {"key": item.key, "finding": item.finding, "reason": item.reason, "places": places, "last_evaluated": last}
