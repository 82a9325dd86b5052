"""AWS Lambda in process: versions, aliases, routing and invocations of real handlers."""

from __future__ import annotations

from canary.testing.lambda_.events import DeadLetter
from canary.testing.lambda_.invocation import Outcome
from canary.testing.lambda_.invoke import HttpAnswer, http_event
from canary.testing.lambda_.service import LambdaService
from canary.testing.lambda_.settings import LambdaSettings
from canary.testing.lambda_.telemetry import LogLine

__all__ = ["DeadLetter", "HttpAnswer", "LambdaService", "LambdaSettings", "LogLine", "Outcome", "http_event"]
