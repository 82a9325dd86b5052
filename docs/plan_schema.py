"""The JSON Schema of canary.toml for editors: pydantic's, in the short forms people write, with the page's words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from canary.core.plan import Plan

PAGE = Path(__file__).parent / "canary" / "plan.md"
TARGET = Path(__file__).parents[1] / "canary" / "plan.schema.json"
DURATION = {
    "type": "string",
    "pattern": r"^\s*(?=\S)([\d.]+h)?\s*([\d.]+m)?\s*([\d.]+s)?\s*(\d+ms)?\s*$",
    "examples": ["10m"],
}

Json = dict[str, Any]


def plan_schema() -> str:
    """The schema as text."""
    schema = Plan.model_json_schema()
    tables: dict[str, Json] = schema["$defs"]
    described = _descriptions()
    _short(schema)
    for name, table in [*tables.items(), ("Plan", schema)]:
        for field, rule in table.get("properties", {}).items():
            rule.pop("default", None)  # many depend on other fields: the page says which
            if text := described.get(name, {}).get(field):
                rule["description"] = text
    stage = tables["StagePlan"]
    del stage["properties"]["name"]
    stage["required"] = ["functions"]
    stage["properties"]["functions"]["items"] = {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/FunctionRef"}]}
    pause: Json = {"type": "object", "properties": {"pause": {"const": True}}, "required": ["pause"]}
    pause["additionalProperties"] = False
    tables["Step"]["required"] = ["weight"]
    stage["properties"]["steps"]["items"] = {"anyOf": [{"type": "number"}, {"$ref": "#/$defs/Step"}, pause]}
    kinds = stage["properties"]["gates"]["additionalProperties"]["discriminator"]["mapping"]
    for kind, reference in kinds.items():
        table = tables[reference.removeprefix("#/$defs/")]
        table["properties"]["kind"] = {"const": kind}
    tables |= _gates(kinds)
    described_gates = stage["properties"]["gates"].get("description", "")
    stage["properties"]["gates"] = {"$ref": "#/$defs/Gates", "description": described_gates}
    of_the_stage = tables["Gates"]["properties"]["probes"]
    stage["properties"]["probes"] = {**of_the_stage, "description": "The gate of this name."}
    schema["properties"]["gate_sets"]["additionalProperties"] = {"$ref": "#/$defs/Gates"}
    return (
        json.dumps(
            {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "canary.toml"},
            indent=1,
            ensure_ascii=False,
        )
        + "\n"
    )


def _gates(kinds: dict[str, str]) -> dict[str, Json]:
    """A gate named like a kind may leave the kind out; any other name needs it; `false` takes a gate out."""
    of_a_kind = [{"allOf": [{"$ref": reference}], "required": ["kind"]} for reference in kinds.values()]
    anything: Json = {"anyOf": [{"const": False}, *of_a_kind]}
    named = {kind: {"anyOf": [{"$ref": reference}, {"$ref": "#/$defs/Gate"}]} for kind, reference in kinds.items()}
    gates: Json = {"type": "object", "properties": named, "additionalProperties": {"$ref": "#/$defs/Gate"}}
    return {"Gate": anything, "Gates": gates}


def _short(node: object) -> None:
    """Durations as text with a unit, numbers as numbers, and none of pydantic's titles."""
    if isinstance(node, list):
        for item in node:
            _short(item)
    if not isinstance(node, dict):
        return
    if isinstance(node.get("title"), str):
        del node["title"]
    choices = node.get("anyOf", [])
    left = [choice for choice in choices if choice.get("type") != "null"]  # TOML has none
    if {"number", "string"} <= {choice.get("type") for choice in left}:  # a Decimal, which TOML writes as a number
        left = [choice for choice in left if choice.get("type") != "string"]
    if len(left) == 1:
        del node["anyOf"]
        node.update(left[0])
    elif left:
        node["anyOf"] = left
    if node.get("format") == "duration":
        node.clear()
        node.update(DURATION)
    for value in node.values():
        _short(value)


def _descriptions() -> dict[str, dict[str, str]]:
    """The meaning of each field by model and name, as the page's tables have it, without its links and marks."""
    found: dict[str, dict[str, str]] = {}
    names: list[str] = []
    for line in PAGE.read_text("utf-8").splitlines():
        if named := re.fullmatch(r"<!-- fields: (.+) -->", line):
            names = named[1].split(", ")
        elif row := re.fullmatch(r"\| `(\w+)` \| .+? \| (.+) \|", line):
            text = re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", row[2]).replace("`", "")
            for name in names:
                found.setdefault(name, {})[row[1]] = text
    return found
