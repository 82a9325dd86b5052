"""AWS Lambda in process: versions, aliases, routing and invocations of real handlers."""

from __future__ import annotations

from canary.testing.lambda_.invocation import Outcome
from canary.testing.lambda_.service import LambdaService

__all__ = ["LambdaService", "Outcome"]
