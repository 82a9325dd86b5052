"""The floors: a dictionary look-up and a call; one mmh3 of `seed:id`; the rules as functions written by hand."""

from __future__ import annotations

from workload import CASES, REGIONS


def document(workload):
    return {}


def load(_, workload):
    return None


def cases(_, workload):
    import mmh3

    users = [user.id for user in workload.users]
    table = {"a": lambda user_id, context: True}
    hash_of, threshold = mmh3.hash, 2**30

    def split(user_id, context):
        return hash_of("b:" + user_id, 0, False) < threshold

    def look_up():
        on = 0
        for user_id in users:
            if table["a"](user_id, None):
                on += 1
        return on

    def hashed():
        on = 0
        for user_id in users:
            if split(user_id, None):
                on += 1
        return on

    listed = frozenset(workload.listed)

    def rule_c(user_id, context):
        if user_id in listed:
            return True
        return context["country"] == "US" and context["plan"] in {"pro", "team"} and split(user_id, None)

    def rule_d(user_id, context):
        bucket = hash_of("d:" + user_id, 0, False)
        return "red" if bucket < 2**32 // 3 else "green" if bucket < 2**33 // 3 else "blue"

    def variants():
        red = 0
        for user_id in users:
            if rule_d(user_id, None) == "red":
                red += 1
        return red

    def rule_e(user_id, context):
        return (
            context["age"] >= 18
            and context["signed_up"] >= "2024-01-01"
            and context["email"].startswith("user")
            and context["version"] >= "2.4"
            and split(user_id, None)
        )

    def rule_f(user_id, context):
        region = context["region"]
        if region == "R0" and split(user_id, None):
            return "R0"
        return region if region in REGIONS and split(user_id, None) else None

    def by_hand(case):
        rule = {"c": rule_c, "e": rule_e, "f": rule_f}[case[0]]
        asking = [(workload.users[number].id, workload.users[number].attributes) for number in workload.asking(case)]

        def run():
            on = 0
            for user_id, attributes in asking:
                if rule(user_id, attributes):
                    on += 1
            return on

        return run

    return {"a": look_up, "b": hashed, "d": variants, **{case: by_hand(case) for case in CASES if case[0] in "cef"}}
