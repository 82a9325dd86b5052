"""From a template and its values to an answer. Everything is escaped; no template holds a script or a style."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from flagkit.authoring.ranges import show_percent
from flagkit.console.access import may_view
from flagkit.console.models import texts
from flagkit.console.models.actions import Fields, text_of, written

if TYPE_CHECKING:
    from starlette.requests import Request

    from flagkit.console.panel import Panel

HERE = Path(__file__).parent
MENU: Final = (("playground", "Playground"), ("users", "Users"), ("proposals", "Proposals"))
"""The entries of the navigation beside the list of flags: path and text."""


def make_templates(panels: Sequence[Panel]) -> Environment:
    """Return the templates of the console and of its panels."""
    return _environment(tuple(panel.templates for panel in panels if panel.templates is not None))


@lru_cache
def _environment(folders: tuple[Path, ...]) -> Environment:
    environment = Environment(
        loader=ChoiceLoader([FileSystemLoader(folder) for folder in (HERE / "templates", *folders)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(day=texts.day, moment=texts.moment, person=texts.person, iso=texts.iso, ago=texts.ago)
    environment.filters["span"] = texts.span
    environment.globals.update(
        written=written,
        text_of=text_of,
        show_percent=show_percent,
        local=texts.local,
        shown_value=texts.shown_value,
        with_key=_with_key,
    )
    return environment


def render(
    request: Request, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200
) -> HTMLResponse:
    """Answer with a page of the console.

    Args:
        request: what is answered. The page shows who is signed in, and the navigation.
        template: the template's name. It extends `base.html`, or is a part of a page for htmx.
        context: the template's values.
        status: the status of the answer.
    """
    state = request.app.state
    scope = request.scope
    prefix = scope.get("app_root_path", scope.get("root_path", ""))  # of a panel's page, `root_path` is the panel's

    def link(path: str) -> str:
        return f"{prefix}{path}"

    def asset(name: str) -> str:
        first, _, rest = name.partition("/")
        folder = next((panel.static for panel in state.panels if rest and panel.name == first), None)
        path = HERE / "static" / name if folder is None else folder / rest
        return f"{prefix}/static/{name}?v={_digest(path)}"

    values: dict[str, Any] = {
        "title": state.settings.title,
        "environments": state.workspace.only(may_view(request)).environments,
        "panels": state.panels,
        "menu": MENU,
        "identity": request.state.identity,
        "sign_out": request.state.sign_in.sign_out,
        "path": request.url.path.removeprefix(prefix),
        "link": link,
        "asset": asset,
        "now": state.workspace.clock.now(),
        "environment": None,
    }
    values |= context or {}
    text = state.templates.get_template(template).render(values)
    return HTMLResponse(text, status)


def _with_key(fields: Fields, key: str) -> Fields:
    """Return the fields of a new flag, its key among them."""
    return Fields({**fields.values, "key": (key,)} if key else fields.values)


@lru_cache
def _digest(path: Path) -> str:
    content = path.read_bytes() if path.is_file() else path.name.encode()
    return hashlib.sha256(content).hexdigest()[:12]
