"""What a stage may leave out or write shorter, spelled out before it is checked. Rewrites raw tables, no more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from canary.core.plan.flag_target import FlagTarget
from canary.core.plan.values import FunctionRef, Model, parse_duration

DEFAULT_WEIGHTS = (10, 25, 50)
USER_STEPS = (1, 5, 25, 50)
ALL_USERS = 100
MOST_STEPS = 20
"""More do not fit into the canary's record of 256 characters."""
DEFAULT_GATES = ("errors", "latency")
"""The operations guide: error rate > 5 %, p95 > 2 s."""
DEFAULT_USER_GATES = ("outcomes",)
"""Of a stage with `outcomes`: more than 5 % of its users have a failed request."""
RULES: dict[str, dict[str, str | bool]] = {
    "production": {"branch": "main", "clean_tree": True, "confirm": True},
    "staging": {"clean_tree": True},
}
_ALSO = {"prod": "production", "live": "production", "stage": "staging"}


class Growth(Model):
    """Steps that grow by a rule: linear adds `by`, exponential multiplies by `factor`, up to `up_to`."""

    rule: Literal["linear", "exponential"]
    start: Decimal | None = Field(default=None, gt=0, lt=100)
    by: Decimal = Field(default=Decimal(10), gt=0, lt=100)
    factor: Decimal = Field(default=Decimal(2), gt=1)
    up_to: Decimal = Field(default=Decimal(50), gt=0, lt=100)

    @property
    def weights(self) -> tuple[Decimal, ...]:
        """The weights in order; `up_to` itself is reached only if the rule hits it."""
        weight = self.start or (self.by if self.rule == "linear" else Decimal(1))
        weights: list[Decimal] = []
        while weight <= self.up_to and len(weights) <= MOST_STEPS:
            weights.append(round(weight, 2))
            weight = weight + self.by if self.rule == "linear" else weight * self.factor
        return tuple(weights)

    @model_validator(mode="after")
    def _check(self) -> Growth:
        if not self.weights:
            raise ValueError(f"has no step: the first weight is above up_to = {self.up_to}")
        if len(self.weights) > MOST_STEPS:
            raise ValueError(f"has more than {MOST_STEPS} steps; let the weights grow faster")
        return self


def _growth(value: object) -> Growth | None:
    try:
        return Growth.model_validate(value)
    except ValidationError:
        return None  # its own field reports it


def _duration(value: object, default: timedelta) -> timedelta:
    try:
        parsed = parse_duration(value)
    except ValueError:
        return default  # its own field reports it
    return parsed if isinstance(parsed, timedelta) else default


def _default_bake(table: Mapping[str, object], count: int) -> timedelta:
    watch_max = _duration(table.get("watch_max"), timedelta(minutes=30))
    share = max(_duration(table.get("min_bake"), timedelta(minutes=5)), watch_max / max(1, count))
    return _duration(table.get("bake"), share)


def expand_steps(table: Mapping[str, object]) -> object:
    """Steps as a list of tables with weight and bake.

    Raises:
        ValueError: both `steps` and `growth` are given, or a pause before the first weight.
    """
    if "growth" in table and "steps" in table:
        raise ValueError("give either steps or growth")
    growth = _growth(table.get("growth"))
    steps = growth.weights if growth else table.get("steps", DEFAULT_WEIGHTS if "flag" not in table else USER_STEPS)
    if not isinstance(steps, (list, tuple)):
        return steps
    if "flag" in table and len(steps) > 1 and steps[-1] == ALL_USERS:
        steps = steps[:-1]  # the promotion is the last step
    steps = _with_pauses(steps)
    bake = _default_bake(table, len(steps))
    return [{"bake": bake, **step} if isinstance(step, Mapping) else {"weight": step, "bake": bake} for step in steps]


def _with_pauses(steps: Iterable[object]) -> list[object]:
    """`{ pause = true }` between two weights belongs to the step before it.

    Raises:
        ValueError: a pause before the first weight.
    """
    merged: list[object] = []
    for step in steps:
        if isinstance(step, Mapping) and step.keys() == {"pause"}:
            if not merged:
                raise ValueError("steps must begin with a weight, not with a pause")
            before = merged[-1]
            merged[-1] = {**(before if isinstance(before, Mapping) else {"weight": before}), **step}
        else:
            merged.append(step)
    return merged


def expand_gates(gates: object, defaults: tuple[str, ...] = DEFAULT_GATES) -> object:
    """The default gates join the written ones; `false` takes one out; a gate named like a kind is of that kind."""
    if not isinstance(gates, Mapping):
        return gates
    merged: dict[object, object] = dict.fromkeys(defaults, MappingProxyType({}))
    merged.update(gates)
    return _with_kinds(merged)


def named_gates(sets: object) -> object:
    """The gates of all sets with their kinds spelled out; what a set takes out of a stage is no gate of its own."""
    if not isinstance(sets, Mapping):
        return sets
    return {name: _with_kinds(gates) if isinstance(gates, Mapping) else gates for name, gates in sets.items()}


def with_gate_sets(table: Mapping[str, object], sets: object) -> dict[str, object]:
    """The stage's table with the gates of the sets that it names; a later set and the stage's own gates win.

    A name that there is no set of, and a set that is none, are reported by the fields themselves.
    """
    names, own = table.get("gate_sets", ()), table.get("gates", {})
    if not isinstance(names, (list, tuple)) or not isinstance(sets, Mapping) or not isinstance(own, Mapping):
        return dict(table)
    merged: dict[object, object] = {}
    for gates in (*(sets.get(name) if isinstance(name, str) else None for name in names), own):
        merged.update(gates if isinstance(gates, Mapping) else {})
    if "probes" in table and "probes" not in own:
        merged.pop("probes", None)
    return {**table, "gates": merged} if names else dict(table)


def _with_kinds(gates: Mapping[object, object]) -> dict[object, object]:
    return {
        name: {"kind": name} | dict(gate) if isinstance(gate, Mapping) else gate
        for name, gate in gates.items()
        if gate is not False
    }


def with_probes(gates: object, probes: object) -> object:
    """`probes = { ... }` of a stage is its gate of that name.

    Raises:
        ValueError: the gate is written as well.
    """
    if probes is None or not isinstance(gates, Mapping):
        return gates
    if "probes" in gates:
        raise ValueError("give either probes or gates.probes")
    return {**gates, "probes": probes}


def expand_rules(name: object, rules: object) -> object:
    """The rules of a stage by its name, overwritten by those that are written; an empty branch means any."""
    if not isinstance(rules, Mapping):
        return rules
    defaults = RULES.get(_ALSO.get(str(name), str(name)), {})
    merged: dict[object, object] = {}
    merged.update(defaults)
    merged.update(rules)
    return {key: value for key, value in merged.items() if (key, value) != ("branch", "")}


def expand_stage(table: Mapping[str, object]) -> dict[str, object]:
    """A stage's raw table with everything spelled out."""
    defaults = DEFAULT_GATES if table.get("outcomes") is None else DEFAULT_USER_GATES
    written = {key: value for key, value in table.items() if key != "probes"}
    return {
        **_with_flag(written),
        "steps": expand_steps(table),
        "gates": expand_gates(with_probes(table.get("gates", {}), table.get("probes")), defaults),
        "rules": expand_rules(table.get("name"), table.get("rules", {})),
    }


def _with_flag(table: dict[str, object]) -> dict[str, object]:
    """A stage with a flag has one name in `functions` that stands for it, and is switched off by a rollback.

    Raises:
        ValueError: it has functions, too.
    """
    if "flag" not in table:
        return table
    if "functions" in table:
        raise ValueError("give either functions or flag")
    if table.get("on_unhealthy", "rollback") == "rollback":
        table = {**table, "on_unhealthy": "off"}
    try:
        target = FlagTarget.parse(str(table["flag"]))
        return {**table, "functions": (target.function(str(table.get("variant", "on"))),)}
    except ValueError:
        return {**table, "functions": (FunctionRef("flag.unknown", "on"),)}  # its own field reports it
