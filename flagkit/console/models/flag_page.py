"""One flag in one environment: what its page shows, and what its forms begin with. It reads, and renders nothing."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass

from flagkit.admin import edits
from flagkit.admin.diff import FlagDiff, compare
from flagkit.admin.edits import RuleView
from flagkit.admin.edits.targeting import own_variants
from flagkit.admin.flag_view import FlagView
from flagkit.admin.stores import Stored
from flagkit.authoring import FlagSource, VariantSource, read_where, show_where
from flagkit.authoring.editor import readable
from flagkit.authoring.ranges import STEPS, show_percent
from flagkit.console.models.actions import text_of, written
from flagkit.console.models.changes import token_of
from flagkit.console.models.timeline import Timeline, timeline_of
from flagkit.console.workspace import Place, Standing, Workspace
from flagkit.core.documents import FlagDocument
from flagkit.core.rules.parser import parse_rule
from flagkit.core.rules.printer import print_rule
from flagkit.errors import FlagkitError, RuleError


@dataclass(frozen=True, slots=True)
class RulePart:
    """One condition of a rule, to be edited.

    Attributes:
        number: which one of the variant's, from 1.
        when: the condition; empty for all users.
        percent: the percentage; empty for all of them.
        native: the native rule of the condition.
    """

    number: int
    when: str
    percent: str
    native: str


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule of the page."""

    rule: RuleView
    parts: tuple[RulePart, ...]
    is_native: bool


@dataclass(frozen=True, slots=True)
class VariantRow:
    """One variant of the page: its weight in percent, and its values as texts."""

    name: str
    enabled: bool
    weight: str
    is_default: bool
    values: Mapping[str, str]
    users: str
    groups: str
    segments: tuple[str, ...]
    is_editable: bool


@dataclass(frozen=True, slots=True)
class FlagPage:
    """What the page of a flag shows.

    Attributes:
        key: the flag.
        place: the environment.
        stored: the version that is shown: the newest one.
        token: what each form sends back of it.
        saved: the flag as it is saved.
        live: what is live; None if it isn't.
        source: the readable form.
        undeployed: what is saved but not live, of this flag.
        rules: the ordered rules.
        variants: the variants; empty for a flag that is just on or off.
        attributes: the names of its attributes.
        segments: the segments that there are.
        timeline: its schedule and ramp; None if it has neither.
        others: the flag in the other environments; an error where that can't be read.
        native: the flag in AWS's format, as text.
    """

    key: str
    place: Place
    stored: Stored
    token: str
    saved: FlagView
    live: FlagView | None
    source: FlagSource
    undeployed: FlagDiff | None
    rules: tuple[RuleRow, ...]
    variants: tuple[VariantRow, ...]
    attributes: tuple[str, ...]
    segments: tuple[str, ...]
    timeline: Timeline | None
    others: Mapping[str, FlagView | FlagkitError | None]
    native: str

    @property
    def percent(self) -> str:
        """The percentage of the rollout, as its box begins with."""
        if self.source.percent is not None:
            return str(show_percent(self.source.percent))
        own = own_variants(self.source) if self.source.variants else []
        if len(own) == 1 and own[0].weight is not None:
            return str(show_percent(own[0].weight))
        if self.saved.status is not None and self.saved.status.percent is not None:
            return str(self.saved.status.percent)
        return ""

    @property
    def where(self) -> str:
        """The condition that limits the rollout."""
        return "" if self.source.where is None else show_where(self.source.where)

    @property
    def has_weights(self) -> bool:
        """Whether variants share out the users."""
        return any(variant.has_weight for variant in self.source.variants)


def flag_page(workspace: Workspace, place: Place, key: str) -> FlagPage:
    """Read a flag, and what surrounds it.

    Raises:
        UnknownFlagError: there is no such flag.
        FlagkitError: the source can't be read.
    """
    standing = workspace.standing(place)
    stored, now = standing.saved, workspace.clock.now()
    document = stored.document
    source = readable(document, key)
    others = workspace.others(place).each(lambda each: _elsewhere(workspace, each, key))
    return FlagPage(
        key=key,
        place=place,
        stored=stored,
        token=token_of(stored, key),
        saved=workspace.view(place, stored, key),
        live=None if standing.live is None else _view(workspace, place, standing.live, key),
        source=source,
        undeployed=_undeployed(standing, key, now),
        rules=tuple(_rule_row(rule) for rule in edits.list_rules(document, key)),
        variants=tuple(_variant_row(source, each) for each in source.variants),
        attributes=_attributes(source),
        segments=tuple(edits.list_segments(document)),
        timeline=timeline_of(source, now),
        others=others,
        native=_native(document, key),
    )


def _view(workspace: Workspace, place: Place, stored: Stored, key: str) -> FlagView | None:
    known = {*stored.document.flags, *stored.document.values}
    return workspace.view(place, stored, key) if key in known else None


def _elsewhere(workspace: Workspace, place: Place, key: str) -> FlagView | None:
    standing = workspace.standing(place)
    return None if standing.live is None else _view(workspace, place, standing.live, key)


def _undeployed(standing: Standing, key: str, now: dt.datetime) -> FlagDiff | None:
    if not standing.is_pending or standing.live is None:
        return None
    return compare(standing.live.document, standing.saved.document, now=now).of(key)


def _attributes(source: FlagSource) -> tuple[str, ...]:
    names = dict.fromkeys([*source.attributes, *source.values])
    for variant in source.variants:
        names |= dict.fromkeys(variant.values)
    return tuple(names)


def _rule_row(rule: RuleView) -> RuleRow:
    if rule.rule is not None:
        return RuleRow(rule, (RulePart(1, show_where(rule.rule), "", _printed(rule.rule)),), is_native=True)
    parts = tuple(
        RulePart(
            number,
            "" if each.when is None else show_where(each.when),
            "" if each.percent is None else str(show_percent(each.percent)),
            "" if each.when is None else read_where(each.when),
        )
        for number, each in enumerate(rule.rules, 1)
    )
    return RuleRow(rule, parts, is_native=False)


def _variant_row(source: FlagSource, variant: VariantSource) -> VariantRow:
    is_default = variant is source.variants[-1]
    weights = {each.name: _weight(each) for each in source.variants[:-1]}
    weight = STEPS - sum(filter(None, weights.values())) if is_default else weights[variant.name]
    shown = (
        ""
        if weight is None or not any(each is not None for each in weights.values())
        else str(show_percent(max(0, weight)))
    )
    return VariantRow(
        variant.name,
        variant.enabled,
        shown,
        is_default,
        {name: text_of(value) for name, value in variant.values.items()},
        written(variant.users),
        written(variant.groups),
        variant.segments,
        not is_default and variant.rule is None,
    )


def _weight(variant: VariantSource) -> int | None:
    if variant.ranges is not None:
        return sum(span.size for span in variant.ranges)
    return variant.weight


def _printed(rule: str) -> str:
    try:
        return print_rule(parse_rule(rule))
    except RuleError:
        return rule


def _native(document: FlagDocument, key: str) -> str:
    plain = document.to_dict()
    found = {}
    for side in ("flags", "values"):
        part = plain.get(side)
        if isinstance(part, dict) and key in part:
            found[side] = {key: part[key]}
    return json.dumps(found, ensure_ascii=False, indent=2)
