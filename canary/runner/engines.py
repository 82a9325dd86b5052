"""Hands a canary to an engine in AWS and follows it there; the engine ticks, this only looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from canary.core.engines import check_limits, functions_of
from canary.core.events import CanaryEnded, Event
from canary.core.machine import NOT_WATCHED
from canary.core.phases import FINAL, Phase
from canary.core.plan import StagePlan
from canary.core.state import CanaryState
from canary.errors import AwsError, CanaryError, NotFoundError, PlanError, UnavailableError
from canary.ports import Engine
from canary.runner.checks import Check, Level, check
from canary.runner.commands import abort
from canary.runner.drive import RESTING
from canary.runner.observe import find
from canary.runner.session import Ports, Session

LOOK_S: Final = 15.0
"""How often a command that follows looks at the aliases and the journal."""

PATIENCE: Final = 4
"""Looks at which nobody drives a canary before that is taken for true: an end is published after it is written."""


def engine_checks(stage: StagePlan, engine: Engine) -> Iterator[Check]:
    """Whether the engine is deployed, has this plan, can hold this release, and is the only one.

    Args:
        stage: the plan.
        engine: the engine.
    """
    command = f"`canary infra {stage.name} --out FILE`, then `aws cloudformation deploy --template-file FILE`"
    try:
        facts = engine.facts()
    except NotFoundError as error:
        yield Check("engine_deployed", Level.FAILED, f"engine {engine.name}: {error.message}", hint=f"Run {command}.")
        return
    yield Check("engine_deployed", Level.OK, f"engine {engine.name} is deployed")
    again = f"Deploy it again with this plan: {command}."
    found, wanted = (facts.plan, facts.journal), (facts.expected_plan, facts.expected_journal)
    text = "the tick function has this plan"
    if found != wanted:
        text = (
            f"the tick function has another plan: fingerprint {found[0]} and journal {found[1]}, "
            f"this one {wanted[0]} and {wanted[1]}"
        )
    yield check("engine_plan", found == wanted, text, "", again)
    text = f"the journal is {facts.expected_journal}"
    shared = facts.expected_journal.startswith("dynamodb:")
    yield check("engine_journal", shared, text, "", 'Files don\'t outlive the tick function: use "dynamodb://TABLE".')
    if facts.functions is not None:
        missing = [entry for entry in functions_of(stage) if entry not in facts.functions]
        names = ", ".join(f"{entry['function']}:{entry['alias']}" for entry in missing)
        text = f"the rollback of the state machine lacks {names}" if names else "the state machine can roll all back"
        yield check("engine_rollback", not missing, text, "", again)
        try:
            check_limits(stage)
        except PlanError as error:
            yield Check("engine_limits", Level.FAILED, error.message, hint=error.hint)
    text = f"{', '.join(facts.others)} is active in this stage" if facts.others else "no other engine is active"
    hint = f"Wait until it has ended (`canary status {stage.name}`), or release with that engine."
    yield check("one_engine", not facts.others, text, "", hint)


def hand_over(stage: StagePlan, ports: Ports, state: CanaryState, engine: Engine) -> int:
    """Lets the engine drive the canary.

    Args:
        stage: the plan.
        ports: what the driver reaches AWS and its surroundings through.
        state: from `start`, `resume` or `promote`.
        engine: the engine.

    Returns:
        How many events the canary has before the engine's first one.

    Raises:
        AwsError: it could not be started. A canary that has just begun is aborted; another one stays as it is.
    """
    session = Session(stage, ports, state.canary_id)
    session.notice(f"engine {engine.name} drives this canary from now on", is_planned=True)
    try:
        before = len(list(ports.journal.events(state.canary_id)))
        session.call(f"start engine {engine.name}", partial(engine.hand_over, state.canary_id))
    except CanaryError as error:
        then = f"canary {state.canary_id} is not driven"
        if state.phase is Phase.STARTING:
            abort(stage, ports)
            then = f"canary {state.canary_id} was aborted"
        raise AwsError(
            f"engine {engine.name} could not be started, {then}: {error.message}", hint=error.hint
        ) from error
    return before


def follow(
    stage: StagePlan,
    ports: Ports,
    state: CanaryState,
    engine: Engine,
    *,
    shown: int,
    show: Callable[[Event], object],
    stop_requested: Callable[[], bool],
) -> CanaryState:
    """Shows what the engine does until the canary is final or rests; it changes nothing.

    Args:
        stage: the plan.
        ports: what the aliases and the journal are read through.
        state: as it was handed over.
        engine: the engine.
        shown: from `hand_over`.
        show: gets each further event of the journal.
        stop_requested: asked at every look.

    Returns:
        The last state; not a final one if a stop was requested.

    Raises:
        AwsError: the canary is in progress, and the engine no longer drives it.
    """
    unwatched = 0
    while True:
        try:
            events = list(ports.journal.events(state.canary_id))
            for event in events[shown:]:
                show(event)
            shown = len(events)
            found, _, _ = find(stage, ports, state)
            if found.phase in FINAL and (end := next((e for e in events[::-1] if isinstance(e, CanaryEnded)), None)):
                is_watched = not end.why.startswith(NOT_WATCHED)
                return replace(found, phase=end.outcome, why=end.why, is_watched=is_watched)
            unwatched = 0 if engine.drives(state.canary_id) else unwatched + 1
        except UnavailableError:
            found = state
        if found.phase in RESTING or stop_requested():
            return found
        if unwatched >= PATIENCE:
            if found.phase in FINAL:
                return found
            raise AwsError(
                f"engine {engine.name} no longer drives canary {state.canary_id}, which is in progress",
                hint=f"Run `canary resume {stage.name}` to continue, or `canary rollback {stage.name}`.",
            )
        state = found if found.phase not in FINAL else state
        ports.clock.sleep(LOOK_S)
