"""State and audience of every flag of a document, in a few words for people. It must not evaluate or print."""

from __future__ import annotations

import datetime as dt

from flagkit.admin.audience import who
from flagkit.admin.edits.workbench import is_guarded, without_guard
from flagkit.authoring import FlagSource, decompile
from flagkit.core.documents import FlagDocument


def summaries(document: FlagDocument) -> dict[str, tuple[str, str]]:
    """State (`on`, `off` or `part`) and who gets it, for every flag of a document, by key. Since 0.1."""
    switched_off = {key for key, value in document.values.items() if is_guarded(value)}
    bare = document
    for key in switched_off:
        bare = without_guard(bare, key)
    found: dict[str, tuple[str, str]] = {}
    for key, flag in decompile(bare).flags.items():
        audience = who((flag, key in switched_off))
        audience = audience.removesuffix(" (off)")
        state = "off" if audience.startswith("nobody") else "part" if _is_partial(flag) else "on"
        found[key] = state, audience
    return found


def moment(at: dt.datetime) -> str:
    """A moment for people, in UTC. Since 0.1."""
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def _is_partial(flag: FlagSource) -> bool:
    return bool(flag.variants) or flag.is_targeted
