"""Names and ARNs of what a stage has in AWS beside its functions; every part that needs one takes it from here."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

SCHEDULE_GROUP: Final = "canary"
"""Schedule group of the dead-man switches and of the lambda engine."""

JOURNAL_TABLE: Final = "canary-journal"
"""The DynamoDB table of `journal = "dynamodb://canary-journal"`."""

_LONGEST: Final = 64
"""Lambda functions, roles and schedules have names of 64 characters at most; state machines of 80."""

_LONGEST_STEM: Final = 45
"""Of a schedule's name: after it come a dot, which no stage's name keeps, and what the schedule is for."""

_TAKEN: Final = re.compile("canary-(rollback|tick)-")
"""Names of a stage's parts, with which the name of another stage must not begin."""


def state_machine(stage: str) -> str:
    """The state machine of the stepfunctions engine."""
    return _named("canary", stage)


def rollback_machine(stage: str) -> str:
    """The state machine that only rolls back."""
    return _named("canary-rollback", stage)


def tick_function(stage: str) -> str:
    """The Lambda function whose invocation is one tick."""
    return _named("canary-tick", stage)


def tick_schedules(stage: str) -> str:
    """What the names of the lambda engine's schedules begin with, in `SCHEDULE_GROUP`; no other stage's do."""
    return _named("canary-tick", stage, _LONGEST_STEM) + "."


def tick_schedule(stage: str, canary_id: str) -> str:
    """The schedule of one canary: what ends it can't end the next one's."""
    return tick_schedules(stage) + canary_id


def dead_man_schedules(stage: str) -> str:
    """What the names of a stage's dead-man switches begin with; no other stage's do."""
    return _named("canary", stage, _LONGEST_STEM) + "."


def dead_man_schedule(stage: str, guarded: str) -> str:
    """The dead-man switch of a function or a canary: what Scheduler allows, unique by a hash."""
    stem = dead_man_schedules(stage)
    plain = re.sub(r"[^0-9A-Za-z_.-]", "-", guarded)
    mark = sha256(f"{stage}/{guarded}".encode()).hexdigest()[:8]
    return f"{stem}{plain[: _LONGEST - len(stem) - 9]}-{mark}"


def dead_man_role(stage: str) -> str:
    """The role with which a dead-man switch calls `lambda:UpdateAlias`."""
    return _named("canary-deadman", stage)


def engine_role(stage: str) -> str:
    """The role of both state machines, and of the schedule that invokes the tick function."""
    return _named("canary-engine", stage)


def tick_role(stage: str) -> str:
    """The execution role of the tick function."""
    return _named("canary-tick", stage)


def topic(stage: str) -> str:
    """The SNS topic of notifications."""
    return _named("canary", stage)


def part(kind: str, stage: str) -> str:
    """A part that nothing looks up by its name, such as the role of a pipeline."""
    return _named(f"canary-{kind}", stage)


def partition_of(region: str) -> str:
    """`aws`, `aws-cn` or `aws-us-gov`."""
    return next((f"aws-{kind}" for kind in ("cn", "us-gov") if region.startswith(f"{kind}-")), "aws")


def arn(service: str, resource: str, *, account: str, region: str) -> str:
    """An ARN such as `arn:aws:states:eu-west-1:123456789012:stateMachine:canary-prod`; IAM's has no region."""
    where = "" if service == "iam" else region
    return f"arn:{partition_of(region)}:{service}:{where}:{account}:{resource}"


def state_machine_arn(stage: str, *, account: str, region: str) -> str:
    """Of `state_machine`."""
    return arn("states", f"stateMachine:{state_machine(stage)}", account=account, region=region)


def rollback_machine_arn(stage: str, *, account: str, region: str) -> str:
    """Of `rollback_machine`."""
    return arn("states", f"stateMachine:{rollback_machine(stage)}", account=account, region=region)


def tick_function_arn(stage: str, *, account: str, region: str) -> str:
    """Of `tick_function`."""
    return arn("lambda", f"function:{tick_function(stage)}", account=account, region=region)


def role_arn(name: str, *, account: str, region: str) -> str:
    """Of a role by its name."""
    return arn("iam", f"role/{name}", account=account, region=region)


def _named(prefix: str, stage: str, longest: int = _LONGEST) -> str:
    """The stage's own name where AWS allows it, and where it is no part's; else what AWS allows of it, with a hash."""
    plain = f"{prefix}-{stage}"
    allowed = re.sub(r"[^A-Za-z0-9_-]", "-", plain)
    if plain == allowed and len(plain) <= longest and not (prefix == "canary" and _TAKEN.match(plain)):
        return plain
    return f"{allowed[: longest - 9]}-{sha256(stage.encode()).hexdigest()[:8]}"
