"""The stand-in for canaries: Lambda, CloudWatch, Scheduler and users' traffic on one virtual clock.

It assembles; each service's behaviour lives in its own module.
"""

from __future__ import annotations

import random
from types import TracebackType
from typing import Self

from canary.testing.cloudwatch import CloudWatchService, MetricStore
from canary.testing.lambda_ import LambdaService
from canary.testing.lambda_.sandbox import install_time, remove_time
from canary.testing.lambda_.telemetry import Telemetry
from canary.testing.traffic import Traffic
from flagkit.testing import AwsStandIn as BaseStandIn
from flagkit.testing import Service, VirtualClock


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
        traffic: users' requests.

    Args:
        clock: virtual time; a new one where None.
        seed: makes everything random repeatable, `random` inside handlers too.
        region: region of the environment.

    Since 0.1.
    """

    def __init__(self, *, clock: VirtualClock | None = None, seed: int = 0, region: str = "us-east-1") -> None:
        self._random_state: object = None
        super().__init__(clock=clock, seed=seed, region=region)

    def make_services(self) -> list[Service]:
        """Lambda and CloudWatch behind the wire."""
        self.metrics = MetricStore(self.clock)
        self.cloudwatch = CloudWatchService(clock=self.clock, store=self.metrics, publish=self._publish)
        self.lambda_ = LambdaService(
            clock=self.clock,
            telemetry=Telemetry(self.metrics),
            seed=self.seed,
            region=self.region,
            account_id=self.account_id,
        )
        self.traffic = Traffic(self.lambda_, self.clock, self.seed)
        return [*super().make_services(), self.lambda_, self.cloudwatch]

    def _publish(self, topic_arn: str, subject: str, message: str) -> None:
        # Through boto3, so that moto's SNS passes it on to queues that subscribe.
        self.session().client("sns").publish(TopicArn=topic_arn, Subject=subject, Message=message)

    def __enter__(self) -> Self:
        super().__enter__()
        install_time()
        self._random_state = random.getstate()
        random.seed(self.seed)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        random.setstate(self._random_state)  # type: ignore[arg-type] # opaque by design
        remove_time()
        self.lambda_.close()
        super().__exit__(kind, error, trace)
