"""The sandbox's own HTTP API, below `/_sandbox/`: its clock, its settings, the calls made, and a picture of it all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qs

from canary.sandbox.http import Reply, Request, json_reply
from canary.sandbox.pace import Pace
from canary.sandbox.routing import Refused
from canary.sandbox.settings import HELP, SettingError, apply
from canary.testing import AwsStandIn
from flagkit.errors import FlagkitError
from flagkit.testing import CallRecord
from flagkit.testing.codec import service_model

_CALLS_SHOWN: Final = 50


class Control:
    """Answers `/_sandbox/…`.

    Args:
        aws: the stand-in.
        pace: its clock's speed.
    """

    def __init__(self, aws: AwsStandIn, pace: Pace) -> None:
        self.info: dict[str, Any] = {}
        """What `GET /_sandbox/env` answers."""
        self._aws = aws
        self._pace = pace

    def answer(self, request: Request) -> Reply:
        """Answers a request.

        Raises:
            Refused: there is no such path, or what was sent can't be used.
        """
        match request.method, request.path:
            case "GET", "/_sandbox/clock":
                return json_reply(self._clock())
            case "GET", "/_sandbox/env":
                return json_reply(self.info)
            case "GET", "/_sandbox/state":
                with self._aws.wire.lock:
                    return json_reply(state(self._aws, self._pace))
            case "GET", "/_sandbox/calls":
                return json_reply(self._calls(request.query))
            case "GET", "/_sandbox/set":
                return Reply(200, HELP.encode(), {"Content-Type": "text/plain; charset=utf-8"})
            case "POST", "/_sandbox/set":
                return json_reply({"done": self._set(request.body)})
        raise Refused("not_found", f"the sandbox has no {request.method} {request.path}", 404)

    def _clock(self) -> dict[str, Any]:
        # Without the lock: while a call is answered time stands still, and who asks for it must not wait for that call.
        now = self._aws.clock.now()
        return {"now": now.isoformat(), "epoch_s": now.timestamp(), "speed": self._pace.speed}

    def _calls(self, query: str) -> dict[str, Any]:
        words = {name: values[-1] for name, values in parse_qs(query).items()}
        limit = words.get("limit", str(_CALLS_SHOWN))
        if not (limit.isascii() and limit.isdigit()):
            raise Refused("usage", f"limit={limit} is not a number", 400)
        return {
            "calls": [call_data(record) for record in self._aws.wire.calls[-int(limit) or len(self._aws.wire.calls) :]]
        }

    def _set(self, body: bytes) -> list[str]:
        try:
            document = json.loads(body)
            lines = document["set"] if isinstance(document, dict) else None
        except (ValueError, KeyError, RecursionError):
            lines = None
        if isinstance(lines, str):
            lines = [lines]
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            raise Refused("usage", 'expected {"set": ["LINE", ...]}; GET /_sandbox/set shows the lines', 400)
        try:
            return apply(lines, self._aws, self._pace)
        except SettingError as error:
            raise Refused("usage", str(error), 400) from error


def call_data(record: CallRecord) -> dict[str, str]:
    """One call as data."""
    return {"at": record.at.isoformat(), "call": record.call, "outcome": record.outcome}


def state(aws: AwsStandIn, pace: Pace) -> dict[str, Any]:
    """Everything that the page shows."""
    return {
        "now": aws.clock.now().isoformat(),
        "speed": pace.speed,
        "aliases": list(_aliases(aws)),
        "traffic": list(_traffic(aws)),
        "flags": list(_flags(aws)),
        "alarms": [{"name": name, "state": value} for name, value in aws.cloudwatch.alarm_states().items()],
        "disturbances": [
            {
                "function": function,
                "version": version,
                "errors_percent": found.error_ratio * 100,
                "latency_ms": found.latency_ms,
                "slow_percent": found.slow_ratio * 100,
            }
            for (function, version), found in aws.lambda_.invoker.disturbances.active.items()
        ],
        "faults": [{"fault": str(rule.fault), "calls": rule.calls} for rule in aws.faults.rules if rule.times != 0],
        "calls": [call_data(record) for record in aws.wire.calls[-_CALLS_SHOWN:]],
        "not_modelled": not_modelled(),
    }


def _aliases(aws: AwsStandIn) -> Iterator[dict[str, Any]]:
    for function in aws.lambda_.functions.values():
        for alias in function.aliases.values():
            rest = 1 - sum(alias.weights.values())
            weights = {alias.primary: rest * 100, **{number: ratio * 100 for number, ratio in alias.weights.items()}}
            yield {
                "function": function.name,
                "alias": alias.name,
                "weights_percent": weights,
                "versions": list(function.versions),
                "description": alias.description,
            }


def _traffic(aws: AwsStandIn) -> Iterator[dict[str, Any]]:
    for stream in aws.traffic.streams:
        counts = stream.counts
        yield {
            "function": stream.function,
            "requests_per_minute": stream.requests_per_minute,
            "requests": counts.requests,
            "by_version": dict(counts.by_version),
            "failed_by_version": dict(counts.failed_by_version),
        }


def _flags(aws: AwsStandIn) -> Iterator[dict[str, Any]]:
    now = aws.clock.now()
    for application, environment, profile, version in aws.appconfig.live(aws.region):
        yield {
            "application": application,
            "environment": environment,
            "profile": profile,
            "version": version.number,
            "flags": _flag_states(version.content, str(version.number), now),
        }


def _flag_states(content: bytes, version: str, now: datetime) -> dict[str, str]:
    """State and audience of each flag, as `flagkit list` shows them; empty where the document holds no flags."""
    from flagkit.admin.flag_view import views
    from flagkit.core.snapshot import Snapshot
    from flagkit.sources import Document

    try:
        found = views(Document(content, version), Snapshot.from_json(content, now=lambda: now), now)
    except (FlagkitError, ValueError):
        return {}
    return {key: f"{flag.shown}: {flag.audience}" for key, flag in found.items()}


def not_modelled() -> dict[str, list[str]]:
    """Operations of AWS that answer 501, by service."""
    from canary.testing.cloudwatch import CloudWatchService
    from canary.testing.lambda_ import LambdaService
    from canary.testing.scheduler import SchedulerService
    from canary.testing.stepfunctions import StepFunctionsService
    from flagkit.testing.appconfig import AppConfig, AppConfigData

    found = {}
    own = (AppConfig, AppConfigData, CloudWatchService, LambdaService, SchedulerService, StepFunctionsService)
    for service in own:
        names = service_model(service.service).operation_names
        found[service.service] = [name for name in names if not hasattr(service, name)]
    return found
