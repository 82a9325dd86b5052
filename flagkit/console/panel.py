"""A part of the console that another package brings: an entry of the navigation, and its pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.routing import BaseRoute


@dataclass(frozen=True, slots=True)
class RolloutPage:
    """A page of a panel about the guarded rollout of a flag.

    Attributes:
        source: where the flag is kept.
        key: the flag.
        title: what the link says.
        path: below the panel's.
    """

    source: str
    key: str
    title: str
    path: str


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
        rollouts: returns the panel's pages about guarded rollouts, for the pages of their flags.
    """

    name: str
    title: str
    routes: Sequence[BaseRoute]
    templates: Path | None = None
    static: Path | None = None
    stylesheet: str | None = None
    rollouts: Callable[[], Sequence[RolloutPage]] | None = None
