"""Change flags from Python: edits, diffs, merges, stores with their history and deployments, flags as code.

`edits` are pure: a document in, a document out. A store, a file or an AppConfig profile, keeps every version.

    store = stores.open_store("file:flags.json")
    stored = store.read()
    store.save(stored, edits.rollout(stored.document, "new_checkout", 25), stores.Note("start the rollout"))

Never imported by the read path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagkit.lazy import lazy_names

if TYPE_CHECKING:
    from flagkit.admin import (
        agent_local,
        code,
        diff,
        edits,
        history,
        iam,
        merge,
        powertools,
        setup,
        stale,
        stores,
    )

__all__ = [
    "agent_local",
    "code",
    "diff",
    "edits",
    "history",
    "iam",
    "merge",
    "powertools",
    "setup",
    "stale",
    "stores",
]

__getattr__ = lazy_names(__name__, {__name__: __all__})
