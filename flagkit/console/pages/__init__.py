"""The pages of the console: each module has the handlers of one page, and its routes."""

from __future__ import annotations

from starlette.routing import BaseRoute

from flagkit.console.pages import flags, proposals
from flagkit.console.pages.handling import HANDLERS

ROUTES: list[BaseRoute] = [*flags.ROUTES, *proposals.ROUTES]

__all__ = ["HANDLERS", "ROUTES"]
