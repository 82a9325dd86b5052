"""Aliases: creating, moving, weighing, deleting them, by the rules of lambda-canary.md §1."""

# ruff: noqa: ARG002 - every operation takes (params, context)

from __future__ import annotations

import re
from typing import Any

from canary.testing.lambda_ import refusals
from canary.testing.lambda_.catalogue import Catalogue
from canary.testing.lambda_.paging import page
from canary.testing.lambda_.state import LATEST, Alias, Function, Version
from flagkit.testing import CallContext

_NAME = re.compile(r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)")
_DESCRIPTION_MAX = 256


class Aliases(Catalogue):
    """The alias operations."""

    def CreateAlias(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Makes an alias."""
        name = params["Name"]
        if not _NAME.fullmatch(name):
            pattern = "(?!^[0-9]+$)([a-zA-Z0-9-_]+)"
            raise refusals.validation(name, "name", f"Member must satisfy regular expression pattern: {pattern}")
        function, _ = self.find(params)
        description = _checked_description(params.get("Description", ""))
        weights = _weights_of(params) or {}
        self._check_routing(function, params["FunctionVersion"], weights)
        if name in function.aliases:
            raise refusals.conflict(f"Alias already exists: {function.qualified_arn(name)}")
        alias = Alias(
            name=name,
            primary=params["FunctionVersion"],
            weights=weights,
            description=description,
            revision_id=self.invoker.new_id(),
            earlier=(params["FunctionVersion"], weights),
            changed_at=self.clock.now(),
        )
        function.aliases[name] = alias
        return _answer(function, alias)

    def GetAlias(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Reads an alias."""
        return _answer(*self._alias(params, "Cannot find alias arn: {}"))

    def UpdateAlias(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Moves an alias; what is omitted is kept, weights too, and the RevisionId changes in any case."""
        function, alias, primary, weights, description = self.checked_update(params)
        if (primary, weights) != (alias.primary, alias.weights):
            alias.earlier, alias.changed_at = (alias.primary, alias.weights), self.clock.now()
        moved_from = alias.primary if primary != alias.primary else None
        alias.primary, alias.weights, alias.description = primary, weights, description
        alias.revision_id = self.invoker.new_id()
        self.alias_moved(function, alias, moved_from)
        return _answer(function, alias)

    def checked_update(self, params: dict[str, Any]) -> tuple[Function, Alias, str, dict[str, float], str]:
        """What UpdateAlias would write: primary version, weights and description.

        Raises:
            ServiceError: it would be refused.
        """
        function, alias = self._alias(params, "Alias not found: {}")
        if params.get("RevisionId") not in {None, alias.revision_id}:
            raise refusals.precondition(refusals.STALE)
        description = _checked_description(params.get("Description", alias.description))
        primary = params.get("FunctionVersion", alias.primary)
        given = _weights_of(params)
        weights = alias.weights if given is None else given
        self._check_routing(function, primary, weights)
        return function, alias, primary, weights, description

    def DeleteAlias(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Deletes an alias; deleting one that is not there succeeds too."""
        function, _ = self.find(params)
        name = params["Name"]
        function.aliases.pop(name, None)
        for belongings in (function.provisioned, function.urls, function.event_invoke, function.policies):
            belongings.pop(name, None)
        return {}

    def ListAliases(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Lists aliases, those that route to a version if one is given."""
        function, _ = self.find(params)
        wanted = params.get("FunctionVersion")
        found = [
            _answer(function, alias)
            for _, alias in sorted(function.aliases.items())
            # Recordings show the primary only; whether AWS also looks at weights isn't known.
            if wanted is None or wanted == alias.primary
        ]
        return page("Aliases", found, params)

    def alias_moved(self, function: Function, alias: Alias, moved_from: str | None) -> None:
        """Called after each change of an alias; provisioned concurrency reacts to it."""

    def _alias(self, params: dict[str, Any], missing: str) -> tuple[Function, Alias]:
        function, _ = self.find(params)
        alias = function.aliases.get(params["Name"])
        if alias is None:
            raise refusals.not_found(missing.format(function.qualified_arn(params["Name"])))
        return function, alias

    def _check_routing(self, function: Function, primary: str, weights: dict[str, float]) -> None:
        target = _existing(function, primary)
        if not weights:
            return
        if len(weights) > 1:
            raise refusals.invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
        (number,) = weights
        if number == primary:
            raise refusals.invalid(
                f"Invalid function version {number}. "
                f"Function version {number} is already included in routing configuration."
            )
        if primary == LATEST:
            raise refusals.invalid("$LATEST is not supported for an alias pointing to more than 1 version")
        extra = _existing(function, number)
        if extra.config["Role"] != target.config["Role"]:
            raise refusals.invalid("Specified versions must be associated with the same execution role")
        if extra.config.get("DeadLetterConfig") != target.config.get("DeadLetterConfig"):
            raise refusals.invalid("Specified versions must have the same dead-letter queue configuration")


def _existing(function: Function, number: str) -> Version:
    version = function.version(number)
    if version is None:
        raise refusals.function_not_found(function.qualified_arn(number))
    return version


def _weights_of(params: dict[str, Any]) -> dict[str, float] | None:
    """The weights that a request sets; None keeps those that are there, an empty map clears them."""
    routing = params.get("RoutingConfig")
    if routing is None:
        return None
    weights: dict[str, float] = routing.get("AdditionalVersionWeights") or {}
    member = "routingConfig.additionalVersionWeights"
    shown = "{" + ", ".join(f"{number}={float(weight)}" for number, weight in weights.items()) + "}"
    for number, weight in weights.items():
        if not re.fullmatch("[0-9]+", number):
            raise refusals.validation(
                shown,
                member,
                "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, "
                "Member must have length greater than or equal to 1, "
                "Member must satisfy regular expression pattern: [0-9]+, Member must not be null]",
            )
        if not 0.0 <= weight <= 1.0:
            raise refusals.validation(
                shown,
                member,
                "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, "
                "Member must have value greater than or equal to 0.0, Member must not be null]",
            )
    return dict(weights)


def _checked_description(text: str) -> str:
    if len(text) > _DESCRIPTION_MAX:
        raise refusals.validation(text, "description", "Member must have length less than or equal to 256")
    return text


def _answer(function: Function, alias: Alias) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "AliasArn": function.qualified_arn(alias.name),
        "Name": alias.name,
        "FunctionVersion": alias.primary,
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    }
    if alias.weights:
        answer["RoutingConfig"] = {"AdditionalVersionWeights": dict(alias.weights)}
    return answer
