"""A site that answers flags to its own pages, under `/flags`. Run it: `python examples/ofrep/site.py` (needs fastapi).

Serve it with `uvicorn --app-dir examples/ofrep site:app` and open http://127.0.0.1:8000.
"""

from __future__ import annotations

import asyncio

import httpx
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from flagkit import Flags, StaticSource
from flagkit.ofrep import create_app

VISIBLE = "[flagkit client-visible]"  # `flagkit describe new_search --client-visible` writes it
DOCUMENT = {
    "version": "1",
    "flags": {
        "new_search": {"name": "New search", "description": f"Search as you type {VISIBLE}"},
        "cheaper_prices": {"name": "Cheaper prices", "description": "Not for the eyes of clients"},
    },
    "values": {
        "new_search": {
            "_variants": [
                {"name": "some", "enabled": True, "rule": '(split pct::50 by::$userId seed::"new_search")'},
                {"name": "others", "enabled": False},
            ]
        },
        "cheaper_prices": {"enabled": True},
    },
}
flags = Flags(StaticSource(DOCUMENT))  # Flags.connect("appconfig://…") in production
ofrep = create_app(flags)

app = FastAPI()
app.mount("/flags", ofrep)


@app.get("/")
def page(user: str = "alice") -> HTMLResponse:
    # The page starts with its flags; OpenFeature's OFREPWebProvider, whose baseUrl ends in /flags, keeps them fresh.
    return HTMLResponse(f'<script id="flags" type="application/json">{ofrep.bootstrap(user)}</script>')


async def main() -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://site") as client:
        for user in ("alice", "ben"):
            context = {"context": {"targetingKey": user}}
            answer = await client.post("/flags/ofrep/v1/evaluate/flags", json=context)
            print(user, [(flag["key"], flag["value"]) for flag in answer.json()["flags"]])
        hidden = await client.post("/flags/ofrep/v1/evaluate/flags/cheaper_prices", json=context)
        print(hidden.status_code, hidden.json()["errorCode"])
        print((await client.get("/")).text)


if __name__ == "__main__":
    asyncio.run(main())
