"""Flags for the caller of Flask requests. Run it: `python examples/frameworks/flask_app.py` (needs flask)."""

from __future__ import annotations

from flask import Flask, session

from flagkit import Flags, StaticSource
from flagkit.frameworks import Caller, FlagsWSGIMiddleware, for_request

ROLLOUT = {
    "_variants": [
        {"name": "some", "enabled": True, "rule": '(split pct::50 by::$userId seed::"new_search")'},
        {"name": "rest", "enabled": False},
    ]
}
flags = Flags(StaticSource({"new_search": ROLLOUT, "maintenance": False}))

app = Flask(__name__)
app.secret_key = "only-for-this-example"
# Read inside the request, when a flag first needs it: the session is there.
app.wsgi_app = FlagsWSGIMiddleware(app.wsgi_app, read=lambda _environ: Caller(session.get("user")))


@app.get("/login/<user>")
def login(user):
    session["user"] = user
    return "ok"


@app.get("/search")
def search():
    return "new" if for_request(flags).is_enabled("new_search") else "old"


if __name__ == "__main__":
    for user in ("alice", "ben", "chen", "dana"):
        client = app.test_client()
        client.get(f"/login/{user}")
        print(user, client.get("/search").text)
