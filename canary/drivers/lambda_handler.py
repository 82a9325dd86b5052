"""A driver in a Lambda function: each invocation is one tick. For EventBridge Scheduler or Step Functions.

The state is in the alias, so invocations need nothing of each other, may overlap (RevisionId lets one win) and may be
lost. Set the handler to `canary.drivers.lambda_handler.handler`, and put `canary.toml` into the package or set
CANARY_PLAN to its path. A journal in files does not outlive the function: use `journal = "dynamodb://TABLE"`.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from canary.adapters.aws import open_session
from canary.adapters.engines import end_schedule
from canary.adapters.notify import FLUSH_S
from canary.assembly import assemble, load_plan
from canary.core.events import CanaryEnded
from canary.core.phases import FINAL
from canary.core.plan import Plan, StagePlan
from canary.core.recover import deployed_fingerprint
from canary.core.state import CanaryState
from canary.errors import NotRunningError, PlanError, UsageError
from canary.runner import Ports, current, rollback, start, tick
from canary.runner.session import Memory
from flagkit.lazy import version

if TYPE_CHECKING:
    from canary.adapters.aws import Session
    from canary.ports import Clock

ACTIONS = ("tick", "start", "rollback", "check")
ANSWER_S: Final = 1.0
"""What the invocation needs to answer after its notifications."""

_memories: dict[tuple[Path, str], Memory] = {}
"""What a warm container knows of a canary in progress: when CloudWatch's minutes are complete, above all."""


def handler(event: Mapping[str, Any], context: object) -> dict[str, object]:
    """Lambda's entry point.

    Args:
        event: `{"stage": "prod", "action": "tick"}`; action `start` takes `versions` (by function key, "" for all),
            `rollback` rolls everything back, and `check` only says which plan the function has. Action defaults to
            `tick`; with a `canary_id` it looks after that canary only, and with a `schedule` it deletes that when the
            canary is over. A `rollback` with a `canary_id` ends that canary only, and only where nobody else has
            changed it; with a `flag` it is refused unless the plan has that flag.
        context: Lambda's; what the invocation has left is what notifications may take.

    Returns:
        `stage`, `canary_id`, `phase`, `done`, `wait_s` (until the next look), `weight_percent` and `why`; of `check`
        `stage`, `fingerprint`, `journal` and `version`.

    Raises:
        CanaryError: what can't be done; Lambda reports it, and the next tick tries again.
    """
    left_ms = getattr(context, "get_remaining_time_in_millis", None)
    plan_path = Path(os.environ.get("CANARY_PLAN", "canary.toml"))
    return act(event, plan_path=plan_path, left_s=(lambda: left_ms() / 1000) if left_ms else lambda: math.inf)


def act(
    event: Mapping[str, Any],
    *,
    plan_path: Path,
    session: Session | None = None,
    clock: Clock | None = None,
    left_s: Callable[[], float] = lambda: math.inf,
) -> dict[str, object]:
    """Does what `handler` does, with the given plan, session and clock: for other drivers and for tests.

    Args:
        event: as for `handler`.
        plan_path: the plan.
        session: the boto3 session; the environment's where None.
        clock: the machine's where None.
        left_s: seconds that the invocation may still take.
    """
    name, action = str(event.get("stage", "")), str(event.get("action", "tick"))
    if action not in ACTIONS:
        raise UsageError(f"unknown action {action!r}", hint=f"Use one of {', '.join(ACTIONS)}.")
    plan = load_plan(plan_path)
    stage = plan.stage(name)
    kept = (plan_path, name)
    if action == "start":
        _memories.pop(kept, None)
    if action == "check" and stage.flag is None:
        return _check(plan, stage)
    ports = assemble(plan, name, base=Path(tempfile.gettempdir()), session=session, clock=clock)
    if action == "check":
        ports.aliases.read(stage.functions[0])  # a function that may not read its flag can't lower it, either
        return _check(plan, stage)
    ports = replace(ports, memory=_memories.setdefault(kept, Memory()))
    canary_id = str(event.get("canary_id") or "")
    try:
        answer = _act(action, event, stage, ports)
    except NotRunningError:
        answer = _ended(stage, ports, canary_id)
    finally:
        # Lambda freezes the process after the answer: what is sent beside the tick would wait for the next one.
        ports.flush(max(0.0, min(FLUSH_S, left_s() - ANSWER_S)))
    if answer["done"]:
        _memories.pop(kept, None)
        if schedule := str(event.get("schedule") or ""):
            end_schedule(session or open_session(stage.region), schedule)
    return answer


def _act(action: str, event: Mapping[str, Any], stage: StagePlan, ports: Ports) -> dict[str, object]:
    if action == "start":
        return _summary(start(stage, ports, versions=event.get("versions")), 0)
    wanted = event.get("canary_id")
    found = current(stage, ports) if wanted or action == "rollback" else None
    if wanted and found is not None and found.canary_id != wanted:
        raise NotRunningError(f"canary {wanted} is no longer in progress in stage {stage.name}")
    if action == "rollback":
        if (flag := event.get("flag")) and flag != str(stage.flag):
            raise PlanError(f"the plan of the tick function has {stage.flag or 'no flag'}, not {flag}")
        # Never what has ended: a state machine that lost its canary must not revert the promotion.
        if found is None:
            raise NotRunningError(f"no canary is in progress in stage {stage.name}")
        if not (wanted and found.foreign):
            state = rollback(stage, ports)
            assert state is not None
            return _summary(state, 0)
        # What somebody else has changed is left to them, and a tick says so.
    done = tick(stage, ports)
    wait_s = 0.0 if done.next_at is None else (done.next_at - ports.clock.now()).total_seconds()
    return _summary(done.state, max(1, round(wait_s)))


def _summary(state: CanaryState, wait_s: int) -> dict[str, object]:
    return {
        "stage": state.stage.name,
        "canary_id": state.canary_id,
        "phase": state.phase.value,
        "done": state.phase in FINAL,
        "wait_s": wait_s,
        "weight_percent": state.weight_bp / 100,
        "why": state.why,
    }


def _ended(stage: StagePlan, ports: Ports, canary_id: str) -> dict[str, object]:
    """Where no canary is in progress: how the one that is asked for ended, as the journal has it."""
    events = ports.journal.events(canary_id) if canary_id else ()
    ends = [event for event in events if isinstance(event, CanaryEnded)]
    return {
        "stage": stage.name,
        "canary_id": canary_id or None,
        "phase": ends[-1].outcome.value if ends else "idle",
        "done": True,
        "wait_s": 0,
        "weight_percent": None,
        "why": ends[-1].why if ends else "",
    }


def _check(plan: Plan, stage: StagePlan) -> dict[str, object]:
    found = deployed_fingerprint(stage)
    return {"stage": stage.name, "fingerprint": found, "journal": plan.journal, "version": version()}
