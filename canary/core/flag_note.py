"""What a version of a flag document says about its step of a guarded rollout: from where to where, and why. Pure.

`flagkit history` shows it, so the evidence of a step is kept with the step, whatever becomes of the journal.
"""

from __future__ import annotations

import json
import re
from typing import Final

from canary.core.alias import AliasSpec, percent_text

ROOM: Final = 600
"""Characters of JSON for the sentence, of the 1,024 that AWS keeps; author, time and flags need the rest."""

_ECHO: Final = re.compile(r"(?:advanced to [0-9.]+ %: |(?:canary|rollout) started: [^;]*(?:; )?)")
"""How a reason begins that says the percentages again."""


def flag_note(before_bp: int, after_bp: int, record: str, spec: AliasSpec) -> str:
    """The sentence for one save.

    Args:
        before_bp: the share of users before it.
        after_bp: the share after it.
        record: the record before it; empty where no rollout was under way.
        spec: what is saved.
    """
    share = f"{percent_text(after_bp)} % of users"
    if record and not spec.description:
        head = f"guarded rollout ended at {share}"
    elif before_bp != after_bp:
        head = f"guarded rollout: {percent_text(before_bp)} % → {share}"
    else:
        head = f"guarded rollout {'stays' if record else 'started'} at {share}"
    why = _ECHO.sub("", spec.why, count=1)
    return _shortened(f"{head}; {why}" if why else head)


def _shortened(text: str) -> str:
    """At most `ROOM` characters as AWS keeps them, cut between two words."""
    if len(json.dumps(text)) <= ROOM:
        return text
    words = text.split(" ")
    while len(json.dumps(f"{' '.join(words)} …")) > ROOM:
        words.pop()
    return f"{' '.join(words)} …"
