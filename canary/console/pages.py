"""The pages of the panel: each handler reads, and answers with a template; those that act ask `actions` to."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from canary.assembly import flag_within
from canary.console import models
from canary.console.actions import LABELS, NEEDS, Action, Orders, basis, caution, effect, possible
from canary.console.settings import ReleasesSettings
from canary.console.stages import Stages
from canary.core.plan import StagePlan
from canary.errors import (
    AccessDeniedError,
    AwsError,
    CanaryError,
    ConflictError,
    NotFoundError,
    NotRunningError,
    RefusedError,
    UnavailableError,
    UnknownStageError,
    UsageError,
)
from canary.view.current import StageNow
from canary.view.html import CHART_CSS, canary_report, page
from canary.view.model import CanaryView
from flagkit.console import Panel, Role, RolloutPage, render
from flagkit.console.access import needs
from flagkit.console.audit import record
from flagkit.console.workspace import tone_of

HERE: Final = Path(__file__).parent
LONGEST_REASON: Final = 300

STATUS: Final[tuple[tuple[type[CanaryError], int], ...]] = (
    (UnknownStageError, 404),
    (NotFoundError, 404),
    (ConflictError, 409),
    (NotRunningError, 409),
    (RefusedError, 409),
    (UsageError, 422),
    (UnavailableError, 503),
    (AccessDeniedError, 502),
    (AwsError, 502),
    (CanaryError, 500),
)
"""Status of an answer by its error; the first class that fits counts."""

Handler = Callable[["Releases", Request, FormData], Response]


def panel(settings: ReleasesSettings) -> Panel:
    """The releases panel, for `flagkit.console.create_app`.

    Raises:
        PlanError: the plan can't be read or is not valid.
    """
    return Releases(Stages(settings)).panel()


class Releases:
    """The handlers.

    Args:
        stages: what they read.
    """

    def __init__(self, stages: Stages) -> None:
        stages.plan  # noqa: B018 - a console of a plan that is not valid doesn't start
        self.stages = stages
        self.orders = Orders(stages)

    def panel(self) -> Panel:
        """The panel with its routes."""
        stage, canary = "/{environment}", "/{environment}/canaries/{canary}"
        routes = [
            Route("/charts.css", needs(None)(_chart_css)),
            self._route("/", list_page, Role.VIEWER, environment=None),
            self._route(stage, stage_page, Role.VIEWER),
            self._route(f"{stage}/report", current_report, Role.VIEWER),
            self._route(canary, canary_page, Role.VIEWER),
            self._route(f"{canary}/report", past_report, Role.VIEWER),
        ]
        for action in Action:
            routes.append(self._route(f"{stage}/{action}", _asking(action), NEEDS[action], method="GET"))
            routes.append(self._route(f"{stage}/{action}", _acting(action), NEEDS[action], method="POST"))
        return Panel("releases", "Releases", routes, HERE / "templates", HERE / "static", "releases.css", self.rollouts)

    def rollouts(self) -> list[RolloutPage]:
        """The stages that roll a flag out; none while the plan can't be read."""
        try:
            stages = self.stages.plan.stages.values()
        except CanaryError:
            return []
        base = self.stages.settings.base
        return [
            RolloutPage(flag_within(base, stage.flag).source, stage.flag.key, stage.name, f"/{quote(stage.name)}")
            for stage in stages
            if stage.flag is not None
        ]

    def card(self, request: Request, stage: StagePlan, answer: Any) -> models.StageCard:
        """A stage on a page."""
        names = list(self.stages.plan.stages)
        tone = tone_of(stage.name, names.index(stage.name))
        return models.stage_card(stage, tone, answer, self.orders.last(stage.name), request.state.identity)

    def show(self, request: Request, template: str, context: Mapping[str, Any], status: int = 200) -> Response:
        """A page of the panel, or the part of it that htmx asks for."""
        is_part = request.headers.get("hx-request") == "true"
        values = {**models.HELPERS, "refresh": f"{self.stages.settings.refresh_s * 1000:.0f}ms", **context}
        response = render(
            request, f"releases/{template}{'_live' if is_part else ''}.html", values, status=200 if is_part else status
        )
        response.headers["vary"] = "HX-Request"
        return response

    def _route(
        self, path: str, handler: Handler, role: Role, *, method: str = "GET", environment: str | None = "environment"
    ) -> Route:
        async def endpoint(request: Request) -> Response:
            form = await request.form(max_files=0, max_fields=10) if request.method == "POST" else FormData()
            try:
                return await run_in_threadpool(handler, self, request, form)
            except CanaryError as error:
                return self.problem(request, error)

        endpoint.__name__ = handler.__name__
        return Route(path, needs(role, environment=environment)(endpoint), methods=[method])

    def problem(self, request: Request, error: CanaryError) -> Response:
        """A page about an error: what is wrong, and the next step."""
        status = next(status for kind, status in STATUS if isinstance(error, kind))
        name = request.path_params.get("environment", "")
        values = {**models.HELPERS, "fault": models.fault(error), "stage": name, "environment": self._place(name)}
        return render(request, "releases/problem.html", values, status=status)

    def _place(self, name: str) -> models.Place | None:
        try:
            names = list(self.stages.plan.stages)
        except CanaryError:
            return None
        return models.Place(name, tone_of(name, names.index(name))) if name in names else None


def list_page(self: Releases, request: Request, form: FormData) -> Response:
    """All stages as they are now, and the past canaries."""
    del form
    plan, identity = self.stages.plan, request.state.identity
    names = [name for name in plan.stages if identity.may(Role.VIEWER, name)]
    now = self.stages.now(names)
    cards = [self.card(request, plan.stage(name), now[name]) for name in names]
    chosen = request.query_params.get("stage", "")
    past = self.stages.past(chosen if chosen in names else None)
    rows = [row for row in past.value if row["stage"] in names or identity.may(Role.VIEWER, row["stage"])]
    number = _number(request.query_params.get("page", ""))
    context = {
        "cards": cards,
        "rows": models.rows_of_page(rows, number),
        "total": len(rows),
        "number": number,
        "has_more": len(rows) > number * models.PAGE_ROWS,
        "stages": names,
        "chosen": chosen,
        "past_fault": models.fault(past.problem) if past.problem else None,
    }
    return self.show(request, "list", context)


def stage_page(self: Releases, request: Request, form: FormData) -> Response:
    """One stage: its canary in progress, or what it serves."""
    del form
    stage = self.stages.plan.stage(request.path_params["environment"])
    answer = self.stages.now([stage.name])[stage.name]
    card = self.card(request, stage, answer)
    past = self.stages.past(stage.name)
    context = {
        "card": card,
        "rows": models.rows_of_page(past.value, 1)[:5],
        "past_fault": models.fault(past.problem) if past.problem else None,
        "environment": card.place,
    }
    status = 200
    if answer.value is None and answer.problem is not None:
        status = next(status for kind, status in STATUS if isinstance(answer.problem, kind))
    return self.show(request, "stage", context, status)


def canary_page(self: Releases, request: Request, form: FormData) -> Response:
    """One canary as the journal tells it."""
    del form
    name, canary_id = request.path_params["environment"], request.path_params["canary"]
    view = self.stages.one(name, canary_id)
    return self.show(request, "canary", {"view": view, "environment": self._place(name), "stage": name})


def current_report(self: Releases, request: Request, form: FormData) -> Response:
    """The report of the canary in progress, as `canary status --report` writes it."""
    del form
    now = _known(self, request.path_params["environment"])
    if now.canary is None:
        raise NotRunningError(f"no canary is in progress in stage {now.stage.name}", hint="The list has past canaries.")
    return _download(now.canary)


def past_report(self: Releases, request: Request, form: FormData) -> Response:
    """The report of a past canary, as `canary history --report` writes it."""
    del form
    return _download(self.stages.one(request.path_params["environment"], request.path_params["canary"]))


def _download(view: CanaryView) -> Response:
    name = re.sub(r"[^A-Za-z0-9._-]", "_", f"canary-{view.stage}-{view.canary_id}")
    headers = {"content-disposition": f'attachment; filename="{name}.html"'}
    return Response(page(canary_report(view)), media_type="text/html", headers=headers)


def _asking(action: Action) -> Handler:
    def ask(self: Releases, request: Request, form: FormData) -> Response:
        del form
        return _confirmation(self, request, action, reason="", problem="")

    return ask


def _acting(action: Action) -> Handler:
    def act(self: Releases, request: Request, form: FormData) -> Response:
        stage = self.stages.plan.stage(request.path_params["environment"])
        reason, seen = str(form.get("reason", "")).strip(), str(form.get("seen", ""))
        problem = _refusal(stage, action, reason, str(form.get("name", "")).strip())
        if problem:
            return _confirmation(self, request, action, reason=reason, problem=problem)
        by = request.state.identity.name
        order = self.orders.give(stage, action, by, reason, seen)
        failed = order.problem
        facts = {"canary": seen[:100], "reason": reason, "result": failed.code if failed else order.outcome}
        record(request, action.value, environment=stage.name, outcome="failed" if failed else "done", **facts)
        if failed:
            raise failed
        prefix = request.scope.get("app_root_path", "")
        return RedirectResponse(f"{prefix}/releases/{stage.name}", 303)

    act.__name__ = str(action)
    return act


def _refusal(stage: StagePlan, action: Action, reason: str, name: str) -> str:
    """What the form lacks; empty where it is complete."""
    if not reason:
        return "Give a reason: it stands in the journal."
    if len(reason) > LONGEST_REASON:
        return f"The reason has {len(reason)} characters; {LONGEST_REASON} are allowed."
    if _asks_for_name(stage, action) and name != stage.name:
        return f"Type the name of the stage, {stage.name}, to confirm."
    return ""


def _asks_for_name(stage: StagePlan, action: Action) -> bool:
    return stage.rules.confirm and action is Action.PROMOTE


def _confirmation(self: Releases, request: Request, action: Action, *, reason: str, problem: str) -> Response:
    now = _known(self, request.path_params["environment"])
    stage = now.stage
    if now.problem is not None:
        raise now.problem
    question, seen = effect(action, now), basis(now)
    if now.state is None:
        if action is not Action.ROLLBACK:
            raise NotRunningError(f"no canary is in progress in stage {stage.name}", hint="Look at the stage again.")
        question = seen = self.orders.revert_question(stage)
    elif action not in possible(now):
        text = f"{LABELS[action]} is not possible while the canary is {now.canary.phase if now.canary else ''}"
        raise RefusedError(text, hint="Look at the stage again.")
    values = {
        **models.HELPERS,
        "action": action,
        "label": "Revert" if now.state is None else LABELS[action],
        "kind": "danger-button" if action in {Action.ROLLBACK, Action.ABORT} else "primary",
        "now_shown": now,
        "question": question,
        "caution": caution(action, now),
        "seen": seen,
        "reason": reason,
        "problem": problem,
        "asks_for_name": _asks_for_name(stage, action),
        "longest": LONGEST_REASON,
        "environment": self._place(stage.name),
    }
    return render(request, "releases/confirm.html", values, status=422 if problem else 200)


def _known(self: Releases, name: str) -> StageNow:
    """The stage as it is now; not as it was.

    Raises:
        CanaryError: it can't be read now.
    """
    stage = self.stages.plan.stage(name)
    answer = self.stages.now([stage.name])[stage.name]
    if answer.problem is not None:
        raise answer.problem
    now: StageNow = answer.value
    return now


def _number(text: str) -> int:
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 7 else 1


async def _chart_css(request: Request) -> Response:
    """The rules of the charts, which the reports have inside."""
    del request
    return Response(CHART_CSS, media_type="text/css", headers={"cache-control": "public, max-age=3600"})
