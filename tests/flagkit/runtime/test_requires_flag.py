"""`requires_flag` lets calls through while its flag answers so; functions, coroutines and web handlers alike."""

from __future__ import annotations

import asyncio
import inspect

import httpx
import pytest
from fastapi import FastAPI, HTTPException

from flagkit import Flags
from flagkit.sources.static import StaticSource
from flagkit.testing import VirtualClock, override


@pytest.fixture
def flags():
    return Flags(StaticSource({"checkout": True, "maintenance_mode": False}), clock=VirtualClock())


def test_a_function_runs_while_the_flag_answers_so(flags):
    @flags.requires_flag("checkout")
    def buy(item, *, count=1):
        """Buys."""
        return f"{count} {item}"

    @flags.requires_flag("maintenance_mode", when=False, instead="closed")
    def sell(item):
        return f"sold {item}"

    assert (buy("tea", count=2), buy.__doc__, sell("tea")) == ("2 tea", "Buys.", "sold tea")
    with override(flags, checkout=False, maintenance_mode=True):
        assert (buy("tea"), sell("tea")) == (None, "closed")


def test_instead_is_called_raised_or_returned(flags):
    closed = {"statusCode": 503}
    failure = PermissionError("closed")
    called = flags.requires_flag("unknown", instead=lambda a, *, b: (a, b))(lambda a, *, b: None)
    raised = flags.requires_flag("unknown", instead=failure)(lambda: None)
    returned = flags.requires_flag("unknown", instead=closed)(lambda event, context: None)
    with pytest.raises(LookupError):
        flags.requires_flag("unknown", instead=LookupError)(lambda: None)()
    assert called(1, b=2) == (1, 2)
    assert returned({}, None) is closed
    depths = []
    for _ in range(2):
        with pytest.raises(PermissionError) as caught:
            raised()
        depths.append(len(caught.traceback))
    assert depths[0] == depths[1]


def test_a_coroutine_function_stays_one(flags):
    async def elsewhere(item):
        await asyncio.sleep(0)
        return f"later {item}"

    @flags.requires_flag("checkout", instead=elsewhere)
    async def buy(item):
        await asyncio.sleep(0)
        return f"now {item}"

    @flags.requires_flag("checkout", instead=lambda item: f"never {item}")
    async def sell(item):
        return f"now {item}"

    async def both():
        return await buy("tea"), await sell("tea")

    assert inspect.iscoroutinefunction(buy)
    assert asyncio.run(both()) == ("now tea", "now tea")
    with override(flags, checkout=False):
        assert asyncio.run(both()) == ("later tea", "never tea")


@pytest.mark.parametrize("default", [False, True])
def test_without_an_answer_the_default_decides(flags, default):
    assert flags.requires_flag("unknown", default=default)(lambda: "ran")() == ("ran" if default else None)
    assert flags.requires_flag("unknown", default=default, when=False)(lambda: "ran")() == (None if default else "ran")


def test_a_web_handler_keeps_its_signature(flags):
    app = FastAPI()

    @app.get("/items/{item}")
    @flags.requires_flag("maintenance_mode", when=False, instead=HTTPException(503, "back soon"))
    async def show(item: int):
        return {"item": item}

    async def get(path):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
            return await client.get(path)

    assert asyncio.run(get("/items/7")).json() == {"item": 7}
    assert asyncio.run(get("/items/seven")).status_code == 422
    with override(flags, maintenance_mode=True):
        answer = asyncio.run(get("/items/7"))
    assert (answer.status_code, answer.json()) == (503, {"detail": "back soon"})
