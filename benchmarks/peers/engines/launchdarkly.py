"""LaunchDarkly's server SDK with its file data source."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path


def document(workload):
    flags = {}
    for key, shape in workload.flags:
        flag = {
            "key": key,
            "on": True,
            "version": 1,
            "salt": key,
            "variations": [True, False],
            "offVariation": 1,
            "prerequisites": [],
            "targets": [],
            "rules": [],
            "fallthrough": {"variation": 1},
        }
        share = {"variations": [{"variation": 0, "weight": 25000}, {"variation": 1, "weight": 75000}]}
        if shape == "a":
            flag["fallthrough"] = {"variation": 0}
        elif shape == "b":
            flag["fallthrough"] = {"rollout": share}
        elif shape == "c":
            flag["targets"] = [{"variation": 0, "values": workload.listed_for(key)}]
            clauses = [
                {"attribute": "country", "op": "in", "values": ["US"], "negate": False},
                {"attribute": "plan", "op": "in", "values": ["pro", "team"], "negate": False},
            ]
            flag["rules"] = [{"id": "target", "clauses": clauses, "rollout": share}]
        else:
            flag["variations"] = ["red", "green", "blue"]
            weights = [33333, 33334, 33333]
            variations = [{"variation": index, "weight": weight} for index, weight in enumerate(weights)]
            flag["fallthrough"] = {"rollout": {"variations": variations}}
        flags[key] = flag
    path = Path(tempfile.mkdtemp()) / "flags.json"
    path.write_text(json.dumps({"flags": flags}))
    return path


def load(path, workload):
    from ldclient import Config, Context, LDClient
    from ldclient.integrations import Files

    client = LDClient(
        config=Config("none", update_processor_class=Files.new_data_source(paths=[str(path)]), send_events=False)
    )
    client.variation("a", Context.create(workload.users[0].id), False)
    return client


def cases(client, workload):
    from ldclient import Context

    users = []
    for user in workload.users:
        builder = Context.builder(user.id)
        for name, value in user.attributes.items():
            builder.set(name, value)
        users.append(builder.build())
    variation = client.variation

    def ask(key, default, wanted):
        def run():
            on = 0
            for context in users:
                if variation(key, context, default) == wanted:
                    on += 1
            return on

        return run

    def user():
        return len(client.all_flags_state(users[1]).to_values_map())

    return {
        "a": ask("a", False, True),
        "b": ask("b", False, True),
        "c": ask("c", False, True),
        "d": ask("d", "", "red"),
        "user": user,
    }
