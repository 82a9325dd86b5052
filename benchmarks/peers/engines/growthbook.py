"""GrowthBook's Python SDK, features given at the start, hash version 2."""

from __future__ import annotations

import json

from workload import CASES, REGIONS


def document(workload):
    features = {}
    for key, shape in workload.flags:
        share = {"force": True, "coverage": 0.25, "hashAttribute": "id", "seed": key, "hashVersion": 2}
        if shape == "a":
            features[key] = {"defaultValue": True}
        elif shape == "b":
            features[key] = {"defaultValue": False, "rules": [share]}
        elif shape == "c":
            listed = {"force": True, "condition": {"id": {"$in": workload.listed_for(key)}}}
            target = {**share, "condition": {"country": "US", "plan": {"$in": ["pro", "team"]}}}
            features[key] = {"defaultValue": False, "rules": [listed, target]}
        elif shape == "e":
            clauses = {
                "age": {"$gte": 18},
                "signed_up": {"$gte": "2024-01-01"},
                "email": {"$regex": "^user"},
                "version": {"$vgte": "2.4.0"},
            }
            features[key] = {"defaultValue": False, "rules": [{**share, "coverage": 0.5, "condition": clauses}]}
        elif shape == "f":
            rules = [{**share, "force": name, "condition": {"region": name}} for name in REGIONS]
            features[key] = {"defaultValue": None, "rules": rules}
        else:
            rule = {
                "variations": ["red", "green", "blue"],
                "weights": [0.3333, 0.3334, 0.3333],
                "hashAttribute": "id",
                "seed": key,
                "hashVersion": 2,
                "key": key,
            }
            features[key] = {"defaultValue": "blue", "rules": [rule]}
    return json.dumps(features)


def load(text, workload):
    from growthbook import GrowthBook

    client = GrowthBook(attributes={"id": workload.users[0].id}, features=json.loads(text))
    client.is_on("a")
    return client


def cases(client, workload):
    users = [{"id": user.id, **user.attributes} for user in workload.users]
    set_attributes, is_on, value = client.set_attributes, client.is_on, client.get_feature_value

    def ask(case):
        key, asking = case[0], [users[number] for number in workload.asking(case)]

        def run():
            on = 0
            for attributes in asking:
                set_attributes(attributes)
                if is_on(key):
                    on += 1
            return on

        return run

    def variants():
        red = 0
        for attributes in users:
            set_attributes(attributes)
            if value("d", "") == "red":
                red += 1
        return red

    return {**{case: ask(case) for case in CASES if case != "d"}, "d": variants}
