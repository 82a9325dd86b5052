"""The command that finds flags which are done: it reads code and history; what is stale is flagkit.admin's to say."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flagkit.cli import words
from flagkit.cli.failures import FOUND
from flagkit.cli.screen import paragraph, print_json
from flagkit.cli.world import world_of
from flagkit.core.documents import FlagDocument
from flagkit.errors import UsageError

if TYPE_CHECKING:
    from flagkit.admin.stale import Reference, Stale
    from flagkit.admin.stores import FlagStore

_SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages", "dist", "build", "venv"})
_CODE = frozenset(
    {".py", ".js", ".jsx", ".ts", ".tsx", ".mjs", ".vue", ".svelte", ".java", ".kt", ".go", ".rs", ".rb", ".cs", ".php"}
    | {".swift", ".html", ".jinja", ".j2"}
)
_MAX_BYTES = 2_000_000


def stale(
    context: typer.Context,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Code: files or directories.", show_default=False)
    ],
    days: Annotated[int, typer.Option("--days", metavar="N", min=1, help="Always on or off for so many days.")] = 90,
    fix_list: Annotated[
        bool, typer.Option("--fix-list", help="Also every line of code that a clean-up touches.")
    ] = False,
    source: words.Source = None,
    as_json: words.AsJson = False,
) -> int:
    """Find flags that are done: in code but not in the document, the other way round, or always on or off.

    Example: flagkit stale src/ --days 60 --fix-list
    """
    from flagkit.admin.stale import find_stale, scan

    world = world_of(context)
    references = [reference for path in _files(paths) for reference in scan(str(path), _text(path))]
    with world.store(source) as store:
        document = store.read().document
        changed = _last_changed(store, document)
    found = find_stale(document, references, changed, now=world.clock.now(), days=days)
    if as_json:
        print_json({"stale": [_data(item) for item in found]})
        return FOUND if found else 0
    for item in found:
        paragraph(f"{item.key}: {item.finding.replace('_', ' ')}: {item.reason}")
        for line in _lines(item.places) if fix_list else ():
            typer.echo(f"  {line}")
    typer.echo(f"{len(found)} stale" if found else "no flag is stale")
    return FOUND if found else 0


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_file():
            yield path
        elif path.is_dir():
            yield from _below(path)
        else:
            raise UsageError(f"there is no {path}", hint="Name files or directories with code.")


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
        raise UsageError(f"{path} can't be read: {error.strerror}", hint="Check the rights of the file.") from error


def _last_changed(store: FlagStore, document: FlagDocument) -> dict[str, dt.datetime | None]:
    """When each flag last changed what it answers; changed words for people don't count."""
    from flagkit.admin.history import history

    left = {*document.flags, *document.values}
    changed: dict[str, dt.datetime | None] = {}
    for entry in history(store):
        for flag in entry.diff.flags:
            if flag.key in left and (flag.audience or flag.kind == "created"):
                changed[flag.key] = entry.version.at
                left.discard(flag.key)
        if not left:
            break
    return changed


def _lines(places: tuple[Reference, ...]) -> Iterator[str]:
    for place in places:
        yield f"{place.path}:{place.line}{'' if place.is_call else ' (only mentioned)'}"


def _data(item: Stale) -> dict[str, object]:
    places = [{"path": it.path, "line": it.line, "is_call": it.is_call} for it in item.places]
    return {"key": item.key, "finding": item.finding, "reason": item.reason, "places": places}
