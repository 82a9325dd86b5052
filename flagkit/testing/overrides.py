"""Flag answers that a test sets for the duration of a block."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from types import MappingProxyType

from flagkit.client import Flags
from flagkit.core.evaluation import Evaluation, FlagFunction
from flagkit.core.snapshot import Snapshot
from flagkit.runtime.overrides import FlagTable, Overlay, fixed
from flagkit.sources.static import short_form

Forced = Mapping[str, FlagFunction]
_NOTHING: Forced = MappingProxyType({})


@contextmanager
def override(flags: Flags, /, *, all_threads: bool = False, **values: object) -> Iterator[None]:
    """Override flags inside the block.

    ```python
    with override(flags, new_checkout=True, colour="red"):
        ...
    ```

    Overrides belong to the running context: asyncio tasks and tests that run side by side don't see each other's.
    A thread that the code under test starts by itself doesn't see them either, unless `all_threads` is set.

    Args:
        flags: the client.
        all_threads: whether every thread of the process sees them.
        **values: a boolean turns the flag on or off, anything else is its attribute `value`; a mapping is its whole
            entry.
    """
    if all_threads:
        everywhere = fixed(values, version="override")
        flags.add_override(everywhere)
        try:
            yield
        finally:
            flags.remove_override(everywhere)
        return
    forced: ContextVar[Forced] = ContextVar("flagkit_override", default=_NOTHING)

    def forced_here(below: FlagTable) -> FlagTable:
        return Overlay({key: partial(_answer, forced, below, key) for key in values}, below)

    # Not reset afterwards: the variable dies with this block, and a generator can end in another context.
    forced.set(Snapshot.from_document(short_form(values), version="override").flags)
    flags.add_override(forced_here)
    try:
        yield
    finally:
        flags.remove_override(forced_here)


def _answer(
    forced: ContextVar[Forced], below: FlagTable, key: str, user_id: object, context: Mapping[str, object] | None
) -> Evaluation:
    answer = forced.get().get(key)
    return (below[key] if answer is None else answer)(user_id, context)


def combinations(*keys: str, **values: Sequence[object]) -> list[dict[str, object]]:
    """Return all combinations of flags, for `pytest.mark.parametrize`.

    ```python
    @pytest.mark.parametrize("state", combinations("new_checkout", "dark_mode", colour=["red", "blue"]), ids=str)
    def test_every_state_sells(flags, state):
        with override(flags, **state): ...
    ```

    Args:
        *keys: flags that are on or off.
        **values: flags with other values.
    """
    choices: dict[str, Sequence[object]] = {**dict.fromkeys(keys, (True, False)), **values}
    return [dict(zip(choices, choice, strict=True)) for choice in itertools.product(*choices.values())]
