"""A web shop whose new checkout is behind a flag. Run it: `uvicorn app:app --app-dir examples/rollout`.

It needs starlette and uvicorn, the flag's source in FLAGKIT_SOURCE, and a secret in FLAGKIT_OUTCOMES_SECRET.
"""

from __future__ import annotations

import hashlib
import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from flagkit import Flags
from flagkit.frameworks import Caller, FlagsASGIMiddleware, current_caller, for_request
from flagkit.outcomes import DynamoStore, Outcomes

FLAG = "new-checkout"
BROKEN = float(os.environ.get("SHOP_BROKEN_PERCENT", "0"))
"""Share of users whose carts the new checkout can't read: the mistake that the rollout is to find."""

flags = Flags.connect()
outcomes = Outcomes(DynamoStore("canary-outcomes", window_s=60), experiments={FLAG})
flags.report_to(outcomes)


def has_an_old_cart(user: str) -> bool:
    """Always the same users."""
    return int.from_bytes(hashlib.sha256(user.encode()).digest()[:4]) < BROKEN / 100 * 2**32


def caller(scope) -> Caller:
    """Stands for your login: flags go by the user it found."""
    return Caller(dict(scope["headers"]).get(b"x-user", b"").decode() or None)


async def checkout(request: Request) -> PlainTextResponse:
    if not for_request(flags).is_enabled(FLAG):
        return PlainTextResponse("old")
    if has_an_old_cart(str(current_caller().user_id)):
        return PlainTextResponse("the new checkout can't read this cart", 500)
    return PlainTextResponse("new")


app = Starlette(routes=[Route("/checkout", checkout)])
app.add_middleware(FlagsASGIMiddleware, read=caller, outcomes=outcomes)
