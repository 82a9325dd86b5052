"""Flags as people and programs see them: state and audience, lines, the reason of an answer, JSON data.

It reads the native document without pydantic, so that listing is fast, and must not print.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flagkit.admin.audience import FlagStatus, status_of
from flagkit.authoring.conditions import GROUP, REQUIRES, RULE, SEGMENT, USER, listed, name_of, parsed
from flagkit.authoring.language import show_where
from flagkit.authoring.reading import ShownFlag, read_shown
from flagkit.core.bucketing import BUCKETS
from flagkit.core.definitions import SWITCHED_OFF, FlagDefinition, VariantDefinition
from flagkit.core.rules.ast import And, Condition, Or, Split
from flagkit.core.snapshot import Snapshot
from flagkit.errors import DocumentError, RuleError
from flagkit.sources import Document, DocumentKind

if TYPE_CHECKING:
    from flagkit.core.explanation import Explanation, Step


@dataclass(frozen=True, slots=True)
class FlagView:
    """One flag of a document.

    Attributes:
        key: the flag's key.
        state: `on`, `off`, `partial`, `scheduled`, `ended` or `broken`.
        shown: the state for people, e.g. `25 %`.
        audience: who gets it while it is on; what is wrong with a broken flag.
        texts: what is written about it: name, description, removal date.
        status: state and audience; None for a broken flag, and where the rules were not delivered.
        targeting: what the rules say; None like `status`.
        definition: the flag; None for a broken one.
    """

    key: str
    state: str
    shown: str
    audience: str
    texts: Mapping[str, str]
    status: FlagStatus | None = None
    targeting: ShownFlag | None = None
    definition: FlagDefinition | None = None

    @property
    def variants(self) -> tuple[VariantDefinition, ...]:
        """The flag's own variants, without the one that switches it off."""
        variants = () if self.definition is None else self.definition.variants
        return variants[1:] if variants and variants[0].name == SWITCHED_OFF else variants

    def fits(self, search: str | None, state: str | None) -> bool:
        """Tell whether the flag is in a state, and a text is part of its key, name or description."""
        if state is not None and self.state != state:
            return False
        texts = (self.key, self.texts.get("name", ""), self.texts.get("description", ""))
        return search is None or any(search.lower() in text.lower() for text in texts)

    def data(self) -> dict[str, object]:
        """Return the flag as JSON-ready data."""
        found: dict[str, object] = {
            "key": self.key,
            "name": self.texts.get("name"),
            "description": self.texts.get("description"),
            "remove_by": self.texts.get("remove_by"),
            "state": self.state,
            "audience": self.audience if self.state != "broken" else None,
            "problem": self.audience if self.state == "broken" else None,
        }
        status, targeting = self.status, self.targeting
        found["percent"] = None if status is None or status.percent is None else float(status.percent)
        found["starts"] = None if status is None or status.opens is None else status.opens.isoformat()
        found["ends"] = None if status is None or status.closes is None else status.closes.isoformat()
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


def views(document: Document, snapshot: Snapshot, now: datetime) -> dict[str, FlagView]:
    """Return every flag of a document by its key."""
    texts = _texts(document)
    return {key: _view(snapshot, key, texts.get(key, {}), now) for key in sorted({*snapshot.flags, *texts})}


def view_of(document: Document, snapshot: Snapshot, key: str, now: datetime) -> FlagView:
    """Return one flag of a document."""
    return _view(snapshot, key, _texts(document).get(key, {}), now)


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


def _view(snapshot: Snapshot, key: str, texts: Mapping[str, str], now: datetime) -> FlagView:
    if key not in snapshot.flags:
        return FlagView(key, "off", "off", "no value in the document", texts)
    try:
        definition = snapshot.definition(key)
        if definition.unseen_variant is not None:
            state = "on" if definition.enabled else "off"
            return FlagView(key, state, state, "unknown: its rules are not delivered", texts, definition=definition)
        targeting = read_shown(definition)
        if any("matches" in (variant.rule or "") for variant in definition.variants):
            snapshot.evaluate(key)  # only compiling a pattern tells whether RE2 takes it
    except (DocumentError, RuleError) as error:
        return FlagView(key, "broken", "broken", error.message, texts)
    if key in snapshot.problems:
        return FlagView(key, "broken", "broken", snapshot.problems[key], texts)
    status = status_of(targeting, now=now)
    return FlagView(key, status.state, status.to_text(), status.audience, texts, status, targeting, definition)


def _texts(document: Document) -> dict[str, dict[str, str]]:
    """What is written about each flag, read as leniently as the flags themselves."""
    if document.kind is DocumentKind.FEATURE_FLAGS:
        return {}
    declared: Any = json.loads(document.content).get("flags")
    found: dict[str, dict[str, str]] = {}
    for key, entry in declared.items() if isinstance(declared, dict) else ():
        if key.startswith("flagkit-"):
            continue
        about: dict[str, Any] = entry if isinstance(entry, dict) else {}
        texts = {name: about[name] for name in ("name", "description") if isinstance(about.get(name), str)}
        removal = about.get("_deprecation")
        if isinstance(removal, dict):
            texts["remove_by"] = str(removal.get("date") or "no date")
        found[key] = texts
    return found


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
        return f"{required} is on", f"{required} is off"
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
