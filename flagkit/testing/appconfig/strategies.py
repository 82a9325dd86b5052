"""Deployment strategies: the predefined ones and the account's own."""

from __future__ import annotations

from typing import Any

from flagkit.testing.appconfig.rollout import Growth
from flagkit.testing.appconfig.store import Operations, Strategy, bad_request, find, page
from flagkit.testing.wire import CallContext

Answer = dict[str, Any]

# appconfig.md §7: duration, step, bake of AWS's own strategies.
PREDEFINED = {
    name: Strategy(name, name, growth)
    for name, growth in {
        "AppConfig.AllAtOnce": Growth(0, 10, 100.0),
        "AppConfig.Linear50PercentEvery30Seconds": Growth(1, 1, 50.0),
        "AppConfig.Canary10Percent20Minutes": Growth(20, 10, 10.0, "EXPONENTIAL"),
        "AppConfig.Linear20PercentEvery6Minutes": Growth(30, 30, 20.0),
    }.items()
}


class StrategyOperations(Operations):
    """The operations on deployment strategies. Names need not be unique (appconfig.md §7)."""

    def strategy(self, name: str, context: CallContext) -> Strategy:
        """A strategy by id, predefined ones included."""
        return find(PREDEFINED | self.region(context).strategies, name, "DeploymentStrategy")

    def CreateDeploymentStrategy(self, params: Answer, context: CallContext) -> Answer:
        """Creates a strategy."""
        growth = _growth(params, Growth(0, 0, 100.0))
        strategy = Strategy(self.accounts.new_id(), params["Name"], growth, params.get("Description"))
        strategy.replicate_to = params.get("ReplicateTo", "NONE")
        self.region(context).strategies[strategy.id] = strategy
        self.tag(context, params.get("Tags"), "deploymentstrategy", strategy.id)
        return _strategy(strategy)

    def GetDeploymentStrategy(self, params: Answer, context: CallContext) -> Answer:
        """One strategy."""
        return _strategy(self.strategy(params["DeploymentStrategyId"], context))

    def ListDeploymentStrategies(self, params: Answer, context: CallContext) -> Answer:
        """All strategies, the predefined ones included."""
        own = self.region(context).strategies
        return page([_strategy(item) for item in (PREDEFINED | own).values()], params)

    def UpdateDeploymentStrategy(self, params: Answer, context: CallContext) -> Answer:
        """Changes a strategy; running deployments keep what they started with."""
        strategy = self._own(params, context, "update")
        strategy.growth = _growth(params, strategy.growth)
        strategy.description = params.get("Description", strategy.description)
        return _strategy(strategy)

    def DeleteDeploymentStrategy(self, params: Answer, context: CallContext) -> Answer:
        """Deletes a strategy."""
        del self.region(context).strategies[self._own(params, context, "delete").id]
        return {}

    def _own(self, params: Answer, context: CallContext, verb: str) -> Strategy:
        name = params["DeploymentStrategyId"]
        if name in PREDEFINED:
            # Text seen at aws-nuke pull request 1081.
            raise bad_request(f"Cannot {verb} predefined Deployment Strategy {name}.")
        return find(self.region(context).strategies, name, "DeploymentStrategy")


def _growth(params: Answer, before: Growth) -> Growth:
    growth = Growth(
        params.get("DeploymentDurationInMinutes", before.duration_min),
        params.get("FinalBakeTimeInMinutes", before.bake_min),
        params.get("GrowthFactor", before.factor),
        params.get("GrowthType", before.kind),
    )
    if not (0 <= growth.duration_min <= 1440 and 0 <= growth.bake_min <= 1440):
        raise bad_request("Durations must be between 0 and 1440 minutes.")
    if not 1 <= growth.factor <= 100:
        raise bad_request("GrowthFactor must be between 1 and 100.")
    return growth


def growth_members(growth: Growth) -> Answer:
    """A growth as members of an answer."""
    return {
        "DeploymentDurationInMinutes": growth.duration_min,
        "GrowthType": growth.kind,
        "GrowthFactor": growth.factor,
        "FinalBakeTimeInMinutes": growth.bake_min,
    }


def _strategy(strategy: Strategy) -> Answer:
    return {
        "Id": strategy.id,
        "Name": strategy.name,
        "Description": strategy.description,
        "ReplicateTo": strategy.replicate_to,
        **growth_members(strategy.growth),
    }
