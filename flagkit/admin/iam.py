"""The least permissions that each role needs, for one actual application. Pure: ARNs in, a policy document out.

AWS has no permission for a single flag (appconfig.md §8). What can be restricted is the application, the profile, the
environment, and who may use which deployment strategy: product people the guarded one, whoever is on call both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from flagkit.errors import EditError

Role = Literal["reader", "toggler", "admin"]
ROLES: tuple[Role, ...] = ("reader", "toggler", "admin")

_READ_DATA = ("GetLatestConfiguration", "StartConfigurationSession")
_LOOK = ("GetHostedConfigurationVersion", "ListHostedConfigurationVersions")
_LOOK_AT_DEPLOYMENTS = ("GetDeployment", "ListDeployments")
_FIND = ("ListConfigurationProfiles", "ListEnvironments")
# These name no resource in AWS's service authorization reference.
_FIND_ANYWHERE = ("ListApplications", "ListDeploymentStrategies")
_SET_UP = (
    "CreateApplication",
    "CreateConfigurationProfile",
    "CreateDeploymentStrategy",
    "CreateEnvironment",
)


@dataclass(frozen=True, slots=True)
class Resources:
    """What a policy is about; ids, not names, because ARNs are made of ids.

    Attributes:
        region: e.g. `eu-west-1`.
        account: the account's number.
        application: id.
        environment: id.
        profile: id.
        strategies: ids that the role may deploy with.
        partition: `aws`, `aws-cn` or `aws-us-gov`.
        topics: ARNs of the SNS topics that are notified of changes.
        buses: names or ARNs of the EventBridge buses that are.
        has_counts: whether exposures are counted in CloudWatch, where the last evaluation is read.
        proposals: id of the profile that keeps change proposals; empty where no approvals are asked for.
    """

    region: str
    account: str
    application: str
    environment: str
    profile: str
    strategies: Sequence[str] = ()
    partition: str = "aws"
    topics: Sequence[str] = ()
    buses: Sequence[str] = ()
    has_counts: bool = False
    proposals: str = ""

    def arn(self, path: str) -> str:
        """Return the ARN of a part of AppConfig."""
        return f"arn:{self.partition}:appconfig:{self.region}:{self.account}:{path}"


def policy(role: Role, resources: Resources) -> dict[str, object]:
    """Return the policy document of a role.

    `reader`: a service that reads flags, and people who look. `toggler`: also edits, and deploys with exactly the named
    strategies. `admin`: also sets up, and deletes versions.

    Args:
        role: which one.
        resources: the actual application. A toggler without strategies could deploy nothing, so that is refused.

    Raises:
        EditError: no such role, or no strategy for a toggler.
    """
    if role not in ROLES:
        raise EditError(f"there is no role {role}", hint=f"Roles are {', '.join(ROLES)}.")
    application = resources.arn(f"application/{resources.application}")
    profile = f"{application}/configurationprofile/{resources.profile}"
    environment = f"{application}/environment/{resources.environment}"
    deployments = f"{environment}/deployment/*"
    statements = [
        _allow("ReadFlags", _READ_DATA, [f"{environment}/configuration/{resources.profile}"]),
        _allow("LookAtVersions", _LOOK, [application, profile]),
        _allow("LookAtDeployments", _LOOK_AT_DEPLOYMENTS, [application, environment, deployments]),
        _allow("FindParts", _FIND, [application]),
        _allow("FindApplications", _FIND_ANYWHERE, ["*"]),
    ]
    if resources.has_counts:  # CloudWatch has no permission for a namespace
        statements.append(_allow("ReadCounts", ("cloudwatch:GetMetricData",), ["*"]))
    kept = f"{application}/configurationprofile/{resources.proposals}"
    if resources.proposals:
        statements.append(_allow("LookAtProposals", _LOOK, [application, kept]))
    if role == "reader":
        return _document(statements)
    if role == "toggler" and not resources.strategies:
        raise EditError(
            "the role toggler needs a deployment strategy", hint="`flagkit init` creates them; name the guarded one."
        )
    named = [resources.arn(f"deploymentstrategy/{name}") for name in resources.strategies]
    strategies = named if role == "toggler" else [resources.arn("deploymentstrategy/*")]
    statements += [
        _allow("SaveVersions", ("CreateHostedConfigurationVersion",), [application, profile]),
        _allow("Deploy", ("StartDeployment",), [application, profile, environment, *strategies]),
        _allow("StopDeployments", ("StopDeployment",), [application, environment, deployments]),
    ]
    if resources.proposals:
        statements.append(_allow("Propose", ("CreateHostedConfigurationVersion",), [application, kept]))
    if resources.topics:
        statements.append(_allow("NotifyTopics", ("sns:Publish",), resources.topics))
    if resources.buses:
        start = f"arn:{resources.partition}:events:{resources.region}:{resources.account}:event-bus/"
        buses = [bus if bus.startswith("arn:") else start + bus for bus in resources.buses]
        statements.append(_allow("NotifyBuses", ("events:PutEvents",), buses))
    if role == "admin":
        statements += [
            _allow("DeleteVersions", ("DeleteHostedConfigurationVersion",), [application, profile]),
            _allow("ChangeParts", ("UpdateConfigurationProfile",), [application, profile]),
            _allow("ChangeEnvironment", ("UpdateEnvironment",), [application, environment]),
            _allow("SetUp", _SET_UP, ["*"]),
        ]
    return _document(statements)


def _allow(name: str, actions: Sequence[str], resources: Sequence[str]) -> dict[str, object]:
    return {
        "Sid": name,
        "Effect": "Allow",
        "Action": [action if ":" in action else f"appconfig:{action}" for action in actions],
        "Resource": list(resources),
    }


def _document(statements: Sequence[dict[str, object]]) -> dict[str, object]:
    return {"Version": "2012-10-17", "Statement": list(statements)}
