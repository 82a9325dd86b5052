"""PostHog's local evaluation, definitions set on the client."""

from __future__ import annotations


def document(workload):
    flags = []
    for number, (key, shape) in enumerate(workload.flags):
        groups, multivariate = [{"properties": [], "rollout_percentage": 100}], None
        if shape == "b":
            groups = [{"properties": [], "rollout_percentage": 25}]
        elif shape == "c":
            listed = {"key": "id", "value": workload.listed_for(key), "operator": "exact", "type": "person"}
            target = [
                {"key": "country", "value": ["US"], "operator": "exact", "type": "person"},
                {"key": "plan", "value": ["pro", "team"], "operator": "exact", "type": "person"},
            ]
            groups = [
                {"properties": [listed], "rollout_percentage": 100},
                {"properties": target, "rollout_percentage": 25},
            ]
        elif shape == "d":
            shares = (("red", 33.333), ("green", 33.334), ("blue", 33.333))
            multivariate = {"variants": [{"key": name, "rollout_percentage": share} for name, share in shares]}
        flags.append(
            {
                "id": number,
                "key": key,
                "name": key,
                "active": True,
                "filters": {"groups": groups, "multivariate": multivariate, "payloads": {}},
            }
        )
    return flags


def load(flags, workload):
    from posthog import Posthog

    client = Posthog("none", host="http://127.0.0.1:9", send=False, enable_local_evaluation=False, sync_mode=True)
    client.feature_flags = flags
    client.group_type_mapping = {}
    client.cohorts = {}
    client.get_feature_flag("a", workload.users[0].id, only_evaluate_locally=True, send_feature_flag_events=False)
    return client


def cases(client, workload):
    users = [(user.id, {"id": user.id, **user.attributes}) for user in workload.users]
    get = client.get_feature_flag

    def ask(key, wanted):
        def run():
            on = 0
            for user_id, properties in users:
                answer = get(
                    key,
                    user_id,
                    person_properties=properties,
                    only_evaluate_locally=True,
                    send_feature_flag_events=False,
                )
                if answer == wanted:
                    on += 1
            return on

        return run

    def user():
        return len(client.get_all_flags(users[1][0], person_properties=users[1][1], only_evaluate_locally=True))

    return {"a": ask("a", True), "b": ask("b", True), "c": ask("c", True), "d": ask("d", "red"), "user": user}
