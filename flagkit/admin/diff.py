"""What differs between two documents, flag by flag, and for whom. Pure; data first, text from it.

Compares what the flags mean in their readable form, so what AWS injects is never a change (appconfig.md §10, pain 4),
nor is a rule that was only written differently. A segment is one change, not one in every flag it is spelt out in.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from flagkit.admin.audience import audience, who
from flagkit.admin.edits.workbench import SEGMENTS_FLAG, is_guarded, without_guard, words_of
from flagkit.admin.entries import EMPTY, changed_entries
from flagkit.admin.where import say_where
from flagkit.authoring import FlagSource, SegmentSource, decompile
from flagkit.core.documents import FlagDocument

Kind = Literal["created", "changed", "deleted", "follows"]

_SIGNS = {"created": "+", "changed": "~", "deleted": "-", "follows": "~"}


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs; None where one side doesn't have it.

    Attributes:
        what: the word of the readable form, e.g. `percent` or `variant red weight`.
        before: as text.
        after: as text.

    Since 0.1.
    """

    what: str
    before: str | None
    after: str | None

    def to_text(self) -> str:
        """Return e.g. `percent: 25 → 40`."""
        if self.before is None:
            return f"{self.what}: {self.after}"
        if self.after is None:
            return f"{self.what}: {self.before} → nothing"
        return f"{self.what}: {self.before} → {self.after}"


@dataclass(frozen=True, slots=True)
class FlagDiff:
    """What differs in one flag, or one segment.

    Attributes:
        key: the flag's key, or `segment NAME`.
        kind: `follows` means: only a segment or prerequisite that it spells out changed.
        changes: what was written.
        audience: for whom, in sentences; says so where it can't be computed.

    Since 0.1.
    """

    key: str
    kind: Kind
    changes: tuple[Change, ...] = ()
    audience: tuple[str, ...] = ()

    def to_text(self) -> str:
        """Return the sentences, then the changes."""
        ends = {"created": " (new)", "deleted": " (deleted)", "follows": " (follows what it names)"}
        lines = [f"{_SIGNS[self.kind]} {self.key}{ends.get(self.kind, '')}"]
        lines += [f"    {sentence}" for sentence in self.audience]
        lines += [f"      {change.to_text()}" for change in self.changes]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class DocumentDiff:
    """What differs between two documents; empty (and false) where nothing does. Since 0.1."""

    flags: tuple[FlagDiff, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.flags)

    def of(self, key: str) -> FlagDiff | None:
        """Return what differs in one flag, or None."""
        return next((flag for flag in self.flags if flag.key == key), None)

    def to_text(self) -> str:
        """Return everything as text, one paragraph for each flag."""
        return "\n".join(flag.to_text() for flag in self.flags) or "nothing changes"

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


def compare(before: FlagDocument, after: FlagDocument) -> DocumentDiff:
    """Return what differs between two documents, and for whom. Since 0.1."""
    touched = [key for key in changed_entries(before, after) if key != SEGMENTS_FLAG]
    old, new = decompile(_bared(before)), decompile(_bared(after))
    found = [*_segments(old.segments, new.segments)]
    for key in touched:
        one, two = old.flags.get(key), new.flags.get(key)
        off = (is_guarded(before.values.get(key)), is_guarded(after.values.get(key)))
        changes = tuple(_changes(_flat(one, off=off[0]), _flat(two, off=off[1])))
        kind: Kind = "created" if one is None else "deleted" if two is None else "changed"
        if one == two and off[0] == off[1]:
            if not (one is not None and (one.requires or _names_segments(one))):
                continue  # only written differently
            kind = "follows"
        sentences = audience((one, off[0]), (two, off[1]), (before, after), key)
        found.append(FlagDiff(key, kind, changes, sentences))
    return DocumentDiff(tuple(found))


def describe_audience(document: FlagDocument, key: str) -> str:
    """Return in one sentence who gets a flag, e.g. `25 % of users and 1 user by name`. Since 0.1."""
    flag = decompile(without_guard(document, key)).flags[key]
    return who((flag, is_guarded(document.values.get(key))))


def empty_diff(document: FlagDocument) -> DocumentDiff:
    """Return everything that a document says, as if it were new. Since 0.1."""
    return compare(EMPTY, document)


def _bared(document: FlagDocument) -> FlagDocument:
    for key, value in document.values.items():
        if is_guarded(value):
            document = without_guard(document, key)
    return document


def _names_segments(flag: FlagSource) -> bool:
    return bool(flag.segments or flag.among or any(variant.segments for variant in flag.variants))


def _segments(old: Mapping[str, SegmentSource], new: Mapping[str, SegmentSource]) -> Iterator[FlagDiff]:
    for name in sorted({*old, *new}):
        one, two = old.get(name), new.get(name)
        if one == two:
            continue
        kind: Kind = "created" if one is None else "deleted" if two is None else "changed"
        flat = [
            {} if it is None else {w: _text(v) for w, v in it.model_dump(exclude_defaults=True).items()}
            for it in (one, two)
        ]
        yield FlagDiff(f"segment {name}", kind, tuple(_changes(flat[0], flat[1])))


def _changes(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    for what in (*old, *(word for word in new if word not in old)):
        if old.get(what) != new.get(what):
            yield Change(what, old.get(what), new.get(what))


def _flat(flag: FlagSource | None, *, off: bool) -> dict[str, str]:
    """Return a flag's words as one level of texts."""
    if flag is None:
        return {}
    flat: dict[str, str] = {"switched off": "true"} if off else {}
    for word, value in words_of(flag).items():
        if word == "variants":
            continue
        if isinstance(value, dict) and word in {"values", "attributes"}:
            kind = "attribute" if word == "attributes" else "value"
            flat |= {f"{kind} {name}": _text(item) for name, item in value.items()}
        else:
            flat[word] = say_where(value) if word == "where" and isinstance(value, str) else _text(value)
    order = [variant.name for variant in flag.variants]
    if order:
        flat["variants"] = ", ".join(order)
    for variant in flag.variants:
        start = f"variant {variant.name}"
        for word, value in variant.model_dump(exclude_defaults=True).items():
            if word == "values":
                flat |= {f"{start} {name}": _text(item) for name, item in value.items()}
            elif word != "name":
                flat[f"{start} {word}"] = _text(value)
    return flat


def _text(value: object) -> str:
    match value:
        case dt.datetime():
            return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case dt.date():
            return value.isoformat()
        case str():
            return value
        case list() | tuple() if all(isinstance(item, str) for item in value):
            return ", ".join(map(str, value))
        case _:
            return json.dumps(value, ensure_ascii=False, default=_text)
