"""A process dies at every single call of saving and deploying; the next one finishes, and nothing happens twice."""

from __future__ import annotations

import pytest

from flagkit.admin import edits
from flagkit.admin.setup import init
from flagkit.admin.stores import Note, open_store

pytestmark = pytest.mark.sweep

URL = "appconfig://shop/prod/flags"


class Died(BaseException):
    """The process is gone."""


def run(store, note):
    """What `flagkit on a` does."""
    base = store.read()
    receipt = store.save(base, edits.switch_on(base.document, "a"), note)
    store.deployments.deploy(receipt.version.number, pace="immediate")


@pytest.fixture
def started(aws, virtual_clock):
    init(URL, clock=virtual_clock)
    store = open_store(URL, clock=virtual_clock)
    base = store.read(missing_ok=True)
    store.save(base, edits.create(base.document, "a"), Note("begin"))
    store.deployments.deploy(1, pace="immediate")
    return store


def count_calls(aws, action):
    before = len(aws.wire.calls)
    action()
    return len(aws.wire.calls) - before


@pytest.mark.parametrize("repeats", ["the same edit", "a new command"])
def test_a_process_that_dies_at_any_call(aws, virtual_clock, started, repeats):
    calls = count_calls(aws, lambda: run(open_store(URL, clock=virtual_clock), Note("counted")))
    assert calls > 8
    for number in range(1, calls + 1):
        # Off again, saved and served.
        store = open_store(URL, clock=virtual_clock)
        base = store.read()
        store.save(base, edits.switch_off(base.document, "a"), Note())
        store.deployments.finish(pace="immediate")
        versions, deployments = len(list(store.versions())), store.deployments.status().last.number
        note, left = Note(f"dies at {number}"), [number]

        def die(_record, left=left):
            left[0] -= 1
            if left[0] == 0:
                raise Died

        aws.wire.watchers.append(die)
        with pytest.raises(Died):
            run(open_store(URL, clock=virtual_clock), note)
        aws.wire.watchers.clear()
        later = open_store(URL, clock=virtual_clock)
        status = later.deployments.status()
        if later.read().version.number != versions:
            assert status.is_pending or status.last.number == deployments + 1
        run(later, note if repeats == "the same edit" else Note())
        assert later.read().document.values["a"].enabled
        assert not later.deployments.status().is_pending
        assert len(list(later.versions())) == versions + 1
        assert later.deployments.status().last.number == deployments + 1
