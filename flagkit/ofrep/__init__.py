"""Flags for browsers and apps: a server of OpenFeature's remote evaluation protocol, OFREP (extra `ofrep`).

It answers only flags that are marked as client-visible, evaluated here; no rule leaves the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagkit.lazy import lazy_names

if TYPE_CHECKING:
    from flagkit.ofrep.app import OfrepApp, create_app
    from flagkit.ofrep.serverless import lambda_handler
    from flagkit.ofrep.settings import OfrepSettings
    from flagkit.web.token_settings import TokenSettings

__all__ = ["OfrepApp", "OfrepSettings", "TokenSettings", "create_app", "lambda_handler"]

__getattr__ = lazy_names(
    __name__,
    {
        "flagkit.ofrep.app": ("OfrepApp", "create_app"),
        "flagkit.ofrep.serverless": ("lambda_handler",),
        "flagkit.ofrep.settings": ("OfrepSettings",),
        "flagkit.web.token_settings": ("TokenSettings",),
    },
)
