"""The Step Functions state machines of a stage: tick, wait, again; and a rollback without code of ours. Data only.

The tick function judges (`canary.drivers.lambda_handler`); Step Functions waits, retries and outlives processes. The
rollback reads the record in each alias and calls `lambda:updateAlias` itself, guarded by RevisionId, so it works when
the tick function does not. A flag is lowered by the tick function, called again until it works: its document can't be
edited without code.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Final

from canary.core.engines import LONGEST, TURNS, check_limits, functions_of
from canary.core.events import which_id
from canary.core.plan import StagePlan, Transition
from canary.core.record import MARK
from canary.core.resources import partition_of
from canary.drivers.one_item import (
    ALL,
    ONLY_OURS,
    TICK_S,
    UNTOUCHED_OR_ANY,
    State,
    call_lambda,
    invoke_tick,
    one_alias,
    one_flag,
)
from canary.errors import PlanError

_AGAIN: Final = [{"ErrorEquals": ALL, "IntervalSeconds": 1, "BackoffRate": 2.0, "MaxAttempts": 3}]
_RETRY: Final = [
    # AWS itself is unavailable: as long as a driver elsewhere can't see anything, either.
    {
        "ErrorEquals": [
            "UnavailableError",
            "Lambda.AWSLambdaException",
            "Lambda.SdkClientException",
            "Lambda.ServiceException",
            "Lambda.TooManyRequestsException",
        ],
        "IntervalSeconds": 15,
        "BackoffRate": 1.0,
        "MaxAttempts": 40,
    },
    {
        "ErrorEquals": ALL,
        "IntervalSeconds": 5,
        "BackoffRate": 2.0,
        "MaxAttempts": 6,
        "MaxDelaySeconds": 60,
        "JitterStrategy": "FULL",
    },
]


def definition(stage: StagePlan, tick_arn: str, topic_arn: str = "") -> dict[str, object]:
    """The state machine that drives a canary of the stage, in Amazon States Language.

    Its input is `{"stage": "prod", "canary_id": "k3f9a2c1"}`. It succeeds when promoted and fails otherwise. When ticks
    keep failing, or its history is nearly full, it rolls everything back before it fails.

    Args:
        stage: the plan; the rollback path names its functions.
        tick_arn: ARN of the Lambda function whose handler is `canary.drivers.lambda_handler.handler`.
        topic_arn: SNS topic for a rollback that no driver can publish, and for one that is stuck.

    Raises:
        PlanError: one execution can't hold a release of this plan.
    """
    check_limits(stage)
    is_flag = stage.flag is not None
    back = "RollBack" if is_flag else "Records"
    well_formed = " and ".join(
        f"$type($canary.{name}) = '{kind}'"
        for name, kind in (("phase", "string"), ("done", "boolean"), ("wait_s", "number"))
    )
    states: dict[str, object] = {
        "Begin": {
            "Type": "Pass",
            "Assign": {
                "stage": "{% $states.input.stage %}",
                "canary_id": "{% $states.input.canary_id %}",
                "is_promoted": False,
                "turn": 0,
                "canary": {},
                **_NOTHING_DONE,
            },
            "Next": "Tick",
        },
        "Tick": {
            **invoke_tick(tick_arn),
            "Assign": {"canary": "{% $states.result.Payload %}", "turn": "{% $turn + 1 %}"},
            "Retry": _RETRY,
            "Catch": _catch(back),
            "Next": "Look",
        },
        "Look": {
            "Type": "Choice",
            "Choices": [
                {"Condition": f"{{% $not({well_formed}) %}}", "Next": back},
                {"Condition": "{% $canary.phase = 'promoted' %}", "Next": "Promoted"},
                {"Condition": "{% $canary.done %}", "Next": "NotPromoted"},
                {"Condition": f"{{% $turn >= {TURNS} %}}", "Next": back},
            ],
            "Default": "Wait",
        },
        "Wait": {
            "Type": "Wait",
            "Seconds": f"{{% $floor($max([1, $min([{TICK_S}, $canary.wait_s])])) %}}",
            "Next": "Tick",
        },
        **_rollback(
            stage,
            topic_arn,
            done="RolledBack" if is_flag else "Publish",
            notified="RolledBack",
            one=one_flag(stage, tick_arn) if is_flag else one_alias(stage, ONLY_OURS),
        ),
        "Promoted": {"Type": "Succeed", "Output": "{% $canary %}"},
        "NotPromoted": {
            "Type": "Fail",
            "Error": "CanaryNotPromoted",
            "Cause": "{% $type($canary.why) = 'string' ? $canary.why : '' %}",
        },
        "RolledBack": {
            "Type": "Fail",
            "Error": "CanaryRolledBack",
            "Cause": "The tick function failed or the history was full; Step Functions rolled back.",
        },
    }
    if not is_flag:
        states["Records"] = _records(stage)
        # The traffic is back. If the tick function works by now, it publishes the end.
        then = "Notify" if topic_arn else "RolledBack"
        states["Publish"] = {**invoke_tick(tick_arn), "Catch": _catch(then), "Next": "RolledBack"}
    return _machine(stage, "one tick per turn; the state is in the alias", "Begin", states, LONGEST)


def rollback_definition(stage: StagePlan, topic_arn: str = "", tick_arn: str = "") -> dict[str, object]:
    """The state machine that only rolls back: for people, alarms and the dead-man switch. It takes any input.

    It ends aliases with the record of a canary and leaves every other alone; running it twice changes nothing. With a
    `canary_id` in its input it ends that canary only, and only where an alias still routes as its record says. The same
    holds for the stage of a flag, with the share of users.

    Args:
        stage: the plan.
        topic_arn: SNS topic for what was rolled back, and what could not be.
        tick_arn: as for `definition`; needed by the stage of a flag only.

    Raises:
        PlanError: the stage has a flag, and nothing that could lower it is given.
    """
    is_flag = stage.flag is not None
    if is_flag and not tick_arn:
        raise PlanError(f"the rollback of stage {stage.name} needs its tick function", hint="Pass tick_arn.")
    given = "$type($states.input) = 'object' and $exists($states.input.canary_id)"
    states: dict[str, object] = {
        "Begin": {
            "Type": "Pass",
            "Assign": {
                "canary_id": f"{{% {given} ? $string($states.input.canary_id) : '' %}}",
                "is_promoted": False,
                **_NOTHING_DONE,
            },
            "Next": "RollBack" if is_flag else "Records",
        },
        **_rollback(
            stage,
            topic_arn,
            done="Notify" if topic_arn and not is_flag else "Done",
            notified="Done",
            one=one_flag(stage, tick_arn) if is_flag else one_alias(stage, UNTOUCHED_OR_ANY),
        ),
        "Done": {"Type": "Succeed"},
    }
    if is_flag:
        return _machine(stage, "let the tick function lower the flag", "Begin", states, timedelta(days=1))
    states["Records"] = _records(stage)
    return _machine(stage, "roll back without any code of ours", "Begin", states, timedelta(days=1))


def _machine(
    stage: StagePlan, purpose: str, start: str, states: dict[str, object], longest: timedelta
) -> dict[str, object]:
    partition = partition_of(stage.region or "")
    return {
        "Comment": f"canary {stage.name}: {purpose}",
        "QueryLanguage": "JSONata",
        "StartAt": start,
        "TimeoutSeconds": int(longest.total_seconds()),
        "States": json.loads(json.dumps(states).replace('"arn:aws:states:::', f'"arn:{partition}:states:::')),
    }


def _records(stage: StagePlan) -> State:
    """Reads every record first: one that says "promoted" decides for all aliases, or they would end on two versions.

    The letter f is on every alias before the first one loses its record (canary.core.record).
    """
    promoted = f"$contains($text, /^{MARK}[^ ]+ [0-9]+>[0-9]+ f/)"
    mine = "($canary_id = '' or $split($text, ' ')[1] = $canary_id)"
    found = f"$count($filter($states.result, function($text) {{ {promoted} and {mine} }})) > 0"
    text = "$exists($states.result.Description) ? $states.result.Description : ''"
    read = call_lambda("getAlias", {})
    read["Arguments"] = {"FunctionName": "{% $states.input.function %}", "Name": "{% $states.input.alias %}"}
    return {
        "Type": "Map",
        "Items": functions_of(stage),
        "MaxConcurrency": 0,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "INLINE"},
            "StartAt": "Record",
            "States": {
                "Record": {
                    **read,
                    "Output": f"{{% {text} %}}",
                    "Retry": _AGAIN,
                    "Catch": [{"ErrorEquals": ALL, "Output": "", "Next": "Known"}],
                    "Next": "Known",
                },
                "Known": {"Type": "Pass", "End": True},
            },
        },
        "Assign": {"is_promoted": f"{{% {found} %}}"},
        "Output": {},
        "Catch": _catch("RollBack"),
        "Next": "RollBack",
    }


def _rollback(
    stage: StagePlan, topic_arn: str, *, done: str, notified: str, one: dict[str, object]
) -> dict[str, object]:
    """The states from `RollBack` on: `one` rolls one item back; `done` follows if none is stuck."""
    states: dict[str, object] = {
        "RollBack": {
            "Type": "Map",
            "Items": functions_of(stage),
            "MaxConcurrency": 0,
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "INLINE"},
                "StartAt": next(iter(one)),
                "States": one,
            },
            "Assign": {
                "moved": "{% $join($distinct([$states.result.moved]), ' ') %}",
                "stuck": "{% $join([$states.result.stuck], ', ') %}",
            },
            "Output": {},
            "Retry": _AGAIN,
            "Catch": [
                {
                    "ErrorEquals": ALL,
                    "Assign": {"stuck": "{% 'every alias (' & $states.errorOutput.Error & ')' %}"},
                    "Output": {},
                    "Next": "Ended",
                }
            ],
            "Next": "Ended",
        },
        "Ended": {
            "Type": "Choice",
            "Choices": [
                {"Condition": "{% $stuck != '' %}", "Next": "Alert" if topic_arn else "NotRolledBack"},
                *([] if done != "Notify" else [{"Condition": "{% $moved = '' %}", "Next": notified}]),
            ],
            "Default": done,
        },
        "NotRolledBack": {
            "Type": "Fail",
            "Error": "CanaryNotRolledBack",
            "Cause": f"{{% $stuck & ' {_left(stage)}: run `canary rollback {stage.name}`.' %}}",
        },
    }
    if topic_arn:
        if stage.flag is None:  # the tick function publishes what it lowers
            states["Notify"] = _message(stage, topic_arn, "rolled_back", notified)
        states["Alert"] = _message(stage, topic_arn, "alert", "NotRolledBack")
    return states


_NOTHING_DONE: Final = {"moved": "", "stuck": ""}
_TITLES: Final = {"rolled_back": "canary rolled back by Step Functions", "alert": "canary NOT rolled back"}


def _message(stage: StagePlan, topic_arn: str, transition: Transition, then: str) -> State:
    """A message in the form of the plan's notifications, with the id that a driver would give it."""
    title = _TITLES[transition]
    is_stuck = transition == "alert"
    why = f"$stuck & ' {_left(stage)}'" if is_stuck else "'no driver was needed; every alias is on its baseline'"
    known = "$moved != '' ? $split($moved, ' ')[0] : $canary_id"
    message = json.dumps(
        {
            "id": "ID", "canary_id": "CANARY", "stage": stage.name, "transition": transition, "title": title,
            "why": "WHY", "command": f"canary rollback {stage.name}" if is_stuck else "canary history",
        }
    )  # fmt: skip
    once = f"& '-{transition}-{which_id('0' if not is_stuck else 'stuck')}'"
    for word, value in (("ID", f"$known {once}"), ("CANARY", "$known"), ("WHY", why)):
        message = message.replace(f'"{word}"', value)
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:sns:publish",
        "TimeoutSeconds": 60,
        "Arguments": {
            "TopicArn": topic_arn,
            "Subject": f"[{stage.name}] {title}",
            "Message": f"{{% ($known := {known}; $string({message})) %}}",
        },
        "Output": {},
        "Retry": _AGAIN,
        "Catch": _catch(then),
        "Next": then,
    }


def _left(stage: StagePlan) -> str:
    """What may be true of a target that is stuck."""
    return "may still have weights" if stage.flag is None else "may still be on for some users"


def _catch(state: str) -> list[dict[str, object]]:
    return [{"ErrorEquals": ALL, "Output": {}, "Next": state}]
