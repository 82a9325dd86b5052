"""A Step Functions state machine that drives a canary: wait, tick, look, again. Data only; it calls no AWS.

Judging is one Lambda task (`canary.drivers.lambda_handler`); Step Functions waits, retries and outlives processes.
"""

from __future__ import annotations

from typing import Final

_RETRY: Final = [
    {
        "ErrorEquals": ["States.ALL"],
        "IntervalSeconds": 5,
        "BackoffRate": 2.0,
        "MaxAttempts": 6,
        "MaxDelaySeconds": 60,
        "JitterStrategy": "FULL",
    }
]


def definition(driver_arn: str, *, timeout_s: int = 6 * 3600) -> dict[str, object]:
    """The state machine in Amazon States Language; the execution's input is the event that starts the canary.

    Input: `{"stage": "prod", "versions": {"": "7"}}`. It succeeds when promoted and fails otherwise. When ticks keep
    failing, it rolls everything back before it fails; the dead-man switch is the last resort.

    Args:
        driver_arn: ARN of the Lambda function whose handler is `canary.drivers.lambda_handler.handler`.
        timeout_s: how long an execution may live.
    """
    roll_back = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "RollBack"}]
    return {
        "Comment": "canary: one tick per turn; truth is in the alias",
        "StartAt": "Start",
        "TimeoutSeconds": timeout_s,
        "States": {
            "Start": {
                **_task(driver_arn, "start", versions=True),
                "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "NotStarted"}],
                "Next": "Tick",
            },
            "Tick": {**_task(driver_arn, "tick"), "Retry": _RETRY, "Catch": roll_back, "Next": "Look"},
            "Look": {
                "Type": "Choice",
                "Choices": [
                    {"Variable": "$.canary.phase", "StringEquals": "promoted", "Next": "Promoted"},
                    {"Variable": "$.canary.done", "BooleanEquals": True, "Next": "NotPromoted"},
                ],
                "Default": "Wait",
            },
            "Wait": {"Type": "Wait", "SecondsPath": "$.canary.wait_s", "Next": "Tick"},
            "RollBack": {
                **_task(driver_arn, "rollback"),
                "Retry": [{**_RETRY[0], "MaxAttempts": 30}],
                "Next": "NotPromoted",
            },
            "Promoted": {"Type": "Succeed"},
            "NotPromoted": {"Type": "Fail", "Error": "CanaryNotPromoted", "CausePath": "$.canary.why"},
            "NotStarted": {"Type": "Fail", "Error": "CanaryNotStarted", "CausePath": "$.error.Cause"},
        },
    }


def _task(driver_arn: str, action: str, *, versions: bool = False) -> dict[str, object]:
    payload: dict[str, object] = {"stage.$": "$.stage", "action": action}
    if versions:
        payload["versions.$"] = "$.versions"
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": driver_arn, "Payload": payload},
        "ResultSelector": {
            "phase.$": "$.Payload.phase",
            "done.$": "$.Payload.done",
            "wait_s.$": "$.Payload.wait_s",
            "why.$": "$.Payload.why",
        },
        "ResultPath": "$.canary",
    }
