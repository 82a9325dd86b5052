"""Finds the settings file of a source, flagkit.toml. It doesn't read it: commands that list flags load no pydantic."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from flagkit.errors import SourceUrlError
from flagkit.sources.urls import parse

FILE_NAME: Final = "flagkit.toml"
FILE_VARIABLE: Final = "FLAGKIT_CONFIG"


def find_file(url: str, environment: Mapping[str, str], directory: Path) -> Path | None:
    """Return the settings file of a source, or None if there is none.

    It is the file that `$FLAGKIT_CONFIG` names (empty: none); otherwise `flagkit.toml` beside a file of flags, in the
    current directory, or in a parent of it up to the root of its git repository.

    Args:
        url: the source.
        environment: the environment variables.
        directory: the current one.
    """
    named = environment.get(FILE_VARIABLE)
    if named is not None:
        return Path(named) if named else None
    return next((folder / FILE_NAME for folder in _folders(url, directory) if (folder / FILE_NAME).is_file()), None)


def name_of_source(url: str) -> str:
    """Return a source's name for patterns: `appconfig://APPLICATION/ENVIRONMENT/PROFILE`, or the absolute path."""
    address = parse(url)
    if address.scheme == "appconfig":
        return "appconfig://" + "/".join(address.names(3))
    return str(Path(address.rest.removeprefix("//") if address.rest.startswith("//") else address.rest).resolve())


def _folders(url: str, directory: Path) -> list[Path]:
    try:
        address = parse(url)
    except SourceUrlError:
        return []
    found = [Path(name_of_source(url)).parent] if address.scheme == "file" else []
    inside: list[Path] = []
    for folder in (directory, *directory.parents):
        inside.append(folder)
        if (folder / ".git").exists():
            return found + inside
    return [*found, directory]
