"""Nothing that may wait happens on the event loop, and answers are those of the client."""

from __future__ import annotations

import asyncio
import threading

import pytest

from flagkit import Flags, aio
from flagkit.sources.agent import AgentSource
from flagkit.sources.static import StaticSource
from flagkit.testing import AgentStandIn, ScriptedSource, VirtualClock


class NosySource(ScriptedSource):
    """Notes which thread fetches."""

    def __init__(self, *script):
        super().__init__(*script)
        self.threads = []

    def fetch(self):
        self.threads.append(threading.current_thread())
        return super().fetch()


def run(coroutine):
    return asyncio.run(coroutine)


def test_answers_are_those_of_the_client():
    async def main():
        source = StaticSource({"a": True, "text": "x", "n": 2, "half": 0.5, "list": [1]})
        async with aio.AsyncFlags(Flags(source, clock=VirtualClock())) as flags:
            assert await flags.is_enabled("a", "42")
            assert (await flags.evaluate("a")).enabled
            assert await flags.string("text", default="") == "x"
            assert await flags.integer("n", default=0) == 2
            assert await flags.number("half", default=0.0) == 0.5
            assert await flags.object("list", default=None) == [1]
            assert set(await flags.all()) == {"a", "text", "n", "half", "list"}
            assert flags.status().state == "ready"
        assert flags.flags.closed

    run(main())


def test_fetching_happens_off_the_loop():
    async def main():
        source = NosySource({"a": False}, {"a": True})
        flags = aio.AsyncFlags(await asyncio.to_thread(Flags, source, clock=VirtualClock()))
        assert await flags.refresh()
        await flags.refresh_if_due()
        assert await flags.wait_until_ready(1)
        assert await flags.is_enabled("a")
        assert threading.main_thread() not in source.threads

    run(main())


def test_connect_does_not_block_the_loop(tmp_path):
    (tmp_path / "flags.json").write_text('{"version": "1", "values": {"a": {"enabled": true}}}')

    async def main():
        async with await aio.connect(f"file:{tmp_path / 'flags.json'}", refresh="manual") as flags:
            return await flags.is_enabled("a")

    assert run(main()) is True


@pytest.mark.parametrize("rule", ['(eq $userId "42")'])
def test_the_agent_is_asked_off_the_loop(rule):
    variants = [{"name": "hit", "enabled": True, "rule": rule}, {"name": "miss", "enabled": False}]
    document = {"version": "1", "flags": {}, "values": {"a": {"_variants": variants}}}
    agent, threads = AgentStandIn(document, feature_flags=True), []

    def ask(*args):
        threads.append(threading.current_thread())
        return agent(*args)

    async def main():
        flags = aio.AsyncFlags(
            await asyncio.to_thread(Flags, AgentSource("s", "t", "f", ask=ask), clock=VirtualClock())
        )
        return await flags.is_enabled("a", "42")

    assert run(main()) is True
    assert threading.main_thread() not in threads
