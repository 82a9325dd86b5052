"""The CloudFormation template of a stage, as plain data: what drives, stops and watches its canaries.

The functions of the stage are not in it: they belong to whoever deploys them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from canary.core import resources
from canary.core.plan import AlarmsGate, Plan, StagePlan
from canary.drivers.stepfunctions import definition, rollback_definition
from canary.errors import PlanError
from canary.infra.alarms import alarms, is_of_a_release
from canary.infra.dashboard import dashboard
from canary.infra.policies import FlagIds, Statement, allow, document, engine_statements, part_statements, statements

Template = dict[str, Any]

MANAGED_POLICY_CHARACTERS: Final = 6_144
"""Of a managed policy, white space left out (docs.aws.amazon.com/IAM, "reference_iam-quotas")."""

PATTERN_CHARACTERS: Final = 2_048 - 150
"""Of the pattern of a rule (EventBridge quotas), without what isn't the ARN of an alarm."""

_ENVIRONMENT: Final = frozenset({"api_key_env", "app_key_env", "secret_env", "token_env", "url_env"})
"""Fields of a plan that name an environment variable."""

_WHERE: Final = "${AWS::Region}:${AWS::AccountId}"

_PARAMETERS: Final = {
    "CodeBucket": ("S3 bucket with the package of `canary package`.", None),
    "CodeKey": ("Key of the package; a new package needs a new key.", None),
    "Architecture": ("arm64 or x86_64, as the package was built.", "arm64"),
    "Runtime": ("Python runtime, as the package was built.", "python3.13"),
    "CreateShared": ("Whether this stack has the journal and the schedule group, which all stages share.", "true"),
    "AlarmRollback": ("Whether an alarm rolls back the canary in progress, without any driver.", "false"),
    "GitHubRepository": ("ORGANIZATION/REPOSITORY whose workflows may release; empty for no role.", ""),
    "GitHubEnvironment": ("Environment of GitHub Actions that a job must have.", ""),
    "GitLabProject": ("GROUP/PROJECT whose pipelines may release; empty for no role.", ""),
    "GitLabScope": ("Rest of the subject of GitLab's token: branch, and tier of the job's environment.", ""),
    "FlagApplication": ("Id of the AppConfig application for the flag policies; empty for none.", ""),
    "FlagEnvironment": ("Id of its environment.", ""),
    "FlagProfile": ("Id of its configuration profile.", ""),
    "FlagStrategy": ("Id of the deployment strategy that a toggler may use.", ""),
}
_WHERE_THE_FLAG_IS: Final = ("FlagApplication", "FlagEnvironment", "FlagProfile")
_FLAG: Final = FlagIds(*(f"${{{name}}}" for name in _WHERE_THE_FLAG_IS))
_TIERS: Final = {
    "development": "dev|review|trunk",
    "testing": "test|tst|int|ac(ce|)pt|qa|qc|control|quality",
    "staging": "st(a|)g|mod(e|)l|pre|demo|non",
    "production": "pr(o|)d|live",
}
_CHOICES: Final = {
    "Architecture": ["arm64", "x86_64"],
    "CreateShared": ["true", "false"],
    "AlarmRollback": ["true", "false"],
}


def template(plan: Plan, name: str) -> Template:
    """The template.

    Args:
        plan: the whole plan.
        name: of the stage.

    Raises:
        UnknownStageError: the plan has no such stage.
        PlanError: an execution of Step Functions can't hold the plan.
    """
    stage = plan.stage(name)
    if plan.journal.startswith("file:"):
        plan = plan.model_copy(update={"journal": f"dynamodb://{resources.JOURNAL_TABLE}"})
    alarm_path = _alarm_path(plan, stage)
    unused = () if alarm_path else ("AlarmRollback",)  # a flag without an alarms gate
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"canary: drives, stops and watches releases of stage {name}",
        "Parameters": {
            **{key: _parameter(key, stage) for key in _PARAMETERS if key not in unused},
            **{key: _secret(variable) for variable, key in _variables(stage).items()},
        },
        "Conditions": {
            "HasShared": {"Fn::Equals": [{"Ref": "CreateShared"}, "true"]},
            **({"HasAlarmRollback": {"Fn::Equals": [{"Ref": "AlarmRollback"}, "true"]}} if alarm_path else {}),
            **{f"Has{key}": _is_given(key) for key in ("GitHubRepository", "GitLabProject", "FlagApplication")},
        },
        "Resources": {
            **_shared(plan),
            **_engine(plan, stage),
            **_watch(plan, stage),
            **alarm_path,
            **_people(plan, stage),
        },
        "Outputs": {
            "StateMachine": {"Value": {"Ref": "StateMachine"}},
            "RollbackStateMachine": {"Value": {"Ref": "RollbackStateMachine"}},
            "TickFunction": {"Value": _arn("TickFunction")},
            "Topic": {"Value": {"Ref": "Topic"}},
            "DeadManRole": {"Value": _arn("DeadManRole")},
        },
    }


def _parameter(name: str, stage: StagePlan) -> Template:
    text, default = _PARAMETERS[name]
    found: Template = {"Type": "String", "Description": text}
    if name == "GitHubEnvironment":
        default = stage.name
    elif name == "GitLabScope":
        default = f"ref_type:branch:ref:main:deployment_tier:{_tier(stage.name)}"
    elif stage.flag is not None and name in _WHERE_THE_FLAG_IS:
        # Whoever drives it needs them.
        text, default = f"Id of the {name.removeprefix('Flag').lower()} in AppConfig of {stage.flag}.", None
        found |= {"Description": text, "MinLength": 1}
    if default is not None:
        found["Default"] = default
    if name in _CHOICES:
        found["AllowedValues"] = _CHOICES[name]
    return found


def _tier(stage: str) -> str:
    """The tier that GitLab gives an environment of this name (GitLab, "Deployment tier of environments")."""
    return next((tier for tier, names in _TIERS.items() if re.search(names, stage, re.IGNORECASE)), "other")


def _secret(variable: str) -> Template:
    text = f"Environment variable {variable} of the tick function, which the plan names."
    return {"Type": "String", "Description": text, "NoEcho": True}


def _variables(stage: StagePlan) -> dict[str, str]:
    """The environment variables that the plan names, with their parameters: tokens, keys and addresses."""
    names = sorted(set(_named(stage.model_dump(mode="json"))))
    return {name: "Env" + "".join(part.capitalize() for part in re.split(r"[^A-Za-z0-9]+", name)) for name in names}


def _named(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            if isinstance(one, str) and key in _ENVIRONMENT:
                yield one
            yield from _named(one)
    elif isinstance(value, list):
        for one in value:
            yield from _named(one)


def _shared(plan: Plan) -> Template:
    """One per region and account, whatever the number of stages; kept when the stack goes."""
    table = {
        "TableName": plan.journal.partition(":")[2].strip("/"),
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True},
    }
    kept = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain", "Condition": "HasShared"}
    return {
        "Journal": {"Type": "AWS::DynamoDB::Table", **kept, "Properties": table},
        # With a group go the schedules in it: the dead-man switches of every stage.
        "Schedules": {
            "Type": "AWS::Scheduler::ScheduleGroup",
            **kept,
            "Properties": {"Name": resources.SCHEDULE_GROUP},
        },
    }


def _engine(plan: Plan, stage: StagePlan) -> Template:
    name, tick = stage.name, resources.tick_function(stage.name)
    log = f"/aws/lambda/{tick}"
    writes = allow("Logs", ("logs:CreateLogStream", "logs:PutLogEvents"), [f"arn:aws:logs:{_WHERE}:log-group:{log}:*"])
    may = part_statements(stage, _WHERE)
    topic = {"Ref": "Topic"}
    variables = {name: {"Ref": key} for name, key in _variables(stage).items()}
    return {
        "TickLog": {
            "Type": "AWS::Logs::LogGroup",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {"LogGroupName": log, "RetentionInDays": 30},
        },
        "TickFunction": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "FunctionName": tick,
                "Description": f"One tick of a canary of stage {name}",
                "Code": {"S3Bucket": {"Ref": "CodeBucket"}, "S3Key": {"Ref": "CodeKey"}},
                "Handler": "canary.drivers.lambda_handler.handler",
                "Runtime": {"Ref": "Runtime"},
                "Architectures": [{"Ref": "Architecture"}],
                "MemorySize": 512,
                "Timeout": 900,
                "Role": _arn("TickRole"),
                "LoggingConfig": {"LogGroup": {"Ref": "TickLog"}},
                **({"Environment": {"Variables": variables}} if variables else {}),
            },
        },
        "TickRole": _tick_role(stage, [*statements(plan, stage, "tick", _WHERE, _FLAG), writes]),
        "EngineRole": _role(
            resources.engine_role(name), ["scheduler.amazonaws.com", "states.amazonaws.com"], may["engine"]
        ),
        "StateMachine": _machine(
            resources.state_machine(name),
            definition(stage, "${Tick}", "${Topic}"),
            {"Tick": _arn("TickFunction"), "Topic": topic},
        ),
        "RollbackStateMachine": _machine(
            resources.rollback_machine(name),
            rollback_definition(stage, "${Topic}", "${Tick}"),
            {"Topic": topic, **({"Tick": _arn("TickFunction")} if stage.flag else {})},
        ),
        "DeadManRole": _role(resources.dead_man_role(name), ["scheduler.amazonaws.com"], may["dead_man"]),
    }


def _tick_role(stage: StagePlan, granted: Sequence[Statement]) -> Template:
    role = _role(resources.tick_role(stage.name), ["lambda.amazonaws.com"], granted)
    if stage.flags_off:
        toggler = {"Fn::If": ["HasFlagApplication", {"Ref": "FlagTogglerPolicy"}, {"Ref": "AWS::NoValue"}]}
        role["Properties"]["ManagedPolicyArns"] = [toggler]
    return role


def _machine(name: str, states: Template, substitutions: Template) -> Template:
    properties: Template = {
        "StateMachineName": name,
        "StateMachineType": "STANDARD",
        "RoleArn": _arn("EngineRole"),
        "Definition": states,
    }
    if substitutions:
        properties["DefinitionSubstitutions"] = substitutions
    return {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}


def _watch(plan: Plan, stage: StagePlan) -> Template:
    tick = resources.tick_function(stage.name)
    found = alarms(plan, stage, tick)
    names = [alarm["Properties"]["AlarmName"] for alarm in found.values()]
    body = dashboard(stage, tick, [f"arn:${{AWS::Partition}}:cloudwatch:{_WHERE}:alarm:{name}" for name in names])
    # ${PROP(...)} is CloudWatch's, not CloudFormation's.
    text = json.dumps(body).replace("${PROP", "${!PROP")
    topic = {"TopicName": resources.topic(stage.name), "DisplayName": f"canary {stage.name}"}
    return {
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": topic},
        **found,
        "Dashboard": {
            "Type": "AWS::CloudWatch::Dashboard",
            "Properties": {"DashboardName": resources.state_machine(stage.name), "DashboardBody": {"Fn::Sub": text}},
        },
    }


def _alarm_path(plan: Plan, stage: StagePlan) -> Template:
    """Alarm → EventBridge → rollback: a second rollback that needs no driver."""
    found = alarms(plan, stage, resources.tick_function(stage.name))
    own = {one["Properties"]["AlarmName"]: _arn(key) for key, one in found.items() if is_of_a_release(key)}
    named = sorted({name for gate in stage.gates.values() if isinstance(gate, AlarmsGate) for name in gate.names})
    others = {name: _filled(f"arn:aws:cloudwatch:{_WHERE}:alarm:{name}") for name in named}
    if not own and not others:
        return {}
    start = allow("Rollback", ("states:StartExecution",), [_machine_arn(resources.rollback_machine(stage.name))])
    role = _role(resources.part("alarm", stage.name), ["events.amazonaws.com"], [start])
    rules = {
        f"AlarmRule{number or ''}": {
            "Type": "AWS::Events::Rule",
            "Condition": "HasAlarmRollback",
            "Properties": _alarm_rule(stage.name, number, arns),
        }
        for number, arns in enumerate(_batches({**own, **others}))
    }
    return {**rules, "AlarmRole": {**role, "Condition": "HasAlarmRollback"}}


def _batches(alarm_arns: Mapping[str, object]) -> Iterator[list[object]]:
    """The ARNs of alarms in as many parts as it takes: EventBridge limits the pattern of a rule."""
    batch: list[object] = []
    left = PATTERN_CHARACTERS
    for name, arn in alarm_arns.items():
        size = len(f'"arn:aws-us-gov:cloudwatch:ap-southeast-1:123456789012:alarm:{name}",')
        if batch and size > left:
            yield batch
            batch, left = [], PATTERN_CHARACTERS
        batch.append(arn)
        left -= size
    yield batch


def _alarm_rule(stage: str, number: int, alarm_arns: list[object]) -> Template:
    target = {
        "Id": "rollback",
        "Arn": {"Ref": "RollbackStateMachine"},
        "RoleArn": _arn("AlarmRole"),
        "Input": "{}",
        "RetryPolicy": {"MaximumRetryAttempts": 5, "MaximumEventAgeInSeconds": 600},
    }
    return {
        "Name": resources.part(f"alarm{number or ''}", stage),
        "Description": f"An alarm rolls back the canary of stage {stage}",
        "EventPattern": {
            "source": ["aws.cloudwatch"],
            "detail-type": ["CloudWatch Alarm State Change"],
            "resources": alarm_arns,
            "detail": {"state": {"value": ["ALARM"]}},
        },
        "Targets": [target],
    }


def _people(plan: Plan, stage: StagePlan) -> Template:
    """Policies for people and pipelines; only who attaches one has it."""
    name = stage.name
    rollback = resources.rollback_machine(name)
    starts = [
        allow("Rollback", ("states:StartExecution",), [_machine_arn(rollback)]),
        allow("Executions", ("states:DescribeExecution",), [f"arn:aws:states:{_WHERE}:execution:{rollback}:*"]),
    ]
    driver = [*statements(plan, stage, "driver", _WHERE, _FLAG), *engine_statements(stage, _WHERE)]
    return {
        "DriverPolicy": _managed(resources.part("driver", name), driver),
        "RollbackPolicy": _managed(resources.part("rollback", name), starts),
        "ViewerPolicy": _managed(resources.part("viewer", name), statements(plan, stage, "viewer", _WHERE, _FLAG)),
        **_flag_policies(name),
        "GitHubRole": _oidc_role(
            resources.part("github", name),
            "token.actions.githubusercontent.com",
            "sts.amazonaws.com",
            "repo:${GitHubRepository}:environment:${GitHubEnvironment}",
            "HasGitHubRepository",
        ),
        "GitLabRole": _oidc_role(
            resources.part("gitlab", name),
            "gitlab.com",
            "https://gitlab.com",
            "project_path:${GitLabProject}:${GitLabScope}",
            "HasGitLabProject",
        ),
    }


def _flag_policies(stage: str) -> Template:
    from flagkit.admin.iam import Resources, policy

    flags = Resources(
        region="${AWS::Region}",
        account="${AWS::AccountId}",
        application="${FlagApplication}",
        environment="${FlagEnvironment}",
        profile="${FlagProfile}",
        strategies=["${FlagStrategy}"],
    )
    found: Template = {}
    for role, key in (("reader", "FlagReaderPolicy"), ("toggler", "FlagTogglerPolicy")):
        granted: Any = policy("reader" if role == "reader" else "toggler", flags)
        managed = _managed(resources.part(f"flag-{role}", stage), granted["Statement"])
        found[key] = {**managed, "Condition": "HasFlagApplication"}
    return found


def _oidc_role(name: str, provider: str, audience: str, subject: str, condition: str) -> Template:
    trusted = {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": _filled(f"arn:aws:iam::${{AWS::AccountId}}:oidc-provider/{provider}")},
        "Condition": {"StringEquals": {f"{provider}:aud": audience, f"{provider}:sub": {"Fn::Sub": subject}}},
    }
    properties = {
        "RoleName": name,
        "MaxSessionDuration": 7200,
        "AssumeRolePolicyDocument": document([trusted]),
        "ManagedPolicyArns": [{"Ref": "DriverPolicy"}],
    }
    return {"Type": "AWS::IAM::Role", "Condition": condition, "Properties": properties}


def _managed(name: str, granted: Sequence[Statement]) -> Template:
    size = len(json.dumps(granted, separators=(",", ":"))) + len(_WHERE)
    if size > MANAGED_POLICY_CHARACTERS:
        raise PlanError(
            f"the policy {name} would have {size:,} characters; IAM allows {MANAGED_POLICY_CHARACTERS:,}",
            hint="Split the stage: each function, alarm and queue of a stage is a resource of its policy.",
        )
    properties = {"ManagedPolicyName": name, "PolicyDocument": document([_portable(one) for one in granted])}
    return {"Type": "AWS::IAM::ManagedPolicy", "Properties": properties}


def _role(name: str, services: Sequence[str], granted: Sequence[Statement]) -> Template:
    trusted: Statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": list(services)}}
    if "lambda.amazonaws.com" not in services:  # Lambda names no account when it assumes a role
        trusted["Condition"] = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    policies = [{"PolicyName": "canary", "PolicyDocument": document([_portable(one) for one in granted])}]
    properties = {"RoleName": name, "AssumeRolePolicyDocument": document([trusted]), "Policies": policies}
    return {"Type": "AWS::IAM::Role", "Properties": properties}


def _portable(statement: Statement) -> Statement:
    return {**statement, "Resource": [_filled(arn) for arn in statement["Resource"]]}


def _filled(arn: str) -> Any:
    """An ARN in the stack's account, region and partition; one that the plan writes out stays."""
    if "${" not in arn:
        return arn
    return {"Fn::Sub": arn.replace("arn:aws:", "arn:${AWS::Partition}:")}


def _machine_arn(name: str) -> str:
    return f"arn:aws:states:{_WHERE}:stateMachine:{name}"


def _arn(resource: str) -> Template:
    return {"Fn::GetAtt": [resource, "Arn"]}


def _is_given(parameter: str) -> Template:
    return {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, ""]}]}
