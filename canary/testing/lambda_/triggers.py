"""What sends requests to a function: URLs, event source mappings, settings of asynchronous calls.

Mappings are kept and answered, they poll nothing.
"""

# ruff: noqa: ARG002 - every operation takes (params, context)

from __future__ import annotations

from typing import Any

from canary.testing.lambda_ import refusals
from canary.testing.lambda_.catalogue import Catalogue
from canary.testing.lambda_.paging import page
from canary.testing.lambda_.state import LATEST, Function
from flagkit.testing import CallContext


class Triggers(Catalogue):
    """The operations on URLs, mappings and asynchronous settings."""

    def __init__(self, **base: Any) -> None:
        super().__init__(**base)
        self.mappings: dict[str, dict[str, Any]] = {}

    def CreateFunctionUrlConfig(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Gives an alias or the unqualified function a URL; a version can't have one (lambda-canary.md §1)."""
        function, qualifier = self.find(params)
        if qualifier == LATEST or qualifier.isdigit():
            raise refusals.validation(
                qualifier,
                "qualifier",
                "Member must satisfy regular expression pattern: ((?!^\\d+$)^[0-9a-zA-Z-_]+$)",
            )
        self._require(function, qualifier)
        if qualifier in function.urls:
            raise refusals.conflict(
                f"Failed to create function url config for [functionArn = {function.qualified_arn(qualifier)}]. "
                f"Error message:  FunctionUrlConfig exists for this Lambda function"
            )
        host = f"{function.name}-{qualifier or 'latest'}".lower()
        url = {
            "FunctionUrl": f"https://{host}.lambda-url.invalid/",
            "FunctionArn": function.qualified_arn(qualifier),
            "AuthType": params["AuthType"],
            "CreationTime": self.stamp(),
            "LastModifiedTime": self.stamp(),
            "InvokeMode": params.get("InvokeMode", "BUFFERED"),
            **({"Cors": params["Cors"]} if "Cors" in params else {}),
        }
        function.urls[qualifier] = url
        return dict(url)

    def GetFunctionUrlConfig(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Reads a URL."""
        function, qualifier = self.find(params)
        return dict(self._url(function, qualifier))

    def UpdateFunctionUrlConfig(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Changes a URL's settings."""
        function, qualifier = self.find(params)
        url = self._url(function, qualifier)
        changes: dict[str, Any] = {name: params[name] for name in ("AuthType", "Cors", "InvokeMode") if name in params}
        url.update(changes, LastModifiedTime=self.stamp())
        return dict(url)

    def DeleteFunctionUrlConfig(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Deletes a URL."""
        function, qualifier = self.find(params)
        self._url(function, qualifier)
        del function.urls[qualifier]
        return {}

    def ListFunctionUrlConfigs(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Lists the URLs of a function."""
        function, _ = self.find(params)
        return page("FunctionUrlConfigs", [dict(url) for url in function.urls.values()], params)

    def CreateEventSourceMapping(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Keeps a mapping to the very qualifier that was given."""
        function, qualifier = self.find(params)
        self.known(function, qualifier)
        source = params.get("EventSourceArn")
        if not source:
            raise refusals.invalid("Unrecognized event source.")
        target = function.qualified_arn(qualifier)
        for uuid, other in self.mappings.items():
            if (other["EventSourceArn"], other["FunctionArn"]) == (source, target):
                raise refusals.conflict(
                    f'The event source arn (" {source} ") and function (" {function.name} ") provided mapping already '
                    f"exists. Please update or delete the existing mapping with UUID {uuid}"
                )
        uuid = self.invoker.new_id()
        given = {name: value for name, value in params.items() if name not in {"FunctionName", "Enabled", "Tags"}}
        self.mappings[uuid] = {
            "UUID": uuid,
            "BatchSize": 10,
            "LastModified": self.clock.now(),
            **given,
            "FunctionArn": target,
            "State": "Enabled" if params.get("Enabled", True) else "Disabled",
            "StateTransitionReason": "USER_INITIATED",
        }
        return {**self.mappings[uuid], "State": "Creating"}

    def GetEventSourceMapping(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Reads a mapping."""
        found = self.mappings.get(params["UUID"])
        if found is None:
            raise refusals.not_found("The resource you requested does not exist.")
        return dict(found)

    def DeleteEventSourceMapping(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Deletes a mapping."""
        found = self.GetEventSourceMapping(params, context)
        del self.mappings[params["UUID"]]
        return {**found, "State": "Deleting"}

    def ListEventSourceMappings(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Lists mappings, of a source or of exactly the function or qualifier given."""
        found = list(self.mappings.values())
        if params.get("EventSourceArn"):
            found = [item for item in found if item["EventSourceArn"] == params["EventSourceArn"]]
        if params.get("FunctionName"):
            function, qualifier = self.find(params)
            target = function.qualified_arn(qualifier)
            found = [item for item in found if item["FunctionArn"] == target]
        return page("EventSourceMappings", found, params)

    def PutFunctionEventInvokeConfig(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Settings of asynchronous calls; they belong to the qualifier that is called (lambda-canary.md §1)."""
        function, qualifier = self.find(params)
        self._require(function, qualifier)
        _check_destinations(params.get("DestinationConfig", {}), function)
        names = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
        function.event_invoke[qualifier] = {
            "LastModified": self.clock.now(),
            "FunctionArn": function.qualified_arn(qualifier or LATEST),
            "DestinationConfig": {"OnSuccess": {}, "OnFailure": {}},
            **{name: params[name] for name in names if name in params},
        }
        return dict(function.event_invoke[qualifier])

    def GetFunctionEventInvokeConfig(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Reads them."""
        function, qualifier = self.find(params)
        found = function.event_invoke.get(qualifier)
        if found is None:
            arn = function.qualified_arn(qualifier or LATEST)
            raise refusals.not_found(f"The function {arn} doesn't have an EventInvokeConfig")
        return dict(found)

    def DeleteFunctionEventInvokeConfig(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Deletes them."""
        self.GetFunctionEventInvokeConfig(params, context)
        function, qualifier = self.find(params)
        del function.event_invoke[qualifier]
        return {}

    def ListFunctionEventInvokeConfigs(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Lists them for a function."""
        function, _ = self.find(params)
        return page("FunctionEventInvokeConfigs", [dict(item) for item in function.event_invoke.values()], params)

    def _require(self, function: Function, qualifier: str) -> None:
        if qualifier:
            self.known(function, qualifier)

    def _url(self, function: Function, qualifier: str) -> dict[str, Any]:
        found = function.urls.get(qualifier)
        if found is None:
            raise refusals.not_found("The resource you requested does not exist.")
        return found


def _check_destinations(config: dict[str, Any], function: Function) -> None:
    found = {name: config.get(name, {}).get("Destination") for name in ("OnSuccess", "OnFailure")}
    shown = [f"{name[0].lower()}{name[1:]}={_shown(name, arn)}" for name, arn in found.items()]
    text = f"The provided destination config DestinationConfig({', '.join(shown)}) is invalid"
    for arn in filter(None, found.values()):
        parts = arn.split(":")
        if len(parts) < 6 or parts[2] not in {"sqs", "sns", "lambda", "events", "s3"}:
            raise refusals.invalid(text)
        if parts[2] == "lambda" and arn.removesuffix(f":{LATEST}") == function.arn:
            raise refusals.invalid("You can't specify the function as a destination for itself.")


def _shown(name: str, arn: str | None) -> str:
    return "null" if arn is None else f"{name}(destination={arn})"
