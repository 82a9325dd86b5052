"""The whole `canary.toml`: text in, plan out. Reads no file; every fault becomes one line that names the field."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from decimal import Decimal

from pydantic import Field, ValidationError, model_validator

from canary.core.plan.faults import plan_error
from canary.core.plan.gates import Gate
from canary.core.plan.shorthand import named_gates, with_gate_sets
from canary.core.plan.stage import StagePlan
from canary.core.plan.values import Model
from canary.errors import PlanError, UnknownStageError


class Plan(Model):
    """All stages of a `canary.toml`. Every field is described in docs/canary/plan.md."""

    stages: dict[str, StagePlan] = Field(min_length=1)
    gate_sets: dict[str, dict[str, Gate]] = Field(default_factory=dict)
    """Gates by the name of their set, for stages that name it in `gate_sets`."""
    journal: str = "file:.canary"

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, document: object) -> object:
        """Every stage learns its name, on which the defaults of its rules depend, and gets the gates of its sets."""
        if not isinstance(document, Mapping) or not isinstance(document.get("stages"), Mapping):
            return document
        if renamed := next((n for n, t in document["stages"].items() if isinstance(t, Mapping) and "name" in t), None):
            raise ValueError(f"stages.{renamed}: unknown field 'name'; the table's own name names the stage")
        if "" in document["stages"]:
            raise ValueError("a stage needs a name, such as [stages.staging]")
        sets = document.get("gate_sets", {})
        stages = {
            name: {**with_gate_sets(table, sets), "name": name} if isinstance(table, Mapping) else table
            for name, table in document["stages"].items()
        }
        return {**document, "stages": stages, "gate_sets": named_gates(sets)}

    @model_validator(mode="after")
    def _check_sets(self) -> Plan:
        for stage in self.stages.values():
            if unknown := next((name for name in stage.gate_sets if name not in self.gate_sets), None):
                known = f"its gate sets are {', '.join(self.gate_sets)}" if self.gate_sets else "it has no gate sets"
                raise ValueError(f'stages.{stage.name}.gate_sets names "{unknown}", but {known}')
        return self

    @classmethod
    def parse(cls, text: str) -> Plan:
        """Read the text of a `canary.toml`. Decimals stay exact.

        Raises:
            PlanError: not valid TOML, an unknown field or a wrong value; one line per fault, with its line in the file.
        """
        text = text.removeprefix("\ufeff")
        try:
            raw = tomllib.loads(text, parse_float=Decimal)
        except tomllib.TOMLDecodeError as error:
            raise PlanError(f"canary.toml is not valid TOML: {error}") from error
        except (ValueError, ArithmeticError) as error:
            raise PlanError(
                "canary.toml is not valid: a number has too many digits or too large an exponent"
            ) from error
        except RecursionError as error:
            raise PlanError("canary.toml is nested too deeply") from error
        try:
            return cls.model_validate(raw)
        except ValidationError as error:
            raise plan_error(raw, error, text) from error

    def stage(self, name: str) -> StagePlan:
        """The stage with this name.

        Raises:
            UnknownStageError: the plan has no such stage.
        """
        if name not in self.stages:
            raise UnknownStageError(f'the plan has no stage "{name}"; its stages are {", ".join(sorted(self.stages))}')
        return self.stages[name]
