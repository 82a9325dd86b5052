"""Finding functions by what a request names them; the base of the parts of the Lambda service."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from canary.testing.lambda_ import refusals
from canary.testing.lambda_.invocation import Invoker
from canary.testing.lambda_.settings import LambdaSettings
from canary.testing.lambda_.state import Function
from canary.testing.lambda_.telemetry import Telemetry
from flagkit.testing import Service, VirtualClock


class Catalogue(Service):
    """The functions of the account, shared by all parts of the service.

    Attributes:
        functions: by name.
        settings: delays and durations.
        invoker: runs invocations.
    """

    service: ClassVar[str] = "lambda"
    throttling_code: ClassVar[str] = "TooManyRequestsException"

    def __init__(self, *, clock: VirtualClock, telemetry: Telemetry, seed: int, region: str, account_id: str) -> None:
        self.clock = clock
        self.telemetry = telemetry
        self.settings = LambdaSettings()
        self.invoker = Invoker(clock, telemetry, self.settings, seed)
        self.functions: dict[str, Function] = {}
        self.arn_prefix = f"arn:aws:lambda:{region}:{account_id}:function:"

    def find(self, params: dict[str, Any]) -> tuple[Function, str]:
        """The function and the qualifier that a request means; the name may be a name, an ARN or `name:qualifier`.

        Raises:
            ServiceError: if there is no such function.
        """
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

    def split(self, name: str) -> tuple[str, str]:
        """Name and qualifier ("" for none) of any form of function name."""
        _, found, rest = name.rpartition("function:")
        parts = (rest if found else name).split(":")
        return parts[0], parts[1] if len(parts) > 1 else ""

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
