"""The whole `canary.toml`: text in, plan out. Reads no file; every fault becomes one line that names the field."""

from __future__ import annotations

import tomllib
from decimal import Decimal

from pydantic import Field

from canary.core.plan.stage import StagePlan
from canary.core.plan.values import Model
from canary.errors import UnknownStageError


class Plan(Model):
    """All stages of a `canary.toml`. Since 0.1."""

    stages: dict[str, StagePlan] = Field(min_length=1)
    journal: str = "file:.canary"

    @classmethod
    def parse(cls, text: str) -> Plan:
        """Read the text of a `canary.toml`.

        Raises:
            PlanError: no TOML, an unknown field, a wrong value or a plan that can't work; one line per fault.
        """
        return cls.model_validate(tomllib.loads(text, parse_float=Decimal))

    def stage(self, name: str) -> StagePlan:
        """The stage with this name.

        Raises:
            UnknownStageError: the plan has no such stage.
        """
        if name not in self.stages:
            raise UnknownStageError(f'the plan has no stage "{name}"; it has {", ".join(sorted(self.stages))}')
        return self.stages[name]
