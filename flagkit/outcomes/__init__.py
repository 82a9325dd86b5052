"""Outcomes of the users of a rollout or an experiment, one each: recorded here, judged by canary.

The rules (which arm a user belongs to, what counts, in which minute) are in `flagkit.core.outcomes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagkit.lazy import lazy_names

if TYPE_CHECKING:
    from flagkit.core.outcomes import Exposed, Happened, Outcome, Row
    from flagkit.outcomes.dynamodb import DynamoStore
    from flagkit.outcomes.emf import EmfStore
    from flagkit.outcomes.memory import MemoryStore
    from flagkit.outcomes.recorder import Outcomes, Store

__all__ = ["DynamoStore", "EmfStore", "Exposed", "Happened", "MemoryStore", "Outcome", "Outcomes", "Row", "Store"]

__getattr__ = lazy_names(
    __name__,
    {
        "flagkit.core.outcomes": ("Exposed", "Happened", "Outcome", "Row"),
        "flagkit.outcomes.dynamodb": ("DynamoStore",),
        "flagkit.outcomes.emf": ("EmfStore",),
        "flagkit.outcomes.memory": ("MemoryStore",),
        "flagkit.outcomes.recorder": ("Outcomes", "Store"),
    },
)
