"""What a deployed stack and the template of the plan differ in; reads CloudFormation and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from canary.adapters.aws import Api, Session, reading
from canary.errors import AwsError, NotFoundError


@dataclass(frozen=True, slots=True)
class Difference:
    """One place that differs.

    Attributes:
        path: from the top of the template, such as `Resources.TickFunction.Properties.Timeout`.
        deployed: its value in the stack; None where the stack doesn't have it.
        planned: its value in the template; None where the template doesn't have it.
    """

    path: str
    deployed: object
    planned: object


@dataclass(frozen=True, slots=True)
class Stack:
    """A deployed stack.

    Attributes:
        status: CloudFormation's, such as `UPDATE_COMPLETE`.
        template: as it was deployed.
    """

    status: str
    template: Mapping[str, Any]


def read_stack(session: Session, name: str) -> Stack:
    """Reads a stack.

    Raises:
        NotFoundError: there is no such stack.
        AwsError: AWS refuses the calls, or the template isn't JSON.
    """
    api = Api(session, "cloudformation")
    try:
        described = api.call("DescribeStacks", StackName=name)
        body = api.call("GetTemplate", StackName=name)["TemplateBody"]
    except AwsError as error:
        if "does not exist" not in error.message:
            raise
        raise NotFoundError(
            f"there is no stack {name}", hint="Deploy it as docs/canary/infrastructure.md has it, or pass --stack."
        ) from error
    with reading("cloudformation", "GetTemplate"):
        found: Mapping[str, Any] = dict(json.loads(body) if isinstance(body, str) else body)
        return Stack(str(described["Stacks"][0]["StackStatus"]), found)


def differences(deployed: object, planned: object, path: str = "") -> Iterator[Difference]:
    """Every place that differs, in the order of the template; a list differs as a whole."""
    if isinstance(deployed, Mapping) and isinstance(planned, Mapping):
        for key in [*planned, *(key for key in deployed if key not in planned)]:
            yield from differences(deployed.get(key), planned.get(key), f"{path}.{key}" if path else key)
    elif deployed != planned:
        yield Difference(path, deployed, planned)
