"""The pages of the console: each module has the handlers of one page, and its routes."""

from __future__ import annotations

from starlette.routing import BaseRoute

from flagkit.console.pages import changing, deployment, flag, flags, proposals, segments, trying
from flagkit.console.pages.handling import HANDLERS

ROUTES: list[BaseRoute] = [
    *flags.ROUTES,
    *flag.ROUTES,
    *changing.ROUTES,
    *deployment.ROUTES,
    *segments.ROUTES,
    *trying.ROUTES,
    *proposals.ROUTES,
]

__all__ = ["HANDLERS", "ROUTES"]
