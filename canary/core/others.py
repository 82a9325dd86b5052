"""Several flags rolled out at once: whose users are the same, and what to do about it. Only values and words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from canary.core.plan import FlagTarget, StagePlan

MEANS = "a user can have both, and a failure counts for both"


@dataclass(frozen=True, slots=True)
class OtherRollout:
    """A rollout whose users are not kept apart from those of a stage's flag.

    Attributes:
        flag: the other flag.
        rollout: its id; empty where it isn't known.
        layer: the exclusion group that it is in already; empty for none.
        unknown: why it isn't known whether it is under way; empty where it is known that it is.
    """

    flag: FlagTarget
    rollout: str = ""
    layer: str = ""
    unknown: str = ""

    @property
    def sentence(self) -> str:
        """What is the case, and what that means."""
        if self.unknown:
            return f"whether {self.flag.key} is being rolled out, too, is unknown: {self.unknown}"
        named = f" (rollout {self.rollout})" if self.rollout else ""
        return f"{self.flag.key} is being rolled out, too{named}: {MEANS}"

    @property
    def hint(self) -> str:
        """How to keep the users apart."""
        if self.unknown:
            return f"Grant what the message names, or let no stage roll out {self.flag.key} at the same time."
        return f"Wait until it has ended. {apart(self.flag.source, self.layer)}"


def apart(source: str, layer: str = "") -> str:
    """How two flags get an exclusion group."""
    name = layer or "rollouts"
    add = "add " if layer else f"add [layers.{name}], and "
    return (
        f"To keep users of two flags apart, give both a layer before they are rolled out: `flagkit pull -s {source} -o "
        f'flags.toml`, {add}layer = {{ name = "{name}", share = 50 }} to both, `flagkit apply -s {source} flags.toml`.'
    )


def beside(stage: StagePlan, stages: Iterable[StagePlan]) -> tuple[tuple[str, FlagTarget], ...]:
    """The other stages of a plan whose flags the same users may have, each with its flag."""
    own = stage.flag
    if own is None:
        return ()
    found = [(other.name, other.flag) for other in stages if other.flag is not None and other.name != stage.name]
    return tuple((name, flag) for name, flag in found if flag.key != own.key and _environment(flag, own))


def shared_users(stage: StagePlan, stages: Iterable[StagePlan]) -> tuple[str, ...]:
    """A sentence for each of them, before anything is known of what is under way."""
    return tuple(
        f"stage {name} rolls out {flag.key}: while both run, {MEANS}, unless both flags are in one layer"
        for name, flag in beside(stage, stages)
    )


def _environment(one: FlagTarget, other: FlagTarget) -> bool:
    """Whether two flags can be of one environment: the second part of an AppConfig source."""
    names = [flag.source.split("/")[3:4] for flag in (one, other)]
    return not all(names) or names[0] == names[1]
