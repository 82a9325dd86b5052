"""How long an unhealthy variant stays live while AppConfig is in the way, in virtual time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from canary import runner
from canary.core.alias import AliasSpec, AliasState
from canary.core.events import Noticed
from canary.core.phases import Phase
from canary.core.plan import FlagTarget, FunctionRef
from canary.testing import AwsStandIn
from flagkit.admin import edits
from flagkit.testing import CallRecord, Fault
from tests.canary.flag_scenarios import AppConfigScenario, Seen

pytestmark = pytest.mark.sweep

Obstacle = Callable[["Unhealthy"], object]


class Unhealthy(AppConfigScenario):
    """1 % of the users suffer; obstacle begins when the driver decides to lower that."""

    def __init__(self, aws: AwsStandIn, obstacle: Obstacle) -> None:
        super().__init__(aws)
        self.users.failing["2"] = 0.3
        self.obstacle = obstacle
        self.decided_s = self.lowered_s = -1.0
        aws.wire.watchers.append(self._look)

    def aliases(self) -> Deciding:
        target = self.stage.flag
        assert target is not None
        return Deciding(target, self)

    def decide(self) -> None:
        if self.decided_s < 0:
            self.decided_s = self.aws.clock.monotonic()
            with self.undriven():
                self.obstacle(self)

    def _look(self, call: CallRecord) -> None:
        """The first deployment of the driver after its decision has the lowered percentage."""
        is_start = call.call == "appconfig.StartDeployment" and call.outcome == "ok"
        if is_start and self.is_driven and self.decided_s >= 0 and self.lowered_s < 0:
            self.lowered_s = self.aws.clock.monotonic()

    def slow(self, minutes: int, bake: int) -> str:
        return self.flags.strategy(duration_min=minutes, step_percent=10, bake_min=bake)


class Deciding(Seen):
    """A flag that says when it is to be lowered first."""

    def __init__(self, target: FlagTarget, scenario: Unhealthy) -> None:
        super().__init__(target, scenario)
        self._unhealthy = scenario

    def write(self, function: FunctionRef, spec: AliasSpec, revision_id: str) -> AliasState:
        if self._unhealthy.is_driven and not spec.extra_bp:
            self._unhealthy.decide()
        return super().write(function, spec, revision_id)


def nothing(scenario: Unhealthy) -> None:
    """No obstacle."""


def throttled(scenario: Unhealthy) -> None:
    scenario.aws.wire.faults.add(Fault.THROTTLED, "appconfig.*", probability_ratio=0.5)


def away(scenario: Unhealthy) -> None:
    rule = scenario.aws.wire.faults.add(Fault.THROTTLED, "appconfig.*")
    scenario.aws.clock.call_after(600, lambda: scenario.aws.wire.faults.remove(rule))


def own_deployment(scenario: Unhealthy) -> None:
    scenario.edit(lambda document: edits.rollout(document, "other", 40), deploy=False)
    deployments = scenario.store().deployments
    assert deployments is not None
    scenario.flags.start(str(deployments.status().newest), strategy_id=scenario.slow(3, 3))


def own_deployment_that_may_not_be_stopped(scenario: Unhealthy) -> None:
    own_deployment(scenario)
    scenario.aws.wire.faults.add(Fault.DENIED, "appconfig.StopDeployment")


def deployment_of_another_profile(scenario: Unhealthy) -> None:
    client, application = scenario.flags.client, {"ApplicationId": scenario.flags.application_id}
    profile = client.create_configuration_profile(
        **application, Name="limits", LocationUri="hosted", Type="AWS.Freeform"
    )
    other = {**application, "ConfigurationProfileId": profile["Id"]}
    version = client.create_hosted_configuration_version(**other, ContentType="application/json", Content=b"{}")
    client.start_deployment(
        **other,
        EnvironmentId=scenario.flags.environment_id,
        ConfigurationVersion=str(version["VersionNumber"]),
        DeploymentStrategyId=scenario.slow(3, 3),
    )


def deployment_in_another_environment(scenario: Unhealthy) -> None:
    client, application = scenario.flags.client, {"ApplicationId": scenario.flags.application_id}
    client.start_deployment(
        **application,
        EnvironmentId=client.create_environment(**application, Name="staging")["Id"],
        ConfigurationProfileId=scenario.flags.profile_id,
        ConfigurationVersion="1",
        DeploymentStrategyId=scenario.slow(3, 3),
    )


@pytest.mark.parametrize(
    ("obstacle", "least_s", "most_s"),
    [
        (nothing, 0, 0),
        (throttled, 0, 600),
        (own_deployment, 0, 0),
        (deployment_in_another_environment, 0, 0),
        (away, 600, 620),
        (deployment_of_another_profile, 360, 380),
        (own_deployment_that_may_not_be_stopped, 360, 380),
    ],
)
def test_an_unhealthy_variant_is_lowered_as_soon_as_appconfig_can(
    obstacle: Obstacle, least_s: float, most_s: float
) -> None:
    with AwsStandIn() as aws:
        scenario = Unhealthy(aws, obstacle)
        state = scenario.begin()
        scenario.is_driven = True
        done = runner.run(scenario.stage, scenario.ports(), state)
        scenario.is_driven = False
        aws.wire.faults.clear()
        scenario.show()
        assert (done.phase, scenario.percent, scenario.ends) == (Phase.ROLLED_BACK, 0, [Phase.ROLLED_BACK])
        assert least_s <= scenario.lowered_s - scenario.decided_s <= most_s
        alerts = [event.text for event in scenario.simulation.journal.written if isinstance(event, Noticed)]
        alerted = any("rollback of new_checkout" in text for text in alerts)
        assert alerted or least_s < 60
        assert not alerted or most_s > 60
