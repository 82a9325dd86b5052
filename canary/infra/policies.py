"""IAM policies of the calls that the adapters make for a stage; nothing is called here.

Lambda's permissions are per function: there is no resource for an alias, and no condition on a version or a weight
(lambda-canary.md §8). Who may roll back may therefore shift traffic, too. AppConfig has none for one flag, and its ARNs
are made of ids, which a plan doesn't have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from canary.adapters.cloudwatch import queue_name
from canary.adapters.deadman import is_deployed
from canary.core import resources
from canary.core.plan import (
    AlarmsGate,
    EmfGate,
    EventBridgeTarget,
    FunctionRef,
    HealthGate,
    MeanGate,
    MetricGate,
    OutcomesGate,
    Plan,
    ProbesGate,
    QueueGate,
    RatioGate,
    SnsTarget,
    StagePlan,
)
from flagkit.admin import iam

Role = Literal["driver", "rollback", "viewer"]
Part = Role | Literal["tick"]
ROLES: tuple[Role, ...] = get_args(Role)
Statement = dict[str, Any]

_READ = ("lambda:GetAlias", "lambda:GetFunctionConfiguration")
_LISTS = ("lambda:ListFunctionUrlConfigs", "lambda:ListProvisionedConcurrencyConfigs")
_SHIFT = ("lambda:CreateAlias", "lambda:ListVersionsByFunction", "lambda:PublishVersion", "lambda:UpdateAlias")
_SCHEDULES = ("scheduler:DeleteSchedule", "scheduler:CreateSchedule", "scheduler:UpdateSchedule")


@dataclass(frozen=True, slots=True)
class FlagIds:
    """The ids of a flag's profile in AppConfig; `*` where one isn't known."""

    application: str = "*"
    environment: str = "*"
    profile: str = "*"


ANY_FLAG: Final = FlagIds()


def policy(
    plan: Plan, stage: StagePlan, role: Role, *, account: str = "*", region: str = "*", flag: FlagIds = ANY_FLAG
) -> dict[str, Any]:
    """The policy of a role: `driver` releases, `rollback` rolls back and aborts, `viewer` runs what only reads.

    Args:
        plan: the whole plan, for its journal.
        stage: the stage.
        role: who gets the policy.
        account: of the resources; `*` where it isn't known.
        region: likewise.
        flag: where the flag is, for a stage that has one.
    """
    found = statements(plan, stage, role, f"{stage.region or region}:{account}", flag)
    partition = resources.partition_of(stage.region or region)
    for statement in found:
        statement["Resource"] = [arn.replace("arn:aws:", f"arn:{partition}:") for arn in statement["Resource"]]
    return document(found)


def statements(plan: Plan, stage: StagePlan, role: Part, where: str, flag: FlagIds = ANY_FLAG) -> list[Statement]:
    """What `policy` is made of, in the partition `aws`; `tick` is the role of the tick function.

    Args:
        plan: the whole plan, for its journal.
        stage: the stage.
        role: who gets the policy.
        where: `REGION:ACCOUNT` of the resources.
        flag: where the flag is, for a stage that has one.
    """
    makers = {"driver": _driver, "rollback": _rollback, "viewer": _viewer, "tick": _tick}
    flags = _flag(stage, where, flag, writes=role != "viewer") if stage.flag else ()
    found = [*makers[role](stage, where), *flags, *_journal(plan, stage, where, writes=role != "viewer")]
    return _filled(found)


def document(found: list[Statement]) -> dict[str, Any]:
    """A policy of these statements."""
    return {"Version": "2012-10-17", "Statement": found}


def engine_statements(stage: StagePlan, where: str) -> list[Statement]:
    """What a driver needs besides to hand a canary over to an engine, and to look after it there."""
    name = stage.name
    passed = allow("EngineRole", ("iam:PassRole",), [_role_arn(resources.engine_role(name), where)])
    passed["Condition"] = {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}
    return [
        allow(
            "StateMachine",
            ("states:DescribeStateMachine", "states:ListExecutions", "states:StartExecution"),
            [f"arn:aws:states:{where}:stateMachine:{resources.state_machine(name)}"],
        ),
        allow(
            "Ticks",
            ("scheduler:CreateSchedule", "scheduler:GetSchedule"),
            [_tick_schedules(name, where)],
        ),
        allow("Schedules", ("scheduler:ListSchedules",), ["*"]),
        passed,
        allow("Engine", ("lambda:InvokeFunction",), [_tick_function(name, where)]),
    ]


def part_statements(stage: StagePlan, where: str) -> dict[str, list[Statement]]:
    """What the parts of AWS that act by themselves may do, by part.

    `engine`: both state machines, and the schedule of the lambda engine. `dead_man`: the dead-man switch.
    """
    functions = _functions(stage, where)
    engine = [
        allow("Aliases", ("lambda:GetAlias", "lambda:UpdateAlias"), functions),
        allow("Tick", ("lambda:InvokeFunction",), [_tick_function(stage.name, where)]),
        allow("Topic", ("sns:Publish",), [f"arn:aws:sns:{where}:{resources.topic(stage.name)}"]),
    ]
    dead_man = [
        allow("Rollback", ("states:StartExecution",), [_rollback_machine(stage.name, where)]),
        allow("Aliases", ("lambda:UpdateAlias",), functions),
    ]
    return {"engine": _filled(engine), "dead_man": _filled(dead_man)}


def _driver(stage: StagePlan, where: str) -> list[Statement]:
    checked = [_tick_function(stage.name, where)] if stage.flag and not stage.flag.is_file else []
    return [
        allow("Aliases", (*_READ, *_LISTS, *_SHIFT), _functions(stage, where)),
        _event_sources(stage),
        allow("DeadManTick", ("lambda:InvokeFunction",), checked),
        *_evaluates(stage, where),
        *_metrics(stage, where),
        *_reports(stage, where, drives=True),
        *_dead_man_role(stage, where),
    ]


def _tick(stage: StagePlan, where: str) -> list[Statement]:
    return [
        allow("Aliases", (*_READ, "lambda:UpdateAlias"), _functions(stage, where)),
        *_evaluates(stage, where),
        *_metrics(stage, where, lists=False),
        *_reports(stage, where, drives=True),
        allow("Ticks", ("scheduler:DeleteSchedule",), [_tick_schedules(stage.name, where)]),
    ]


def _evaluates(stage: StagePlan, where: str) -> list[Statement]:
    """The functions that hooks, health checks and probes invoke."""
    invoked = any(isinstance(gate, HealthGate) and gate.invoke is not None for gate in stage.gates.values())
    probed = {
        key.function for name, gate in stage.gates.items() if isinstance(gate, ProbesGate) for key in stage.keys(name)
    }
    called = [function for function in stage.functions if invoked or function.key in probed]
    hooks = sorted({_hook(function, where) for hook in stage.hooks if (function := hook.function)})
    return [
        allow("Hooks", ("lambda:InvokeFunction",), hooks),
        allow("Invocations", ("lambda:InvokeFunction",), [f"{arn}:*" for arn in _arns(called, where)]),
    ]


def _rollback(stage: StagePlan, where: str) -> list[Statement]:
    actions = ("lambda:GetAlias", "lambda:GetFunctionConfiguration", "lambda:UpdateAlias")
    return [allow("Aliases", actions, _functions(stage, where)), *_reports(stage, where, drives=False)]


def _viewer(stage: StagePlan, where: str) -> list[Statement]:
    return [
        allow("Aliases", (*_READ, *_LISTS), _functions(stage, where)),
        _event_sources(stage),
        *_metrics(stage, where),
        *_dead_man_looks(stage, where),
        *_dead_man_role(stage, where),
    ]


def _event_sources(stage: StagePlan) -> Statement:
    return allow("EventSources", ("lambda:ListEventSourceMappings",), ["*"] if stage.flag is None else [])


def _flag(stage: StagePlan, where: str, ids: FlagIds, *, writes: bool) -> list[Statement]:
    """What flagkit grants to who edits the profile, without the plane that serves flags."""
    if stage.flag is None or stage.flag.is_file:
        return []
    parts = iam.Resources(*_split(where), ids.application, ids.environment, ids.profile, strategies=["*"])
    granted: Any = iam.policy("toggler" if writes else "reader", parts)["Statement"]
    unused = {"appconfig:StartConfigurationSession", "appconfig:GetLatestConfiguration"}
    needed = [(one, [action for action in one["Action"] if action not in unused]) for one in granted]
    return [allow(one["Sid"], actions, one["Resource"]) for one, actions in needed if actions]


def _metrics(stage: StagePlan, where: str, *, lists: bool = True) -> list[Statement]:
    alarms = sorted({name for gate in stage.gates.values() if isinstance(gate, AlarmsGate) for name in gate.names})
    queues = sorted({queue_name(gate.queue) for gate in stage.gates.values() if isinstance(gate, QueueGate)})
    own = any(isinstance(gate, MetricGate | RatioGate | EmfGate) for gate in stage.gates.values())
    kind, _, table = (stage.outcomes or "").partition("://")
    tables = [f"arn:aws:dynamodb:{where}:table/{table}"] if kind == "dynamodb" else []
    listed = ("cloudwatch:ListMetrics",) if own and lists else ()
    elsewhere = OutcomesGate | MeanGate | AlarmsGate | HealthGate
    asked = stage.flag is None or kind == "emf" or any(not isinstance(g, elsewhere) for g in stage.gates.values())
    return [
        allow("Metrics", ("cloudwatch:GetMetricData", *listed), ["*"] if asked else []),
        allow(
            "Alarms", ("cloudwatch:DescribeAlarms",), [f"arn:aws:cloudwatch:{where}:alarm:{name}" for name in alarms]
        ),
        allow(
            "Queues",
            ("sqs:GetQueueAttributes", "sqs:GetQueueUrl"),
            [f"arn:aws:sqs:{where}:{name}" for name in queues],
        ),
        allow("Outcomes", ("dynamodb:Query",), tables),
    ]


def _reports(stage: StagePlan, where: str, *, drives: bool) -> list[Statement]:
    """Who moves traffic also sends notifications, and keeps or ends the dead-man switch."""
    topics = sorted({target.topic_arn for target in stage.notifications if isinstance(target, SnsTarget)})
    buses = sorted({target.bus for target in stage.notifications if isinstance(target, EventBridgeTarget)})
    statements = [
        allow("Topics", ("sns:Publish",), topics),
        allow("Buses", ("events:PutEvents",), [_bus(bus, where) for bus in buses]),
    ]
    return [*statements, *_dead_man(stage, where, drives=drives)]


def _dead_man(stage: StagePlan, where: str, *, drives: bool) -> Iterator[Statement]:
    """The switch that the plan names, or the one that is deployed with the stage."""
    if _has_no_switch(stage):
        return
    settings = stage.dead_man
    group = settings.group if settings else resources.SCHEDULE_GROUP
    schedules = f"arn:aws:scheduler:{where}:schedule/{group}/{resources.dead_man_schedules(stage.name)}*"
    yield from _dead_man_looks(stage, where)
    yield allow("DeadManSwitch", _SCHEDULES if drives else _SCHEDULES[:1], [schedules])
    for checked in _dead_man_role(stage, where) if drives else ():
        passed = {**checked, "Sid": "DeadManRole", "Action": ["iam:PassRole"]}
        passed["Condition"] = {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}
        yield passed


def _dead_man_role(stage: StagePlan, where: str) -> Iterator[Statement]:
    """What checks the role of the switch; nothing is done with it."""
    if not _has_no_switch(stage):
        settings = stage.dead_man
        role = settings.role_arn if settings else _role_arn(resources.dead_man_role(stage.name), where)
        yield allow("DeadManRoleCheck", ("iam:SimulatePrincipalPolicy",), [role])


def _has_no_switch(stage: StagePlan) -> bool:
    return stage.flag is not None and stage.flag.is_file


def _dead_man_looks(stage: StagePlan, where: str) -> Iterator[Statement]:
    """What finds the deployed switch, where the plan names none or its role; a flag has no other."""
    if _has_no_switch(stage):
        return
    if stage.dead_man is None:
        group = f"arn:aws:scheduler:{where}:schedule-group/{resources.SCHEDULE_GROUP}"
        yield allow("DeadManGroup", ("scheduler:GetScheduleGroup",), [group])
    if is_deployed(stage) or stage.flag:
        yield allow("DeadManWorkflow", ("states:DescribeStateMachine",), [_rollback_machine(stage.name, where)])


def _journal(plan: Plan, stage: StagePlan, where: str, *, writes: bool) -> list[Statement]:
    kind, _, rest = plan.journal.partition(":")
    if kind != "dynamodb":
        return []
    actions = ("dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem") if writes else ("dynamodb:Query",)
    statement = allow("Journal", actions, [f"arn:aws:dynamodb:{where}:table/{rest.strip('/')}"])
    statement["Condition"] = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{stage.name}#*"]}}
    return [statement]


def _filled(found: Iterable[Statement]) -> list[Statement]:
    """Those that allow something."""
    return [statement for statement in found if statement["Resource"]]


def _functions(stage: StagePlan, where: str) -> list[str]:
    return _arns(stage.functions, where) if stage.flag is None else []


def _arns(functions: Iterable[FunctionRef], where: str) -> list[str]:
    return sorted({f"arn:aws:lambda:{where}:function:{function.name}" for function in functions})


def _hook(function: str, where: str) -> str:
    """The function as the plan names it: a qualifier is part of the resource."""
    return (
        function
        if function.startswith("arn:")
        else f"arn:aws:lambda:{where}:function:{function.rpartition(':function:')[2]}"
    )


def _bus(bus: str, where: str) -> str:
    return bus if bus.startswith("arn:") else f"arn:aws:events:{where}:event-bus/{bus}"


def _tick_function(stage: str, where: str) -> str:
    return f"arn:aws:lambda:{where}:function:{resources.tick_function(stage)}"


def _rollback_machine(stage: str, where: str) -> str:
    return f"arn:aws:states:{where}:stateMachine:{resources.rollback_machine(stage)}"


def _tick_schedules(stage: str, where: str) -> str:
    return f"arn:aws:scheduler:{where}:schedule/{resources.SCHEDULE_GROUP}/{resources.tick_schedules(stage)}*"


def _role_arn(name: str, where: str) -> str:
    _, account = _split(where)
    return f"arn:aws:iam::{account}:role/{name}"


def _split(where: str) -> tuple[str, str]:
    """Region and account; a region may be ${AWS::Region}."""
    colon = where.index(":", where.find("}") + 1)
    return where[:colon], where[colon + 1 :]


def allow(name: str, actions: Iterable[str], resources: list[str]) -> Statement:
    """One statement."""
    return {"Sid": name, "Effect": "Allow", "Action": sorted(actions), "Resource": resources}
