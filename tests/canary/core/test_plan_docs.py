"""docs/canary/plan.md describes every field of a plan with its true default, and nothing else."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from canary.core import plan
from canary.core.plan import Plan, StagePlan, Step, format_duration
from canary.core.plan.shorthand import Growth
from canary.errors import PlanError

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "canary" / "plan.md"
BY_RULE = {
    (StagePlan, "steps"): "`[10, 25, 50]`",
    (StagePlan, "gates"): "errors, latency",
    (StagePlan, "rules"): "by name",
    (Step, "bake"): "of the stage",
}


def _models() -> dict[str, type[BaseModel]]:
    public = {name: getattr(plan, name) for name in plan.__all__}
    found = {name: thing for name, thing in public.items() if isinstance(thing, type) and issubclass(thing, BaseModel)}
    return {**found, "Growth": Growth}


def _default(model: type[BaseModel], name: str, field: FieldInfo) -> str:
    if (model, name) in BY_RULE:
        return BY_RULE[model, name]
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    assert value is not PydanticUndefined
    if value is None or value in ((), {}) or isinstance(value, BaseModel):
        return "–"
    if isinstance(value, timedelta):
        return f'`"{format_duration(value)}"`'
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def _documented() -> dict[str, dict[str, str]]:
    """Per model the documented fields and defaults; a section names its models as `<!-- fields: A, B -->`."""
    sections: dict[str, dict[str, str]] = {}
    rows: list[dict[str, str]] = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if named := re.fullmatch(r"<!-- fields: (.+) -->", line):
            rows = [sections.setdefault(name, {}) for name in named[1].split(", ")]
        elif row := re.match(r"\| `(\w+)` \| (.+?) \| .{10,}\|$", line):
            for section in rows:
                section[row[1]] = row[2]
    return sections


@pytest.mark.parametrize("name", sorted(_models()))
def test_every_field_is_described_with_its_default(name: str) -> None:
    model = _models()[name]
    expected = {
        field: _default(model, field, info)
        for field, info in model.model_fields.items()
        if not (field == "name" and model is StagePlan) and field != "kind"
    }
    assert _documented().get(name, {}) == expected


def test_the_page_describes_nothing_that_does_not_exist() -> None:
    assert set(_documented()) == set(_models())


def _examples() -> list[str]:
    return re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


SCHEMA = Draft202012Validator(json.loads((ROOT / "canary" / "plan.schema.json").read_text("utf-8")))


@pytest.mark.parametrize("text", _examples())
def test_editors_accept_every_example(text: str) -> None:
    assert not [error.message for error in SCHEMA.iter_errors(tomllib.loads(text))]


@pytest.mark.parametrize(
    "line",
    [
        'bak = "1m"',
        "bake = 1",
        'bake = ""',
        'bake = "1 hour"',
        'steps = ["x"]',
        'name = "b"',
        "gates.p99 = { quantile = 0.9 }",
        "gates.errors = { limt = 1 }",
        'gates.errors = { kind = "latency", limit_percent = 5 }',
        'promote = "later"',
        'notifications = [{ kind = "fax" }]',
    ],
)
def test_editors_mark_what_canary_refuses(line: str) -> None:
    text = f'[stages.a]\nfunctions = ["api:live"]\n{line}'
    with pytest.raises(PlanError):
        Plan.parse(text)
    assert list(SCHEMA.iter_errors(tomllib.loads(text)))


def test_every_field_has_a_description_in_editors() -> None:
    tables = SCHEMA.schema["$defs"] | {"Plan": SCHEMA.schema}
    bare = [
        f"{name}.{field}"
        for name, table in tables.items()
        for field, rule in table.get("properties", {}).items()
        if "description" not in rule and field not in {"kind", "function", "alias", "invoked"} and name != "Gates"
    ]
    assert not bare


@pytest.mark.parametrize("text", _examples())
def test_every_example_is_a_plan(text: str) -> None:
    assert Plan.parse(text).stages
