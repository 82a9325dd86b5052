"""From the readable form to native documents: every key becomes a native rule that AWS's Agent reads too.

A variant's rule is `(and GATES… (or LISTS… (and LIMITS… RANGES)))`. Gates (requires, from, until) hold for everybody.
Lists (users, groups, segments) are in whatever the percentages say, so a share leaves out who is on the list of a
later variant. Limits (among, where, holdout, layer, percent or ramp) and ranges decide which share of all others takes
part; the holdout limits rules, too. Parts that say nothing are left out.

Two things have no place in AWS's format. A flag with variants that is switched off gets one more variant in front,
which is off and true for all users. Segments that no flag names are kept in a flag of their own (`INTERNAL_FLAGS`).
Only this module and `decompiler` know of both.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn, TypeAlias, TypeVar

from pydantic import JsonValue

from flagkit.authoring.conditions import (
    GROUP,
    OFF,
    OFF_RULE,
    ON,
    USER,
    Share,
    all_of,
    any_of,
    before,
    first_match,
    named,
    named_elsewhere,
    one_of,
    outside,
    parsed,
    ramp_of,
    read_required,
    replaced,
    share_of,
    since,
)
from flagkit.authoring.fields import flags_in
from flagkit.authoring.language import read_condition
from flagkit.authoring.ranges import Allocation, Allocations, BucketRange, reallocate_with_fixed
from flagkit.authoring.source import AuthoringDocument, FlagSource, RuleSource, SegmentSource, VariantSource
from flagkit.core.definitions import SEGMENTS_FLAG, SWITCHED_OFF
from flagkit.core.documents import MAX_VARIANTS, FlagDocument
from flagkit.core.documents.constraints import MAX_TEXT_LENGTH
from flagkit.core.metadata import Metadata, write_metadata
from flagkit.core.rules.ast import (
    MAX_DEPTH,
    MAX_RULE_CHARS,
    Boolean,
    Condition,
    Rule,
)
from flagkit.core.rules.printer import print_rule
from flagkit.core.shares import EXPOSURE, HOLDOUT, LAYER, REQUIRES, RULE, SEGMENT
from flagkit.errors import EditError, RuleError, UnknownFlagError

_Entry = TypeVar("_Entry")
_Ruled: TypeAlias = "tuple[VariantSource, Rule | str | None]"

_SEGMENTS = {
    "name": "Segments",
    "description": "Named groups of users that no flag uses yet. Kept by flagkit; it is off for everybody.",
}


def compile_document(source: AuthoringDocument, *, allocations: Allocations | None = None) -> FlagDocument:
    """Compile the readable form to a native document.

    Args:
        source: the readable form.
        allocations: ranges in use in the document that is replaced (`read_allocations`); without it
            ranges are allocated from 0 %.

    Raises:
        UnknownFlagError: a prerequisite names no flag.
        EditError: flags require each other in a circle, a name is unknown, shares add up to more than 100 %.
        DocumentError: the result breaks AWS's limits, e.g. a rule has more than 16,384 characters.
    """
    compiler = Compiler(source, allocations or Allocations())
    return compiler.document([*source.flags, SEGMENTS_FLAG])


@dataclass(slots=True)
class Compiler:
    """Compiles the flags of one document, each once, prerequisites first."""

    source: AuthoringDocument
    allocations: Allocations
    _rules: dict[str, list[_Ruled]] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)
    _layers: dict[str, Allocation] = field(default_factory=dict)

    def document(self, keys: Iterable[str]) -> FlagDocument:
        """Return a document of these flags; keys that the source doesn't have are left out."""
        flags: dict[str, JsonValue] = {}
        values: dict[str, JsonValue] = {}
        for key in keys:
            if key in self.source.flags:
                flags[key] = _declaration(key, self.source.flags[key])
                value = self._value(key)
            else:
                value = self._kept_segments() if key == SEGMENTS_FLAG else None
                if value is not None:
                    flags[key] = dict(_SEGMENTS)
            if value is not None:
                values[key] = value
        return FlagDocument.parse({"version": "1", "flags": flags, "values": values})

    def _value(self, key: str) -> JsonValue:
        """Return the native `values.<key>`, or None for a flag that is only declared."""
        flag = self.source.flags[key]
        variants = self.variants(key)
        if variants:
            return {"_variants": [_native_variant(variant, rule) for variant, rule in variants]}
        if flag.enabled is None and not flag.values:
            return None
        return {"enabled": bool(flag.enabled), **flag.values}

    def variants(self, key: str) -> list[_Ruled]:
        """Return the variants of a flag with their rules; the default has none. Native text is kept as it is."""
        if key not in self._rules:
            if key in self._open:
                circle = " → ".join([*self._open[self._open.index(key) :], key])
                message = f"flags require each other in a circle: {circle}"
                raise EditError(message)
            self._open.append(key)
            try:
                if len(self._open) > MAX_DEPTH:
                    _refuse_chain(key, f"more than {MAX_DEPTH} flags require each other in turn")
                self._rules[key] = self._compile(key, self.source.flags[key])
            except RuleError as error:  # each prerequisite nests the rule one deeper
                _refuse_chain(key, error.message)
            finally:
                self._open.pop()
        return self._rules[key]

    def required(self, key: str, entry: str) -> Condition:
        """Return the condition under which a prerequisite of this flag holds for a user."""
        other, wanted = read_required(entry)
        if other not in self.source.flags:
            close = difflib.get_close_matches(other, self.source.flags, 1)
            message = f"flags.{key}.requires: there is no flag {other}"
            raise UnknownFlagError(message, hint=f"Did you mean {close[0]}?" if close else None)
        variants, flag = self.variants(other), self.source.flags[other]
        names = [variant.name for variant, _ in variants if variant.name != SWITCHED_OFF]
        if wanted not in {None, OFF, *names}:
            has = f"its variants are {', '.join(names)}" if names else "it has no variants"
            message = f"flags.{key}.requires: {other} has no variant {wanted}; {has}"
            raise EditError(message, hint="Name one of its variants, on or off.")

        def fits(variant: VariantSource) -> bool:
            return variant.name == wanted if wanted not in {None, OFF} else variant.enabled == (wanted is None)

        *ruled, (default, _) = variants or [(VariantSource(name="", enabled=bool(flag.enabled)), None)]
        condition: Condition = Boolean(fits(default))
        if flag.enabled is False:
            ruled, condition = [], Boolean(wanted == OFF)
        for variant, rule in reversed(ruled):
            assert rule is not None
            condition = first_match(parsed(rule) if isinstance(rule, str) else rule, fits(variant), condition)
        # Here and not at the end: prerequisites of prerequisites double it, and so on.
        if len(print_rule(condition)) > MAX_RULE_CHARS:
            _refuse_chain(key, f"the rule of {other} is too long to be repeated")
        return named(REQUIRES, entry, [condition])

    def _condition(self, key: str, text: str, place: str) -> Condition:
        """Read a condition, with the prerequisites in it written out."""
        return replaced(_where(text, place), lambda entry: self.required(key, entry))

    def _compile(self, key: str, flag: FlagSource) -> list[_Ruled]:
        sources = expanded(flag)
        if not sources:
            return []
        gates = self._gates(key, flag)
        allocation = self._allocation(key, flag, sources)
        compiled: list[_Ruled] = []
        if flag.variants and flag.enabled is False:
            # Required attributes must have a value in every variant (appconfig.md §1.1); the default's do.
            compiled.append((VariantSource(name=SWITCHED_OFF, enabled=False, values=sources[-1].values), OFF_RULE))
        for index, variant in enumerate(sources[:-1]):
            place = f"flags.{key}.{variant.name}"
            if variant.rule is not None and not gates:
                read_native(variant.rule, place)
                compiled.append((variant, variant.rule))
                continue
            later = [
                part
                for other in sources[index + 1 : -1]
                for part in self._lists(key, flag, other, with_rules=other.has_weight)
            ]
            choice = self._choice(key, flag, variant, allocation.get(variant.name), named_elsewhere(later))
            parts = [*gates, *choice]
            if not parts:
                message = f"{place}: no users, groups, segments, weight or rule are given"
                raise EditError(message)
            condition = all_of(parts)
            assert not isinstance(condition, Boolean)
            compiled.append((variant, condition))
        compiled.append((sources[-1], None))
        return compiled

    def _gates(self, key: str, flag: FlagSource) -> list[Condition]:
        gates = [self.required(key, entry) for entry in flag.requires]
        if flag.starts is not None:
            gates.append(since(flag.starts))
        if flag.ends is not None:
            gates.append(before(flag.ends))
        return gates

    def _allocation(self, key: str, flag: FlagSource, sources: Sequence[VariantSource]) -> Allocation:
        seed = flag.seed or key
        old = self.allocations.flags.get((key, seed, flag.by), {})
        return reallocate_with_fixed(
            {variant.name: (variant.weight, variant.ranges) for variant in sources}, old, f"flags.{key}"
        )

    def _choice(
        self,
        key: str,
        flag: FlagSource,
        variant: VariantSource,
        ranges: tuple[BucketRange, ...] | None,
        elsewhere: Condition | None,
    ) -> Sequence[Condition]:
        if variant.rule is not None:
            return [read_native(variant.rule, f"flags.{key}.{variant.name}")]
        choices = self._lists(key, flag, variant)
        has_ranges = ranges is not None
        if has_ranges or takes_share(flag, variant):
            limits = self._limits(key, flag, has_weights=has_ranges)
            if ranges is not None:
                limits.append(share_of(Share(flag.seed or key, flag.by, ranges)))
            if limits and elsewhere is not None:
                limits.insert(0, elsewhere)
            if not choices or not limits:
                return limits if not choices else [any_of(choices)]
            choices.append(all_of(limits))
        return [any_of(choices)]

    def _lists(self, key: str, flag: FlagSource, variant: VariantSource, *, with_rules: bool = True) -> list[Condition]:
        place = f"flags.{key}.{variant.name}"
        lists: list[Condition] = []
        if variant.users:
            lists.append(one_of(USER, variant.users))
        if variant.groups:
            lists.append(one_of(GROUP, variant.groups))
        lists += [self._segment(name, place) for name in variant.segments]
        if variant.rules and with_rules:
            rules = [self._rule(key, flag, rule, f"{place}.rules") for rule in variant.rules]
            lists.append(named(RULE, variant.name, rules))
        return lists

    def _rule(self, key: str, flag: FlagSource, rule: RuleSource, place: str) -> Condition:
        parts = self._not_held_out(key, flag)
        if rule.when is not None:
            parts.append(self._condition(key, rule.when, f"{place}.when"))
        if rule.percent is not None:
            ranges = (BucketRange(0, rule.percent),) if rule.percent else ()
            parts.append(share_of(Share(rule.seed or flag.seed or key, rule.by or flag.by, ranges)))
        return all_of(parts)

    def _limits(self, key: str, flag: FlagSource, *, has_weights: bool) -> list[Condition]:
        place, seed = f"flags.{key}", flag.seed or key
        limits: list[Condition] = []
        if flag.among:
            limits.append(any_of([self._segment(name, place) for name in flag.among]))
        if flag.where is not None:
            limits.append(self._condition(key, flag.where, f"{place}.where"))
        limits += self._not_held_out(key, flag)
        if flag.layer is not None:
            layer = _known(self.source.layers, flag.layer.name, f"{place}.layer")
            limits.append(share_of(Share(LAYER + flag.layer.name, layer.by, self._layer(flag.layer.name)[key])))
        exposure = (flag.percent_seed or seed + EXPOSURE) if has_weights else seed
        if flag.percent is not None:
            limits.append(share_of(Share(exposure, flag.by, (BucketRange(0, flag.percent),) if flag.percent else ())))
        if flag.ramp:
            limits.append(ramp_of(exposure, flag.by, [(step.at, step.percent) for step in flag.ramp]))
        return limits

    def _not_held_out(self, key: str, flag: FlagSource) -> list[Condition]:
        if flag.holdout is None:
            return []
        holdout = _known(self.source.holdouts, flag.holdout, f"flags.{key}.holdout")
        ranges = (BucketRange(0, holdout.percent),) if holdout.percent else ()
        return [outside(Share(HOLDOUT + flag.holdout, holdout.by, ranges))]

    def _layer(self, name: str) -> Allocation:
        if name not in self._layers:
            members = {
                key: (flag.layer.share, flag.layer.ranges)
                for key, flag in sorted(self.source.flags.items())
                if flag.layer is not None and flag.layer.name == name
            }
            self._layers[name] = reallocate_with_fixed(members, self.allocations.layers.get(name, {}), f"layers.{name}")
        return self._layers[name]

    def _segment(self, name: str, place: str) -> Condition:
        segment = _known(self.source.segments, name, f"{place}.segments")
        return segment_condition(name, segment)

    def _kept_segments(self) -> JsonValue:
        """Return the native flag that keeps the segments which no flag names; None if there are none."""
        named = frozenset[str]().union(*(flag.segments_named for flag in self.source.flags.values()))
        unused = [name for name in self.source.segments if name not in named]
        # As many variants as AWS takes (appconfig.md §1.1) share them out.
        shares = [unused[start :: MAX_VARIANTS - 1] for start in range(min(len(unused), MAX_VARIANTS - 1))]
        variants: list[JsonValue] = []
        for number, names in enumerate(shares, 1):
            rule = any_of([self._segment(name, SEGMENTS_FLAG) for name in names])
            assert not isinstance(rule, Boolean)
            variants.append({"name": f"segments {number}", "enabled": False, "rule": print_rule(rule)})
        return {"_variants": [*variants, {"name": "nobody", "enabled": False}]} if variants else None


def expanded(flag: FlagSource) -> tuple[VariantSource, ...]:
    """Return the variants of a flag; targeting without variants makes `on` and `off`."""
    if flag.variants or not flag.is_targeted:
        return flag.variants
    on = VariantSource(
        name=ON,
        enabled=flag.enabled is not False,
        values=flag.values,
        users=flag.users,
        groups=flag.groups,
        segments=flag.segments,
    )
    # Required attributes must have a value in every variant (appconfig.md §1.1).
    required = {name: value for name, value in flag.values.items() if flag.requires_value(name)}
    return on, VariantSource(name=OFF, enabled=False, values=required)


def takes_share(flag: FlagSource, variant: VariantSource) -> bool:
    """Whether a variant without weight is given to everybody that the flag's limits let in."""
    return variant.is_empty or (flag.has_share and not flag.variants)


def segment_condition(name: str, segment: SegmentSource) -> Condition:
    """Return the condition of a segment, which carries its name."""
    alternatives: list[Condition] = []
    if segment.users:
        alternatives.append(one_of(USER, segment.users))
    if segment.groups:
        alternatives.append(one_of(GROUP, segment.groups))
    if segment.where is not None:
        if flags_in(segment.where):
            raise EditError(f"segments.{name}.where: a segment can't require a flag", hint="Put it in a flag's rule.")
        alternatives.append(_where(segment.where, f"segments.{name}.where"))
    if not alternatives:
        message = f"segments.{name} is empty: give users, groups or where"
        raise EditError(message)
    return named(SEGMENT, name, alternatives)


def read_native(text: str, place: str) -> Rule:
    """Parse native rule text that somebody wrote at this place."""
    try:
        return parsed(text)
    except RuleError as error:
        message = f"{place}: {error.message}\n{error.caret}"
        raise EditError(message, hint=error.hint) from error


def _where(text: str, place: str) -> Condition:
    try:
        return read_condition(text)
    except EditError as error:
        raise EditError(f"{place}: {error.message}", hint=error.hint) from error


def _native_variant(variant: VariantSource, rule: Rule | str | None) -> JsonValue:
    """Return a native variant; rule text is kept as it is."""
    native: dict[str, JsonValue] = {"name": variant.name, "enabled": variant.enabled}
    if rule is not None:
        native["rule"] = rule if isinstance(rule, str) else print_rule(rule)
    if variant.values:
        native["attributeValues"] = dict(variant.values)
    return native


def _declaration(key: str, flag: FlagSource) -> JsonValue:
    """Return the native `flags.<key>`."""
    native: dict[str, JsonValue] = {}
    if flag.archived and not flag.is_off:
        message = f"flags.{key}: an archived flag must be off"
        raise EditError(message, hint=f"`flagkit archive {key} --undo` takes it out of the archive.")
    if flag.name is not None:
        native["name"] = flag.name
    about = Metadata(flag.description, flag.owner, flag.tags, flag.kind, flag.archived, flag.client_visible)
    description = write_metadata(about)
    if description is not None:
        if len(description) > MAX_TEXT_LENGTH >= len(flag.description or ""):
            message = (
                f"flags.{key}: description, owner, tags and kind have {len(description):,} characters together; "
                f"AWS keeps {MAX_TEXT_LENGTH:,}"
            )
            raise EditError(message, hint="Shorten the description, or use fewer tags.")
        native["description"] = description
    if flag.remove_by is not None:
        date = {} if flag.remove_by is True else {"date": str(flag.remove_by)}
        native["_deprecation"] = {"status": "planned", **date}
    if flag.attributes:
        native["attributes"] = {
            name: _attribute(attribute.model_dump(mode="json", exclude_none=True, exclude_defaults=True))
            for name, attribute in flag.attributes.items()
        }
    return native


def _attribute(fields: dict[str, JsonValue]) -> JsonValue:
    native: dict[str, JsonValue] = {}
    if "description" in fields:
        native["description"] = fields.pop("description")
    if fields:
        native["constraints"] = fields
    return native


def _known(entries: Mapping[str, _Entry], name: str, place: str) -> _Entry:
    if name not in entries:
        close = difflib.get_close_matches(name, entries, 1)
        message = f"{place}: there is no {name}" + (f"; did you mean {close[0]}?" if close else "")
        raise EditError(message)
    return entries[name]


def _refuse_chain(key: str, why: str) -> NoReturn:
    message = f"flags.{key}: {why}"
    raise EditError(message, hint="Require fewer flags, or flags with simpler rules; nothing was changed.")
