"""CloudWatch Logs of functions: the last 10,000 invocations as `/aws/lambda/NAME`; moto keeps all other groups."""

# ruff: noqa: ARG002 - every operation takes (params, context)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from canary.testing.lambda_.invoke import log_tail
from canary.testing.lambda_.service import LambdaService
from flagkit.testing import CallContext, Service, ServiceError

_PREFIX = "/aws/lambda/"


class LogsService(Service):
    """The reading operations on the log groups of functions.

    Args:
        functions: whose logs these are.
    """

    service: ClassVar[str] = "logs"
    is_beside_moto: ClassVar[bool] = True

    def __init__(self, functions: LambdaService) -> None:
        self._functions = functions

    def DescribeLogGroups(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Lists the groups of functions that have run."""
        prefix = params.get("logGroupNamePrefix", "")
        first: dict[str, dict[str, Any]] = {}
        for event in self._events(""):
            group = first.setdefault(event["group"], {"logGroupName": event["group"], "storedBytes": 0})
            group.setdefault("creationTime", event["timestamp"])
        for name, group in first.items():
            group["arn"] = f"{self._arn(name, context)}:*"
        found = [group for name, group in sorted(first.items()) if name.startswith(prefix)]
        return {"logGroups": found[: params.get("limit", 50)]}

    def DescribeLogStreams(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Lists the streams of a group: one for each execution environment."""
        group = self._group(params, context)
        streams: dict[str, dict[str, Any]] = {}
        for event in self._events(group):
            stream = streams.setdefault(event["logStreamName"], {"logStreamName": event["logStreamName"]})
            stream.setdefault("firstEventTimestamp", event["timestamp"])
            stream["lastEventTimestamp"] = event["timestamp"]
        prefix = params.get("logStreamNamePrefix", "")
        found = [stream for name, stream in sorted(streams.items()) if name.startswith(prefix)]
        if params.get("orderBy") == "LastEventTime":
            found.sort(key=lambda stream: stream["lastEventTimestamp"])
        if params.get("descending"):
            found.reverse()
        return {"logStreams": found[: params.get("limit", 50)]}

    def GetLogEvents(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Reads a stream, the newest events or, from the head, the oldest."""
        group = self._group(params, context)
        found = [
            event
            for event in self._events(group)
            if event["logStreamName"] == params["logStreamName"] and _is_within(event, params)
        ]
        limit = params.get("limit", 10_000)
        token = str(params.get("nextToken") or "")
        # A token is a place; the same token again says that there is no more.
        at = (
            int(token[2:])
            if token[2:].isdigit()
            else (0 if params.get("startFromHead") else max(0, len(found) - limit))
        )
        part = found[at : at + limit]
        events = [{**_shown(event), "ingestionTime": event["timestamp"]} for event in part]
        return {
            "events": events,
            "nextForwardToken": f"f/{at + len(part)}",
            "nextBackwardToken": f"b/{max(0, at - limit)}",
        }

    def FilterLogEvents(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Reads a group by time and text; of AWS's patterns, words and quoted phrases."""
        group = self._group(params, context)
        pattern = params.get("filterPattern", "").strip()
        if pattern[:1] in {"{", "[", "%"} or any(sign in pattern for sign in ("?", "-")):
            raise ServiceError("NotImplementedException", f"the stand-in has no filter pattern {pattern}", status=501)
        words = [pattern.strip('"')] if pattern.startswith('"') else pattern.split()
        found = [
            event
            for event in self._events(group)
            if _is_within(event, params)
            and all(word in event["message"] for word in words)
            and event["logStreamName"] in params.get("logStreamNames", [event["logStreamName"]])
        ]
        token, limit = str(params.get("nextToken") or "0"), params.get("limit", 10_000)
        if not token.isdecimal():
            raise ServiceError("InvalidParameterException", "The specified nextToken is invalid.", status=400)
        at = int(token)
        more = {"nextToken": str(at + limit)} if at + limit < len(found) else {}
        shown = [
            {**_shown(event), "logStreamName": event["logStreamName"], "eventId": str(number)}
            for number, event in enumerate(found)
        ]
        return {"events": shown[at : at + limit], "searchedLogStreams": [], **more}

    def _group(self, params: dict[str, Any], context: CallContext) -> str:
        identifier = params.get("logGroupName") or params.get("logGroupIdentifier") or ""
        name = identifier.rpartition(":log-group:")[2].removesuffix(":*")
        if name.removeprefix(_PREFIX) not in self._functions.functions:
            raise ServiceError("ResourceNotFoundException", "The specified log group does not exist.", status=400)
        return name

    def _arn(self, name: str, context: CallContext) -> str:
        account = self._functions.arn_prefix.split(":")[4]
        return f"arn:aws:logs:{context.region}:{account}:log-group:{name}"

    def _events(self, group: str) -> Iterator[dict[str, Any]]:
        for outcome in tuple(self._functions.invoker.recent):
            name = f"{_PREFIX}{outcome.function}"
            function = self._functions.functions.get(outcome.function)
            if not outcome.version or function is None or (group and group != name):
                continue
            for line in log_tail(outcome, function.latest.config["MemorySize"]).splitlines():
                yield {
                    "group": name,
                    "logStreamName": outcome.stream,
                    "timestamp": int(outcome.at.timestamp() * 1000),
                    "message": line + "\n",
                }


def _is_within(event: dict[str, Any], params: dict[str, Any]) -> bool:
    at = event["timestamp"]
    return bool(params.get("startTime", at) <= at <= params.get("endTime", at))


def _shown(event: dict[str, Any]) -> dict[str, Any]:
    return {"timestamp": event["timestamp"], "message": event["message"]}
