"""The marks of paired probes, and how a handler recognises them. It builds and sends nothing.

Standard library only: `canary.instrument` takes the marks from here and runs in the function that is released.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

MARK: Final = "canary"
VALUE: Final = "probe"
HEADER: Final = "x-canary-probe"
"""For frameworks that see no context. Any client can send it, so it is a hint and no proof."""

CLIENT_CONTEXT: Final[dict[str, dict[str, str]]] = {"custom": {MARK: VALUE}}
"""Lambda hands it to the handler as `context.client_context`, beside the event, which stays as the plan has it."""


def is_probe(context: object) -> bool:
    """Whether the invocation with this context is a probe of canary, so that business metrics can leave it out.

    No HTTP client can pretend to be one: requests over HTTP have no client context.

    Args:
        context: the handler's second argument.
    """
    custom = getattr(getattr(context, "client_context", None), "custom", None)
    return isinstance(custom, Mapping) and custom.get(MARK) == VALUE
