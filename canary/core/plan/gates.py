"""The gates of a plan: what is watched, and which limit it has. Descriptions only; nothing is measured or judged here.

Counting gates (errors, latency, throttles, http_5xx, emf, ratio, probes) give a `Stream`, gauges (queue, metric) a
`Gauge`, alarms an `AlarmReading` each, health a `Probe` each time.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal, Self, assert_never

from pydantic import Field, model_validator

from canary.core.histogram import snap
from canary.core.plan.user_gates import MeanGate, OutcomesGate
from canary.core.plan.values import Duration, GateModel, HttpUrl, JsonObject, LimitPercent, Model, Number, Switch, Whole

HttpSource = Literal["apigateway", "http_api", "websocket", "alb", "url"]
MetricId = Annotated[str, Field(pattern=r"^[a-z][A-Za-z0-9_]{0,63}$")]
LatencySource = Literal["lambda", "apigateway", "http_api", "websocket", "alb", "url"]


def _check_target(source: str, target: str | None) -> None:
    if source in ("lambda", "url"):
        if target is not None:
            raise ValueError(f'target must be left out: source = "{source}" is measured at the function')
        return
    example = {"alb": "app/shop/50dc6c495c0c9188", "apigateway": "shop/prod"}.get(source, "a1b2c3d4e5/prod")
    if not target:
        raise ValueError(f'target is required for source = "{source}", such as "{example}"')
    if source == "alb" and "app/" not in target:
        raise ValueError(f'target must name an application load balancer, such as "{example}", not "{target}"')


class ValueGate(GateModel):
    """A number each minute, within its limits or not."""

    max: Number | None = None
    min: Number | None = None

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.max is not None and self.min is not None and self.min > self.max:
            raise ValueError(f"min must be at most max, but is {self.min:g} with max {self.max:g}: nothing is within")
        return self


class ErrorsGate(GateModel):
    """Lambda errors per invocation, of both versions."""

    kind: Literal["errors"] = "errors"
    limit_percent: LimitPercent = Decimal(5)
    relative: Switch = True
    """Also find regressions below the limit: above what the history and the baseline explain."""
    warm_up: Duration = timedelta()
    """For so long after every weight increase evidence is limited (errors of cold starts)."""


class LatencyGate(GateModel):
    """A latency quantile, judged as "share above the limit <= 1 - quantile"."""

    kind: Literal["latency"] = "latency"
    quantile: Decimal = Field(default=Decimal("0.95"), gt=0, lt=1)
    limit: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(minutes=15))] = timedelta(seconds=2)
    """A Lambda function runs 15 minutes at most."""
    source: LatencySource = "lambda"
    target: str | None = None
    """The REST API's name, the HTTP or WebSocket API's id (each with `/STAGE` for one stage), or the load balancer."""
    relative: Switch = True
    """Also find regressions below the limit: above what the history and the baseline explain."""
    warm_up: Duration = timedelta(minutes=5)
    """For so long after every weight increase evidence is limited (cold starts)."""

    @property
    def limit_ratio(self) -> float:
        """p0: the share of requests that may be slower than the limit."""
        return float(1 - self.quantile)

    @property
    def edge(self) -> float:
        """The limit moved to a CloudWatch bin edge, in the unit of the metric: s for alb, ms for the others."""
        seconds = self.limit.total_seconds()
        return snap(seconds if self.source == "alb" else seconds * 1000)

    @property
    def snapped(self) -> timedelta:
        """The limit that is really judged: `edge` as a duration."""
        return timedelta(seconds=self.edge if self.source == "alb" else self.edge / 1000)

    @property
    def by_version(self) -> bool:
        """Whether both versions are measured apart; only Lambda's own Duration is."""
        return self.source == "lambda"

    @model_validator(mode="after")
    def _check(self) -> LatencyGate:
        _check_target(self.source, self.target)
        return self


class ThrottlesGate(GateModel):
    """Throttled requests per request, of the whole alias: they never reach a version, so they hold and never blame."""

    kind: Literal["throttles"] = "throttles"
    limit_percent: LimitPercent = Decimal(1)


class Http5xxGate(GateModel):
    """HTTP 5xx per request at the API, load balancer or function URL: both versions mixed."""

    kind: Literal["http_5xx"] = "http_5xx"
    source: HttpSource
    target: str | None = None
    limit_percent: LimitPercent = Decimal(5)

    @model_validator(mode="after")
    def _check(self) -> Http5xxGate:
        _check_target(self.source, self.target)
        return self


class EmfGate(GateModel):
    """The counter of `canary.instrument`: warm requests only, separable by version."""

    kind: Literal["emf"] = "emf"
    namespace: str = "canary"
    bad: Literal["errors", "slow"] = "errors"
    limit_percent: LimitPercent = Decimal(5)
    relative: Switch = True


class MetricRef(Model):
    """One CloudWatch metric. Dimension values may hold {function}, {alias}, {version} and {stage}."""

    namespace: str
    name: str
    dimensions: dict[str, str] = Field(default_factory=dict)
    stat: str = "Sum"

    @property
    def by_version(self) -> bool:
        """Whether the two versions can be told apart."""
        return any("{version}" in value for value in self.dimensions.values())

    @property
    def by_function(self) -> bool:
        """Whether every function of the stage has its own series; otherwise one series serves the stage."""
        return any("{function}" in value or "{version}" in value for value in self.dimensions.values())


class RatioGate(GateModel):
    """A business metric of two counts: orders / sessions not below 80 % of the baseline."""

    kind: Literal["ratio"] = "ratio"
    numerator: MetricRef
    denominator: MetricRef
    bad_when: Literal["lower", "higher"] = "lower"
    percent_of_baseline: Decimal = Field(default=Decimal(80), gt=0)
    """The minimum effect: "lower" is bad below this share of the baseline's ratio, "higher" above it."""

    @property
    def kappa(self) -> float:
        """The ratio of rates beyond which the worse side is bad."""
        share = float(self.percent_of_baseline) / 100
        return 1 / share if self.bad_when == "lower" else share

    @model_validator(mode="after")
    def _check(self) -> RatioGate:
        lower = self.bad_when == "lower"
        if lower == (self.percent_of_baseline >= 100):
            raise ValueError(
                f'percent_of_baseline must be {"below" if lower else "above"} 100 when "{self.bad_when}" is bad'
            )
        if not (self.numerator.by_version and self.denominator.by_version):
            raise ValueError("both metrics need {version} in a dimension: the ratio is compared between the versions")
        return self


class MetricGate(ValueGate):
    """Any CloudWatch metric, or metric math, as a gauge: each minute is within the limits or not."""

    kind: Literal["metric"] = "metric"
    metric: MetricRef | None = None
    expression: str | None = Field(default=None, min_length=1, max_length=1000)
    """Metric math over `metrics` that answers one series."""
    metrics: dict[MetricId, MetricRef] = Field(default_factory=dict, max_length=10)
    """The metrics of the expression by their id."""
    max_percent_of_baseline: Decimal | None = Field(default=None, gt=0)
    min_percent_of_baseline: Decimal | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _check(self) -> MetricGate:
        if (self.metric is None) == (self.expression is None) or (self.expression is None and self.metrics):
            raise ValueError("give either metric or expression with its metrics")
        if self.expression is not None and not self.metrics:
            raise ValueError("metrics is required with expression: it names the metrics that the expression uses")
        relative = (self.max_percent_of_baseline, self.min_percent_of_baseline)
        if (self.max, self.min, *relative) == (None,) * 4:
            raise ValueError("give at least one of max, min, max_percent_of_baseline, min_percent_of_baseline")
        if relative != (None, None) and not self.by_version:
            raise ValueError("a limit relative to the baseline needs {version} in a dimension")
        return self

    @property
    def references(self) -> tuple[MetricRef, ...]:
        """Every metric that the gate reads."""
        return tuple(self.metrics.values()) if self.metric is None else (self.metric,)

    @property
    def title(self) -> str:
        """What sentences call it: the metric's name, or the expression."""
        return self.expression or self.references[0].name

    @property
    def by_version(self) -> bool:
        """Whether the two versions can be told apart."""
        return any(metric.by_version for metric in self.references)

    @property
    def by_function(self) -> bool:
        """Whether every function of the stage has its own series."""
        return any(metric.by_function for metric in self.references)


class HttpGate(ValueGate):
    """A URL that answers a number, or whether all is well, asked at every evaluation.

    Without limits `true`, a number from 1 on, or with no pointer any answer with status 2xx is within them.
    """

    kind: Literal["http"] = "http"
    url: HttpUrl
    """May hold {function}, {alias}, {version} (the new one) and {stage}."""
    pointer: str = ""
    """JSON pointer (RFC 6901) to the number, `true` or `false`, such as "/data/value"; empty for the status alone."""
    token_env: str | None = None
    """Environment variable with a bearer token."""
    timeout: Duration = timedelta(seconds=10)

    @property
    def limited(self) -> bool:
        """Whether the number has limits."""
        return (self.max, self.min) != (None, None)

    @model_validator(mode="after")
    def _check(self) -> HttpGate:
        if self.pointer and not self.pointer.startswith("/"):
            raise ValueError(f'pointer must begin with /, such as "/data/value", not "{self.pointer}"')
        if not self.pointer and self.limited:
            raise ValueError("pointer is required where max or min is given: it names the number")
        return self


class PrometheusGate(ValueGate):
    """A Prometheus query that answers one series; minutes without a value are not judged."""

    kind: Literal["prometheus"] = "prometheus"
    url: HttpUrl
    """Of the server, without `/api/v1`."""
    query: str = Field(min_length=1)
    """PromQL. May hold {function}, {alias}, {version} (the new one) and {stage}."""
    token_env: str | None = None
    """Environment variable with a bearer token."""
    timeout: Duration = timedelta(seconds=10)

    @model_validator(mode="after")
    def _check(self) -> PrometheusGate:
        _check_limits(self)
        return self


class DatadogGate(ValueGate):
    """A Datadog metrics query that answers one series; minutes without a value are not judged."""

    kind: Literal["datadog"] = "datadog"
    query: str = Field(min_length=1)
    """May hold {function}, {alias}, {version} (the new one) and {stage}."""
    site: str = "datadoghq.com"
    api_key_env: str = "DD_API_KEY"
    app_key_env: str = "DD_APP_KEY"
    timeout: Duration = timedelta(seconds=10)

    @model_validator(mode="after")
    def _check(self) -> DatadogGate:
        _check_limits(self)
        return self


QueryGate = HttpGate | PrometheusGate | DatadogGate
"""Gates whose values come from other systems than AWS."""


def _check_limits(gate: ValueGate) -> None:
    if (gate.max, gate.min) == (None, None):
        raise ValueError("give at least one of max, min")


class QueueGate(GateModel):
    """An SQS queue, usually a dead-letter queue: messages that appeared since the start, or the oldest one's age."""

    kind: Literal["queue"] = "queue"
    queue: str = Field(min_length=1)
    max_new_messages: Whole | None = Field(default=None, ge=0)
    max_age: Duration | None = None

    @model_validator(mode="after")
    def _check(self) -> QueueGate:
        if (self.max_new_messages is None) == (self.max_age is None):
            raise ValueError("give either max_new_messages or max_age; two gates if both matter")
        return self


class AlarmsGate(GateModel):
    """CloudWatch alarms, metric or composite: one that turns red after the start rolls back."""

    kind: Literal["alarms"] = "alarms"
    names: tuple[str, ...] = Field(min_length=1)
    already_red: Literal["refuse", "ignore"] = "refuse"


class ProbesGate(GateModel):
    """Paired probes: the same synthetic request to both versions in turn, judged by the pairs of which one failed."""

    kind: Literal["probes"] = "probes"
    per_minute: Annotated[Whole, Field(ge=1, le=600)] = 60
    """Pairs a minute for each function; each is one invocation of either version."""
    invoke: JsonObject | None = None
    """Payload both versions are invoked with."""
    path: str | None = Field(default=None, pattern=r"^/[!-~]{0,2047}$")
    """Instead: both versions are invoked with a GET request of this path, as a function URL or an HTTP API sends it."""
    functions: tuple[str, ...] = ()
    """The functions that are probed; empty for all of the stage."""
    timeout: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(seconds=60))] = timedelta(seconds=10)

    @property
    def kappa(self) -> float:
        """The odds of failing up to so many times the baseline's are explained by it."""
        return 1.1

    @model_validator(mode="after")
    def _check(self) -> ProbesGate:
        if (self.invoke is None) == (self.path is None):
            raise ValueError("give either invoke or path: the request that is sent to both versions")
        return self


class HealthGate(GateModel):
    """A health check: an HTTP request (`url`) or an invocation of the new version (`invoke`)."""

    kind: Literal["health"] = "health"
    url: HttpUrl | None = None
    invoke: JsonObject | None = None
    """Payload the new version is invoked with."""
    expect_status: Whole = Field(default=200, ge=100, le=599)
    expect_text: str | None = None
    expect_json: JsonObject | None = None
    """Keys and values the JSON answer must contain."""
    version_header: str | None = None
    """Response header that names the version that answered; without it a failure over a weighted URL only holds."""
    dedicated: Switch = False
    """The URL reaches only the new version (an alias of its own)."""
    timeout: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(seconds=60))] = timedelta(seconds=10)
    failures: Whole = Field(default=2, ge=1, le=10)
    """So many consecutive failures roll back."""

    @model_validator(mode="after")
    def _check(self) -> HealthGate:
        if (self.url is None) == (self.invoke is None):
            raise ValueError("give either url or invoke")
        return self


Gate = Annotated[
    ErrorsGate
    | LatencyGate
    | ThrottlesGate
    | Http5xxGate
    | EmfGate
    | RatioGate
    | MetricGate
    | HttpGate
    | PrometheusGate
    | DatadogGate
    | QueueGate
    | AlarmsGate
    | ProbesGate
    | HealthGate
    | OutcomesGate
    | MeanGate,
    Field(discriminator="kind"),
]
MeasuredGate = ErrorsGate | LatencyGate | ThrottlesGate | Http5xxGate | EmfGate | RatioGate
"""Gates whose counts CloudWatch has."""
CountingGate = MeasuredGate | ProbesGate | OutcomesGate
GaugeGate = MetricGate | HttpGate | PrometheusGate | DatadogGate | QueueGate


def is_per_function(gate: Gate) -> bool:
    """Whether every function of the stage has a stream of its own; otherwise one serves the whole stage."""
    match gate:
        case ErrorsGate() | ThrottlesGate() | EmfGate() | ProbesGate() | OutcomesGate() | MeanGate():
            return True
        case LatencyGate() | Http5xxGate():
            return gate.source in ("lambda", "url")
        case RatioGate():
            return gate.numerator.by_function
        case MetricGate():
            return gate.by_function
        case HttpGate():
            return "{function}" in gate.url or "{version}" in gate.url
        case PrometheusGate() | DatadogGate():
            return "{function}" in gate.query or "{version}" in gate.query
        case HealthGate():
            return gate.invoke is not None
        case QueueGate() | AlarmsGate():
            return False
        case _:
            assert_never(gate)
