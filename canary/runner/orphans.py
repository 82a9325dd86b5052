"""Ends canaries that nobody drives: from the aliases alone, or through the plan that knows the stage."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from canary.core.orphans import Sighting, end_of
from canary.core.phases import Phase
from canary.core.plan import FlagTarget, StagePlan
from canary.errors import AwsError, CanaryError, ConflictError
from canary.ports import Aliases, Clock
from canary.runner.commands import abort
from canary.runner.observe import current
from canary.runner.session import Ports

TRIES = 5


def stage_of(
    sighting: Sighting, stages: Iterable[StagePlan], home: str | None, flags: Collection[FlagTarget] = ()
) -> StagePlan | None:
    """The stage of the plan that a canary belongs to; None where the plan has none with its functions.

    Args:
        sighting: the canary.
        stages: of the plan.
        home: the region of stages that name none.
        flags: how the plan may name the flag, where it is the rollout of one.
    """
    keys = {alias.function.key for alias in sighting.aliases}
    near = (stage for stage in stages if (stage.region or home) == sighting.region)
    if flags:
        return next((stage for stage in near if stage.flag in flags), None)
    return next((stage for stage in near if keys <= {function.key for function in stage.functions}), None)


def end_by_plan(sighting: Sighting, stage: StagePlan, ports: Ports) -> tuple[str, ...]:
    """Aborts the canary as `canary abort` does: journalled and published. Returns a line for each alias.

    After a conflict each alias is ended by its record.

    Raises:
        CanaryError: it could not be ended.
    """
    found = current(stage, ports)
    if found is None or found.canary_id != sighting.canary_id:
        raise ConflictError(f"canary {sighting.canary_id} has ended meanwhile; nothing was changed")
    state = abort(stage, ports)
    if state.phase is Phase.CONFLICT:
        return end_by_record(sighting, ports.aliases, ports.clock)
    return tuple(f"{alias.function}: {state.phase.value.replace('_', ' ')}" for alias in sighting.aliases)


def end_by_record(sighting: Sighting, aliases: Aliases, clock: Clock) -> tuple[str, ...]:
    """Rolls back each alias, but for one that somebody else has moved: that loses its record only. A line for each.

    Raises:
        AwsError: an alias could not be written; the others were.
    """
    lines: list[str] = []
    problems: list[str] = []
    for alias in sighting.aliases:
        for left in range(TRIES, 0, -1):
            try:
                found = aliases.read(alias.function)
                spec = end_of(found) if found.description == alias.description else None
                if spec is None:
                    lines.append(f"{alias.function}: changed meanwhile, left as it is")
                else:
                    written = aliases.write(alias.function, spec, found.revision_id)
                    lines.append(f"{alias.function}: {written.routes_text}")
                break
            except CanaryError as error:
                if left == 1:
                    problems.append(f"{alias.function}: {error.message}")
                else:
                    clock.sleep(1.0)
    if problems:
        raise AwsError(f"canary {sighting.canary_id} was not ended everywhere: {'; '.join(problems)}")
    return tuple(lines)
