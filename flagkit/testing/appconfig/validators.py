"""A profile's validators, run when a deployment starts or on demand.

They must not run when a version is saved (appconfig.md §1.1).
"""

from __future__ import annotations

import json
from typing import Any

from flagkit.testing.appconfig.store import Profile, bad_request
from flagkit.testing.wire import ServiceError


def validate(profile: Profile, content: bytes) -> None:
    """Runs the JSON_SCHEMA validators of a profile on a version's content.

    LAMBDA validators pass: the stand-in for Lambda belongs to another package and isn't called from here.

    Raises:
        ServiceError: AWS's 400 with the failing locations.
    """
    for validator in profile.validators:
        if validator["Type"] == "JSON_SCHEMA":
            _validate_schema(validator["Content"], content)


def _validate_schema(schema_text: str, content: bytes) -> None:
    try:
        import jsonschema
    except ImportError as error:
        message = "the stand-in needs the package jsonschema to run a JSON_SCHEMA validator"
        raise RuntimeError(message) from error
    try:
        schema = json.loads(schema_text)
        document = json.loads(content)
    except ValueError as error:
        raise bad_request(f"The content or the schema is not JSON: {error}") from None
    # A boolean schema and external references are refused (appconfig.md §1.1).
    if not isinstance(schema, dict) or _has_external_reference(schema):
        raise bad_request("Error in JSON_SCHEMA validator: the schema is not supported.")
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft4Validator)
    details = [
        {
            "Constraint": str(error.validator),
            "Location": "/".join(("#", *map(str, error.absolute_path))),
            "Reason": error.message,
            "Type": "JSON_SCHEMA",
            "Value": json.dumps(error.instance)[:256],
        }
        for error in kind(schema).iter_errors(document)
    ]
    if details:
        raise ServiceError(
            "BadRequestException",
            "Error validating configuration: " + "; ".join(item["Reason"] for item in details),
            Reason="InvalidConfiguration",
            Details={"InvalidConfiguration": details},
        )


def _has_external_reference(node: Any) -> bool:
    if isinstance(node, dict):
        target = node.get("$ref")
        return (isinstance(target, str) and not target.startswith("#")) or any(
            _has_external_reference(item) for item in node.values()
        )
    return isinstance(node, list) and any(_has_external_reference(item) for item in node)
