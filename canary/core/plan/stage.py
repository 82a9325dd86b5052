"""One stage of a plan: what is shifted, in which steps, watched by which gates, and what happens when in doubt."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema, model_validator

from canary.core.measurements import StreamKey
from canary.core.plan.flag_target import FlagTarget
from canary.core.plan.gates import (
    EmfGate,
    ErrorsGate,
    Gate,
    Http5xxGate,
    LatencyGate,
    ProbesGate,
    is_per_function,
)
from canary.core.plan.settings import DeadMan, Evidence, FlagSwitch, Hook, Notification, Rules, Step
from canary.core.plan.shorthand import MOST_STEPS, Growth, expand_stage
from canary.core.plan.user_gates import MeanGate, OutcomesGate, OutcomeSource, Window
from canary.core.plan.values import Duration, FunctionRef, Model, Switch, Whole, format_duration
from canary.core.words import Words, words_of
from canary.errors import PlanError

Policy = Literal["hold", "promote", "rollback"]
SharedIncidentPolicy = Literal["grace", "hold", "rollback", "ignore"]
OnInterrupt = Literal["ask", "rollback", "leave"]
EngineName = Literal["local", "stepfunctions", "lambda"]


_NOT_YOURS = "nothing in AWS can change your file"


def _counts_requests(gate: Gate) -> bool:
    if isinstance(gate, (OutcomesGate, MeanGate)):
        return False
    return is_per_function(gate) or isinstance(gate, (LatencyGate, Http5xxGate))


def _function(value: object) -> object:
    return FunctionRef.parse(value) if isinstance(value, str) else value


def _flag(value: object) -> object:
    return FlagTarget.parse(value) if isinstance(value, str) else value


class StagePlan(Model):
    """One stage, with every default filled in. Every field is described in docs/canary/plan.md."""

    name: str = Field(default="", pattern=r"^[A-Za-z0-9_.-]{0,64}$")
    functions: tuple[Annotated[FunctionRef, BeforeValidator(_function)], ...] = Field(min_length=1)
    flag: Annotated[FlagTarget, BeforeValidator(_flag), WithJsonSchema({"type": "string"})] | None = None
    """What the stage shifts instead of functions; then `functions` has one name that stands for it."""
    variant: str = Field(default="on", pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,127}$")
    order: tuple[tuple[str, ...], ...] = ()
    steps: tuple[Step, ...] = Field(min_length=1, max_length=MOST_STEPS)
    growth: Growth | None = None
    bake: Duration | None = None
    gates: dict[str, Gate]
    gate_sets: tuple[str, ...] = ()
    outcomes: OutcomeSource | None = None
    window: Window = timedelta(minutes=5)

    watch_min: Duration = timedelta(minutes=15)
    watch_max: Duration = timedelta(minutes=30)
    min_bake: Duration = timedelta(minutes=5)
    post_bake: Duration = timedelta(minutes=5)
    settle: Annotated[Duration, Field(le=timedelta(hours=1))] = timedelta(seconds=120)
    tick: Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(minutes=15))] = timedelta(seconds=60)
    hold_max: Duration = timedelta(minutes=30)

    promote: Literal["auto", "manual"] = "auto"
    on_inconclusive: Policy = "hold"
    on_no_data: Policy = "hold"
    on_unhealthy: Literal["rollback", "pause", "off", "last_safe"] = "rollback"
    """After the promotion an unhealthy version is rolled back with each; "off" and "last_safe" are a flag's."""
    unknown_after: Duration = timedelta(minutes=5)
    shared_incident: SharedIncidentPolicy = "grace"
    shared_grace: Duration = timedelta(minutes=3)
    on_interrupt: OnInterrupt = "ask"
    engine: EngineName = "local"
    hotfix: Switch = False

    harm_cap: Whole = Field(default=50, ge=0, le=1_000_000)

    rules: Rules = Rules()
    evidence: Evidence = Evidence()
    hooks: tuple[Hook, ...] = Field(default=(), max_length=10)
    notifications: tuple[Notification, ...] = ()
    flags_off: tuple[FlagSwitch, ...] = ()
    dead_man: DeadMan | None = None
    region: str | None = Field(default=None, pattern=r"^[a-z]{2,4}(-[a-z]+)+-[0-9]+$")
    account: str | None = Field(default=None, pattern=r"^[0-9]{12}$")

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, table: object) -> object:
        return expand_stage(table) if isinstance(table, Mapping) else table

    @model_validator(mode="after")
    def _check(self) -> StagePlan:
        for problem in (
            self._function_problem(),
            self._flag_problem(),
            self._engine_problem(self.engine),
            self._step_problem(),
            self._watch_problem(),
            self._gate_problem(),
        ):
            if problem:
                raise ValueError(problem)
        return self

    def _function_problem(self) -> str:
        keys = Counter(function.key for function in self.functions)
        ordered = Counter(key for group in self.order for key in group)
        if twice := sorted(key for key, count in (keys + ordered).items() if count > 2 or keys[key] > 1):
            return f"{', '.join(twice)} is listed twice"
        names = Counter((function.name, function.alias) for function in self.functions)
        if twice := [function.key for function in self.functions if names[function.name, function.alias] > 1]:
            return f"{' and '.join(twice)} are the same alias"
        if unknown := sorted(set(ordered) - set(keys)):
            return f"order lists {', '.join(unknown)}, but functions has only {', '.join(sorted(keys))}"
        return ""

    def _flag_problem(self) -> str:
        if self.flag is None:
            if self.on_unhealthy in {"off", "last_safe"}:
                return f'on_unhealthy = "{self.on_unhealthy}" is available for a flag only'
            return "" if "variant" not in self.model_fields_set else "variant is set, but no flag"
        if self.outcomes is None:
            return 'flag: outcomes is required, such as outcomes = "dynamodb://canary-outcomes"'
        if requests := sorted(name for name, gate in self.gates.items() if _counts_requests(gate)):
            return f"{', '.join(requests)}: counts requests of functions, and a flag is judged by its users"
        for field in ("order", "hooks", "flags_off"):
            if getattr(self, field):
                return f"{field} is not available for a flag"
        if self.flag.is_file and self.dead_man:
            return f"dead_man needs a flag in AppConfig: {_NOT_YOURS} {self.flag.source}"
        return ""

    def _engine_problem(self, engine: EngineName) -> str:
        if engine == "local":
            return ""
        if self.flag is not None and self.flag.is_file:
            return f'engine = "{engine}" needs a flag in AppConfig: {_NOT_YOURS} {self.flag.source}'
        kind = (self.outcomes or "").partition(":")[0]
        if kind in ("csv", "command"):
            why = "a driver in AWS has neither your files nor your commands"
            return f'outcomes = "{kind}:…" needs engine = "local": {why}'
        return ""

    def _step_problem(self) -> str:
        weights = [step.weight for step in self.steps]
        if any(later <= earlier for earlier, later in itertools.pairwise(weights)):
            return f"the weights of the steps must increase, but are {', '.join(f'{weight:f}' for weight in weights)}"
        if short := next((step for step in self.steps if step.bake < self.min_bake), None):
            return (
                f"the step of {short.weight:f} % bakes {format_duration(short.bake)}, less than min_bake = "
                f'"{format_duration(self.min_bake)}"; let it bake longer or lower min_bake'
            )
        return ""

    def _watch_problem(self) -> str:
        total, written = self.total_bake, self.model_fields_set
        if "watch_min" in written and total < self.watch_min:
            return (
                f'all steps together bake {format_duration(total)}, less than watch_min = "'
                f'{format_duration(self.watch_min)}"; let them bake longer'
            )
        if "watch_max" in written and total > self.watch_max:
            return (
                f'all steps together bake {format_duration(total)}, more than watch_max = "'
                f'{format_duration(self.watch_max)}"; let them bake shorter'
            )
        return ""

    def _gate_problem(self) -> str:
        keys = {function.key for function in self.functions}
        for name, gate in self.gates.items():
            if isinstance(gate, ProbesGate) and (unknown := sorted(set(gate.functions) - keys)):
                return f"{name}.functions lists {', '.join(unknown)}, but functions has only {', '.join(sorted(keys))}"
        if problem := self._outcome_problem():
            return problem
        counting = (ErrorsGate, LatencyGate, EmfGate, Http5xxGate, OutcomesGate)
        if any(isinstance(gate, counting) and not gate.dry_run for gate in self.gates.values()):
            return ""
        kinds = "errors, latency, emf, http_5xx or outcomes"
        return f"no gate counts requests; a step can be healthy only with an {kinds} gate"

    def _outcome_problem(self) -> str:
        users = [name for name, gate in self.gates.items() if isinstance(gate, (OutcomesGate, MeanGate))]
        if not users:
            return "" if self.outcomes is None else "outcomes is set, but no outcomes or value gate reads them"
        if self.outcomes is None:
            return f'{", ".join(users)}: outcomes is required, such as outcomes = "dynamodb://canary-outcomes"'
        kind = self.outcomes.partition(":")[0]
        if kind == "emf" and self.window > timedelta(hours=2):
            return "window is at most 2h with emf:// outcomes: CloudWatch takes no metrics that are dated later"
        return self.window_problem

    @property
    def window_problem(self) -> str:
        """Why the outcomes of a step's users come too late for it; empty where they don't."""
        short = next((step for step in self.steps if step.bake < self.window), None)
        if short is None or self.outcomes is None:
            return ""
        return (
            f"the step of {short.weight:f} % bakes {format_duration(short.bake)}, less than window = "
            f'"{format_duration(self.window)}": the outcomes of its first users would come after it'
        )

    @property
    def words(self) -> Words:
        """How what it shifts is spoken of."""
        return words_of(self.functions[0].key, self.flag.source if self.flag else "")

    @property
    def is_local(self) -> bool:
        """Whether nothing of it is in AWS: a flag in a file, judged by outcomes of a file or a command."""
        return (
            self.flag is not None
            and self.flag.source.startswith("file:")
            and (self.outcomes or "").startswith(("csv:", "command:"))
            and all(isinstance(gate, (OutcomesGate, MeanGate)) for gate in self.gates.values())
            and not self.notifications
            and self.engine == "local"
        )

    @property
    def groups(self) -> tuple[tuple[FunctionRef, ...], ...]:
        """The functions in the order in which they are shifted; one group when no order is given."""
        named = {key for group in self.order for key in group}
        ordered = tuple(tuple(self.function(key) for key in group) for group in self.order)
        rest = tuple(function for function in self.functions if function.key not in named)
        return (*ordered, rest) if rest else ordered

    @property
    def total_bake(self) -> timedelta:
        """How long the steps together are watched when nothing is cut short."""
        return sum((step.bake for step in self.steps), timedelta())

    @property
    def minimum_watch(self) -> timedelta:
        """How long the steps together are watched at least: `watch_min`, unless the steps bake less in all."""
        return min(self.watch_min, self.total_bake)

    @property
    def horizon_minutes(self) -> int:
        """H of statistics.md §4.6: planned minutes plus the allowed extension, fixed at the start."""
        planned = self.total_bake + self.hold_max + self.post_bake + self.settle
        return max(1, math.ceil(planned.total_seconds() / 60))

    def keys(self, gate: str) -> tuple[StreamKey, ...]:
        """The streams of one gate: one per function, or one for the stage. Fixed for a run (§4.9).

        Raises:
            KeyError: the stage has no such gate.
        """
        found = self.gates[gate]
        if not is_per_function(found):
            return (StreamKey("", gate),)
        chosen = found.functions if isinstance(found, ProbesGate) else ()
        return tuple(
            StreamKey(function.key, gate) for function in self.functions if not chosen or function.key in chosen
        )

    def with_steps(self, weights: Sequence[Decimal]) -> StagePlan:
        """The same stage with other weights, for `canary deploy STAGE 10`: together watched as long as before.

        Args:
            weights: at least one, above 0 and below 100, growing.

        Raises:
            PlanError: a weight is out of range or finer than 0.01 %.
        """
        bake = max(timedelta(minutes=1), self.total_bake / len(weights))
        try:
            steps = tuple(Step(weight=weight, bake=bake) for weight in weights)
        except ValidationError as error:
            raise PlanError(error.errors()[0]["msg"].removeprefix("Value error, ")) from error
        return self.model_copy(update={"steps": steps})

    def with_engine(self, engine: EngineName) -> StagePlan:
        """The same stage driven by another engine.

        Raises:
            PlanError: the engine can't drive it.
        """
        if problem := self._engine_problem(engine):
            raise PlanError(f"stage {self.name}: {problem}")
        return self.model_copy(update={"engine": engine})

    def with_functions(self, keys: Collection[str]) -> StagePlan:
        """The same stage with these of its functions only."""
        functions = tuple(function for function in self.functions if function.key in keys)
        order = tuple(kept for group in self.order if (kept := tuple(key for key in group if key in keys)))
        return self.model_copy(update={"functions": functions, "order": order})

    def function(self, key: str) -> FunctionRef:
        """The function with this key.

        Raises:
            KeyError: no such function in the stage.
        """
        return {function.key: function for function in self.functions}[key]
