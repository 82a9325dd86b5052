"""Puts the template of a stage into the stand-in, so that drills and tests run what is deployed.

Of CloudFormation it knows what `canary.infra.template` uses. Permissions, logs and dashboards have no counterpart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from canary.adapters.aws import Session
from canary.core import resources
from canary.infra.template import Template
from canary.testing import AwsStandIn


def install(made: Template, session: Session, deploy: Callable[[Template], object], **parameters: str) -> None:
    """Creates the resources of a template.

    Args:
        made: the template.
        session: a boto3 session whose calls the stand-in answers, in this process or over HTTP.
        deploy: creates the tick function, by its properties.
        parameters: of the template, instead of their defaults.
    """
    stack = _Stack(made, session, {"CodeBucket": "bucket", "CodeKey": "key", **parameters})
    for one in made["Resources"].values():
        create = _CREATE.get(one["Type"])
        if one["Type"] == "AWS::Lambda::Function":
            deploy(one["Properties"])
        elif create is not None and stack.has(one):
            create(stack, stack.resolved(one["Properties"]))


class _Stack:
    """The values of a template's functions."""

    def __init__(self, made: Template, session: Session, parameters: Mapping[str, str]) -> None:
        self._made, self._session = made, session
        self._where = {"account": AwsStandIn.account_id, "region": str(session.region_name)}
        defaults = {key: one.get("Default", "") for key, one in made["Parameters"].items()}
        self._values = {
            **defaults, **parameters, "AWS::Partition": "aws", "AWS::NoValue": "",
            "AWS::Region": self._where["region"], "AWS::AccountId": self._where["account"],
        }  # fmt: skip

    def client(self, service: str) -> Any:
        """A client in the stand-in's region."""
        client: Any = self._session.client
        return client(service)

    def has(self, resource: Template) -> bool:
        """Whether the resource's condition is true."""
        name = resource.get("Condition")
        return name is None or bool(self.resolved(self._made["Conditions"][name]))

    def resolved(self, value: Any) -> Any:
        """A value of the template with its functions carried out."""
        if isinstance(value, list):
            return [self.resolved(one) for one in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, argument), *_ = value.items()
            function: dict[str, Callable[[Any], Any]] = {
                "Ref": self._ref, "Fn::GetAtt": self._arn, "Fn::Sub": self._sub, "Fn::Equals": self._equals,
            }  # fmt: skip
            if name in function:
                return function[name](argument)
            if name == "Fn::Not":
                return not self.resolved(argument[0])
            if name == "Fn::If":
                return self.resolved(argument[1 if self.has({"Condition": argument[0]}) else 2])
        return {key: self.resolved(one) for key, one in value.items()}

    def _ref(self, name: str) -> str:
        return self._values[name] if name in self._values else self._arn([name])

    def _arn(self, named: list[str]) -> str:
        one = self._made["Resources"][named[0]]
        service, kind, key = _ARNS[one["Type"]]
        return resources.arn(service, f"{kind}{one['Properties'][key]}", **self._where)

    def _sub(self, text: str) -> str:
        filled = re.sub(r"\$\{([A-Za-z:]+)\}", lambda match: self._values[match[1]], text)
        return filled.replace("${!", "${")

    def _equals(self, both: list[Any]) -> bool:
        one, other = map(self.resolved, both)
        return bool(one == other)


_ARNS: Final = {
    "AWS::CloudWatch::Alarm": ("cloudwatch", "alarm:", "AlarmName"),
    "AWS::IAM::ManagedPolicy": ("iam", "policy/", "ManagedPolicyName"),
    "AWS::IAM::Role": ("iam", "role/", "RoleName"),
    "AWS::Lambda::Function": ("lambda", "function:", "FunctionName"),
    "AWS::SNS::Topic": ("sns", "", "TopicName"),
    "AWS::StepFunctions::StateMachine": ("states", "stateMachine:", "StateMachineName"),
}


def _table(stack: _Stack, properties: Template) -> None:
    names = ("TableName", "BillingMode", "AttributeDefinitions", "KeySchema")
    stack.client("dynamodb").create_table(**{name: properties[name] for name in names})


def _machine(stack: _Stack, properties: Template) -> None:
    text = json.dumps(properties["Definition"])
    for name, value in properties.get("DefinitionSubstitutions", {}).items():
        text = text.replace(f"${{{name}}}", value)
    stack.client("stepfunctions").create_state_machine(
        name=properties["StateMachineName"], definition=text, roleArn=properties["RoleArn"]
    )


def _rule(stack: _Stack, properties: Template) -> None:
    events = stack.client("events")
    pattern = json.dumps(properties["EventPattern"])
    events.put_rule(Name=properties["Name"], Description=properties["Description"], EventPattern=pattern)
    events.put_targets(Rule=properties["Name"], Targets=properties["Targets"])


def _role(stack: _Stack, properties: Template) -> None:
    iam, name = stack.client("iam"), properties["RoleName"]
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(properties["AssumeRolePolicyDocument"]))
    for policy in properties.get("Policies", ()):
        text = json.dumps(policy["PolicyDocument"])
        iam.put_role_policy(RoleName=name, PolicyName=policy["PolicyName"], PolicyDocument=text)


_CREATE: Final[dict[str, Callable[[_Stack, Template], object]]] = {
    "AWS::CloudWatch::Alarm": lambda stack, properties: stack.client("cloudwatch").put_metric_alarm(**properties),
    "AWS::DynamoDB::Table": _table,
    "AWS::Events::Rule": _rule,
    "AWS::IAM::Role": _role,
    "AWS::SNS::Topic": lambda stack, properties: stack.client("sns").create_topic(Name=properties["TopicName"]),
    "AWS::Scheduler::ScheduleGroup": lambda stack, properties: stack.client("scheduler").create_schedule_group(
        Name=properties["Name"]
    ),
    "AWS::StepFunctions::StateMachine": _machine,
}
