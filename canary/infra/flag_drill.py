"""Drills of a flag on the stand-in: a feature that breaks users is rolled out, and the lowering is measured.

The program's users are read and counted by flagkit itself. It calls no AWS but the stand-in.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, ClassVar, Final

from canary.adapters.clock import AppConfigClock
from canary.adapters.flag_target import FlagAliases
from canary.core import resources
from canary.core.plan import Plan
from canary.infra.drill import DRILLS, STAGE, Running
from canary.testing import AwsStandIn
from flagkit import Flags
from flagkit.admin.edits import create
from flagkit.admin.stores import Note, open_store
from flagkit.core.outcomes import Exposed, Outcome
from flagkit.outcomes import MemoryStore, Outcomes

KEY: Final = "new_checkout"
SOURCE: Final = "appconfig://shop/prod/flags"
TABLE: Final = "canary-outcomes"
ALARM: Final = "shop-failures"
USERS_PER_MINUTE: Final = 240
BROKEN_S: Final = 1200
"""How long the tick function is broken: nothing else can lower a flag."""

FLAG_PLAN: Final = f"""\
journal = "dynamodb://{resources.JOURNAL_TABLE}"

[stages.{STAGE}]
flag = "{SOURCE}#{KEY}"
steps = [10, 50]
bake = "10m"
outcomes = "dynamodb://{TABLE}"
rules = {{ clean_tree = false }}
"""
ALARM_GATE: Final = f"""
[stages.{STAGE}.gates.failures]
kind = "alarms"
names = ["{ALARM}"]
"""


class _Counted(MemoryStore):
    """Counts in memory, and copies the counters to the table: moto copies all tables for each transaction."""

    def __init__(self, tables: Any) -> None:
        super().__init__()
        self._tables, self._names = tables, set[str]()
        self._copied: dict[tuple[str, int, str], object] = {}

    def record(self, exposures: Sequence[Exposed], outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Count them."""
        self._names |= {event.experiment for event in exposures}
        return super().record(exposures, outcomes)

    def copy(self) -> None:
        """Puts what has changed into the table, in the form of `DynamoStore`."""
        for name in sorted(self._names):
            for row in self.rows(name):
                item = {"pk": {"S": f"c#{name}#0"}, "sk": {"S": f"{row.minute:010d}#{row.arm}"}}
                item["n"] = {"N": str(row.users)}
                item.update({f"x#{metric}": {"N": str(count)} for metric, count in row.bad.items()})
                if self._copied.get(key := (name, row.minute, row.arm)) != item:
                    self._tables.put_item(TableName=TABLE, Item=item)
                    self._copied[key] = item


class Users:
    """New users of a program that reads the flag, from now on.

    Args:
        aws: the stand-in.
        failing_ratio: of the users with the feature.
        seed: who fails.
    """

    def __init__(self, aws: AwsStandIn, failing_ratio: float, seed: int) -> None:
        self._random, self._failing_ratio = Random(f"{seed}/users"), failing_ratio  # noqa: S311 - synthetic users
        self._number, self.failed = 0, 0
        session = aws.session()
        self._metrics: Any = session.client("cloudwatch")
        self._store = _Counted(session.client("dynamodb"))
        self._outcomes = Outcomes(self._store, secret=STAGE, experiments={KEY}, flush_interval_s=None, clock=aws.clock)
        self._flags = Flags.connect(SOURCE, session=session, clock=aws.clock)
        self._flags.report_to(self._outcomes)
        self._stops = [aws.clock.call_every(15.0, self._come), aws.clock.call_every(60.0, self._flags.refresh)]

    def stop(self) -> None:
        """Nobody comes any more."""
        for stop in self._stops:
            stop()
        self._flags.close()
        self._outcomes.close()

    def _come(self) -> None:
        failed = 0
        for _ in range(USERS_PER_MINUTE // 4):
            self._number += 1
            user = f"user-{self._number}"
            if self._flags.is_enabled(KEY, user) and self._random.random() < self._failing_ratio:
                self._flags.report(user, failed=True)
                failed += 1
        self._outcomes.flush()
        self._store.copy()
        self.failed += failed
        self._metrics.put_metric_data(Namespace="shop", MetricData=[{"MetricName": "failures", "Value": failed}])


class FlagRunning(Running):
    """A drill whose target is a flag."""

    look_s = 15
    # Nothing but the tick function can lower a flag.
    drills: ClassVar = {**DRILLS, "broken": f"the state machine, after the tick function was broken for {BROKEN_S} s"}

    @property
    def _text(self) -> str:
        return FLAG_PLAN + (ALARM_GATE if self._name == "alarm" else "")

    def _build(self) -> None:
        app: Any = self._session.client("appconfig")
        ids = {"FlagApplication": app.create_application(Name="shop")["Id"]}
        application = {"ApplicationId": ids["FlagApplication"]}
        ids["FlagEnvironment"] = app.create_environment(**application, Name="prod")["Id"]
        ids["FlagProfile"] = app.create_configuration_profile(
            **application, Name="flags", LocationUri="hosted", Type="AWS.Freeform"
        )["Id"]
        store = open_store(SOURCE, session=self._session, clock=self._aws.clock)
        saved = store.save(base := store.read(missing_ok=True), create(base.document, KEY), Note())
        assert store.deployments is not None
        store.deployments.deploy(saved.version.number, pace="immediate")
        keys = [{"AttributeName": name, "KeyType": kind} for name, kind in (("pk", "HASH"), ("sk", "RANGE"))]
        types = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")]
        tables: Any = self._session.client("dynamodb")
        tables.create_table(TableName=TABLE, KeySchema=keys, AttributeDefinitions=types, BillingMode="PAY_PER_REQUEST")
        metrics: Any = self._session.client("cloudwatch")
        metrics.put_metric_alarm(
            AlarmName=ALARM, Namespace="shop", MetricName="failures", Statistic="Sum", Period=60, EvaluationPeriods=1,
            Threshold=3, ComparisonOperator="GreaterThanThreshold", TreatMissingData="notBreaching",
        )  # fmt: skip
        self._install(**ids)
        self._aws.clock.advance(60)
        target = Plan.parse(FLAG_PLAN).stage(STAGE).flag
        assert target is not None
        self._target = target.function("on")
        self._aliases = FlagAliases(target, "on", self._session, clock=AppConfigClock(self._aws.clock))
        self._users = Users(self._aws, self._failing_ratio, self._seed)
        self._aws.clock.advance(120)

    def _began(self) -> None:
        if self._name == "broken":
            self._aws.clock.call_after(BROKEN_S, self._mend)

    def _mend(self) -> None:
        self._is_broken = False

    def _has_weights(self) -> bool:
        return self._aliases.read(self._target).extra_version is not None

    def _failed(self) -> int:
        self._users.stop()
        return self._users.failed
