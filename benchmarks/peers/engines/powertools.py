"""AWS Lambda Powertools feature flags through AppConfigStore, the way users run it; the client is a fake with the bytes."""

from __future__ import annotations

import io
import json

from workload import CASES, REGIONS


def document(workload):
    flags = {}
    for key, shape in workload.flags:
        # Powertools can't hash a string id: a bucket is computed by the caller beforehand (kind to it).
        share = {"key": "bucket", "action": "MODULO_RANGE", "value": {"BASE": 100, "START": 0, "END": 24}}
        if shape == "a":
            flags[key] = {"default": True}
        elif shape == "b":
            flags[key] = {"default": False, "rules": {"share": {"when_match": True, "conditions": [share]}}}
        elif shape == "c":
            target = [
                {"key": "country", "action": "EQUALS", "value": "US"},
                {"key": "plan", "action": "KEY_IN_VALUE", "value": ["pro", "team"]},
                share,
            ]
            listed = [{"key": "user_id", "action": "KEY_IN_VALUE", "value": workload.listed_for(key)}]
            rules = {
                "listed": {"when_match": True, "conditions": listed},
                "target": {"when_match": True, "conditions": target},
            }
            flags[key] = {"default": False, "rules": rules}
        elif shape == "e":
            clauses = [
                {"key": "age", "action": "KEY_GREATER_THAN_OR_EQUAL_VALUE", "value": 18},
                {"key": "signed_up", "action": "KEY_GREATER_THAN_OR_EQUAL_VALUE", "value": "2024-01-01"},
                {"key": "email", "action": "STARTSWITH", "value": "user"},
                {"key": "version", "action": "KEY_GREATER_THAN_OR_EQUAL_VALUE", "value": "2.4"},
                {**share, "value": {"BASE": 100, "START": 0, "END": 49}},
            ]
            flags[key] = {"default": False, "rules": {"five": {"when_match": True, "conditions": clauses}}}
        elif shape == "f":
            rules = {
                name: {"when_match": name, "conditions": [{"key": "region", "action": "EQUALS", "value": name}, share]}
                for name in REGIONS
            }
            flags[key] = {"default": "off", "boolean_type": False, "rules": rules}
        else:

            def share(start, end):
                value = {"BASE": 100, "START": start, "END": end}
                return [{"key": "bucket", "action": "MODULO_RANGE", "value": value}]

            rules = {
                "red": {"when_match": "red", "conditions": share(0, 32)},
                "green": {"when_match": "green", "conditions": share(33, 65)},
            }
            flags[key] = {"default": "blue", "boolean_type": False, "rules": rules}
    return json.dumps(flags)


class Client:
    """Answers as AppConfig's data plane."""

    def __init__(self, text):
        self.text = text
        self.meta = type("meta", (), {"events": type("events", (), {"register": lambda *a, **k: None})()})()

    def start_configuration_session(self, **_):
        return {"InitialConfigurationToken": "token"}

    def get_latest_configuration(self, **_):
        body, self.text = self.text, ""
        return {"Configuration": io.BytesIO(body.encode()), "NextPollConfigurationToken": "token"}


def load(text, workload):
    from aws_lambda_powertools.utilities.feature_flags import AppConfigStore, FeatureFlags

    store = AppConfigStore("env", "app", "flags", max_age=3600, boto3_client=Client(text))
    flags = FeatureFlags(store)
    flags.evaluate(name="a", context={"user_id": workload.users[0].id, "bucket": 1}, default=False)
    return flags


def cases(flags, workload):
    contexts = [
        {"user_id": user.id, "bucket": number * 2654435761 % 2**32 % 100, **user.attributes}
        for number, user in enumerate(workload.users)
    ]
    evaluate = flags.evaluate

    def ask(case, wanted=True):
        key, asking = case[0], [contexts[number] for number in workload.asking(case)]

        def run():
            on = 0
            for context in asking:
                if evaluate(name=key, context=context, default=False) == wanted:
                    on += 1
            return on

        return run

    def user():
        return len(flags.get_enabled_features(context=contexts[1]))

    def ten():
        on = 0
        for context in contexts:
            if evaluate(name="f", context=context, default="off") != "off":
                on += 1
        return on

    return {**{case: ask(case) for case in CASES if case[0] in "abce"}, "d": ask("d", "red"), "f": ten, "user": user}
