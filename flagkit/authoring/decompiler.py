"""From native documents back to the readable form, without losing anything.

Each flag is taken apart, put together again by the compiler and compared with what was there. Only if both are the same
rule is the readable form kept; otherwise the flag keeps its native rules as text. One difference is allowed: what a
prerequisite was expanded to, because it is out of date as soon as the other flag is edited elsewhere. Compiling again
brings it up to date.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from flagkit.authoring.compiler import Compiler
from flagkit.authoring.conditions import GROUP, OFF, OFF_RULE, ON, USER, Share, any_of, listed, parsed, unexpanded
from flagkit.authoring.language import written_condition
from flagkit.authoring.ranges import STEPS, Allocations, allocate, show_percent
from flagkit.authoring.shape import Gates, Limits, RuleShape, VariantShape, common_limits, read_shapes, whole
from flagkit.authoring.source import AttributeSource, AuthoringDocument, FlagSource
from flagkit.core.definitions import ROLLOUTS_FLAG, SEGMENTS_FLAG, SWITCHED_OFF
from flagkit.core.documents import AttributeDefinition, FlagDeclaration, FlagDocument, FlagValue, Variant
from flagkit.core.metadata import read_metadata
from flagkit.core.rules.ast import Condition, Or
from flagkit.core.rules.printer import print_rule
from flagkit.core.shares import EXPOSURE, HOLDOUT, LAYER
from flagkit.errors import EditError

Words = dict[str, object]


def decompile(document: FlagDocument) -> AuthoringDocument:
    """Return the readable form of a native document.

    `compile_document(decompile(document))` has the same rules and values as `document`, except for prerequisites that
    were out of date, and for kept segments that a flag names.
    """
    return _Decompiler(document).run()


@dataclass(slots=True)
class _Decompiler:
    document: FlagDocument
    values: dict[str, FlagValue] = field(default_factory=dict)
    switched_off: set[str] = field(default_factory=set)
    native: set[str] = field(default_factory=set)
    shapes: dict[str, tuple[VariantShape[Variant], ...]] = field(default_factory=dict)
    kept: tuple[VariantShape[Variant], ...] = ()

    def run(self) -> AuthoringDocument:
        self.values = {key: value for key, value in self.document.values.items() if key != ROLLOUTS_FLAG}
        self._take_kept_segments()
        for key, value in self.values.items():
            if _is_switched_off(value):
                self.switched_off.add(key)
                self.values[key] = value.model_copy(update={"variants": value.variants[1:]})
        self.shapes = {key: read_shapes(value) for key, value in self.values.items()}
        while True:
            # A flag that stays native leaves its layer, which may change the shares of the others: look again.
            source = self._source()
            compiler = Compiler(source, Allocations())
            failed = {key for key in self._readable() if not self._is_same(compiler, key)}
            if not failed:
                return source
            # Who only requires a flag that failed may be right: first make the other one native.
            causes = {key for key in failed if not failed & source.flags[key].flags_required - {key}}
            self.native |= causes or failed

    def _take_kept_segments(self) -> None:
        value = self.values.get(SEGMENTS_FLAG)
        if value is None:
            return
        shapes = read_shapes(value)
        # What isn't only segments, flagkit didn't write: it stays a flag that can be seen.
        if shapes and all(shape.segments and shape.limits is None for shape in shapes):
            self.kept = shapes
            del self.values[SEGMENTS_FLAG]

    def _readable(self) -> list[str]:
        return [key for key, shapes in self.shapes.items() if shapes and key not in self.native]

    def _source(self) -> AuthoringDocument:
        holdouts: dict[str, object] = {}
        layers: dict[str, object] = {}
        flags: dict[str, FlagSource] = {}
        hidden = {ROLLOUTS_FLAG, SEGMENTS_FLAG} if self.kept else {ROLLOUTS_FLAG}
        for key in sorted({*self.document.flags, *self.values} - hidden):
            try:
                flags[key] = FlagSource.model_validate(self._flag(key))
            except ValueError:
                self.native.add(key)
                flags[key] = FlagSource.model_validate(self._flag(key))
        for held in (shape.holdout for key in self._readable() for shape in self.shapes[key]):
            if held is not None:
                holdout = {"percent": _percent(whole(held) or 0), "by": held.by}
                holdouts.setdefault(held.seed.removeprefix(HOLDOUT), holdout)
        for limits in self._all_limits():
            if limits.layer is not None:
                layers.setdefault(limits.layer.seed.removeprefix(LAYER), Words(by=limits.layer.by))
        return AuthoringDocument.parse(
            {"segments": self._segments(), "holdouts": holdouts, "layers": layers, "flags": flags}
        )

    def _all_limits(self) -> list[Limits]:
        return [shape.limits for key in self._readable() for shape in self.shapes[key] if shape.limits is not None]

    def _segments(self) -> Words:
        segments: Words = {}
        for shapes in (*(self.shapes[key] for key in self._readable()), self.kept):
            for shape in shapes:
                for name, condition in shape.segment_conditions.items():
                    segments.setdefault(name, _segment(condition))
        return segments

    def _flag(self, key: str) -> Words:
        value = self.values.get(key)
        words = _declaration(self.document.flags.get(key, FlagDeclaration()))
        if key in self.switched_off:
            words["enabled"] = False
        if value is None:
            return words
        if not value.variants:
            return {**words, "enabled": bool(value.enabled), "values": value.attributes}
        if key in self.native:
            return {**words, "variants": [_native(variant) for variant in value.variants]}
        return {**words, **self._targeting(key, value)}

    def _targeting(self, key: str, value: FlagValue) -> Words:
        shapes = self.shapes[key]
        words = _gates(shapes[0].gates) if shapes else {}
        is_switch = key not in self.switched_off and _is_switch(value, self._required(key)) and not shapes[0].rules
        limits, shared = common_limits(shapes, alone=is_switch)
        words |= self._limits(key, limits)
        held = next((shape.holdout for shape in shapes if shape.holdout is not None), None)
        if held is not None:
            words["holdout"] = held.seed.removeprefix(HOLDOUT)
        shares = [shape.share for shape in shared if shape.share is not None]
        ramp = limits.ramp[0] if limits.ramp is not None and not shares else None
        main = shares[0] if shares else ramp or limits.exposure
        if main is not None:
            words |= {"by": main.by} | ({"seed": main.seed} if main.seed != key else {})
            taking_part = limits.exposure or (limits.ramp[0] if limits.ramp is not None else None)
            if shares and taking_part is not None and taking_part.seed != main.seed + EXPOSURE:
                words["percent_seed"] = taking_part.seed
        if is_switch:
            return words | _switch(shapes[0])
        ranges = {shape.variant.name: shape.share.ranges for shape in shared if shape.share is not None}
        sizes = {name: sum(span.size for span in owned) for name, owned in ranges.items()}
        canonical = sum(sizes.values()) <= STEPS and allocate(sizes) == ranges
        drawn = {"by": words.get("by", USER), "seed": words.get("seed", key)}
        variants = [_variant(shape, drawn, canonical=canonical, takes_part=shape in shared) for shape in shapes]
        return words | {"variants": [*variants, _plain(value.variants[-1])]}

    def _required(self, key: str) -> set[str]:
        attributes = self.document.flags.get(key, FlagDeclaration()).attributes
        constraints = {name: attribute.constraints for name, attribute in attributes.items()}
        return {name for name, found in constraints.items() if found is not None and found.required}

    def _limits(self, key: str, limits: Limits) -> Words:
        words: Words = {"among": limits.among}
        if limits.where is not None:
            words["where"] = written_condition(limits.where)
        if limits.layer is not None:
            name = limits.layer.seed.removeprefix(LAYER)
            words["layer"] = {"name": name, **self._place(key, limits.layer)}
        if limits.exposure is not None:
            words["percent"] = _percent(whole(limits.exposure) or 0)
        if limits.ramp is not None:
            words["ramp"] = [{"at": at, "percent": _percent(size)} for at, size in limits.ramp[1]]
        return words

    def _place(self, key: str, layer: Share) -> Words:
        members = {
            member: shape.limits.layer.ranges
            for member in sorted(self._readable())
            for shape in self.shapes[member]
            if shape.limits is not None and shape.limits.layer is not None and shape.limits.layer.seed == layer.seed
        }
        sizes = {member: sum(span.size for span in ranges) for member, ranges in members.items()}
        if sum(sizes.values()) <= STEPS and allocate(sizes) == members:
            return {"share": _percent(sizes[key])}
        return {"ranges": _pairs(layer)}

    def _is_same(self, compiler: Compiler, key: str) -> bool:
        try:
            compiled = compiler.variants(key)
        except EditError:
            return False
        present = self.document.values[key].variants
        if len(compiled) != len(present):
            return False
        return all(
            (source.enabled, source.values) == (variant.enabled, variant.attribute_values)
            and _same_rule(variant.rule, rule)
            for (source, rule), variant in zip(compiled, present, strict=True)
        )


def _same_rule(present: str | None, rule: Condition | str | None) -> bool:
    if rule is None or isinstance(rule, str):
        return rule == (present or None)
    if not present or (("//" in present or "/*" in present) and present != print_rule(rule)):
        return False  # A comment would be lost.
    return unexpanded(parsed(present)) == unexpanded(rule)


def _is_switched_off(value: FlagValue) -> bool:
    """Whether the variant that switches a flag off is in front, exactly as the compiler writes it."""
    if len(value.variants) < 2:
        return False
    first, default = value.variants[0], value.variants[-1]
    if first.name != SWITCHED_OFF or first.enabled or first.attribute_values != default.attribute_values:
        return False
    return bool(first.rule) and parsed(first.rule or "") == OFF_RULE


def _is_switch(value: FlagValue, required: Collection[str]) -> bool:
    if len(value.variants) != 2:
        return False
    on, off = value.variants
    values = {name: item for name, item in on.attribute_values.items() if name in required}
    return (on.name, off.name) == (ON, OFF) and not off.enabled and off.attribute_values == values


def _gates(gates: Gates) -> Words:
    words: Words = {"requires": gates.requires}
    if gates.starts is not None:
        words["from"] = gates.starts
    if gates.ends is not None:
        words["until"] = gates.ends
    return words


def _switch(shape: VariantShape[Variant]) -> Words:
    words: Words = {"values": shape.variant.attribute_values, **_lists(shape)}
    if not shape.variant.enabled:
        words["enabled"] = False
    if shape.share is not None:
        words["percent"] = _percent(whole(shape.share) or 0)
    return words


def _variant(shape: VariantShape[Variant], drawn: Words, *, canonical: bool, takes_part: bool) -> Words:
    words = _plain(shape.variant)
    if not takes_part and shape.limits is not None and shape.rest is not None:
        gated = shape.gates != Gates()
        return {**words, "rule": print_rule(shape.rest) if gated else shape.variant.rule}
    words |= _lists(shape) | {"rules": [_rule(rule, drawn) for rule in shape.rules]}
    if shape.share is not None and canonical:
        words["weight"] = _percent(sum(span.size for span in shape.share.ranges))
    elif shape.share is not None:
        words["ranges"] = _pairs(shape.share)
    return words


def _rule(rule: RuleShape, drawn: Words) -> Words:
    words: Words = {} if rule.when is None else {"when": written_condition(rule.when)}
    if rule.share is None:
        return words
    own = {"by": rule.share.by, "seed": rule.share.seed}
    return words | {"percent": _percent(whole(rule.share) or 0)} | dict(own.items() - drawn.items())


def _lists(shape: VariantShape[Variant]) -> Words:
    return {"users": shape.users, "groups": shape.groups, "segments": shape.segments}


def _native(variant: Variant) -> Words:
    return _plain(variant) | ({"rule": variant.rule} if variant.rule else {})


def _plain(variant: Variant) -> Words:
    return {"name": variant.name, "enabled": variant.enabled, "values": variant.attribute_values}


def _segment(condition: Or) -> Words:
    alternatives = list(condition.operands[:-1])
    words: Words = {}
    readers: tuple[tuple[str, Callable[[Condition], tuple[str, ...] | None]], ...] = (
        ("users", lambda part: listed(part, USER)),
        ("groups", lambda part: listed(part, GROUP)),
    )
    for word, read in readers:
        values = read(alternatives[0]) if alternatives else None
        if values is not None:
            words[word] = values
            del alternatives[0]
    if alternatives:
        words["where"] = written_condition(any_of(alternatives))
    return words


def _percent(steps: int) -> str:
    return str(show_percent(steps))


def _pairs(share: Share) -> list[list[str]]:
    return [[_percent(span.start), _percent(span.end)] for span in share.ranges]


def _declaration(definition: FlagDeclaration) -> dict[str, object]:
    """Return the words of the readable form for `flags.<key>`."""
    about = read_metadata(definition.description)
    words: dict[str, object] = {"name": definition.name, "description": about.description}
    words |= {"owner": about.owner, "tags": about.tags, "kind": about.kind, "archived": about.archived}
    words["client_visible"] = about.client_visible
    if definition.deprecation is not None:
        date = definition.deprecation.date
        words["remove_by"] = True if date is None else date
    words["attributes"] = {key: _read_attribute(attribute) for key, attribute in definition.attributes.items()}
    return {word: value for word, value in words.items() if value is not None}


def _read_attribute(attribute: AttributeDefinition) -> AttributeSource:
    words: dict[str, object] = {"description": attribute.description}
    if attribute.constraints is not None:
        constraints = attribute.constraints.model_dump(exclude_none=True)
        constraints.get("elements", {}).pop("required", None)  # means nothing in there
        words |= constraints
    return AttributeSource.model_validate(words)
