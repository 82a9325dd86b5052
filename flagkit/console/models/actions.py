"""What a form can ask for: each action turns its fields into an edit of `flagkit.admin.edits`, as the commands do."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flagkit.admin import edits
from flagkit.admin.typed import listed, read_day, read_moment, read_percent, typed_value
from flagkit.authoring import FlagSource, VariantSource, read_where, show_where
from flagkit.authoring.editor import readable
from flagkit.authoring.language import remarks_on
from flagkit.core.documents import FlagDocument
from flagkit.errors import EditError

_KINDS: Final = ("release", "experiment", "ops", "permission")


class Fields:
    """The fields of a form, as they were sent."""

    def __init__(self, values: Mapping[str, Sequence[str]]) -> None:
        self.values = {name: tuple(each) for name, each in values.items()}

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str) -> str:
        """Return a field without space around it; empty if it wasn't sent."""
        return self.values[name][-1].strip() if self.values.get(name) else ""

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a field."""
        return self.values.get(name, ())

    def number(self, name: str) -> int | None:
        """Return a whole number; None if nothing was entered.

        Raises:
            EditError: it is none.
        """
        text = self.text(name)
        if not text:
            return None
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise EditError(f"{text!r} is not a whole number")
        return int(text)

    def names(self, name: str) -> tuple[str, ...]:
        """Return names, one on a line or several with commas."""
        lines = [line.strip() for value in self.all(name) for line in value.splitlines()]
        return tuple(dict.fromkeys(listed([line for line in lines if line])))


@dataclass(frozen=True, slots=True)
class Current:
    """What an edit starts from.

    Attributes:
        document: the flags.
        key: the flag, or the segment.
        fields: what was entered.
        now: the time.
        version: reads the document of another version of this environment.
        other: reads what is live in another environment of the console.
    """

    document: FlagDocument
    key: str
    fields: Fields
    now: dt.datetime
    version: Callable[[int], FlagDocument]
    other: Callable[[str], FlagDocument]

    @property
    def flag(self) -> FlagSource:
        """The flag in its readable form."""
        return readable(self.document, self.key)


Edit = Callable[[Current], FlagDocument]


@dataclass(frozen=True, slots=True)
class Action:
    """Something that a form can ask for.

    Attributes:
        title: what is done, with `{}` for the flag.
        edit: makes the new document.
        is_emergency: deployed at once; no reason and no name is asked for.
        form: the form that is shown again if the edit is refused; None where there is nothing to correct.
    """

    title: str
    edit: Edit
    is_emergency: bool = False
    form: str | None = None


def remarks_of(fields: Fields) -> list[str]:
    """Return what the conditions that were entered may not mean."""
    return [remark for name in ("when", "where") for remark in remarks_on(fields.text(name))]


def _condition(text: str) -> str:
    return read_where(text) if text else ""


def _rollout(now: Current) -> FlagDocument:
    fields, flag = now.fields, now.flag
    where: str | None = None
    if "where" in fields and fields.text("where") != ("" if flag.where is None else show_where(flag.where)):
        where = _condition(fields.text("where"))
    by, seed = fields.text("by"), fields.text("seed")
    return edits.rollout(
        now.document,
        now.key,
        read_percent(fields.text("percent")),
        where=where,
        by=by if by and by != flag.by else None,
        seed=seed if "seed" in fields and seed != (flag.seed or "") else None,
    )


def _people(now: Current) -> FlagDocument:
    """Make the lists of a flag, or of one of its variants, say what was entered."""
    fields, flag = now.fields, now.flag
    variant = fields.text("variant") or None
    present: FlagSource | VariantSource = flag
    if flag.variants:
        found = [each for each in flag.variants[:-1] if variant is None or each.name == variant]
        if not found:
            raise EditError(f"{now.key} has no variant {variant} that users can be targeted to")
        present = found[0]
    added: dict[str, Sequence[str]] = {}
    removed: dict[str, Sequence[str]] = {}
    for kind in ("users", "groups", "segments"):
        wanted = fields.names(kind) if kind != "segments" else tuple(filter(None, fields.all(kind)))
        have: tuple[str, ...] = getattr(present, kind)
        added[kind] = [name for name in wanted if name not in have]
        removed[kind] = [name for name in have if name not in wanted]
    document = now.document
    if any(added.values()):
        document = edits.target(document, now.key, **added, variant=variant)  # type: ignore[arg-type]
    if any(removed.values()):
        document = edits.target(document, now.key, **removed, variant=variant, remove=True)
    return document


def _split(now: Current) -> FlagDocument:
    fields = now.fields
    removed = [name for name in fields.all("remove") if name]
    weights: dict[str, str] = {}
    for name, weight in zip(fields.all("variant"), fields.all("weight"), strict=False):
        if not name.strip() or name in removed:
            continue
        if name.strip() in weights:
            raise EditError(f"variant {name} is given twice", hint="Give each variant another name.")
        weights[name.strip()] = weight.strip()
    shares = {name: read_percent(weight) for name, weight in weights.items() if weight}
    total = sum(shares.values())
    if total != 100:
        raise EditError(f"the weights add up to {total} %; they must add up to 100 %", hint="Change a weight.")
    return edits.split(
        now.document, now.key, shares, by=fields.text("by") or None, seed=fields.text("seed") or None, remove=removed
    )


def text_of(value: object) -> str:
    """Return an attribute's value as it stands in a form."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _values(now: Current) -> FlagDocument:
    fields, flag, document = now.fields, now.flag, now.document
    owners: Mapping[str | None, Mapping[str, object]]
    owners = {each.name: each.values for each in flag.variants} if flag.variants else {None: flag.values}
    names = [name.strip() for name in fields.all("attribute")]
    for variant, present in owners.items():
        given = fields.all(f"value:{variant or ''}")
        changed: dict[str, Any] = {}
        for name, text in zip(names, given, strict=False):
            before = text_of(present[name]) if name in present else ""
            if not name or text.replace("\r\n", "\n") == before:
                continue
            changed[name] = None if text == "" else edits.read_value(now.document, now.key, name, text)
        if changed:
            document = edits.set_attributes(document, now.key, changed, variant=variant)
    return document


def _add_rule(now: Current) -> FlagDocument:
    fields = now.fields
    return edits.add_rule(
        now.document,
        now.key,
        when=_condition(fields.text("when")) or None,
        percent=read_percent(fields.text("percent")) if fields.text("percent") else None,
        variant=fields.text("variant") or None,
        position=fields.number("position"),
        enabled=not fields.text("off"),
    )


def _change_rule(now: Current) -> FlagDocument:
    fields = now.fields
    return edits.change_rule(
        now.document,
        now.key,
        fields.text("rule"),
        when=_condition(fields.text("when")) or None,
        percent=read_percent(fields.text("percent")) if fields.text("percent") else None,
        part=fields.number("part") or 1,
    )


def _move_rule(now: Current) -> FlagDocument:
    return edits.move_rule(now.document, now.key, now.fields.text("rule"), now.fields.number("position") or 0)


def _schedule(now: Current) -> FlagDocument:
    flag = now.flag
    starts, ends = (read_moment(now.fields.text(name) or None) for name in ("starts", "ends"))
    document = now.document
    if (flag.starts is not None and starts is None) or (flag.ends is not None and ends is None):
        document = edits.schedule(document, now.key, clear=True, now=now.now)
        if starts is None and ends is None:
            return document
    # An end that stays as it is may be past.
    keeps_end = ends is not None and flag.ends is not None and ends == flag.ends and document is now.document
    return edits.schedule(document, now.key, starts=starts, ends=None if keeps_end else ends, now=now.now)


def _ramp(now: Current) -> FlagDocument:
    fields = now.fields
    steps = []
    for at, percent in zip(fields.all("at"), fields.all("percent"), strict=False):
        if not at.strip() and not percent.strip():
            continue
        moment = read_moment(at.strip() or None)
        if moment is None:
            raise EditError(f"the step to {percent} % has no time", hint="Give each step a time and a percentage.")
        steps.append((moment, read_percent(percent)))
    if not steps:
        raise EditError("the ramp has no steps", hint="To end a ramp, set the percentage of the rollout.")
    return edits.ramp(now.document, now.key, sorted(steps))


def _described(fields: Fields) -> dict[str, Any]:
    kind = fields.text("kind")
    if kind and kind not in _KINDS:
        raise EditError(f"{kind!r} is not a kind of flag", hint=f"Use {', '.join(_KINDS)}.")
    return {
        "name": fields.text("name"),
        "description": fields.text("description"),
        "owner": fields.text("owner"),
        "client_visible": bool(fields.text("client_visible")),
        "kind": kind,
    }


def _describe(now: Current) -> FlagDocument:
    tags, present = fields_tags(now.fields), now.flag.tags
    return edits.describe(
        now.document,
        now.key,
        **_described(now.fields),
        add_tags=[tag for tag in tags if tag not in present],
        remove_tags=[tag for tag in present if tag not in tags],
        remove_by=read_day(now.fields.text("remove_by")) or False,
    )


def fields_tags(fields: Fields) -> tuple[str, ...]:
    """Return the tags that were entered."""
    return fields.names("tags")


def _create(now: Current) -> FlagDocument:
    fields = now.fields
    described = _described(fields)
    values = {
        name.strip(): typed_value(text)
        for name, text in zip(fields.all("attribute"), fields.all("value"), strict=False)
        if name.strip()
    }
    return edits.create(
        now.document,
        now.key,
        name=described["name"] or None,
        description=described["description"] or None,
        owner=described["owner"] or None,
        client_visible=described["client_visible"],
        kind=described["kind"] or None,
        enabled=bool(fields.text("enabled")),
        attributes=values or None,
        tags=fields_tags(fields),
        remove_by=read_day(fields.text("remove_by")),
    )


def _require(now: Current) -> FlagDocument:
    wanted = now.fields.names("requires")
    present = now.flag.requires
    document = now.document
    kept = edits.required(wanted)
    added = [each for each in kept if each not in present]
    removed = [each for each in present if each not in kept]
    if removed:
        document = edits.require(document, now.key, removed, remove=True)
    return edits.require(document, now.key, added) if added else document


def _holdout(now: Current) -> FlagDocument:
    fields, present = now.fields, now.flag.holdout
    name, percent = fields.text("holdout"), fields.text("percent")
    document = now.document
    if present is not None and present != name:
        document = edits.holdout(document, now.key, present, remove=True)
    if not name:
        return document
    return edits.holdout(document, now.key, name, percent=read_percent(percent) if percent else None)


def _revert(now: Current) -> FlagDocument:
    number = now.fields.number("to")
    if number is None:
        raise EditError("no version is given to restore")
    return edits.restore(now.document, now.key, now.version(number))


def _copy(now: Current) -> FlagDocument:
    other = now.other(now.fields.text("from"))
    return edits.copy(now.document, [now.key], other, with_state=bool(now.fields.text("with_state")))


def _segment(now: Current) -> FlagDocument:
    fields = now.fields
    return edits.put_segment(
        now.document,
        now.key,
        users=fields.names("users"),
        groups=fields.names("groups"),
        where=_condition(fields.text("where")) or None,
    )


ACTIONS: Final[Mapping[str, Action]] = {
    "on": Action("Switch {} on", lambda now: edits.switch_on(now.document, now.key)),
    "off": Action("Switch {} off", lambda now: edits.switch_off(now.document, now.key)),
    "kill": Action("Kill {}", lambda now: edits.kill(now.document, now.key), is_emergency=True),
    "rollout": Action("Roll out {}", _rollout, form="rollout"),
    "people": Action("Target {}", _people, form="people"),
    "split": Action("Split {} into variants", _split, form="split"),
    "values": Action("Set values of {}", _values, form="values"),
    "add_rule": Action("Add a rule to {}", _add_rule, form="rule"),
    "change_rule": Action("Change a rule of {}", _change_rule, form="rule"),
    "move_rule": Action("Move a rule of {}", _move_rule),
    "remove_rule": Action(
        "Remove a rule of {}", lambda now: edits.remove_rule(now.document, now.key, now.fields.text("rule"))
    ),
    "schedule": Action("Schedule {}", _schedule, form="schedule"),
    "ramp": Action("Ramp {}", _ramp, form="ramp"),
    "require": Action("Set what {} requires", _require, form="require"),
    "holdout": Action("Set the holdout of {}", _holdout, form="holdout"),
    "describe": Action("Describe {}", _describe, form="describe"),
    "create": Action("Create {}", _create, form="create"),
    "archive": Action("Archive {}", lambda now: edits.archive(now.document, now.key)),
    "unarchive": Action("Take {} out of the archive", lambda now: edits.archive(now.document, now.key, undo=True)),
    "delete": Action("Delete {}", lambda now: edits.delete(now.document, now.key)),
    "revert": Action("Restore {}", _revert),
    "copy": Action("Copy {}", _copy),
    "segment": Action("Set segment {}", _segment, form="segment"),
    "delete_segment": Action("Delete segment {}", lambda now: edits.delete_segment(now.document, now.key)),
}
"""Everything that a form can ask for, by name."""


def written(items: Iterable[str]) -> str:
    """Return names as a form shows them: one on a line, quoted if they hold a comma."""
    return "\n".join(f'"{item}"' if "," in item or '"' in item else item for item in items)
