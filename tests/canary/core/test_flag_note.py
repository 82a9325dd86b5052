"""The sentence that a version of a flag document keeps about a step of a guarded rollout."""

from __future__ import annotations

import json

import pytest

from canary.core.alias import AliasSpec
from canary.core.flag_note import ROOM, flag_note

RECORD = "canary1 k3f9a2c1 1>2 b tn1f0a 10@0,25 - 9f3a2b1c|"


def spec(why: str, record: str = RECORD) -> AliasSpec:
    return AliasSpec("1", "2", 2500, record, why)


@pytest.mark.parametrize(
    ("before_bp", "after_bp", "record", "saved", "note"),
    [
        (0, 0, "", spec(""), "guarded rollout started at 0 % of users"),
        (0, 100, RECORD, spec("canary started: 1 % on 1 alias"), "guarded rollout: 0 % → 1 % of users"),
        (0, 100, RECORD, spec("rollout started: 1 % of users"), "guarded rollout: 0 % → 1 % of users"),
        (
            500,
            2500,
            RECORD,
            spec("advanced to 25 %: 0.8 % of 1,204 users failed"),
            "guarded rollout: 5 % → 25 % of users; 0.8 % of 1,204 users failed",
        ),
        (2550, 0, RECORD, spec("8 % failed"), "guarded rollout: 25.5 % → 0 % of users; 8 % failed"),
        (2500, 2500, RECORD, spec("paused on request"), "guarded rollout stays at 25 % of users; paused on request"),
        (0, 0, RECORD, spec("8 % failed", ""), "guarded rollout ended at 0 % of users; 8 % failed"),
    ],
)
def test_a_note_says_from_where_to_where_and_why(
    before_bp: int, after_bp: int, record: str, saved: AliasSpec, note: str
) -> None:
    assert flag_note(before_bp, after_bp, record, saved) == note


@pytest.mark.parametrize("why", ["a reason of words – " * 100, "ä" * 2000, "𝄞" * 2000])
def test_a_note_fits_into_what_aws_keeps_of_a_version(why: str) -> None:
    note = flag_note(500, 2500, RECORD, spec(why))
    assert note.startswith("guarded rollout: 5 % → 25 % of users;")
    assert note.endswith(" …")
    assert len(json.dumps(note)) <= ROOM
