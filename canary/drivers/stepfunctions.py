"""The Step Functions state machines of a stage: tick, wait, again; and a rollback without code of ours. Data only.

The tick function judges (`canary.drivers.lambda_handler`); Step Functions waits, retries and outlives processes. The
rollback reads the record in each alias and calls `lambda:updateAlias` itself, guarded by RevisionId, so it works when
the tick function does not.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Final

from canary.core.engines import LONGEST, TURNS, check_limits, functions_of, tries_of
from canary.core.events import which_id
from canary.core.plan import StagePlan, Transition
from canary.core.record import MARK
from canary.core.resources import partition_of

TICK_S: Final = 900
"""A Lambda function runs no longer."""

_State = dict[str, object]
_ALL: Final = ["States.ALL"]
_AGAIN: Final = [{"ErrorEquals": _ALL, "IntervalSeconds": 1, "BackoffRate": 2.0, "MaxAttempts": 3}]
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
        "ErrorEquals": _ALL,
        "IntervalSeconds": 5,
        "BackoffRate": 2.0,
        "MaxAttempts": 6,
        "MaxDelaySeconds": 60,
        "JitterStrategy": "FULL",
    },
]

_PAIR: Final = "$split($split($description, ' ')[2], '>')"
_UNTOUCHED: Final = f"""(
$words := $split($description, ' ');
$pair := {_PAIR};
$last := $filter($split($words[5], ','), function($step) {{ $contains($step, '@') }})[-1];
$bp := $exists($last) ? $round($number($substringBefore($last, '@')) * 100) : 0;
$words[1] = $canary_id and (
$substring($words[3], 0, 1) in ['r', 'a'] ? $version in $pair and $extra in ['', $pair[0], $pair[1]]
: $bp = 10000 ? $version = $pair[1] and $extra in ['', $pair[0]]
: $version = $pair[0] and ($bp = 0 ? $extra = '' : $extra = $pair[1] and $extra_bp = $bp)))"""
"""The record is this canary's, and the alias routes as it says (`canary.core.recover`): nobody has moved it since."""


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
            **_tick(tick_arn),
            "Assign": {"canary": "{% $states.result.Payload %}", "turn": "{% $turn + 1 %}"},
            "Retry": _RETRY,
            "Catch": _catch("Records"),
            "Next": "Look",
        },
        "Look": {
            "Type": "Choice",
            "Choices": [
                {"Condition": f"{{% $not({well_formed}) %}}", "Next": "Records"},
                {"Condition": "{% $canary.phase = 'promoted' %}", "Next": "Promoted"},
                {"Condition": "{% $canary.done %}", "Next": "NotPromoted"},
                {"Condition": f"{{% $turn >= {TURNS} %}}", "Next": "Records"},
            ],
            "Default": "Wait",
        },
        "Wait": {
            "Type": "Wait",
            "Seconds": f"{{% $floor($max([1, $min([{TICK_S}, $canary.wait_s])])) %}}",
            "Next": "Tick",
        },
        "Records": _records(stage),
        **_rollback(
            stage,
            topic_arn,
            done="Publish",
            notified="RolledBack",
            mine=" and $split($description, ' ')[1] = $canary_id",
        ),
        # The traffic is back. If the tick function works by now, it publishes the end.
        "Publish": {**_tick(tick_arn), "Catch": _catch("Notify" if topic_arn else "RolledBack"), "Next": "RolledBack"},
        "Promoted": {"Type": "Succeed", "Output": "{% $canary %}"},
        "NotPromoted": {
            "Type": "Fail",
            "Error": "CanaryNotPromoted",
            "Cause": "{% $type($canary.why) = 'string' ? $canary.why : '' %}",
        },
        "RolledBack": {
            "Type": "Fail",
            "Error": "CanaryRolledBack",
            "Cause": "The tick function failed or the history was full; Step Functions rolled every alias back.",
        },
    }
    return _machine(stage, "one tick per turn; the state is in the alias", "Begin", states, LONGEST)


def rollback_definition(stage: StagePlan, topic_arn: str = "") -> dict[str, object]:
    """The state machine that only rolls back: for people, alarms and the dead-man switch. It takes any input.

    It ends aliases with the record of a canary and leaves every other alone; running it twice changes nothing. With a
    `canary_id` in its input it ends that canary only, and only where an alias still routes as its record says.

    Args:
        stage: the plan.
        topic_arn: SNS topic for what was rolled back, and what could not be.
    """
    given = "$type($states.input) = 'object' and $exists($states.input.canary_id)"
    states = {
        "Begin": {
            "Type": "Pass",
            "Assign": {
                "canary_id": f"{{% {given} ? $string($states.input.canary_id) : '' %}}",
                "is_promoted": False,
                **_NOTHING_DONE,
            },
            "Next": "Records",
        },
        "Records": _records(stage),
        **_rollback(
            stage,
            topic_arn,
            done="Notify" if topic_arn else "Done",
            notified="Done",
            mine=f" and ($canary_id = '' or ({_UNTOUCHED}))",
        ),
        "Done": {"Type": "Succeed"},
    }
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


def _tick(tick_arn: str) -> _State:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "TimeoutSeconds": TICK_S + 60,
        "Arguments": {
            "FunctionName": tick_arn,
            "Payload": {"action": "tick", "stage": "{% $stage %}", "canary_id": "{% $canary_id %}"},
        },
        "Output": {},
    }


def _records(stage: StagePlan) -> _State:
    """Reads every record first: one that says "promoted" decides for all aliases, or they would end on two versions.

    The letter f is on every alias before the first one loses its record (canary.core.record).
    """
    promoted = f"$contains($text, /^{MARK}[^ ]+ [0-9]+>[0-9]+ f/)"
    mine = "($canary_id = '' or $split($text, ' ')[1] = $canary_id)"
    found = f"$count($filter($states.result, function($text) {{ {promoted} and {mine} }})) > 0"
    text = "$exists($states.result.Description) ? $states.result.Description : ''"
    read = _lambda("getAlias", {})
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
                    "Catch": [{"ErrorEquals": _ALL, "Output": "", "Next": "Known"}],
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


def _rollback(stage: StagePlan, topic_arn: str, *, done: str, notified: str, mine: str) -> dict[str, object]:
    """The states from `RollBack` on; `done` follows if no alias is stuck, and `notified` the message."""
    states: dict[str, object] = {
        "RollBack": {
            "Type": "Map",
            "Items": functions_of(stage),
            "MaxConcurrency": 0,
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "INLINE"},
                "StartAt": "Alias",
                "States": _one_alias(mine, tries_of(stage)),
            },
            "Assign": {
                "moved": "{% $join($distinct([$states.result.moved]), ' ') %}",
                "stuck": "{% $join([$states.result.stuck], ', ') %}",
            },
            "Output": {},
            "Retry": _AGAIN,
            "Catch": [
                {
                    "ErrorEquals": _ALL,
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
            "Cause": f"{{% $stuck & ' may still have weights: run `canary rollback {stage.name}`.' %}}",
        },
    }
    if topic_arn:
        states["Notify"] = _message(stage, topic_arn, "rolled_back", notified)
        states["Alert"] = _message(stage, topic_arn, "alert", "NotRolledBack")
    return states


_NOTHING_DONE: Final = {"moved": "", "stuck": ""}
_TITLES: Final = {"rolled_back": "canary rolled back by Step Functions", "alert": "canary NOT rolled back"}


def _message(stage: StagePlan, topic_arn: str, transition: Transition, then: str) -> _State:
    """A message in the form of the plan's notifications, with the id that a driver would give it."""
    title = _TITLES[transition]
    is_stuck = transition == "alert"
    why = "$stuck & ' may still have weights'" if is_stuck else "'no driver was needed; every alias is on its baseline'"
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


def _one_alias(mine: str, tries: int) -> dict[str, object]:
    """Rolls one alias back, and reads it again until it has no record: whatever fails, the others go on.

    It gives up what can't succeed (a version that was deleted), and anything else after so many tries.
    """
    weights = "$states.result.RoutingConfig.AdditionalVersionWeights"
    # Whoever has moved the alias to a third version and left the description keeps it.
    known = f"$version in {_PAIR} and ($extra = '' or $extra in {_PAIR})"
    is_ours = f"$contains($description, /^{MARK}[^ ]+ [0-9]+>[0-9]+ [^|~]*[|~]/) and {known}{mine}"
    # The letter f: promoted, and only the operator's description is still to be restored (canary.core.record).
    letter = "$substring($split($description, ' ')[3], 0, 1)"
    index = f"{letter} = 'f' or ($is_promoted and {letter} = 'o') ? 1 : 0"
    return {
        "Alias": {
            "Type": "Pass",
            "Assign": {
                "function": "{% $states.input.function %}",
                "alias": "{% $states.input.alias %}",
                "description": "",
                "revision": "",
                "version": "",
                "extra": "",
                "extra_bp": 0,
                "pause_s": 5,
                "tries": 1,
                "error": "",
            },
            "Next": "Read",
        },
        "Read": {
            **_lambda("getAlias", {}),
            "Assign": {
                "description": "{% $exists($states.result.Description) ? $states.result.Description : '' %}",
                "revision": "{% $states.result.RevisionId %}",
                "version": "{% $states.result.FunctionVersion %}",
                "extra": f"{{% $exists($keys({weights})) ? $keys({weights})[0] : '' %}}",
                "extra_bp": f"{{% $exists($keys({weights})) ? "
                f"$round($lookup({weights}, $keys({weights})[0]) * 10000) : 0 %}}",
            },
            "Catch": [{"ErrorEquals": ["Lambda.ResourceNotFoundException"], "Next": "Left"}, *_FAILED],
            "Next": "Ours",
        },
        "Ours": {
            "Type": "Choice",
            "Choices": [{"Condition": f"{{% {is_ours} %}}", "Next": "Update"}],
            "Default": "Left",
        },
        "Update": {
            **_lambda(
                "updateAlias",
                {
                    "FunctionVersion": f"{{% {_PAIR}[{index}] %}}",
                    "RoutingConfig": {"AdditionalVersionWeights": {}},
                    "Description": "{% $replace($description, /^[^|~]*[|~]/, '') %}",
                    "RevisionId": "{% $revision %}",
                },
            ),
            "Catch": [{**_FAILED[0], "ErrorEquals": _FINAL, "Next": "Stuck"}, *_FAILED],
            "Next": "Moved",
        },
        "Again": {
            "Type": "Choice",
            "Choices": [{"Condition": f"{{% $tries >= {tries} %}}", "Next": "Stuck"}],
            "Default": "Pause",
        },
        "Pause": {
            "Type": "Wait",
            "Seconds": "{% $pause_s %}",
            "Assign": {"pause_s": "{% $min([300, $pause_s * 2]) %}", "tries": "{% $tries + 1 %}"},
            "Next": "Read",
        },
        "Stuck": {
            "Type": "Pass",
            "Output": {"stuck": "{% $function & ':' & $alias & ' (' & $error & ')' %}"},
            "End": True,
        },
        # Only the description of a promoted alias was restored where the index is 1.
        "Moved": {
            "Type": "Pass",
            "Output": f"{{% ({index}) = 1 ? {{}} : {{'moved': $split($description, ' ')[1]}} %}}",
            "End": True,
        },
        "Left": {"Type": "Pass", "Output": {}, "End": True},
    }


_FINAL: Final = ["Lambda.ResourceNotFoundException", "Lambda.InvalidParameterValueException"]
"""A version that was deleted, or that can't be served: no other try ends otherwise."""

_FAILED: Final[list[dict[str, object]]] = [
    {"ErrorEquals": _ALL, "Assign": {"error": "{% $states.errorOutput.Error %}"}, "Output": {}, "Next": "Again"}
]


def _lambda(action: str, more: dict[str, object]) -> _State:
    return {
        "Type": "Task",
        "Resource": f"arn:aws:states:::aws-sdk:lambda:{action}",
        "TimeoutSeconds": 60,
        "Arguments": {"FunctionName": "{% $function %}", "Name": "{% $alias %}", **more},
        "Output": {},
    }


def _catch(state: str) -> list[dict[str, object]]:
    return [{"ErrorEquals": _ALL, "Output": {}, "Next": state}]
