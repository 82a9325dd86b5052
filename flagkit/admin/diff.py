"""What differs between two documents, flag by flag, and for whom. Pure; data first, text from it.

Compares what the flags mean in their readable form, so what AWS injects is never a change (appconfig.md §10, pain 4),
nor is a rule that was only written differently. A segment is one change, not one in every flag it is written into.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, JsonValue

from flagkit.admin.audience import effects
from flagkit.admin.entries import changed_entries
from flagkit.authoring import FlagSource, VariantSource, decompile
from flagkit.authoring.editor import part_of, related_keys
from flagkit.authoring.language import show_rule, show_rules, show_where
from flagkit.core.definitions import INTERNAL_FLAGS
from flagkit.core.documents import FlagDocument

Kind = Literal["created", "changed", "deleted", "follows"]

_SIGNS = {"created": "+", "changed": "~", "deleted": "-", "follows": "~"}
_FORMS = {"created": "add", "changed": "change", "deleted": "delete"}


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs; None where one side doesn't have it.

    Attributes:
        what: the key of the readable form, e.g. `percent` or `variant red weight`.
        before: its value, as in JSON.
        after: its value, as in JSON.
    """

    what: str
    before: JsonValue
    after: JsonValue

    def to_text(self) -> str:
        """Return e.g. `percent: 25 → 40`."""
        if self.before is None:
            return f"{self.what}: {_text(self.after)}"
        return f"{self.what}: {_text(self.before)} → {'(removed)' if self.after is None else _text(self.after)}"


@dataclass(frozen=True, slots=True)
class FlagDiff:
    """What differs in one flag, or one segment.

    Attributes:
        key: the flag's key, `segment NAME` or `holdout NAME`.
        kind: `follows` means: only a segment, prerequisite or holdout that is written into it changed.
        changes: what was written.
        audience: for whom, in sentences; says so where it can't be computed.
        was_live: whether the flag was on before.
        has_effect: whether some user may get another answer.
    """

    key: str
    kind: Kind
    changes: tuple[Change, ...] = ()
    audience: tuple[str, ...] = ()
    was_live: bool = False
    has_effect: bool = True

    def to_text(self) -> str:
        """Return the sentences, then the changes. On and off are said by the sentences."""
        ends = {"created": " (new)", "deleted": " (deleted)", "follows": " (follows what it names)"}
        lines = [f"{_SIGNS[self.kind]} {self.key}{ends.get(self.kind, '')}"]
        lines += [f"    {sentence}" for sentence in self.audience]
        lines += [f"      {change.to_text()}" for change in self.changes if change.what != "enabled"]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class DocumentDiff:
    """What differs between two documents; empty (and false) where nothing does."""

    flags: tuple[FlagDiff, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.flags)

    @property
    def deleted_live(self) -> tuple[str, ...]:
        """The flags that are deleted although they are on."""
        return tuple(flag.key for flag in self.flags if flag.kind == "deleted" and flag.was_live)

    def of(self, key: str) -> FlagDiff | None:
        """Return what differs in one flag, or None."""
        return next((flag for flag in self.flags if flag.key == key), None)

    def summary(self) -> str:
        """Return how many flags and segments are concerned, e.g. `1 to add, 2 to change, 0 to delete`."""
        counts = {kind: sum(flag.kind == kind for flag in self.flags) for kind in _FORMS}
        return ", ".join(f"{count} to {_FORMS[kind]}" for kind, count in counts.items())

    def to_text(self) -> str:
        """Return everything as text, one paragraph for each flag."""
        return "\n".join(flag.to_text() for flag in self.flags) or "No changes."

    def to_dict(self) -> dict[str, object]:
        """Return everything as plain data, for `--json`."""
        return {
            flag.key: {
                "kind": flag.kind,
                "audience": list(flag.audience),
                "changes": [
                    {"what": change.what, "before": change.before, "after": change.after} for change in flag.changes
                ],
            }
            for flag in self.flags
        }


def compare(before: FlagDocument, after: FlagDocument, *, now: dt.datetime | None = None) -> DocumentDiff:
    """Return what differs between two documents, and for whom.

    Args:
        before: the document as it was.
        after: the document as it will be.
        now: the present, to say who gets or loses a flag now by its schedule.
    """
    touched = changed_entries(before, after)
    if not touched:
        return DocumentDiff()
    keys = related_keys(touched, before, after)
    old, new = (decompile(part_of(document, keys)) for document in (before, after))
    found = [*_shared("segment", old.segments, new.segments), *_shared("holdout", old.holdouts, new.holdouts)]
    for key in sorted(touched.keys() - INTERNAL_FLAGS):
        one, two = old.flags.get(key), new.flags.get(key)
        kind: Kind = "created" if one is None else "deleted" if two is None else "changed"
        if one == two:
            if not (one is not None and (one.flags_required or one.segments_named or one.holdout)):
                continue  # only written differently
            kind = "follows"
        sentences = effects(one, two, (before, after), key, now=now)
        changes = tuple(_changes(_flat(one), _flat(two)))
        was_live = one is not None and not one.is_off
        has_effect = kind == "follows" or (bool(sentences) and (was_live or kind != "changed" or not _is_off(two)))
        found.append(FlagDiff(key, kind, changes, sentences, was_live, has_effect))
    return DocumentDiff(tuple(found))


def _is_off(flag: FlagSource | None) -> bool:
    return flag is None or flag.is_off


def _shared(what: str, old: Mapping[str, BaseModel], new: Mapping[str, BaseModel]) -> Iterator[FlagDiff]:
    for name in sorted({*old, *new}):
        one, two = old.get(name), new.get(name)
        if one == two:
            continue
        kind: Kind = "created" if one is None else "deleted" if two is None else "changed"
        flat = [{} if it is None else it.model_dump(mode="json", exclude_defaults=True) for it in (one, two)]
        yield FlagDiff(f"{what} {name}", kind, tuple(_changes(flat[0], flat[1])))


def _changes(old: Mapping[str, JsonValue], new: Mapping[str, JsonValue]) -> Iterator[Change]:
    for what in (*old, *(key for key in new if key not in old)):
        if old.get(what) != new.get(what):
            yield Change(what, old.get(what), new.get(what))


def _flat(flag: FlagSource | None) -> dict[str, JsonValue]:
    """Return a flag's fields as one level of values."""
    if flag is None:
        return {}
    fields: dict[str, JsonValue] = flag.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    flat: dict[str, JsonValue] = {"enabled": not flag.is_off}
    for name, value in fields.items():
        if name in {"variants", "enabled"}:
            continue
        if isinstance(value, dict) and name in {"values", "attributes"}:
            kind = "attribute" if name == "attributes" else "value"
            flat |= {f"{kind} {item}": it for item, it in value.items()}
        else:
            flat[name] = show_where(value) if name == "where" and isinstance(value, str) else value
    if flag.variants:
        flat["variants"] = [variant.name for variant in flag.variants]
    for variant in flag.variants:
        flat |= {f"variant {variant.name} {name}": value for name, value in _flat_variant(variant).items()}
    return flat


def _flat_variant(variant: VariantSource) -> dict[str, JsonValue]:
    fields: dict[str, JsonValue] = variant.model_dump(mode="json", exclude_defaults=True, exclude={"name", "values"})
    shown: dict[str, JsonValue] = {}
    if variant.rule is not None:
        shown["rule"] = show_rule(variant.rule)
    if variant.rules:
        shown["rules"] = show_rules(variant.rules)
    return variant.values | fields | shown


def _text(value: JsonValue) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(map(str, value))
    return json.dumps(value, ensure_ascii=False)
