"""The Lambda service: all its parts behind one name, and a short way to deploy from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from canary.testing.lambda_.aliases import Aliases
from canary.testing.lambda_.code import CallableCode, Code, Handler, ZipCode, package
from canary.testing.lambda_.concurrency import Concurrency
from canary.testing.lambda_.functions import Functions
from canary.testing.lambda_.invocation import Outcome
from canary.testing.lambda_.invoke import Invocations
from canary.testing.lambda_.permissions import Permissions
from canary.testing.lambda_.state import Alias, Function
from canary.testing.lambda_.telemetry import LogLine
from canary.testing.lambda_.triggers import Triggers

DEFAULT_ROLE = "arn:aws:iam::123456789012:role/app"


class LambdaService(Concurrency, Aliases, Functions, Invocations, Triggers, Permissions):
    """AWS Lambda, in process: boto3's operations, and shortcuts for tests.

    Attributes:
        settings: delays and durations.
        events: the queue of asynchronous invocations, with its dead letters.
    """

    def deploy(
        self,
        name: str,
        code: Handler | str | bytes,
        *,
        alias: str | None = None,
        variables: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> str:
        """Creates the function or updates it, and publishes a version.

        Args:
            name: the function.
            code: a callable `(event, context)`, the source text of a module, or a zip.
            alias: an alias to make on this version if it does not exist; one that exists is not moved.
            variables: environment variables; kept from the version before where None.
            settings: further settings by AWS's names, e.g. `Timeout=10`, `Role=…`, `Handler="app.handler"`.

        Returns:
            the number of the version, e.g. `"2"`; the last one if nothing has changed.
        """
        made = self._code(code)
        config = dict(settings)
        if variables is not None:
            config["Environment"] = {"Variables": dict(variables)}
        function = self.functions.get(name)
        if function is None:
            function = self.add_function(name, made, {"Role": DEFAULT_ROLE, **config})
        else:
            self.change_latest(function, code=made, config=config)
        version = self.publish(function)
        if alias is not None and alias not in function.aliases:
            number, now = version.number, self.clock.now()
            function.aliases[alias] = Alias(alias, number, {}, "", self.invoker.new_id(), (number, {}), now)
        return version.number

    def call(self, name: str, qualifier: str = "", payload: bytes = b"{}") -> Outcome:
        """Invokes without boto3, as a service in front of Lambda does: fast, and throttling is an outcome, no error.

        Args:
            name: the function.
            qualifier: alias or version, "" for neither.
            payload: the event as JSON.

        Raises:
            LookupError: if there is no such function, version or alias.
        """
        return self.invoker.invoke(self.function(name), qualifier, payload)

    def function(self, name: str) -> Function:
        """The state of a function.

        Raises:
            LookupError: if there is none.
        """
        found = self.functions.get(name)
        if found is None:
            message = f"there is no function {name}"
            raise LookupError(message)
        return found

    def check(self, name: str, qualifier: str = "", *, has_url: bool = False) -> None:
        """Checks that a function, and its version or alias, can be called.

        Raises:
            LookupError: if it can't.
        """
        function = self.function(name)
        if qualifier and qualifier not in function.aliases and function.version(qualifier) is None:
            message = f"{name} has no version or alias {qualifier}"
            raise LookupError(message)
        if has_url and qualifier not in function.urls:
            message = f"{name} has no function URL on {qualifier or 'the unqualified function'}"
            raise LookupError(message)

    @property
    def recent(self) -> Sequence[Outcome]:
        """The last 10,000 invocations of all functions, the oldest first."""
        return self.invoker.recent

    def logs(self, name: str) -> list[LogLine]:
        """The log lines of a function's handlers, oldest first."""
        return [line for line in self.telemetry.logs if line.function == name]

    def close(self) -> None:
        """Ends all environments."""
        self.invoker.close()

    @staticmethod
    def _code(code: Handler | str | bytes) -> Code:
        if isinstance(code, str):
            return ZipCode(package(code))
        if isinstance(code, bytes):
            return ZipCode(code)
        return CallableCode(code)
