"""Flags for the caller of FastAPI requests. Run it: `python examples/frameworks/fastapi_app.py` (needs fastapi)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from fastapi.testclient import TestClient
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware.authentication import AuthenticationMiddleware

from flagkit import Flags, StaticSource, UserFlags
from flagkit.frameworks import FlagsASGIMiddleware, for_request
from flagkit.testing import override

BETA = {
    "_variants": [
        {"name": "beta", "enabled": True, "rule": '(in $userId ["alice", "ben"])'},
        {"name": "everybody", "enabled": False},
    ]
}
flags = Flags(StaticSource({"new_search": BETA, "maintenance": False}))  # Flags.connect("appconfig://…") in production


TOKENS = {"Bearer token-of-alice": "alice", "Bearer token-of-zoe": "zoe"}


class Tokens(AuthenticationBackend):
    """Stands for your login: flags go by the user it found, never by a header that anybody can write."""

    async def authenticate(self, conn):
        """Who sent the request."""
        user = TOKENS.get(conn.headers.get("authorization", ""))
        return None if user is None else (AuthCredentials(["authenticated"]), SimpleUser(user))


def flags_of_caller() -> UserFlags:
    return for_request(flags)


app = FastAPI()
app.add_middleware(AuthenticationMiddleware, backend=Tokens())
app.add_middleware(FlagsASGIMiddleware)


@app.get("/search")
@flags.requires_flag("maintenance", when=False, instead=HTTPException(503, "back soon"))
async def search(mine: Annotated[UserFlags, Depends(flags_of_caller)]):
    return {"engine": "new" if mine.is_enabled("new_search") else "old"}


if __name__ == "__main__":
    client = TestClient(app)
    for user in ("alice", "zoe"):
        print(user, client.get("/search", headers={"authorization": f"Bearer token-of-{user}"}).json())
    with override(flags, all_threads=True, maintenance=True):
        print("during maintenance", client.get("/search").status_code)
