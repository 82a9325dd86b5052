"""The stand-in for canaries: Lambda, CloudWatch, Scheduler, Step Functions and users' traffic on one virtual clock.

It assembles; each service's behaviour lives in its own module.
"""

from __future__ import annotations

import random
from functools import partial
from types import TracebackType
from typing import Any, Self

import boto3

from canary.testing.cloudwatch import CloudWatchService, MetricStore
from canary.testing.delivery import Delivery
from canary.testing.eventbridge import AwsEvents
from canary.testing.firing import Targets
from canary.testing.foreign import ForeignWriter
from canary.testing.lambda_ import LambdaService
from canary.testing.lambda_.logs import LogsService
from canary.testing.lambda_.sandbox import install_time, remove_time
from canary.testing.lambda_.telemetry import Telemetry
from canary.testing.patience import Patience
from canary.testing.scheduler import SchedulerService
from canary.testing.states import Interpreter
from canary.testing.stepfunctions import StepFunctionsService
from canary.testing.traffic import Traffic
from flagkit.testing import AwsStandIn as BaseStandIn
from flagkit.testing import Service, VirtualClock
from flagkit.testing.appconfig import AppConfig


class AwsStandIn(BaseStandIn):
    """AWS for tests of releases, in process, on a virtual clock, through unmodified boto3 clients.

    ```python
    with AwsStandIn() as aws:
        aws.lambda_.deploy("api", handler, alias="live")
        aws.traffic.steady("api", "live", requests_per_minute=600)
        aws.clock.advance(300)
    ```

    Attributes:
        lambda_: functions, versions, aliases, invocations.
        cloudwatch: metrics and alarms.
        metrics: the store behind `cloudwatch`.
        scheduler: schedules and their firings.
        states: state machines and their executions.
        traffic: users' requests.
        foreign: another writer that changes aliases.

    Args:
        clock: virtual time; a new one where None.
        seed: makes everything random repeatable, `random` inside handlers too.
        region: region of the environment.
    """

    def __init__(self, *, clock: VirtualClock | None = None, seed: int = 0, region: str = "us-east-1") -> None:
        self._random_state: Any = None
        super().__init__(clock=clock, seed=seed, region=region)
        self._patience = Patience(self.clock, self.wire.lock)
        self.traffic = Traffic(self.lambda_, self.clock, self.metrics, seed)
        self.foreign = ForeignWriter(self.lambda_, self.wire, self.clock)

    def make_services(self) -> list[Service]:
        """Lambda, CloudWatch, Scheduler and Step Functions behind the wire."""
        self.lambda_, self.cloudwatch, self.scheduler, self.states = self._regional(self.region)
        self.metrics = self.cloudwatch.store
        self.wire.elsewhere = lambda region: list(self._regional(region))
        self.appconfig.alarm_state = self.cloudwatch.alarm_state  # what monitors of AppConfig environments watch
        self.logs = LogsService(self.lambda_)
        return [*super().make_services(), self.lambda_, self.cloudwatch, self.scheduler, self.states, self.logs]

    def _regional(self, region: str) -> tuple[LambdaService, CloudWatchService, SchedulerService, StepFunctionsService]:
        """The services of one region, with a state of their own."""
        delivery = Delivery(partial(boto3.Session, region_name=region))
        metrics = MetricStore(self.clock)
        targets = Targets(self.clock, delivery)
        events = AwsEvents(self.clock, targets)
        shared: Any = {"clock": self.clock, "seed": self.seed, "region": region, "account_id": self.account_id}
        return (
            LambdaService(telemetry=Telemetry(metrics), deliver=delivery.deliver, lock=self.wire.lock, **shared),
            CloudWatchService(clock=self.clock, store=metrics, publish=delivery.publish, send=events.send),
            SchedulerService(targets=targets, **shared),
            StepFunctionsService(
                clock=self.clock,
                interpreter=Interpreter(self.clock, delivery, self.seed),
                region=region,
                account_id=self.account_id,
            ),
        )

    def replace(self, parts: dict[str, Any], regions: dict[str, dict[str, Service]]) -> None:
        """Puts kept parts in the place of the new ones; a clock and services that belong together."""
        self.lambda_.close()
        for name, part in parts.items():
            setattr(self, name, part)
        self.wire.clock, self.wire.faults, self.wire.regions = self.clock, self.faults, regions
        self.wire.delay = self.clock.advance
        for service in (
            AppConfig(self.appconfig),
            self.appconfig_data,
            self.lambda_,
            self.cloudwatch,
            self.scheduler,
            self.states,
            self.logs,
        ):
            self.wire.add(service)
        self._patience.remove()
        self._patience = Patience(self.clock, self.wire.lock)
        self._patience.install()

    def __enter__(self) -> Self:
        super().__enter__()
        install_time()
        self._patience.install()
        self._random_state = random.getstate()
        random.seed(self.seed)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        random.setstate(self._random_state)
        self._patience.remove()
        remove_time()
        self.lambda_.close()
        super().__exit__(kind, error, trace)
