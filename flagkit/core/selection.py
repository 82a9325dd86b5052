"""How a flag's ordered variants become one function. It must not read documents or parse rule text itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from flagkit.core.definitions import FlagDefinition
from flagkit.core.evaluator import Evaluation, FlagFunction, Reason, answer


def compile_flag(
    definition: FlagDefinition, *, version: str | None, user_key: str, now: Callable[[], datetime] | None
) -> FlagFunction:
    """Return the function that answers for one flag. Since 0.1."""
    result = answer(
        definition.key,
        enabled=definition.enabled,
        reason=Reason.STATIC,
        attributes=definition.attributes,
        version=version,
    )

    def flag(_user_id: object, _context: Mapping[str, object] | None) -> Evaluation:
        return result

    return flag
