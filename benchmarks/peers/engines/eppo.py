"""Eppo's server SDK (Rust core), configuration given at the start."""

from __future__ import annotations

import json
from datetime import datetime

from workload import CASES, REGIONS


def document(workload):
    flags = {}
    on = {"on": {"key": "on", "value": True}, "off": {"key": "off", "value": False}}

    def split(variation, key, ranges):
        shards = [{"salt": key, "ranges": [{"start": start, "end": end} for start, end in ranges]}] if ranges else []
        return {"variationKey": variation, "shards": shards, "extraLogging": {}}

    def allocation(name, splits, rules=None):
        return {"key": name, "rules": rules or [], "splits": splits, "doLog": False}

    for key, shape in workload.flags:
        kind, variations, off = "BOOLEAN", on, allocation("off", [split("off", key, None)])
        if shape == "a":
            allocations = [allocation("all", [split("on", key, None)])]
        elif shape == "b":
            allocations = [allocation("share", [split("on", key, [(0, 2500)])]), off]
        elif shape == "c":
            listed = [{"conditions": [{"attribute": "id", "operator": "ONE_OF", "value": workload.listed_for(key)}]}]
            target = [
                {
                    "conditions": [
                        {"attribute": "country", "operator": "ONE_OF", "value": ["US"]},
                        {"attribute": "plan", "operator": "ONE_OF", "value": ["pro", "team"]},
                    ]
                }
            ]
            allocations = [
                allocation("listed", [split("on", key, None)], listed),
                allocation("target", [split("on", key, [(0, 2500)])], target),
                off,
            ]
        elif shape == "e":
            five = [
                {
                    "conditions": [
                        {"attribute": "age", "operator": "GTE", "value": 18},
                        {"attribute": "signed_up_at", "operator": "GTE", "value": 1704067200},
                        {"attribute": "email", "operator": "MATCHES", "value": "^user"},
                        {"attribute": "version", "operator": "GTE", "value": "2.4.0"},
                    ]
                }
            ]
            allocations = [allocation("five", [split("on", key, [(0, 5000)])], five), off]
        elif shape == "f":
            kind = "STRING"
            variations = {name: {"key": name, "value": name} for name in (*REGIONS, "off")}
            allocations = [
                allocation(
                    name,
                    [split(name, key, [(0, 2500)])],
                    [{"conditions": [{"attribute": "region", "operator": "ONE_OF", "value": [name]}]}],
                )
                for name in REGIONS
            ]
        else:
            kind = "STRING"
            variations = {name: {"key": name, "value": name} for name in ("red", "green", "blue")}
            splits = [
                split("red", key, [(0, 3333)]),
                split("green", key, [(3333, 6667)]),
                split("blue", key, [(6667, 10000)]),
            ]
            allocations = [allocation("all", splits)]
        flags[key] = {
            "key": key,
            "enabled": True,
            "variationType": kind,
            "variations": variations,
            "allocations": allocations,
            "totalShards": 10000,
        }
    return json.dumps(
        {
            "createdAt": "2026-01-01T00:00:00Z",
            "format": "SERVER",
            "environment": {"name": "bench"},
            "flags": flags,
        }
    ).encode()


def load(content, workload):
    import eppo_client

    client = eppo_client.init(
        eppo_client.ClientConfig(
            api_key="none",
            base_url="http://127.0.0.1:9",
            assignment_logger=eppo_client.AssignmentLogger(),
            poll_interval_seconds=None,
            initial_configuration=eppo_client.Configuration(flags_configuration=content),
        )
    )
    client.get_boolean_assignment("a", workload.users[0].id, {}, False)
    return client


def cases(client, workload):
    days = {user.attributes["signed_up"] for user in workload.users}
    seconds = {day: datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp() for day in days}
    users = [
        (user.id, {**user.attributes, "signed_up_at": seconds[user.attributes["signed_up"]]}) for user in workload.users
    ]  # a date is a number to Eppo
    boolean, string = client.get_boolean_assignment, client.get_string_assignment

    def ask(case):
        key, asking = case[0], [users[number] for number in workload.asking(case)]

        def run():
            on = 0
            for user_id, attributes in asking:
                if boolean(key, user_id, attributes, False):
                    on += 1
            return on

        return run

    def variants():
        red = 0
        for user_id, attributes in users:
            if string("d", user_id, attributes, "") == "red":
                red += 1
        return red

    def ten():
        on = 0
        for user_id, attributes in users:
            if string("f", user_id, attributes, "off") != "off":
                on += 1
        return on

    return {**{case: ask(case) for case in CASES if case[0] in "abce"}, "d": variants, "f": ten}
