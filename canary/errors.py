"""The error tree of canary; it names errors and must not decide anything.

    CanaryError
    ├── PlanError                the plan can't be read or can't work
    │   └── UnknownStageError    no such stage in the plan
    ├── RefusedError             preflight or the stage's rules say no; nothing was changed
    ├── ConflictError            another driver or a foreign writer moved the alias; we stopped without writing
    ├── NotRunningError          no canary is under way where one is needed
    ├── AwsError                 an AWS call failed
    │   ├── NotFoundError        function, version, alias or alarm does not exist
    │   ├── AccessDeniedError    a right or credentials are missing
    │   ├── StaleRevisionError   somebody else wrote the alias first; nothing was written
    │   └── UnavailableError     network, throttling, 5xx: worth another try
    ├── FlagsOffError            flags that a rollback should switch off are still as they were
    ├── RecordError              the alias description holds a record that can't be read
    └── UsageError               a command was called with words that don't fit

Every error has a stable `code`, a message that names the thing, and a `hint` that says what to do.
"""

from __future__ import annotations

from typing import ClassVar


class CanaryError(Exception):
    """Base of every error that canary raises.

    Attributes:
        code: stable identifier for programs and the error catalogue.
        hint: one line that says what to do.
        exit_code: what the command line exits with (docs/reference/canary-commands.md).

    Since 0.1.
    """

    code: ClassVar[str] = "canary_error"
    default_hint: ClassVar[str] = "See the error catalogue in the documentation."
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint


class PlanError(CanaryError):
    """The plan can't be read, or can't work; the message carries the arithmetic. Since 0.1."""

    code = "plan_invalid"
    default_hint = "Correct canary.toml; `canary plan STAGE` shows how it is read."
    exit_code = 2


class UnknownStageError(PlanError):
    """The plan has no such stage. Since 0.1."""

    code = "stage_unknown"
    default_hint = "Use one of the stages of canary.toml."


class RefusedError(CanaryError):
    """Preflight or the stage's rules say no; nothing was changed. Since 0.1."""

    code = "refused"
    default_hint = "`canary doctor STAGE` lists every check."
    exit_code = 5


class ConflictError(CanaryError):
    """Another driver or a foreign writer moved the alias; we stopped without writing. Since 0.1."""

    code = "conflict"
    default_hint = "`canary status STAGE` shows who holds the alias."
    exit_code = 6


class NotRunningError(CanaryError):
    """No canary is under way where one is needed. Since 0.1."""

    code = "not_running"
    default_hint = "`canary deploy STAGE` starts one."
    exit_code = 5


class AwsError(CanaryError):
    """An AWS call failed. Since 0.1."""

    code = "aws_failed"


class NotFoundError(AwsError):
    """A function, version, alias or alarm does not exist. Since 0.1."""

    code = "aws_not_found"
    default_hint = "Check the name, the region and the account."


class AccessDeniedError(AwsError):
    """A right or credentials are missing. Since 0.1."""

    code = "aws_access_denied"
    default_hint = "Set AWS credentials, and grant the action that the message names."


class StaleRevisionError(AwsError):
    """Somebody else wrote the alias first (RevisionId moved, HTTP 412); nothing was written. Since 0.1."""

    code = "aws_stale_revision"
    default_hint = "Nothing was written; run the command again."


class UnavailableError(AwsError):
    """Network, throttling or a server error: worth another try. Since 0.1."""

    code = "aws_unavailable"
    default_hint = "Check the network and AWS's status, then run the command again; it resumes."


class FlagsOffError(CanaryError):
    """Flags that a rollback should switch off are still as they were; the traffic is back. Since 0.1."""

    code = "flags_not_off"
    default_hint = "Switch them off by hand: `flagkit off KEY`."


class RecordError(CanaryError):
    """The alias description holds a canary record that can't be read. Since 0.1."""

    code = "record_invalid"
    default_hint = "Another version of canary may be at work; `canary status STAGE` shows the raw record."
    exit_code = 6


class UsageError(CanaryError):
    """A command was called with words that don't fit. Since 0.1."""

    code = "usage"
    default_hint = "See --help."
    exit_code = 2
