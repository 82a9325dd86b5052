"""Reserved and provisioned concurrency, and what AWS does to an alias that has the latter."""

# ruff: noqa: ARG002 - every operation takes (params, context)

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from canary.testing.lambda_ import refusals
from canary.testing.lambda_.catalogue import Catalogue
from canary.testing.lambda_.paging import page
from canary.testing.lambda_.state import LATEST, Alias, Function, Provisioned
from flagkit.testing import CallContext, ServiceError


class Concurrency(Catalogue):
    """The concurrency operations."""

    def PutFunctionConcurrency(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Reserves concurrency for a function: its share of the account, and its limit."""
        function, _ = self.find(params)
        function.reserved_concurrency = params["ReservedConcurrentExecutions"]
        return {"ReservedConcurrentExecutions": function.reserved_concurrency}

    def GetFunctionConcurrency(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Reads the reserved concurrency; an empty answer if there is none."""
        reserved = self.find(params)[0].reserved_concurrency
        return {} if reserved is None else {"ReservedConcurrentExecutions": reserved}

    def DeleteFunctionConcurrency(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Removes the reservation."""
        self.find(params)[0].reserved_concurrency = None
        return {}

    def GetAccountSettings(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """The account's limits and use."""
        limit = self.invoker.account_concurrency
        reserved = sum(function.reserved_concurrency or 0 for function in self.functions.values())
        size = sum(
            version.code.size_bytes
            for function in self.functions.values()
            for version in (function.latest, *function.versions.values())
        )
        return {
            "AccountLimit": {
                "TotalCodeSize": 80530636800,
                "CodeSizeUnzipped": 262144000,
                "CodeSizeZipped": 52428800,
                "ConcurrentExecutions": limit,
                "UnreservedConcurrentExecutions": limit - reserved,
            },
            "AccountUsage": {"TotalCodeSize": size, "FunctionCount": len(self.functions)},
        }

    def PutProvisionedConcurrencyConfig(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Allocates environments for a version or alias."""
        function, qualifier = self.find(params)
        self.known(function, qualifier)
        alias = function.aliases.get(qualifier)
        wanted, reserved = params["ProvisionedConcurrentExecutions"], function.reserved_concurrency
        if wanted < 1:
            raise refusals.validation(
                wanted, "provisionedConcurrentExecutions", "Member must have value greater than or equal to 1"
            )
        if reserved is not None and wanted > reserved:
            raise refusals.invalid(
                "Requested Provisioned Concurrency should not be greater than the "
                "reservedConcurrentExecution for function"
            )
        if (alias.primary if alias else qualifier) == LATEST:
            raise refusals.invalid(
                "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
            )
        _check_overlap(function, qualifier)
        now = self.clock.now()
        entry = Provisioned(
            params["ProvisionedConcurrentExecutions"], now + timedelta(seconds=self.settings.provision_s), now
        )
        function.provisioned[qualifier] = entry
        self.clock.call_at(entry.ready_at, partial(self._allocate, function))
        return self._provisioned(entry)

    def GetProvisionedConcurrencyConfig(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Reads one configuration."""
        function, qualifier = self.find(params)
        _check_published(qualifier)
        self.known(function, qualifier)
        entry = function.provisioned.get(qualifier)
        if entry is None:
            message = "No Provisioned Concurrency Config found for this function"
            raise ServiceError("ProvisionedConcurrencyConfigNotFoundException", message, Type="User")
        return self._provisioned(entry)

    def ListProvisionedConcurrencyConfigs(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Lists the configurations of a function."""
        function, _ = self.find(params)
        found = [
            {"FunctionArn": function.qualified_arn(qualifier), **self._provisioned(entry)}
            for qualifier, entry in sorted(function.provisioned.items())
        ]
        return page("ProvisionedConcurrencyConfigs", found, params)

    def DeleteProvisionedConcurrencyConfig(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Gives the environments back."""
        function, qualifier = self.find(params)
        _check_published(qualifier)
        self.known(function, qualifier)
        function.provisioned.pop(qualifier, None)
        self._allocate(function)
        return {}

    def alias_moved(self, function: Function, alias: Alias, moved_from: str | None) -> None:
        """Drains the old version of an alias with provisioned concurrency, as AWS does, by weights of its own.

        After a promotion GetAlias shows weights such as `{"1": 1}` that nobody set, and the RevisionId moves by itself
        (lambda-canary.md §1, hashicorp/terraform-provider-aws#48116). AWS documents neither steps nor duration.
        """
        alias.drain_number += 1
        entry = function.provisioned.get(alias.name)
        if entry is None or moved_from is None or alias.weights:
            return
        number = alias.drain_number
        entry.ready_at = self.clock.now() + timedelta(seconds=self.settings.drain_s)
        self._drain(function, alias, {moved_from: 1.0})
        self.clock.call_after(
            self.settings.drain_s / 2, partial(self._drain_on, function, alias, {moved_from: 0.5}, number)
        )
        self.clock.call_after(self.settings.drain_s, partial(self._drain_on, function, alias, {}, number))

    def _drain_on(self, function: Function, alias: Alias, weights: dict[str, float], number: int) -> None:
        if alias.drain_number == number:
            self._drain(function, alias, weights)

    def _drain(self, function: Function, alias: Alias, weights: dict[str, float]) -> None:
        alias.earlier, alias.changed_at = (alias.primary, alias.weights), self.clock.now()
        alias.weights, alias.revision_id = weights, self.invoker.new_id()
        self._allocate(function)

    def _allocate(self, function: Function) -> None:
        now = self.clock.now()
        for version in function.versions.values():
            version.environments.provisioned = 0
        for qualifier, entry in function.provisioned.items():
            alias = function.aliases.get(qualifier)
            version_of = function.versions.get(alias.primary if alias else qualifier)
            if version_of is not None and entry.ready_at <= now:
                version_of.environments.provisioned = entry.requested

    def _provisioned(self, entry: Provisioned) -> dict[str, Any]:
        ready = entry.ready_at <= self.clock.now()
        available = entry.requested if ready else 0
        return {
            "RequestedProvisionedConcurrentExecutions": entry.requested,
            "AvailableProvisionedConcurrentExecutions": available,
            "AllocatedProvisionedConcurrentExecutions": available,
            "Status": "READY" if ready else "IN_PROGRESS",
            "LastModified": self.stamp(entry.modified_at),
        }


def _check_published(qualifier: str) -> None:
    if qualifier == LATEST:
        raise refusals.invalid("The function resource provided must be an alias or a published version.")


def _check_overlap(function: Function, qualifier: str) -> None:
    """A version carries one configuration: its own, or that of one alias (lambda-canary.md §1)."""
    alias = function.aliases.get(qualifier)
    if alias is None:
        holders = (function.aliases.get(name) for name in function.provisioned)
        if any(holder is not None and qualifier in {holder.primary, *holder.weights} for holder in holders):
            raise refusals.conflict("Version is pointed by a Provisioned Concurrency alias")
        return
    if alias.weights:
        raise refusals.invalid("Alias with weights can not be used with Provisioned Concurrency")
    others = (function.aliases.get(name) for name in function.provisioned if name != qualifier)
    taken = alias.primary in function.provisioned or any(
        other is not None and other.primary == alias.primary for other in others
    )
    if taken:
        raise refusals.conflict(
            "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
        )
