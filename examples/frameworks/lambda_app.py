"""Flags for the caller of a Lambda function behind API Gateway, with Cognito's claims in the context.

Run it: `python examples/frameworks/lambda_app.py`.
"""

from __future__ import annotations

from flagkit import EmfSink, Exposures, Flags, StaticSource
from flagkit.frameworks import for_events, for_request

STAFF = {
    "_variants": [
        {"name": "staff", "enabled": True, "rule": '(contains $groups ",staff,")'},
        {"name": "gold", "enabled": True, "rule": '(eq $tier "gold")'},
        {"name": "everybody", "enabled": False},
    ]
}
flags = Flags(StaticSource({"new_search": STAFF}), refresh="on_demand")  # Flags.connect() in production
exposures = Exposures(EmfSink("shop"), flush_interval_s=None)
flags.watch(exposures.watch)


# Fresh flags at the start, metrics at the end. A custom attribute has to be named: see that the app client's settings
# keep users from writing it.
@for_events(flags, claims=("cognito:groups", "custom:tier"), afterwards=exposures.flush)
def handler(event, context):
    user = for_request(flags)
    return {"statusCode": 200, "body": "new" if user.is_enabled("new_search") else "old"}


def event_for(sub, **claims):
    jwt = {"claims": {"sub": sub, **claims}}
    return {"rawPath": "/search", "requestContext": {"http": {"method": "GET"}, "authorizer": {"jwt": jwt}}}


if __name__ == "__main__":
    print(handler(event_for("1", **{"cognito:groups": "[staff admin]"}), None))
    print(handler(event_for("2", **{"custom:tier": "gold"}), None))
    print(handler(event_for("3", **{"cognito:groups": "[nonstaff]"}), None))
