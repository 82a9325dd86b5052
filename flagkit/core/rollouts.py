"""Guarded rollouts as a document names them: which are under way, and what their users are counted under.

The flag `flagkit-rollouts` has one attribute per flag that is being rolled out, its value the record of the engine that
drives it. flagkit and canary share this much of the record: it is words, separated by single spaces; the first one
names the format (letters, then digits), the second one the rollout: `canary1 k3f9a2c1 …`. What follows is the engine's
own. It must not read a source.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_RECORD = re.compile(r"[a-z]+[0-9]+ ([A-Za-z0-9_-]{1,64})(?: |\Z)", re.ASCII)


def rollout_id(record: object) -> str:
    """The id in a rollout's record; empty where it is no record."""
    found = _RECORD.match(record) if isinstance(record, str) else None
    return "" if found is None else found[1]


def rollout_ids(entry: object) -> Mapping[str, str]:
    """The ids of the rollouts under way by flag, from what a document has for `flagkit-rollouts`."""
    members = entry.items() if isinstance(entry, Mapping) else ()
    return {str(key): found for key, record in members if (found := rollout_id(record))}


def experiment_of(name: str, rollout: str) -> str:
    """What users are counted under: `new_checkout@k3f9a2c1` in a rollout, `new_checkout` outside of one.

    So each rollout counts users of its own: who was exposed in an earlier one counts again.
    """
    return f"{name}@{rollout}" if rollout else name
