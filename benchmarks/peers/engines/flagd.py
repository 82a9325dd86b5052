"""flagd's evaluator called directly, without the OpenFeature client around it (kind to it)."""

from __future__ import annotations

import json


def document(workload):
    flags = {}
    for key, shape in workload.flags:
        flag = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
        share = {"fractional": [{"cat": [key, {"var": "targetingKey"}]}, ["on", 25], ["off", 75]]}
        if shape == "a":
            flag["defaultVariant"] = "on"
        elif shape == "b":
            flag["targeting"] = share
        elif shape == "c":
            target = {"and": [{"==": [{"var": "country"}, "US"]}, {"in": [{"var": "plan"}, ["pro", "team"]]}]}
            flag["targeting"] = {
                "if": [{"in": [{"var": "targetingKey"}, workload.listed_for(key)]}, "on", target, share, "off"]
            }
        else:
            flag["variants"] = {"red": "red", "green": "green", "blue": "blue"}
            flag["defaultVariant"] = "blue"
            parts = [["red", 33333], ["green", 33334], ["blue", 33333]]
            flag["targeting"] = {"fractional": [{"cat": [key, {"var": "targetingKey"}]}, *parts]}
        flags[key] = flag
    return json.dumps({"flags": flags})


def load(text, workload):
    from openfeature.contrib.tools.flagd.core import FlagdCore
    from openfeature.evaluation_context import EvaluationContext

    core = FlagdCore()
    core.set_flags(text)
    core.resolve_boolean_value("a", False, EvaluationContext(workload.users[0].id))
    return core


def cases(core, workload):
    from openfeature.evaluation_context import EvaluationContext

    users = [EvaluationContext(user.id, user.attributes) for user in workload.users]
    boolean, string = core.resolve_boolean_value, core.resolve_string_value

    def ask(key):
        def run():
            on = 0
            for context in users:
                if boolean(key, False, context).value:
                    on += 1
            return on

        return run

    def variants():
        red = 0
        for context in users:
            if string("d", "", context).value == "red":
                red += 1
        return red

    return {"a": ask("a"), "b": ask("b"), "c": ask("c"), "d": variants}
