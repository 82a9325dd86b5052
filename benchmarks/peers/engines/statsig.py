"""Statsig's Python core (Rust), specs from a data store, exposures off."""

from __future__ import annotations

import json

from workload import CASES, REGIONS


def document(workload):
    conditions = {
        "everyone": condition("public"),
        "listed": condition("user_field", "any", "userID", workload.listed_for("c")),
        "few": condition("user_field", "any", "userID", workload.listed_for("")),
        "country": condition("user_field", "any", "country", ["US"]),
        "plan": condition("user_field", "any", "custom_plan", ["pro", "team"]),
    }
    conditions |= {
        **{name: condition("user_field", "any", "region", [name]) for name in REGIONS},
    }
    gates, configs = {}, {}
    for key, shape in workload.flags:
        if shape == "a":
            gates[key] = spec(key, "feature_gate", False, [rule("all", 100, True, ["everyone"])])
        elif shape == "b":
            gates[key] = spec(key, "feature_gate", False, [rule("share", 25, True, ["everyone"])])
        elif shape == "c":
            rules = [
                rule("listed", 100, True, ["listed" if key == "c" else "few"]),
                rule("target", 25, True, ["country", "plan"]),
            ]
            gates[key] = spec(key, "feature_gate", False, rules)
        elif shape == "f":
            gates[key] = spec(key, "feature_gate", False, [rule(name, 25, True, [name]) for name in REGIONS])
        else:
            rules = []
            for name, below in (("red", 333), ("green", 667), ("blue", 1000)):
                conditions[f"{key}.{name}"] = {
                    **condition("user_bucket", "lt", None, below),
                    "additionalValues": {"salt": key},
                }
                rules.append({**rule(name, 100, {"value": name}, [f"{key}.{name}"]), "groupName": name})
            configs[key] = spec(key, "dynamic_config", {}, rules)
    return json.dumps(
        {
            "has_updates": True,
            "time": 1767225600000,
            "feature_gates": gates,
            "dynamic_configs": configs,
            "layer_configs": {},
            "condition_map": conditions,
            "experiment_to_layer": {},
            "id_lists": {},
        }
    )


def condition(kind, operator=None, field=None, target=None):
    return {
        "type": kind,
        "operator": operator,
        "field": field,
        "targetValue": target,
        "additionalValues": {},
        "isDeviceBased": False,
        "idType": "userID",
    }


def rule(name, share, value, conditions):
    return {
        "name": name,
        "id": name,
        "salt": name,
        "groupName": name,
        "passPercentage": share,
        "conditions": conditions,
        "returnValue": value,
        "idType": "userID",
    }


def spec(key, entity, default, rules):
    return {
        "name": key,
        "type": entity if entity == "feature_gate" else "dynamic_config",
        "entity": entity,
        "salt": key,
        "enabled": True,
        "defaultValue": default,
        "rules": rules,
        "idType": "userID",
        "isDeviceBased": False,
    }


def load(text, workload):
    from statsig_python_core import DataStore, DataStoreResponse, Statsig, StatsigOptions, StatsigUser

    class Store(DataStore):
        def get(self, key):
            return DataStoreResponse(result=text, time=1767225600000)

        def set(self, key, value, time=None):
            pass

        def support_polling_updates_for(self, key):
            return False

    options = StatsigOptions()
    options.data_store = Store()
    options.disable_all_logging = True
    options.disable_network = True
    client = Statsig("secret-none", options)
    client.initialize().wait()
    client.check_gate(StatsigUser(workload.users[0].id), "a")
    return client


def cases(client, workload):
    from statsig_python_core import DynamicConfigEvaluationOptions, FeatureGateEvaluationOptions, StatsigUser

    users = []
    for user in workload.users:
        custom = {
            "custom_plan": user.attributes["plan"],
            "age": user.attributes["age"],
            "beta": user.attributes["beta"],
            "region": user.attributes["region"],
        }
        users.append(
            StatsigUser(user.id, country=user.attributes["country"], email=user.attributes["email"], custom=custom)
        )
    silent = FeatureGateEvaluationOptions(disable_exposure_logging=True)
    silent_config = DynamicConfigEvaluationOptions(disable_exposure_logging=True)
    check, config = client.check_gate, client.get_dynamic_config

    def ask(case):
        key, asking = case[0], [users[number] for number in workload.asking(case)]

        def run():
            on = 0
            for user in asking:
                if check(user, key, silent):
                    on += 1
            return on

        return run

    def variants():
        red = 0
        for user in users:
            if config(user, "d", silent_config).value.get("value") == "red":
                red += 1
        return red

    return {**{case: ask(case) for case in CASES if case[0] in "abcf"}, "d": variants}
