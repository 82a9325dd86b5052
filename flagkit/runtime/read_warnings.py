"""The warnings of a client about reads, each logged once. It must not know answers or flags beyond what it is given."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from flagkit.core.evaluation import Evaluation

logger = logging.getLogger("flagkit")
MOST = 1_000
"""How many failures of reads are remembered: keys made up at run time must not fill the memory or the log."""


class ReadWarnings:
    """What was logged already."""

    def __init__(self) -> None:
        self._failures: set[tuple[str, str | None, str]] = set()
        self._warned_of_mapping = False

    def failure(self, evaluation: Evaluation) -> None:
        """Log one line per flag, version and kind of failure; never with a user's attributes in it."""
        seen = (evaluation.key, evaluation.version, str(evaluation.error))
        if seen in self._failures or len(self._failures) >= MOST:
            return
        self._failures.add(seen)
        logger.warning("flagkit: %s; the default is returned [%s]", evaluation.message, evaluation.error)

    def user_id(self, user_id: object) -> None:
        """Warn, once, of a mapping in the place of the user id: rules don't see its attributes."""
        if not isinstance(user_id, Mapping) or self._warned_of_mapping:
            return
        self._warned_of_mapping = True
        logger.warning(
            "flagkit: the user id of a read is a %s, which has no text; the context is the argument after the user id",
            type(user_id).__name__,
        )
