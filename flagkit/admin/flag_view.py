"""Flags as people and programs see them: state and audience, lines, the reason of an answer, JSON data.

It reads the native document without pydantic, so that listing is fast, and must not print.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flagkit.admin.audience import FlagStatus, status_of
from flagkit.admin.changes import UNKNOWN, FlagChanges
from flagkit.admin.rollouts import Rollout, rollouts_in
from flagkit.authoring.conditions import GROUP, OFF, USER, listed, name_of, parsed, read_required
from flagkit.authoring.language import show_where
from flagkit.authoring.reading import ShownFlag, read_shown
from flagkit.core.bucketing import BUCKETS
from flagkit.core.definitions import SWITCHED_OFF, FlagDefinition, VariantDefinition
from flagkit.core.metadata import NO_METADATA, Metadata, is_past, read_metadata
from flagkit.core.rules.ast import And, Condition, Not, Or, Split
from flagkit.core.shares import REQUIRES, RULE, SEGMENT
from flagkit.core.snapshot import Snapshot
from flagkit.errors import DocumentError, RuleError, UnknownFlagError
from flagkit.sources import Document, DocumentKind

if TYPE_CHECKING:
    from flagkit.admin.evaluations import LastEvaluated
    from flagkit.core.explanation import Explanation, Step


@dataclass(frozen=True, slots=True)
class FlagTexts:
    """What is written about a flag for people; None where nothing is.

    Attributes:
        name: its display name.
        about: description, owner, tags, kind, whether it is archived or client-visible.
        is_deprecated: whether it is planned to be removed.
        remove_by: the day of that.
        created: when it was created, as AWS says.
        updated: when it was last changed, as AWS says.
    """

    name: str | None = None
    about: Metadata = NO_METADATA
    is_deprecated: bool = False
    remove_by: str | None = None
    created: datetime | None = None
    updated: datetime | None = None


_NO_TEXTS = FlagTexts()


@dataclass(frozen=True, slots=True)
class FlagView:
    """One flag of a document.

    Attributes:
        key: the flag's key.
        state: `on`, `off`, `partial`, `scheduled`, `ended` or `broken`.
        shown: the state for people, e.g. `25 %`.
        audience: who gets it while it is on; what is wrong with a broken flag.
        texts: what is written about it: name, description, owner, tags, kind, removal date.
        is_overdue: whether its removal date is past.
        changes: when and by whom it was created and last changed.
        evaluated: the day of the last evaluation; `never`; None where that isn't known.
        status: state and audience; None for a broken flag, and where the rules were not delivered.
        targeting: what the rules say; None like `status`.
        definition: the flag; None for a broken one.
        rollout: the guarded rollout that is under way; None where there is none.
    """

    key: str
    state: str
    shown: str
    audience: str
    texts: FlagTexts = _NO_TEXTS
    status: FlagStatus | None = None
    targeting: ShownFlag | None = None
    definition: FlagDefinition | None = None
    is_overdue: bool = False
    changes: FlagChanges = UNKNOWN
    evaluated: LastEvaluated = None
    rollout: Rollout | None = None

    @property
    def variants(self) -> tuple[VariantDefinition, ...]:
        """The flag's own variants, without the one that switches it off."""
        variants = () if self.definition is None else self.definition.variants
        return variants[1:] if variants and variants[0].name == SWITCHED_OFF else variants

    @property
    def is_hidden(self) -> bool:
        """Whether lists leave it out: it is archived. One that is on in spite of that is shown."""
        return self.texts.about.archived and self.state == "off"

    @property
    def created(self) -> datetime | None:
        """When it was created."""
        return self.texts.created or self.changes.created

    @property
    def changed(self) -> datetime | None:
        """When it was last changed."""
        return self.changes.changed or self.texts.updated

    @property
    def evaluated_text(self) -> str:
        """The day of the last evaluation, or `never`; empty where that isn't known."""
        return "" if self.evaluated is None else str(self.evaluated)

    @property
    def removal(self) -> str:
        """Return the removal date for people; empty where there is none."""
        day = self.texts.remove_by or ("no date" if self.texts.is_deprecated else "")
        return f"{day} (overdue)" if self.is_overdue else day

    def data(self) -> dict[str, object]:
        """Return the flag as JSON-ready data."""
        about = self.texts.about
        found: dict[str, object] = {
            "key": self.key,
            "name": self.texts.name,
            "description": about.description,
            "owner": about.owner,
            "tags": list(about.tags),
            "kind": about.kind,
            "deprecated": self.texts.is_deprecated,
            "remove_by": self.texts.remove_by,
            "overdue": self.is_overdue,
            "archived": about.archived,
            "client_visible": about.client_visible,
            "created": _iso(self.created),
            "last_changed": _iso(self.changed),
            "last_changed_by": self.changes.changed_by,
            "last_changed_version": self.changes.version,
            "last_evaluated": self.evaluated_text or None,
            "state": self.state,
            "audience": self.audience if self.state != "broken" else None,
            "problem": self.audience if self.state == "broken" else None,
        }
        status, targeting = self.status, self.targeting
        found["percent"] = None if status is None or status.percent is None else float(status.percent)
        found["starts"] = None if status is None or status.opens is None else status.opens.isoformat()
        found["ends"] = None if status is None or status.closes is None else status.closes.isoformat()
        found["rollout"] = None if self.rollout is None else self.rollout.data()
        for name in ("users", "groups", "segments", "requires"):
            found[name] = [] if targeting is None else _named(targeting, name)
        if self.definition is not None:
            found["enabled"] = self.definition.enabled
            found["attributes"] = _plain(self.definition.attributes)
            found["variants"] = [_variant_data(variant) for variant in self.variants]
        return found

    def details(self) -> Iterator[str]:
        """Yield attributes and variants, a line each, without rules."""
        if self.definition is None:
            return
        if self.definition.attributes:
            yield _attributes(self.definition.attributes)
        for variant in self.variants:
            if variant.attributes:
                yield f"{variant.name}: {_attributes(variant.attributes)}"
        if self.definition.unseen_variant is not None:
            yield f"Its rules are not delivered; the default variant is {self.definition.unseen_variant}."

    def rules(self) -> Iterator[str]:
        """Yield every variant with its native rule."""
        for variant in self.variants:
            yield f"{variant.name}: {'on' if variant.enabled else 'off'}"
            yield f"  {variant.rule or 'default'}"


def snapshot_of(document: Document, now: Callable[[], datetime]) -> Snapshot:
    """All flags of a document.

    Raises:
        DocumentError: it can't be read.
    """
    if document.kind is DocumentKind.FEATURE_FLAGS:
        return Snapshot.from_retrieved(document.content, version=document.version, label=document.label)
    return Snapshot.from_json(document.content, version=document.version, label=document.label, now=now)


def known_flag(snapshot: Snapshot, key: str) -> str:
    """The key, if there is such a flag.

    Raises:
        UnknownFlagError: there isn't; the message names those that look alike.
    """
    if key in snapshot.flags:
        return key
    import difflib

    alike = difflib.get_close_matches(key, snapshot.flags, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(alike)}? {UnknownFlagError.default_hint}" if alike else None
    raise UnknownFlagError(f"there is no flag {key}", hint=hint)


def views(
    document: Document, snapshot: Snapshot, now: datetime, changes: Mapping[str, FlagChanges] | None = None
) -> dict[str, FlagView]:
    """Return every flag of a document by its key."""
    content = _content(document)
    texts, rollouts = _texts(content), rollouts_in(content.get("values"))
    return {
        key: _view(snapshot, key, texts.get(key, _NO_TEXTS), (changes or {}).get(key), now, rollouts.get(key))
        for key in sorted({*snapshot.flags, *texts})
    }


def view_of(
    document: Document, snapshot: Snapshot, key: str, now: datetime, changes: FlagChanges | None = None
) -> FlagView:
    """Return one flag of a document."""
    content = _content(document)
    rollout = rollouts_in(content.get("values")).get(key)
    return _view(snapshot, key, _texts(content, key).get(key, _NO_TEXTS), changes, now, rollout)


def reason_of(explanation: Explanation, flag: FlagView) -> str:
    """Return an answer and its reason in one sentence."""
    answer = explanation.evaluation
    if answer.error is not None:
        return f"{answer.key} has no answer: {answer.message}"
    user = "" if explanation.user_id is None else f" for user {explanation.user_id}"
    variant = "" if answer.variant in {None, "on", "off", SWITCHED_OFF} else f", variant {answer.variant}"
    said = f"{answer.key} is {'on' if answer.enabled else 'off'}{user}{variant}"
    why = "it is switched off" if flag.state == "off" else _why(explanation)
    return f"{said}: {why}." if why else f"{said}."


def _view(
    snapshot: Snapshot,
    key: str,
    texts: FlagTexts,
    changes: FlagChanges | None,
    now: datetime,
    rollout: Rollout | None = None,
) -> FlagView:
    overdue = texts.remove_by is not None and is_past(texts.remove_by, now)
    written: dict[str, Any] = {"texts": texts, "is_overdue": overdue, "changes": changes or UNKNOWN, "rollout": rollout}
    if key not in snapshot.flags:
        return FlagView(key, "off", "off", "no value in the document", **written)
    try:
        definition = snapshot.definition(key)
        if definition.unseen_variant is not None:
            state = "on" if definition.enabled else "off"
            return FlagView(key, state, state, "unknown: its rules are not delivered", definition=definition, **written)
        targeting = read_shown(definition)
        if any("matches" in (variant.rule or "") for variant in definition.variants):
            snapshot.evaluate(key)  # only compiling a pattern tells whether RE2 takes it
    except (DocumentError, RuleError) as error:
        return FlagView(key, "broken", "broken", error.message, **written)
    if key in snapshot.problems:
        return FlagView(key, "broken", "broken", snapshot.problems[key], **written)
    status = status_of(targeting, now=now)
    shown = status.to_text()
    if texts.about.archived:
        shown = "archived" if status.state == "off" else f"{shown} (archived)"
    if rollout is not None:
        shown = f"{shown} (rollout{f', {rollout.step_text}' if rollout.step_text else ''})"
    return FlagView(
        key, status.state, shown, status.audience, status=status, targeting=targeting, definition=definition, **written
    )


def _content(document: Document) -> dict[str, Any]:
    """What a document says; what AWS's retrieval leaves out is not known."""
    return {} if document.kind is DocumentKind.FEATURE_FLAGS else _object(json.loads(document.content))


def _texts(content: Mapping[str, Any], key: str | None = None) -> dict[str, FlagTexts]:
    """What is written about each flag, or about one, read as leniently as the flags themselves."""
    declared, values = (_object(content.get(side)) for side in ("flags", "values"))
    keys = [*declared] if key is None else [key]
    return {each: _about(declared.get(each), values.get(each)) for each in keys if not each.startswith("flagkit-")}


def _about(declared: object, value: object) -> FlagTexts:
    flag, state = _object(declared), _object(value)
    texts = {name: flag[name] for name in ("name", "description") if isinstance(flag.get(name), str)}
    removal = flag.get("_deprecation")
    day = removal.get("date") if isinstance(removal, dict) else None
    return FlagTexts(
        texts.get("name"),
        read_metadata(texts.get("description")),
        isinstance(removal, dict),
        day if isinstance(day, str) else None,
        min(_times(flag, state, "_createdAt"), default=None) if "_createdAt" in flag or "_createdAt" in state else None,
        max(_times(flag, state, "_updatedAt"), default=None) if "_updatedAt" in flag or "_updatedAt" in state else None,
    )


def _times(flag: Mapping[str, Any], state: Mapping[str, Any], name: str) -> Iterator[datetime]:
    for text in (flag.get(name), state.get(name)):
        if isinstance(text, str):
            with suppress(ValueError):
                moment = datetime.fromisoformat(text)
                yield moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _named(targeting: ShownFlag, name: str) -> list[str]:
    named = list(getattr(targeting, name))
    for variant in targeting.variants if name != "requires" else ():
        named += [each for each in getattr(variant, name) if each not in named]
    return named


def _why(explanation: Explanation) -> str:
    if not explanation.rules:
        return "all users get it" if explanation.evaluation.enabled else ""
    step = next((rule.step for rule in explanation.rules if rule.outcome == "match"), None)
    if step is not None:
        return _true_for(step)
    steps = [rule.step for rule in explanation.rules if rule.step is not None]
    return "; ".join(dict.fromkeys(reason for step in steps for reason in _false_for(step)))


def _named_condition(node: Condition) -> tuple[str, str] | None:
    """What is said where a condition that flagkit wrote is true, and where it isn't."""
    segment, required = name_of(node, SEGMENT), name_of(node, REQUIRES)
    if segment is not None:
        return f"in segment {segment}", f"not in segment {segment}"
    if required is not None:
        key, answer = read_required(required)
        if answer in {None, OFF}:
            return (f"{key} is on", f"{key} is off") if answer is None else (f"{key} is off", f"{key} is on")
        return f"{key} is {answer}", f"{key} is not {answer}"
    if listed(node, USER) is not None:
        return "in the list of users", "not in the list of users"
    if listed(node, GROUP) is not None:
        return "in a group that gets it", "in no group that gets it"
    return None


def _true_for(step: Step) -> str:
    node = parsed(step.text)
    named = _named_condition(node)
    if named is not None:
        return named[0]
    if isinstance(node, Split):
        return _bucket(step, "is below")
    if isinstance(node, Not) and isinstance(node.operand, Split):
        return _bucket(step.steps[0], "is not below")
    if isinstance(node, Or):
        return next(_true_for(inner) for inner in step.steps if inner.result)
    if isinstance(node, And):
        return ", ".join(_true_for(inner) for inner in step.steps)
    return show_where(step.text)


def _false_for(step: Step) -> Iterator[str]:
    """Yield what keeps a rule from being true, as far as one condition does."""
    node = parsed(step.text)
    named = _named_condition(node)
    if named is not None:
        yield named[1]
    elif isinstance(node, Split):
        yield _bucket(step, "is not below")
    elif isinstance(node, Not) and isinstance(node.operand, Split):
        yield _bucket(step.steps[0], "is below")
    elif isinstance(node, Or | And):
        # The last part of a rule of its own is its mark.
        for inner in step.steps if name_of(node, RULE) is None else step.steps[:-1]:
            if not inner.result:
                yield from _false_for(inner)
    else:
        missing = next((_attribute(item.name) for item in step.seen if item.value is None), None)
        yield f"{missing} is not given" if missing is not None else f"{show_where(step.text)} is not true"


def _bucket(step: Step, relation: str) -> str:
    if step.bucket is None:
        return f"{_attribute(step.seen[0].name)} is not given" if step.seen else "no user is given"
    return f"bucket {step.bucket / BUCKETS * 100:.2f} % {relation} {step.percent:.12g} %"


def _attribute(name: str) -> str:
    """Return a context key of a rule, `$country` or `'$company.plan'`, as a condition names it."""
    return name.strip("'").removeprefix("$")


def _variant_data(variant: VariantDefinition) -> dict[str, object]:
    return {
        "name": variant.name,
        "enabled": variant.enabled,
        "rule": variant.rule,
        "attributes": _plain(variant.attributes),
    }


def _attributes(attributes: Mapping[str, object]) -> str:
    return " ".join(f"{name}={json.dumps(_plain(value), ensure_ascii=False)}" for name, value in attributes.items())


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value
