"""The list of flags: a row for each flag, a cell for each environment. It reads, and renders nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from flagkit.admin.flag_list import Filter, is_stale, ordered
from flagkit.admin.flag_view import FlagView
from flagkit.console.workspace import Place, Workspace
from flagkit.errors import FlagkitError

PAGE_SIZE: Final = 1000
SORTS: Final = {
    "key": "Key",
    "changed": "Last change",
    "created": "Newest",
    "state": "State",
    "owner": "Owner",
    "evaluated": "Last evaluated",
    "remove-by": "Removal date",
}
STATES: Final = ("on", "partial", "off", "scheduled", "ended", "broken")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which flags are shown, and how; what is empty doesn't choose."""

    search: str = ""
    state: str = ""
    owner: str = ""
    tag: str = ""
    stale: bool = False
    archived: bool = False
    sort: str = "key"
    only: str = ""
    page: int = 1

    @property
    def is_filtered(self) -> bool:
        """Whether some flags are left out by choice."""
        return bool(self.search or self.state or self.owner or self.tag or self.stale or self.archived)

    def query(self, **changed: object) -> str:
        """Return the query of this list with other values."""
        other = replace(self, **changed)  # type: ignore[arg-type] # named by templates
        values = {"q": other.search, "state": other.state, "owner": other.owner, "tag": other.tag}
        values |= {"stale": "1" if other.stale else "", "archived": "1" if other.archived else ""}
        values |= {"sort": other.sort if other.sort != "key" else "", "in": other.only}
        values["page"] = str(other.page) if other.page > 1 else ""
        return "?" + urlencode({name: value for name, value in values.items() if value})


@dataclass(frozen=True, slots=True)
class Cell:
    """A flag in one environment.

    Attributes:
        place: the environment.
        flag: what is live; None if the flag doesn't exist there, or isn't live.
        saved: what is saved, if that is not what is live.
        is_known: whether the environment could be read.
    """

    place: Place
    flag: FlagView | None
    saved: FlagView | None = None
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """A flag with its cells; what is written about it is that of the environment where it changed last."""

    key: str
    about: FlagView
    cells: tuple[Cell, ...]
    is_stale: bool
    changed: dt.datetime | None
    created: dt.datetime | None

    @property
    def place(self) -> Place:
        """The first environment that has the flag."""
        return next((it.place for it in self.cells if it.flag or it.saved), self.cells[0].place)


@dataclass(frozen=True, slots=True)
class Table:
    """The list.

    Attributes:
        rows: the flags of this page.
        places: the environments that are shown.
        problems: the environments that could not be read, and why.
        pending: the environments in which something is saved but not live, in a sentence.
        choice: what was chosen.
        total: how many flags there are, archived ones left out.
        found: how many fit.
        hidden: how many are left out only because they are archived.
        owners: all owners.
        tags: all tags.
        pages: how many pages there are.
    """

    rows: tuple[Row, ...]
    places: tuple[Place, ...]
    problems: Mapping[str, FlagkitError]
    pending: Mapping[str, str]
    choice: Choice
    total: int
    found: int
    hidden: int
    owners: tuple[str, ...]
    tags: tuple[str, ...]
    pages: int


def read_choice(query: Mapping[str, str], environments: Sequence[str]) -> Choice:
    """Read what was chosen from an address; what isn't known is left out."""
    state, sort, only, number = (query.get(name, "") for name in ("state", "sort", "in", "page"))
    return Choice(
        search=query.get("q", "").strip()[:200],
        state=state if state in STATES else "",
        owner=query.get("owner", "")[:200],
        tag=query.get("tag", "")[:200],
        stale=bool(query.get("stale")),
        archived=bool(query.get("archived")),
        sort=sort if sort in SORTS else "key",
        only=only if only in environments else "",
        page=min(int(number), 100_000) if number.isascii() and number.isdecimal() and int(number[:6]) else 1,
    )


@dataclass(frozen=True, slots=True)
class _Read:
    """The flags of one environment: those that are live, and those that are saved and differ."""

    live: Mapping[str, FlagView]
    saved: Mapping[str, FlagView]
    pending: str

    def cell(self, place: Place, key: str) -> Cell:
        return Cell(place, self.live.get(key), self.saved.get(key))


def table_of(workspace: Workspace, choice: Choice) -> Table:
    """Read the environments, and return the list that was chosen."""

    def read(place: Place) -> _Read:
        standing = workspace.standing(place)
        saved = workspace.views(place, standing.saved)
        if not standing.is_pending:
            return _Read(saved, {}, "")
        live = {} if standing.live is None else workspace.views(place, standing.live)
        differ = {
            key: flag
            for key, flag in saved.items()
            if key not in live or (flag.shown, flag.audience) != (live[key].shown, live[key].audience)
        }
        assert standing.status is not None
        return _Read(live, differ, standing.status.to_text())

    places = tuple(place for place in workspace.environments if choice.only in {"", place.name})
    answers = workspace.each(read)
    found = {place.name: answer for place in places if isinstance(answer := answers[place.name], _Read)}
    problems = {name: error for name, error in answers.items() if isinstance(error, FlagkitError)}
    now = workspace.clock.now()
    views: dict[str, list[FlagView]] = {}
    for read_one in found.values():
        for key in {*read_one.live, *read_one.saved}:
            views.setdefault(key, []).append(read_one.saved.get(key) or read_one.live[key])
    chosen = Filter(
        choice.search or None,
        choice.state or None,
        choice.owner or None,
        (choice.tag,) if choice.tag else (),
        None,
        choice.stale,
        choice.archived,
    )
    rows: dict[str, Row] = {}
    about: list[FlagView] = []
    hidden = total = 0
    for key, flags in views.items():
        newest = _newest(flags)
        is_archived = all(flag.is_hidden for flag in flags)
        total += not is_archived
        if not any(chosen.fits(flag, now) for flag in flags) or (is_archived and not choice.archived):
            hidden += is_archived and any(chosen.hides(flag, now) for flag in flags)
            continue
        cells = tuple(
            found[place.name].cell(place, key) if place.name in found else Cell(place, None, is_known=False)
            for place in places
        )
        created = min((flag.created for flag in flags if flag.created is not None), default=None)
        rows[key] = Row(key, newest, cells, all(is_stale(flag, now) for flag in flags), newest.changed, created)
        about.append(newest)
    keys = [flag.key for flag in ordered(sorted(about, key=lambda flag: flag.key), choice.sort)]
    pages = max(1, -(-len(keys) // PAGE_SIZE))
    number = min(choice.page, pages)
    written = [flag.texts.about for flags in views.values() for flag in flags]
    return Table(
        tuple(rows[key] for key in keys[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]),
        places,
        problems,
        {name: read_one.pending for name, read_one in found.items() if read_one.pending},
        replace(choice, page=number),
        total,
        len(keys),
        hidden,
        tuple(sorted({about.owner for about in written if about.owner})),
        tuple(sorted({tag for about in written for tag in about.tags})),
        pages,
    )


def _newest(flags: Sequence[FlagView]) -> FlagView:
    """Return the flag that changed last; the first one where that isn't known."""
    return ordered(flags, "changed")[0]
