"""Flags for browsers from a Lambda function behind a function URL or API Gateway.

Run it: `python examples/ofrep/lambda_function.py`.
"""

from __future__ import annotations

import json

from flagkit import Flags, StaticSource
from flagkit.ofrep import OfrepSettings, lambda_handler

flags = Flags(StaticSource({"new_search": True}))  # Flags.connect() in production
# A document without descriptions has no marks, so the settings name what clients may see.
handler = lambda_handler(flags, OfrepSettings(origins=["https://shop.example"], visible=["new_search"]))


def event_for(path: str, context: dict[str, object]) -> dict[str, object]:
    http = {"method": "POST", "path": path, "sourceIp": "192.0.2.1"}
    return {
        "version": "2.0",
        "headers": {"origin": "https://shop.example"},
        "body": json.dumps({"context": context}),
        "requestContext": {"http": http},
    }


if __name__ == "__main__":
    print(handler(event_for("/ofrep/v1/evaluate/flags", {"targetingKey": "alice"}), None))
