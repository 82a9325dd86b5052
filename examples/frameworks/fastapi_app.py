"""Flags for the caller of FastAPI requests. Run it: `python examples/frameworks/fastapi_app.py` (needs fastapi)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from flagkit import Flags, StaticSource
from flagkit.frameworks import Caller, FlagsASGIMiddleware, for_request
from flagkit.user import UserFlags

BETA = {
    "_variants": [
        {"name": "beta", "enabled": True, "rule": '(in $userId ["amira", "ben"])'},
        {"name": "everybody", "enabled": False},
    ]
}
flags = Flags(StaticSource({"new_search": BETA}))  # Flags.connect("appconfig://…") in production


def read_caller(scope):
    """Who is asking; a real service would read a session or a token."""
    headers = dict(scope["headers"])
    return Caller(headers.get(b"x-user", b"").decode() or None, {"path": scope["path"]})


def flags_of_caller() -> UserFlags:
    return for_request(flags)


app = FastAPI()
app.add_middleware(FlagsASGIMiddleware, read=read_caller)


@app.get("/search")
async def search(flags: Annotated[UserFlags, Depends(flags_of_caller)]):
    return {"engine": "new" if flags.is_enabled("new_search") else "old"}


if __name__ == "__main__":
    client = TestClient(app)
    for user in ("amira", "zoe"):
        print(user, client.get("/search", headers={"x-user": user}).json())
