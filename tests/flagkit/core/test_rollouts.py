"""The format of a rollout's record that flagkit and canary share."""

from __future__ import annotations

import pytest

from flagkit.core.rollouts import experiment_of, rollout_id, rollout_ids
from flagkit.core.snapshot import Snapshot


def test_the_second_word_of_a_record_names_the_rollout() -> None:
    assert rollout_id("canary1 k3f9a2c1") == rollout_id("canary1 k3f9a2c1 1>2 s") == "k3f9a2c1"


@pytest.mark.parametrize(
    "text", ["", "canary1", "canary1 ", "Live traffic of the API", "canary1 k#1 b", "canary1  k1", 5, None]
)
def test_what_is_no_record_names_no_rollout(text: object) -> None:
    assert rollout_id(text) == ""


def test_a_document_has_the_rollouts_under_way() -> None:
    entry = {"enabled": False, "checkout": "canary1 k1 1>2", "search": "paused"}
    assert rollout_ids(entry) == {"checkout": "k1"}
    assert rollout_ids(None) == {}
    for values, found in (({"flagkit-rollouts": entry}, {"checkout": "k1"}), ({}, {})):
        assert Snapshot.from_document({"version": "1", "flags": {}, "values": values}).rollouts == found
    doubled = '{"version": "1", "values": {"flagkit-rollouts": {"a": "canary1 k1", "a": "canary1 k2"}}}'
    assert Snapshot.from_json(doubled).rollouts == {}


def test_an_experiment_is_named_by_its_rollout() -> None:
    assert (experiment_of("checkout", "k1"), experiment_of("checkout", "")) == ("checkout@k1", "checkout")
