"""Asks the plan's hooks in their order, at the start and at the promotion; what an answer leads to is the machine's.

A hook may be asked more than once: while it is in progress, and when another driver takes over. It gets the same
execution id each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from canary.core.measurements import HookResult, HookState
from canary.core.phases import Phase
from canary.core.plan import Hook, HookEvent, format_duration
from canary.core.state import CanaryState
from canary.ports import HookCall, Target
from canary.runner.session import Session

_EVENTS: dict[Phase, HookEvent] = {Phase.STARTING: "before_traffic", Phase.PROMOTING: "after_traffic"}


def ask_hooks(state: CanaryState, targets: Sequence[Target], session: Session) -> tuple[HookResult, ...]:
    """The results of this phase's hooks, up to the first that hasn't succeeded."""
    due = state.phase in _EVENTS and not (state.unstarted or state.behind or state.draining or state.foreign)
    results: list[HookResult] = []
    for index, hook in enumerate(state.stage.hooks):
        if not due or hook.when != _EVENTS[state.phase]:
            continue
        results.append(_result(index, hook, state, targets, session))
        if results[-1].state is not HookState.SUCCEEDED:
            break
    return tuple(results)


def _result(index: int, hook: Hook, state: CanaryState, targets: Sequence[Target], session: Session) -> HookResult:
    call = HookCall(f"{state.canary_id}-{hook.when}-{index}", state.canary_id, state.stage.name, tuple(targets))
    known = session.ports.memory.hooks
    if call.execution_id in known:
        return known[call.execution_id]
    hooks = session.ports.hooks
    said, detail = HookState.PENDING, "this driver can't ask hooks"
    if hooks is not None:
        said, detail = session.answer(f"the hook {hook.name}", partial(hooks.ask, hook, call), _unknown)
    since = state.started_at if hook.when == "before_traffic" else state.step_at
    if said is HookState.PENDING and session.ports.clock.now() - since > hook.within:
        said = HookState.FAILED
        detail = f"no success within {format_duration(hook.within)}{': ' if detail else ''}{detail}"
    result = HookResult(index, said, detail)
    if said is not HookState.PENDING:
        known[call.execution_id] = result
        is_planned = said is HookState.SUCCEEDED
        session.notice(f"hook {hook.name} {said.value}{': ' if detail else ''}{detail}", is_planned=is_planned)
    return result


def _unknown(reason: str) -> tuple[HookState, str]:
    return HookState.PENDING, reason
