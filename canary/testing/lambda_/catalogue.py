"""Finding functions by what a request names them; the base of the parts of the Lambda service."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, ClassVar

from canary.testing.lambda_ import refusals
from canary.testing.lambda_.invocation import Invoker
from canary.testing.lambda_.settings import LambdaSettings
from canary.testing.lambda_.state import Function
from canary.testing.lambda_.telemetry import Telemetry
from flagkit.testing import Service, VirtualClock
from flagkit.testing.turns import TurnLock

_FUNCTION_NAME = re.compile(
    r"(?:arn:aws[a-zA-Z-]*:lambda:)?(?:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):)?(?:\d{12}:)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9-_]+)(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]+))?"
)
_FUNCTION_NAME_SHOWN = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_]+)(:((?!\d+)|(\$(LATEST(\.PUBLISHED)?))|[a-zA-Z0-9-_]+))?"
)
_QUALIFIER = re.compile(r"\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_$]{1,128}")
_MEMBER = "Member must satisfy regular expression pattern:"


class Catalogue(Service):
    """The functions of the account, shared by all parts of the service.

    Attributes:
        functions: by name.
        settings: delays and durations.
        invoker: runs invocations.
    """

    service: ClassVar[str] = "lambda"
    throttling_code: ClassVar[str] = "TooManyRequestsException"

    def __init__(
        self,
        *,
        clock: VirtualClock,
        telemetry: Telemetry,
        seed: int,
        region: str,
        account_id: str,
        lock: TurnLock | None = None,
    ) -> None:
        self.clock = clock
        self.telemetry = telemetry
        self.settings = LambdaSettings()
        self.invoker = Invoker(clock, telemetry, self.settings, seed, lock or TurnLock())
        self.functions: dict[str, Function] = {}
        self.arn_prefix = f"arn:aws:lambda:{region}:{account_id}:function:"

    def find(self, params: dict[str, Any]) -> tuple[Function, str]:
        """The function and the qualifier that a request means; the name may be a name, an ARN or `name:qualifier`.

        Raises:
            ServiceError: if there is no such function.
        """
        self.check_names(params)
        name, qualifier = self.split(params["FunctionName"])
        given = params.get("Qualifier") or qualifier
        if qualifier and params.get("Qualifier") and params["Qualifier"] != qualifier:
            raise refusals.invalid(
                "The derived qualifier from the function name does not match the specified qualifier."
            )
        function = self.functions.get(name)
        if function is None:
            suffix = f":{given}" if given else ""
            raise refusals.function_not_found(f"{self.arn_prefix}{name}{suffix}")
        return function, given

    def check_names(self, params: dict[str, Any]) -> None:
        """Checks the form of `FunctionName` and `Qualifier`, and that an ARN is of this region.

        Raises:
            ServiceError: AWS's refusal.
        """
        name, qualifier = params["FunctionName"], params.get("Qualifier")
        match = _FUNCTION_NAME.fullmatch(name)
        if match is None:
            raise refusals.validation(name, "functionName", f"{_MEMBER} {_FUNCTION_NAME_SHOWN}")
        if qualifier is not None and not _QUALIFIER.fullmatch(qualifier):
            raise refusals.validation(qualifier, "qualifier", f"{_MEMBER} \\$(LATEST(\\.PUBLISHED)?)|[a-zA-Z0-9-_$]+")
        region = self.arn_prefix.split(":")[3]
        if match["region"] not in {None, region}:
            text = f"Functions from '{match['region']}' are not reachable in this region ('{region}')"
            raise refusals.not_found(text)

    def split(self, name: str) -> tuple[str, str]:
        """Name and qualifier ("" for none) of any form of function name."""
        match = _FUNCTION_NAME.fullmatch(name)
        return (match["name"], match["qualifier"] or "") if match else (name, "")

    def known(self, function: Function, qualifier: str) -> None:
        """Checks that a qualifier names a version or alias.

        Raises:
            ServiceError: if it doesn't.
        """
        if qualifier and qualifier not in function.aliases and function.version(qualifier) is None:
            raise refusals.function_not_found(function.qualified_arn(qualifier))

    def stamp(self, at: datetime | None = None) -> str:
        """AWS Lambda's text form of a time, as in `LastModified`."""
        moment = self.clock.now() if at is None else at
        return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"
