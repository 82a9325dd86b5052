"""What the templates show: values made from the views that the commands show, too. It reads and decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Final

from markupsafe import Markup

from canary.console.actions import LABELS, NEEDS, Action, Order, possible
from canary.console.reads import Answer
from canary.core.phases import FINAL, Phase
from canary.core.plan import StagePlan
from canary.core.words import shown, words_of
from canary.errors import AccessDeniedError, CanaryError, NotFoundError, UnavailableError
from canary.view.charts import timeline
from canary.view.current import AliasNow, Route, StageNow
from canary.view.labels import PHASE_TONES, odds, percent, phase_name, span_text
from canary.view.model import CanaryView, FunctionView, StepState, StreamView, Tone
from canary.view.plain import clock, interval_text, look_text, rate_texts
from flagkit.console import Identity

PAGE_ROWS: Final = 25


@dataclass(frozen=True, slots=True)
class Place:
    """The stage in the band of its pages.

    Attributes:
        tone: its colour.
    """

    name: str
    tone: str
    is_protected: bool = False


@dataclass(frozen=True, slots=True)
class Button:
    """An action that is offered.

    Attributes:
        kind: the class of its button.
    """

    action: Action
    label: str
    kind: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Why there is nothing newer to show.

    Attributes:
        since: how old what is shown is; empty where nothing is shown.
    """

    heading: str
    message: str
    hint: str
    code: str
    since: str


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the plan, the promotion included."""

    label: str
    state: StepState
    text: str


@dataclass(frozen=True, slots=True)
class StageCard:
    """A stage on the page.

    Attributes:
        now: None while AWS has not answered.
        order: what was last asked for on this console.
    """

    place: Place
    functions: tuple[str, ...]
    now: StageNow | None
    fault: Fault | None
    order: Order | None
    buttons: tuple[Button, ...]

    @property
    def canary(self) -> CanaryView | None:
        """The canary in progress."""
        return None if self.now is None else self.now.canary

    @property
    def badge(self) -> tuple[str, Tone]:
        """The state in a word, and how it is meant."""
        if self.now is None:
            return "not known", Tone.WARN
        if self.now.problem is not None:
            return "conflict", Tone.BAD
        if self.canary is not None:
            return badge(self.canary)
        return ("not watched", Tone.WARN) if self.now.is_unwatched else ("no canary", Tone.PLAIN)


_KINDS: Final = {Action.PROMOTE: "primary", Action.ROLLBACK: "danger-button"}


def stage_card(stage: StagePlan, tone: str, answer: Answer, order: Order | None, identity: Identity) -> StageCard:
    """The card of a stage, with the actions that this person may ask for."""
    now: StageNow | None = answer.value
    return StageCard(
        place=Place(stage.name, tone),
        functions=tuple(shown(function.key) for function in stage.functions),
        now=now,
        fault=None if answer.problem is None else fault(answer.problem, answer),
        order=order,
        buttons=() if now is None else buttons(now, identity),
    )


def buttons(now: StageNow, identity: Identity) -> tuple[Button, ...]:
    """The actions that are possible, and that this person may ask for."""
    return tuple(
        Button(action, "Revert the last canary" if now.state is None else LABELS[action], _kind(action, now))
        for action in possible(now)
        if identity.may(NEEDS[action], now.stage.name)
    )


def _kind(action: Action, now: StageNow) -> str:
    return "" if now.state is None else _KINDS.get(action, "")


def fault(problem: CanaryError, answer: Answer | None = None) -> Fault:
    """A problem for people."""
    match problem:
        case AccessDeniedError():
            heading = "AWS denies access"
        case UnavailableError():
            heading = "AWS does not answer"
        case NotFoundError():
            heading = "Not found"
        case _:
            heading = "It can't be shown"
    since = "" if answer is None or answer.value is None else span_text(answer.age_s / 60)
    return Fault(heading, problem.message, problem.hint, problem.code, since)


def badge(view: CanaryView) -> tuple[str, Tone]:
    """The phase, and whether anybody evaluates the canary."""
    return (f"{view.phase}, not watched" if view.is_driven is False else view.phase), view.tone


@dataclass(frozen=True, slots=True)
class PastRow:
    """A canary in the list.

    Attributes:
        is_over: whether the journal has its end.
    """

    canary_id: str
    stage: str
    started_at: datetime | None
    started_by: str
    versions: str
    outcome: str
    tone: Tone
    took: str
    why: str
    is_over: bool


def past_row(row: Mapping[str, str]) -> PastRow:
    """A row of the journal; what another version or hand has written is left out where it can't be read."""
    began, ended = _time(row.get("started_at", "")), _time(row.get("ended_at", ""))
    try:
        phase = Phase(row.get("outcome", ""))
    except ValueError:
        phase = None
    return PastRow(
        canary_id=row.get("canary_id", ""),
        stage=row.get("stage", ""),
        started_at=began,
        started_by=row.get("started_by", ""),
        versions=row.get("versions", ""),
        outcome=phase_name(phase) if phase else row.get("outcome") or "in progress",
        tone=PHASE_TONES.get(phase, Tone.PLAIN) if phase else Tone.PLAIN,
        took=span_text((ended - began).total_seconds() / 60) if began and ended else "",
        why=row.get("why", ""),
        is_over=phase in FINAL,
    )


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def steps(view: CanaryView) -> tuple[Step, ...]:
    """The steps of the plan and the promotion."""
    found = [Step(f"{step.percent:g} %", step.state, f"{step.state}{_bake(step.bake_min)}") for step in view.steps]
    done = view.weight_percent >= 100
    failed = view.tone is Tone.BAD
    state = StepState.DONE if done else StepState.AHEAD
    text = "done" if done else "not reached" if failed else "ahead"
    return (*found, Step("100 %", state, text))


def _bake(minutes: float) -> str:
    return f" · {span_text(minutes)}" if minutes else ""


def share_bar(alias: AliasNow) -> Markup:
    """How an alias shares its traffic, as a picture; the text beside it says the same."""
    at = 0.0
    parts = []
    for route in sorted(alias.routes, key=lambda route: route.role == "new"):
        parts.append(f'<rect x="{at:g}" y="0" width="{route.percent:g}" height="8" class="{route.role or "only"}"/>')
        at += route.percent
    opening = '<svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
    return Markup(f"{opening}{''.join(parts)}</svg>")  # noqa: S704 - numbers and fixed words


def route_text(route: Route, alias: AliasNow) -> str:
    """`version 4 (new) 10 %`; of a flag `10 % with it`."""
    return words_of(alias.key).route(route.version, route.role, f"{route.percent:g} %")


def pair_text(function: FunctionView) -> str:
    """`3 → 4`; of a flag `10 % of the users`."""
    percent = f"{function.weight_percent:g} %"
    return words_of(function.key).pair(function.baseline_version, function.candidate_version, percent)


def marked(text: str) -> Markup:
    """Text whose commands stand between backquotes, as the views write it."""
    parts = escape(text).split("`")
    return Markup("".join(f"<code>{part}</code>" if at % 2 else part for at, part in enumerate(parts)))  # noqa: S704 - escaped


def chart(view: CanaryView) -> Markup:
    """The timeline, as in the report."""
    return Markup(timeline(view))  # noqa: S704 - the charts escape what they show


def gate_status(stream: StreamView) -> Tone:
    """How the status of a gate is meant."""
    return {"healthy": Tone.GOOD, "unhealthy": Tone.BAD, "suspect": Tone.WARN, "unknown": Tone.WARN}.get(
        stream.status, Tone.PLAIN
    )


def rows_of_page(rows: Sequence[Mapping[str, str]], number: int) -> tuple[PastRow, ...]:
    """The rows of a page, from 1."""
    return tuple(past_row(row) for row in rows[(number - 1) * PAGE_ROWS : number * PAGE_ROWS])


HELPERS: Final = {
    "badge": badge,
    "chart": chart,
    "clock": clock,
    "gate_status": gate_status,
    "interval_text": interval_text,
    "look_text": look_text,
    "marked": marked,
    "odds": odds,
    "pair_text": pair_text,
    "percent": percent,
    "rate_texts": rate_texts,
    "route_text": route_text,
    "share_bar": share_bar,
    "shown": shown,
    "span_text": span_text,
    "steps": steps,
}
"""Functions of the templates."""
