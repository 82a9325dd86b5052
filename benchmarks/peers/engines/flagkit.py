"""flagkit itself, through its public API."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).parent]
sys.path.append(str(Path(__file__).parents[3]))

from workload import CASES, REGIONS  # noqa: E402  (the path is set above)


def document(workload):
    flags, values = {}, {}
    for key, shape in workload.flags:
        flags[key] = {"name": key}
        split = f'(split pct::25 by::$userId seed::"{key}")'
        if shape == "a":
            values[key] = {"enabled": True}
        elif shape == "b":
            values[key] = {
                "_variants": [{"name": "on", "enabled": True, "rule": split}, {"name": "off", "enabled": False}]
            }
        elif shape == "c":
            listed = ", ".join(json.dumps(item) for item in workload.listed_for(key))
            variants = [
                {"name": "listed", "enabled": True, "rule": f"(in $userId [{listed}])"},
                {
                    "name": "target",
                    "enabled": True,
                    "rule": f'(and (eq $country "US") (in $plan ["pro", "team"]) {split})',
                },
                {"name": "off", "enabled": False},
            ]
            values[key] = {"_variants": variants}
        elif shape == "e":
            clauses = '(gte $age 18) (gte $signed_up 2024-01-01) (begins_with $email "user") (gte $version "2.4")'
            half = f'(split pct::50 by::$userId seed::"{key}")'
            on = {"name": "on", "enabled": True, "rule": f"(and {clauses} {half})"}
            values[key] = {"_variants": [on, {"name": "off", "enabled": False}]}
        elif shape == "f":
            variants = [
                {"name": region, "enabled": True, "rule": f'(and (eq $region "{region}") {split})'}
                for region in REGIONS
            ]
            values[key] = {"_variants": [*variants, {"name": "off", "enabled": False}]}
        else:
            first, second = (f'(split pct::{pct} by::$userId seed::"{key}")' for pct in ("33.3333", "66.6667"))
            variants = [
                {"name": "red", "enabled": True, "rule": first, "attributeValues": {"value": "red"}},
                {"name": "green", "enabled": True, "rule": second, "attributeValues": {"value": "green"}},
                {"name": "blue", "enabled": True, "attributeValues": {"value": "blue"}},
            ]
            flags[key]["attributes"] = {"value": {"constraints": {"type": "string"}}}
            values[key] = {"_variants": variants}
    return json.dumps({"version": "1", "flags": flags, "values": values})


def load(text, workload):
    from flagkit import Flags
    from flagkit.sources.static import StaticSource

    flags = Flags(StaticSource(text), refresh="manual")
    flags.is_enabled("a", workload.users[0].id, workload.users[0].attributes)
    return flags


def cases(flags, workload):
    users = [(user.id, user.attributes) for user in workload.users]
    is_enabled, string = flags.is_enabled, flags.string

    def ask(case):
        key, asking = case[0], [users[number] for number in workload.asking(case)]

        def run():
            on = 0
            for user_id, attributes in asking:
                if is_enabled(key, user_id, attributes):
                    on += 1
            return on

        return run

    def variants():
        red = 0
        for user_id, attributes in users:
            if string("d", user_id, attributes, default="") == "red":
                red += 1
        return red

    def user():
        return len(flags.all(*users[1]))

    flags.prepare()  # as after 30 reads of each
    return {**{case: ask(case) for case in CASES if case != "d"}, "d": variants, "user": user}
