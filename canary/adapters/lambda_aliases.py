"""The Traffic port on AWS Lambda: aliases, versions and what preflight asks; it decides nothing and retries nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from canary.adapters.aws import Api, Session, reading
from canary.core.alias import UNPUBLISHED, AliasSpec, AliasState, FunctionFacts, VersionFacts, from_ratio, ratio
from canary.core.plan import FunctionRef
from canary.errors import AwsError, NotFoundError, UnavailableError
from canary.ports import Clock

ACTIVE_WITHIN_S = 600.0
"""A published version may stay Pending for minutes (VPC, SnapStart); routing to it before gives errors."""


class LambdaAliases:
    """Reads and writes aliases through boto3.

    Args:
        session: the boto3 session.
        clock: for the wait until a published version is active.
        on_date: hears AWS's time with each answer.
    """

    def __init__(self, session: Session, clock: Clock, *, on_date: Callable[[datetime], None] | None = None) -> None:
        self._lambda = Api(session, "lambda", on_date=on_date)
        self._clock = clock

    def read(self, function: FunctionRef) -> AliasState:
        """What the alias says now (`GetAlias`)."""
        answer = self._lambda.call("GetAlias", FunctionName=function.function, Name=function.alias)
        with reading("lambda", "GetAlias"):
            return _state(function, answer)

    def write(self, function: FunctionRef, spec: AliasSpec, revision_id: str) -> AliasState:
        """One `UpdateAlias`: version, weights and description together, guarded by the RevisionId.

        The weights are always sent: left out, AWS keeps the old ones, and a promotion would be refused because the new
        primary version is still in them (lambda-canary.md §1).
        """
        weights = {} if spec.extra_version is None else {spec.extra_version: ratio(spec.extra_bp)}
        answer = self._lambda.call(
            "UpdateAlias",
            FunctionName=function.function,
            Name=function.alias,
            FunctionVersion=spec.version,
            RoutingConfig={"AdditionalVersionWeights": weights},
            Description=spec.description,
            RevisionId=revision_id,
        )
        with reading("lambda", "UpdateAlias"):
            return _state(function, answer)

    def create(self, function: FunctionRef, version: str) -> None:
        """Creates the alias (`CreateAlias`)."""
        self._lambda.call("CreateAlias", FunctionName=function.function, Name=function.alias, FunctionVersion=version)

    def publish(self, function: FunctionRef) -> str:
        """Publishes `$LATEST` and waits until the version is active. Nothing new to publish gives the old number.

        An update of the function that is in progress is waited for: Lambda refuses to publish during one.
        """
        self._wait_until(lambda: not self._is_updated_now(function), f"the update of {function.function} still runs")
        answer = self._lambda.call("PublishVersion", FunctionName=function.function)
        with reading("lambda", "PublishVersion"):
            version = str(answer["Version"])
        self._wait_until(
            lambda: self.version_facts(function, version).state != "Pending",
            f"version {version} of {function.function} is still Pending",
        )
        if self.version_facts(function, version).state == "Failed":
            raise AwsError(f"version {version} of {function.function} can't become active", hint="See its StateReason.")
        return version

    def _is_updated_now(self, function: FunctionRef) -> bool:
        said = self._lambda.call("GetFunctionConfiguration", FunctionName=function.function)
        return said.get("LastUpdateStatus") == "InProgress" or said.get("State") == "Pending"

    def _wait_until(self, is_done: Callable[[], bool], problem: str) -> None:
        waited_s, nap_s = 0.0, 1.0
        while not is_done():
            if waited_s >= ACTIVE_WITHIN_S:
                raise UnavailableError(f"{problem} after {ACTIVE_WITHIN_S:.0f} s")
            self._clock.sleep(nap_s)
            waited_s, nap_s = waited_s + nap_s, min(10.0, nap_s * 1.5)

    def newest_version(self, function: FunctionRef) -> str | None:
        """The highest number of `ListVersionsByFunction`."""
        found = self._lambda.pages("ListVersionsByFunction", "Versions", FunctionName=function.function)
        with reading("lambda", "ListVersionsByFunction"):
            numbers = [int(version["Version"]) for version in found if version["Version"] != UNPUBLISHED]
        return str(max(numbers)) if numbers else None

    def version_facts(self, function: FunctionRef, version: str) -> VersionFacts:
        """`GetFunctionConfiguration` of one version: unlike GetFunction it gives no link to the code."""
        said = self._lambda.call("GetFunctionConfiguration", FunctionName=function.function, Qualifier=version)
        with reading("lambda", "GetFunctionConfiguration"):
            return VersionFacts(
                version=str(said["Version"]),
                state=str(said.get("State", "Active")),
                role=str(said.get("Role", "")),
                dead_letter_arn=str(said.get("DeadLetterConfig", {}).get("TargetArn", "")),
                timeout_s=int(said.get("Timeout", 3)),
                code_sha256=str(said.get("CodeSha256", "")),
                config_sha256=str(said.get("ConfigSha256", "")),
                durable=bool(said.get("DurableConfig")),
            )

    def function_facts(self, function: FunctionRef) -> FunctionFacts:
        """Provisioned concurrency, function URLs and event sources; what may not be asked is named, not fatal."""
        unknown: list[str] = []
        provisioned = self._items(
            "ListProvisionedConcurrencyConfigs", "ProvisionedConcurrencyConfigs", function, unknown
        )
        urls = self._items("ListFunctionUrlConfigs", "FunctionUrlConfigs", function, unknown)
        sources = self._items("ListEventSourceMappings", "EventSourceMappings", function, unknown)
        with reading("lambda", "ListFunctionUrlConfigs"):
            return FunctionFacts(
                provisioned_on=tuple(_qualifier(str(item["FunctionArn"])) for item in provisioned),
                unqualified_url=any(_qualifier(str(item["FunctionArn"])) in {"", UNPUBLISHED} for item in urls),
                unqualified_sources=tuple(
                    str(item.get("EventSourceArn") or item.get("UUID"))
                    for item in sources
                    if _qualifier(str(item["FunctionArn"])) in {"", UNPUBLISHED}
                    and item.get("State") not in {"Disabled", "Deleting"}
                ),
                unknown=tuple(unknown),
            )

    def _items(self, operation: str, key: str, function: FunctionRef, unknown: list[str]) -> list[dict[str, Any]]:
        try:
            return list(self._pages(operation, key, function))
        except UnavailableError:
            raise
        except NotFoundError:
            pass  # some listings answer 404 for "none"
        except AwsError:  # no right to ask, or a service (an emulator, a partition) that doesn't have the call
            unknown.append(f"lambda:{operation}")
        return []

    def _pages(self, operation: str, key: str, function: FunctionRef) -> Iterator[dict[str, Any]]:
        return self._lambda.pages(operation, key, FunctionName=function.function)


def aliases_of_account(session: Session, limit: int = 20) -> list[str]:
    """`FUNCTION:ALIAS` of the account's functions that have an alias, the first of each; at most `limit`.

    Raises:
        AwsError: the functions can't be listed.
    """
    api = Api(session, "lambda")
    found: list[str] = []
    with reading("lambda", "ListFunctions"):
        for function in api.pages("ListFunctions", "Functions"):
            name = str(function["FunctionName"])
            alias = next(iter(api.pages("ListAliases", "Aliases", FunctionName=name)), None)
            if alias is not None:
                found.append(f"{name}:{alias['Name']}")
            if len(found) == limit:
                break
    return found


def aliases_with_descriptions(session: Session) -> Iterator[AliasState]:
    """Every alias of a region that has a description, as ListAliases gives it.

    Raises:
        AwsError: the functions or their aliases can't be listed.
    """
    api = Api(session, "lambda")
    with reading("lambda", "ListAliases"):
        for function in api.pages("ListFunctions", "Functions"):
            name = str(function["FunctionName"])
            for alias in api.pages("ListAliases", "Aliases", FunctionName=name):
                if alias.get("Description"):
                    yield _state(FunctionRef(name, str(alias["Name"])), alias)


def _state(function: FunctionRef, said: dict[str, Any]) -> AliasState:
    """An answer as Lambda documents it; anything else would be taken for the work of another writer."""
    weights = dict((said.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {})
    if len(weights) > 1:
        raise ValueError(f"{len(weights)} weights")
    extra_version, extra_ratio = next(iter(weights.items()), (None, 0.0))
    if not 0 <= extra_ratio <= 1:
        raise ValueError(f"a weight of {extra_ratio}")
    for version in (said["FunctionVersion"], extra_version or UNPUBLISHED):
        if version != UNPUBLISHED and not (isinstance(version, str) and version.isascii() and version.isdigit()):
            raise ValueError(f"the version {version!r}")
    description, revision_id = said.get("Description") or "", said.get("RevisionId")
    if not isinstance(description, str) or not isinstance(revision_id, str) or not revision_id:
        raise TypeError("Description or RevisionId is not text")
    return AliasState(
        function=function,
        version=said["FunctionVersion"],
        extra_version=extra_version,
        extra_bp=from_ratio(extra_ratio),
        description=description,
        revision_id=revision_id,
        arn=str(said.get("AliasArn", "")),
    )


def _qualifier(arn: str) -> str:
    """What follows the function's name in `arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]`."""
    return arn.split(":", 7)[7] if arn.count(":") > 6 else ""
