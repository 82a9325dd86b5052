"""A part of the console that another package brings: an entry of the navigation, and its pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.routing import BaseRoute


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of the console.

    Its handlers answer with `flagkit.console.render`; their templates extend `base.html`.

    Attributes:
        name: its path below the console's root, e.g. `releases`.
        title: what the navigation calls it.
        routes: its pages; their paths are below `/NAME`.
        templates: a folder of Jinja2 templates. Give them names that start with `NAME/`.
        static: a folder of files that are served below `/static/NAME`.
        stylesheet: a file of `static` that the panel's pages load after the console's own.
    """

    name: str
    title: str
    routes: Sequence[BaseRoute]
    templates: Path | None = None
    static: Path | None = None
    stylesheet: str | None = None
