"""What a notification says about a transition: JSON-ready facts, on one line each, without any user's data.

A release of functions and a rollout of a flag have the same keys. Nothing is sent here, and nothing is decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from typing import Final

from canary.adapters.git import CI_PEOPLE
from canary.core.alias import percent_text
from canary.core.events import Event, FunctionMove, Judged, Noticed
from canary.core.plan import StagePlan, Transition
from canary.core.verdict.users import Arm, Arms, arms_of
from flagkit.channels.text import printable

_TITLES: Final[Mapping[Transition, str]] = {
    "started": "canary started",
    "held": "canary on hold",
    "decision_needed": "decision needed",
    "incident": "both versions fail",
    "alert": "attention needed",
    "rolled_back": "canary rolled back",
}
_TITLES_OF_FLAGS: Final[Mapping[Transition, str]] = {
    "started": "rollout started",
    "held": "rollout on hold",
    "resumed": "rollout resumed",
    "decision_needed": "decision needed",
    "incident": "users fail with and without the flag",
    "alert": "attention needed",
    "promoted": "rollout promoted",
    "rolled_back": "rollout rolled back",
    "aborted": "rollout aborted",
    "conflict": "rollout stopped by another change",
    "failed": "rollout failed",
}
_MOVES: Final = frozenset[Transition]({"started", "advanced", "promoted", "rolled_back", "aborted"})
"""Transitions that are about a change of the percentage; at the others it stays."""

_RUNS: Final = (
    ("GITHUB_RUN_ID", "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID"),
    ("CI_JOB_URL", "$CI_JOB_URL"),
    ("CODEBUILD_BUILD_URL", "$CODEBUILD_BUILD_URL"),
    ("CIRCLE_BUILD_URL", "$CIRCLE_BUILD_URL"),
    ("BUILD_URL", "$BUILD_URL"),
)


@dataclass(slots=True)
class Standing:
    """Where a canary stands.

    Attributes:
        weight_bp: the share now.
        before_bp: the share before it changed last.
        judged: the last look at the evidence.
    """

    moves: tuple[FunctionMove, ...] = ()
    weight_bp: int = 0
    before_bp: int = 0
    judged: Judged | None = None

    def shift(self, weight_bp: int) -> None:
        """Takes note of the share."""
        if weight_bp != self.weight_bp:
            self.before_bp, self.weight_bp = self.weight_bp, weight_bp


def facts_of(
    event: Event,
    transition: Transition,
    standing: Standing,
    stage: StagePlan | None,
    environment: Mapping[str, str],
) -> dict[str, object]:
    """What every message about this transition is made of.

    Args:
        event: what happened.
        transition: what it means to people.
        standing: where the canary stands after it.
        stage: the plan, for the flag that it rolls out, if it does.
        environment: says who runs the canary, and the CI job.
    """
    judgement = standing.judged.judgement if standing.judged else None
    is_flag = stage is not None and stage.flag is not None
    why = event.judgement.sentence if isinstance(event, Judged) else _reason(event)
    weight = f"{percent_text(standing.weight_bp)} %"
    versions = ", ".join(f"{move.function} {move.baseline} → {move.candidate}" for move in standing.moves)
    if transition == "started":
        on = "the alias" if not standing.moves else _count(len(standing.moves), "alias")
        why = "" if is_flag else f"{weight} on {on}" + (f" ({versions})" if versions else "")
    why = why.removeprefix(f"advanced to {weight}: ")
    found: dict[str, object] = {
        "canary_id": event.canary_id,
        "stage": event.stage,
        "transition": transition,
        "title": (_TITLES_OF_FLAGS if is_flag else _TITLES).get(transition) or _title(transition, weight),
        "why": printable(why, 600),
        "from_percent": standing.before_bp / 100,
        "weight_percent": standing.weight_bp / 100,
        "versions": "" if is_flag else printable(versions, 600),
        "functions": [
            {"function": move.function, "baseline": move.baseline, "candidate": move.candidate}
            for move in (() if is_flag else standing.moves)
        ],
        "flag": stage.flag.key if stage and stage.flag else "",
        "variant": stage.variant if stage and is_flag else "",
        "change": _change(stage, transition, standing) if stage and is_flag else "",
        "users": None,
        "gates": [f"{'' if is_flag else key.function} {key.gate}".strip() for key in judgement.blamed]
        if judgement
        else [],
        "who": next((printable(environment[name]) for name in CI_PEOPLE if environment.get(name)), ""),
        "link": _link(environment),
        "command": _command(event.stage, transition),
        "at": event.at.isoformat(),
    }
    arms = arms_of(stage.gates, judgement) if stage and is_flag and judgement else None
    summary = found["why"]
    if is_flag:
        parts = [found["change"], _sentence(str(found["why"])), "" if arms is None else arms.to_text()]
        summary = ". ".join(str(part) for part in parts if part)
    return {**found, "users": None if arms is None else _users(arms), "summary": summary}


def _sentence(text: str) -> str:
    """With a capital letter, unless it begins with a name."""
    return text[:1].upper() + text[1:] if text.partition(" ")[0].isalpha() else text


def _title(transition: Transition, weight: str) -> str:
    return f"advanced to {weight}" if transition == "advanced" else f"canary {transition.replace('_', ' ')}"


def _change(stage: StagePlan, transition: Transition, standing: Standing) -> str:
    """Who gains and who loses: "new_checkout (on): 5 % → 25 % of users, 20 % gain it"."""
    name = f"{stage.flag.key if stage.flag else ''} ({stage.variant})"
    before, after = standing.before_bp, standing.weight_bp
    if transition not in _MOVES or before == after:
        return f"{name}: stays at {percent_text(after)} % of users"
    moved = f"{percent_text(abs(after - before))} % {'gain' if after > before else 'lose'} it"
    return f"{name}: {percent_text(before)} % → {percent_text(after)} % of users, {moved}"


def _users(arms: Arms) -> dict[str, object]:
    """The users of both arms for programs."""
    return {"at": arms.at.isoformat(), "with": _arm(arms.exposed), "without": _arm(arms.others)}


def _arm(arm: Arm) -> dict[str, object]:
    known = arm.failed is not None and arm.users > 0
    interval = [100 * arm.interval.lower, 100 * arm.interval.upper] if known and arm.interval else None
    return {
        "users": arm.users,
        "failed": arm.failed,
        "failed_percent": 100 * (arm.failed or 0) / arm.users if known else None,
        "interval_percent": interval,
    }


def _link(environment: Mapping[str, str]) -> str:
    """The CI job that runs the canary, as the CI system names it."""
    for name, form in _RUNS:
        if environment.get(name):
            return printable(Template(form).safe_substitute(environment), 300)
    return ""


def _reason(event: Event) -> str:
    return event.text if isinstance(event, Noticed) else str(getattr(event, "why", ""))


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'es' if count > 1 else ''}"


def _command(stage: str, transition: Transition) -> str:
    """What a person types next."""
    if transition == "decision_needed":
        return f"canary promote {stage} | canary rollback {stage}"
    if transition in {"rolled_back", "promoted", "aborted"}:
        return "canary history"
    return f"canary status {stage}"
