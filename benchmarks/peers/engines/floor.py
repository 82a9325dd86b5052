"""The floors: a dictionary look-up and a call; one mmh3 of `seed:id` with a comparison; no engine at all."""

from __future__ import annotations


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

    return {"a": look_up, "b": hashed}
