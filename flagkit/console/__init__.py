"""A web console for flags: what the command line does, for people with a browser.

    from flagkit.console import ConsoleSettings, create_app

    app = create_app(ConsoleSettings(sources=("file:flags.json",)))

An ASGI app; `flagkit console` serves it. Needs the extra `console`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagkit.lazy import lazy_names

if TYPE_CHECKING:
    from flagkit.console.access import needs
    from flagkit.console.app import create_app
    from flagkit.console.configuration import configured
    from flagkit.console.identity import Identity, Role
    from flagkit.console.panel import Panel, RolloutPage
    from flagkit.console.rendering import render
    from flagkit.console.serverless import lambda_handler
    from flagkit.console.settings import ConsoleSettings
    from flagkit.console.sign_in import FixedSignIn, LocalSignIn, Sessions

__all__ = [
    "ConsoleSettings",
    "FixedSignIn",
    "Identity",
    "LocalSignIn",
    "Panel",
    "Role",
    "RolloutPage",
    "Sessions",
    "configured",
    "create_app",
    "lambda_handler",
    "needs",
    "render",
]

__getattr__ = lazy_names(
    __name__,
    {
        "flagkit.console.app": ("create_app",),
        "flagkit.console.configuration": ("configured",),
        "flagkit.console.identity": ("Identity", "Role"),
        "flagkit.console.panel": ("Panel", "RolloutPage"),
        "flagkit.console.rendering": ("render",),
        "flagkit.console.access": ("needs",),
        "flagkit.console.serverless": ("lambda_handler",),
        "flagkit.console.settings": ("ConsoleSettings",),
        "flagkit.console.sign_in": ("FixedSignIn", "LocalSignIn", "Sessions"),
    },
)
