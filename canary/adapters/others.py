"""Finds the rollouts that share users with a stage's: in the same document, and of the plan's other stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from canary.adapters.flag_target import FlagAliases
from canary.core.others import OtherRollout
from canary.core.plan import FlagTarget
from canary.errors import CanaryError

if TYPE_CHECKING:
    from flagkit.core.documents import FlagDocument

Others = Callable[[], tuple[OtherRollout, ...]]
"""Answers the rollouts that are under way beside a stage's, and never raises."""


def others_of(own: FlagTarget, documents: Sequence[tuple[FlagTarget, FlagAliases]]) -> Others:
    """What finds the other rollouts under way whose users aren't kept apart by a layer.

    Args:
        own: the stage's flag.
        documents: flags of all stages with what reads them, the stage's own among them.
    """
    return lambda: tuple(
        other
        for flag, aliases in documents
        if flag == own or flag.source != own.source
        for other in _in(flag, aliases, own)
    )


def _in(flag: FlagTarget, aliases: FlagAliases, own: FlagTarget) -> list[OtherRollout]:
    """The rollouts in one document: all others in the stage's own, of another one that of its flag only."""
    from flagkit.admin.rollouts import rollouts_in

    try:
        document = aliases.live_document()
        found = {key: rollout.id for key, rollout in rollouts_in(document.to_dict()["values"]).items()}
    except Exception as error:  # noqa: BLE001 - whatever is the matter: it is told, and ends no driver
        why = error.message if isinstance(error, CanaryError) else type(error).__name__
        return [OtherRollout(FlagTarget(flag.source, "another flag" if flag == own else flag.key), unknown=why)]
    if flag != own:
        return [OtherRollout(flag, found[flag.key])] if flag.key in found else []
    layer = _layer(document, own.key)
    others = {key: _layer(document, key) for key in found if key != own.key}
    return [
        OtherRollout(FlagTarget(own.source, key), found[key], its)
        for key, its in others.items()
        if not its or its != layer
    ]


def _layer(document: FlagDocument, key: str) -> str:
    """The exclusion group of a flag; empty for a flag without one, or that can't be read."""
    from flagkit.authoring.editor import readable
    from flagkit.errors import FlagkitError

    with suppress(FlagkitError):
        layer = readable(document, key).layer
        return "" if layer is None else layer.name
    return ""
