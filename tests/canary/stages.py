"""A stage to test with."""

from __future__ import annotations

from datetime import timedelta

from canary.core.plan import StagePlan


def stage_of(*functions: str, **settings: object) -> StagePlan:
    """A stage with an error gate, three steps of ten minutes, and whatever a test sets."""
    defaults: dict[str, object] = {
        "name": "staging",
        "functions": functions or ("api:live",),
        "steps": [{"weight": weight, "bake": timedelta(minutes=10)} for weight in (10, 25, 50)],
        "gates": {"errors": {"kind": "errors"}},
    }
    return StagePlan.model_validate({**defaults, **settings})
