"""Unleash's Python client (yggdrasil, Rust over ctypes), bootstrapped, without metrics."""

from __future__ import annotations

import json
import tempfile


def document(workload):
    features = []
    for key, shape in workload.flags:
        share = {"name": "flexibleRollout", "parameters": {"rollout": "25", "stickiness": "userId", "groupId": key}}
        feature = {
            "name": key,
            "type": "release",
            "enabled": True,
            "strategies": [{"name": "default", "parameters": {}}],
        }
        if shape == "b":
            feature["strategies"] = [share]
        elif shape == "c":
            constraints = [
                {"contextName": "country", "operator": "IN", "values": ["US"]},
                {"contextName": "plan", "operator": "IN", "values": ["pro", "team"]},
            ]
            listed = {"name": "userWithId", "parameters": {"userIds": ",".join(workload.listed_for(key))}}
            feature["strategies"] = [listed, {**share, "constraints": constraints}]
        elif shape == "d":
            feature["variants"] = [
                {"name": name, "weight": weight, "weightType": "variable", "stickiness": "userId"}
                for name, weight in (("red", 333), ("green", 334), ("blue", 333))
            ]
        features.append(feature)
    return json.dumps({"version": 2, "features": features})


def load(text, workload):
    from UnleashClient import UnleashClient
    from UnleashClient.cache import FileCache

    cache = FileCache("bench", directory=tempfile.mkdtemp())
    cache.bootstrap_from_dict(json.loads(text))
    client = UnleashClient(
        url="http://127.0.0.1:9/api", app_name="bench", cache=cache, disable_metrics=True, disable_registration=True
    )
    client.initialize_client(fetch_toggles=False)
    client.is_enabled("a", {"userId": workload.users[0].id})
    return client


def cases(client, workload):
    users = [
        {"userId": user.id, "properties": {name: str(value) for name, value in user.attributes.items()}}
        for user in workload.users
    ]
    is_enabled, get_variant = client.is_enabled, client.get_variant

    def ask(key):
        def run():
            on = 0
            for context in users:
                if is_enabled(key, context):
                    on += 1
            return on

        return run

    def variants():
        red = 0
        for context in users:
            if get_variant("d", context)["name"] == "red":
                red += 1
        return red

    return {"a": ask("a"), "b": ask("b"), "c": ask("c"), "d": variants}
