"""Resource policies and tags of functions. They are kept and answered; nothing is authorised by them."""

# ruff: noqa: ARG002 - every operation takes (params, context)

from __future__ import annotations

import json
import re
from typing import Any

from canary.testing.lambda_ import refusals
from canary.testing.lambda_.catalogue import Catalogue
from canary.testing.lambda_.state import Function
from flagkit.testing import CallContext


class Permissions(Catalogue):
    """The operations on resource policies and tags."""

    def AddPermission(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Adds a statement to the policy of a function, version or alias; its RevisionId moves with it."""
        function, qualifier = self.find(params)
        self.known(function, qualifier)
        self._check(function, qualifier, params)
        statements = function.policies.setdefault(qualifier, {})
        sid = params["StatementId"]
        if sid in statements:
            raise refusals.conflict(
                f"The statement id ({sid}) provided already exists. Please provide a new statement id, "
                "or remove the existing statement."
            )
        statement: dict[str, Any] = {
            "Sid": sid,
            "Effect": "Allow",
            "Principal": _principal(params["Principal"]),
            "Action": params["Action"],
            "Resource": function.qualified_arn(qualifier),
        }
        if condition := _condition(params):
            statement["Condition"] = condition
        statements[sid] = statement
        self._touch(function, qualifier)
        return {"Statement": json.dumps(statement)}

    def RemovePermission(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Removes a statement."""
        function, qualifier = self.find(params)
        self._check(function, qualifier, params)
        statements = function.policies.get(qualifier, {})
        if params["StatementId"] not in statements:
            raise refusals.not_found(f"Statement {params['StatementId']} is not found in resource policy.")
        del statements[params["StatementId"]]
        self._touch(function, qualifier)
        return {}

    def GetPolicy(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Reads the policy."""
        function, qualifier = self.find(params)
        self.known(function, qualifier)
        statements = function.policies.get(qualifier)
        if not statements:
            raise refusals.not_found("The resource you requested does not exist.")
        policy = {"Version": "2012-10-17", "Id": "default", "Statement": list(statements.values())}
        return {"Policy": json.dumps(policy), "RevisionId": self._revision(function, qualifier)}

    def TagResource(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Adds tags."""
        self._tagged(params).tags.update(params["Tags"])
        return {}

    def UntagResource(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Removes tags."""
        function = self._tagged(params)
        for key in params["TagKeys"]:
            function.tags.pop(key, None)
        return {}

    def ListTags(self, params: dict[str, Any], context: CallContext) -> dict[str, Any]:
        """Reads the tags."""
        return {"Tags": dict(self._tagged(params).tags)}

    def _tagged(self, params: dict[str, Any]) -> Function:
        return self.find({"FunctionName": params["Resource"]})[0]

    def _check(self, function: Function, qualifier: str, params: dict[str, Any]) -> None:
        if params.get("RevisionId") not in {None, self._revision(function, qualifier)}:
            raise refusals.precondition(refusals.STALE_POLICY)

    def _revision(self, function: Function, qualifier: str) -> str:
        alias = function.aliases.get(qualifier)
        return (alias or function.version(qualifier) or function.latest).revision_id

    def _touch(self, function: Function, qualifier: str) -> None:
        owner = function.aliases.get(qualifier) or function.version(qualifier) or function.latest
        owner.revision_id = self.invoker.new_id()


def _principal(principal: str) -> str | dict[str, str]:
    """An account number becomes its root, a service its own kind; `*` stays."""
    if principal == "*":
        return principal
    if re.fullmatch(r"\d{12}", principal):
        return {"AWS": f"arn:aws:iam::{principal}:root"}
    return {"Service": principal} if "." in principal and ":" not in principal else {"AWS": principal}


def _condition(params: dict[str, Any]) -> dict[str, dict[str, str]]:
    equals = {
        key: params[member]
        for member, key in (
            ("SourceAccount", "AWS:SourceAccount"),
            ("EventSourceToken", "lambda:EventSourceToken"),
            ("PrincipalOrgID", "aws:PrincipalOrgID"),
            ("FunctionUrlAuthType", "lambda:FunctionUrlAuthType"),
        )
        if member in params
    }
    found = {"StringEquals": equals} if equals else {}
    return {**found, "ArnLike": {"AWS:SourceArn": params["SourceArn"]}} if "SourceArn" in params else found
