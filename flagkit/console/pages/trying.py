"""The playground, and the list of users that changes are tried on."""

from __future__ import annotations

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from flagkit.admin.people import parse_users
from flagkit.console.models.playground import MAX_FLAGS, play, read_people
from flagkit.console.pages.handling import LoadedUsers, keep_people, page, people_of, status_of, workspace_of
from flagkit.console.rendering import render
from flagkit.errors import FlagkitError, UsageError

MAX_LOADED = 50_000


def playground(request: Request, form: FormData) -> Response:
    """Show what each flag answers to some users, and why."""
    workspace = workspace_of(request)
    names = [place.name for place in workspace.environments]
    name = str(form.get("environment") or request.query_params.get("environment") or names[0])
    place = workspace.place(name)
    text, search = str(form.get("users", "")), str(form.get("q") or request.query_params.get("q") or "").strip()
    values = {"chosen": place, "users": text, "search": search, "played": (), "people": (), "found": 0, "error": None}
    values["most"] = MAX_FLAGS
    if request.method == "POST":
        try:
            people = read_people(text)
            standing = workspace.standing(place)
            stored = standing.saved if form.get("saved") or standing.live is None else standing.live
            played, found = play(workspace.snapshot(place, stored), workspace.views(place, stored), people, search)
            values |= {"people": people, "played": played, "found": found, "version": stored.version.number}
        except UsageError as error:
            return render(request, "playground.html", {**values, "error": error}, status=422)
    return render(request, "playground.html", values)


def users(request: Request, form: FormData) -> Response:
    """Load a list of users, to see how many of them a change concerns."""
    if request.method != "POST":
        return render(request, "users.html", {"people": people_of(request), "error": None, "text": ""})
    text = str(form.get("text", ""))
    try:
        if form.get("forget"):
            keep_people(request, None)
        else:
            file = form.get("file")
            title = "the list"
            if isinstance(file, UploadFile) and file.filename:
                title = file.filename
                text = file.file.read().decode("utf-8-sig")
            found, context = parse_users(text, title)
            if len(found) > MAX_LOADED:
                raise UsageError(f"{title} has {len(found):,} users; at most {MAX_LOADED:,} are loaded")
            keep_people(request, LoadedUsers(title, tuple(found), context))
    except UnicodeDecodeError:
        error: FlagkitError = UsageError("the file is not UTF-8 text", hint="Save it as UTF-8.")
        return _refused(request, error, "")
    except FlagkitError as refused:
        return _refused(request, refused, text)
    return RedirectResponse(f"{request.scope.get('root_path', '')}/users", 303)


def _refused(request: Request, error: FlagkitError, text: str) -> Response:
    values = {"people": people_of(request), "error": error, "text": text}
    return render(request, "users.html", values, status=status_of(error))


ROUTES: list[BaseRoute] = [
    Route("/playground", page(playground, environment=None), methods=["GET", "POST"]),
    Route("/users", page(users, environment=None), methods=["GET", "POST"]),
]
