"""The tables of a stage besides steps and gates: rules, evidence, notifications, switches. Descriptions only."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from canary.core.plan.values import Arn, Duration, HttpUrl, Model, Number, Percent, Switch

Transition = Literal[
    "started",
    "advanced",
    "held",
    "resumed",
    "decision_needed",
    "incident",
    "alert",
    "rolled_back",
    "promoted",
    "aborted",
    "conflict",
    "failed",
]


HookEvent = Literal["before_traffic", "after_traffic"]
"""CodeDeploy's BeforeAllowTraffic and AfterAllowTraffic."""


def _weight(value: Decimal) -> Decimal:
    if not 0 < value < 100:
        raise ValueError(f"a weight must be above 0 and below 100 %, but is {value:f}; the promotion needs no step")
    if value != round(value, 2):
        raise ValueError(f"a weight must be a multiple of 0.01 %, but is {value}")
    return value


class Step(Model):
    """One weight of the new version, and how long it is watched at most."""

    weight: Annotated[Decimal, AfterValidator(_weight)]
    """Percent of the alias' traffic."""
    bake: Annotated[Duration, Field(ge=timedelta(minutes=1))]
    """Metrics have a minute's resolution, so nothing shorter can be judged."""
    pause: Switch = False
    """Wait for `canary resume` after this step, however healthy it is."""


class Rules(Model):
    """What must hold before a canary starts. Defaults depend on the stage's name."""

    branch: str | None = None
    clean_tree: Switch = False
    confirm: Switch = False


class Evidence(Model):
    """Numbers of the statistics (statistics.md §4.15)."""

    alpha_rollback: Number = Field(default=0.01, gt=0, lt=0.5)
    alpha_safe: Number = Field(default=0.05, gt=0, lt=0.5)
    alpha_share: Number = Field(default=0.001, gt=0, lt=0.5)
    worse_than_baseline: Decimal = Field(default=Decimal("1.1"), ge=1, lt=50)
    limit_from_history: Decimal = Field(default=Decimal("1.5"), ge=0)
    """The history's rate times this is the limit of a regression; 0: only the gate's own limit."""
    floor_percent: Percent = Decimal("0.1")
    """A limit from the history is never below this."""
    not_worse_than: Decimal = Field(default=Decimal("2.5"), ge=Decimal("1.2"), lt=50)
    """Shown to fail less than so many times as often as the baseline is healthy, too."""
    history: Annotated[Duration, Field(le=timedelta(hours=24))] = timedelta(minutes=180)


class SnsTarget(Model):
    """An SNS topic."""

    kind: Literal["sns"]
    topic_arn: Arn
    on: tuple[Transition, ...] = ()


class WebhookTarget(Model):
    """An HTTP receiver. The address may be a secret, so it can be named by an environment variable."""

    kind: Literal["slack", "teams", "pagerduty", "webhook"]
    url: HttpUrl | None = None
    url_env: str | None = None
    secret_env: str | None = None
    """Environment variable with the signing secret (webhook) or routing key (pagerduty)."""
    template: str | None = None
    on: tuple[Transition, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> WebhookTarget:
        if self.kind == "pagerduty" and self.secret_env is None:
            raise ValueError("pagerduty needs secret_env, the environment variable with the routing key")
        if self.kind != "pagerduty" and (self.url is None) == (self.url_env is None):
            raise ValueError("give either url or url_env, the environment variable with the address")
        return self


class EventBridgeTarget(Model):
    """An EventBridge bus."""

    kind: Literal["eventbridge"]
    bus: str = "default"
    on: tuple[Transition, ...] = ()


Notification = Annotated[SnsTarget | WebhookTarget | EventBridgeTarget, Field(discriminator="kind")]


class Hook(Model):
    """A check of the team's own that must succeed before any traffic is shifted, or after all of it is."""

    when: HookEvent
    function: str | None = Field(default=None, min_length=1, max_length=2048)
    """Lambda function (name or ARN, with a qualifier or not) that is invoked."""
    url: HttpUrl | None = None
    """URL that gets a POST request."""
    token_env: str | None = None
    """Environment variable with a bearer token for `url`."""
    timeout: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(seconds=60))] = timedelta(seconds=30)
    within: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(hours=1))] = timedelta(minutes=10)
    """A hook that is in progress for longer has failed; CodeDeploy waits an hour."""

    @model_validator(mode="after")
    def _check(self) -> Hook:
        if (self.function is None) == (self.url is None):
            raise ValueError("give either function or url")
        if self.token_env is not None and self.url is None:
            raise ValueError("token_env needs url")
        return self

    @property
    def name(self) -> str:
        """What people call it: the event and the function or the URL, without what may be secret in that."""
        where = self.function or (self.url or "").split("?")[0].rpartition("@")[2].split("//")[-1]
        return f"{self.when} ({where})"


class FlagSwitch(Model):
    """A feature flag that is switched off when the canary rolls back."""

    source: str
    key: str


class DeadMan(Model):
    """The one-time schedule that rolls back when every driver died (decision 0014)."""

    role_arn: Arn
    after: Annotated[Duration, Field(ge=timedelta(minutes=2), le=timedelta(days=1))] = timedelta(minutes=15)
    group: str = "default"
