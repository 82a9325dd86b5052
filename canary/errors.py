"""The error tree of canary; it names errors and decides nothing.

    CanaryError
    ├── PlanError                the plan can't be read or is not valid
    │   └── UnknownStageError    no such stage in the plan
    ├── RefusedError             a check or a rule of the stage failed; nothing was changed
    │   └── NoChangeError        every alias serves the version already that would be released
    ├── ConflictError            another driver or another tool changed the alias; nothing was written
    ├── NotRunningError          no canary is in progress where one is needed
    ├── AwsError                 an AWS call failed
    │   ├── NotFoundError        function, version, alias or alarm does not exist
    │   │   └── FlagNotFoundError  the flag of a stage does not exist
    │   ├── AccessDeniedError    a permission or credentials are missing
    │   ├── UnusableFlagError    the flag has no percentage of users that could be raised
    │   ├── StaleRevisionError   the alias was changed meanwhile; nothing was written
    │   └── UnavailableError     network, throttling, 5xx: can be tried again
    ├── FlagsOffError            flags that a rollback should switch off are still on
    ├── RecordError              the alias description holds a record that can't be read
    ├── OutcomesError            outcomes of users can't be read
    └── UsageError               a command was called with wrong arguments

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
    """

    code: ClassVar[str] = "canary_error"
    default_hint: ClassVar[str] = "See the error catalogue in the documentation."
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint


class PlanError(CanaryError):
    """The plan can't be read or is not valid; the message has the arithmetic."""

    code = "plan_invalid"
    default_hint = "Correct canary.toml, then run `canary plan STAGE`."
    exit_code = 2


class UnknownStageError(PlanError):
    """The plan has no such stage."""

    code = "stage_unknown"
    default_hint = "Use one of the stages of canary.toml."


class RefusedError(CanaryError):
    """A preflight check or a rule of the stage failed; nothing was changed."""

    code = "refused"
    default_hint = "Run `canary doctor STAGE` to list every check."
    exit_code = 5


class NoChangeError(RefusedError):
    """Every alias serves the version already that would be released."""

    code = "no_change"
    default_hint = "Publish a new version, name one with --version, or pass --allow-no-change."


class ConflictError(CanaryError):
    """Another driver or another tool changed the alias; the canary stopped without writing."""

    code = "conflict"
    default_hint = "Run `canary status STAGE` to see what the alias serves."
    exit_code = 6


class NotRunningError(CanaryError):
    """No canary is in progress where one is needed."""

    code = "not_running"
    default_hint = "Run `canary deploy STAGE` to start one."
    exit_code = 5


class AwsError(CanaryError):
    """An AWS call failed."""

    code = "aws_failed"


class UnusableFlagError(AwsError):
    """The flag has no percentage of users that could be raised and lowered."""

    code = "flag_unusable"
    default_hint = "Give the flag one percentage of users: `flagkit rollout KEY 0 --by userId`."


class NotFoundError(AwsError):
    """A function, version, alias or alarm does not exist."""

    code = "aws_not_found"
    default_hint = "Check the name, the region and the account."


class FlagNotFoundError(NotFoundError):
    """The flag of a stage, its source, or a version of it that is live does not exist."""

    code = "flag_not_found"
    default_hint = "`flagkit list` shows the flags of a source."


class AccessDeniedError(AwsError):
    """A permission or credentials are missing."""

    code = "aws_access_denied"
    default_hint = "Set AWS credentials, and grant the action that the message names."


class StaleRevisionError(AwsError):
    """The alias was changed meanwhile (RevisionId, HTTP 412); nothing was written."""

    code = "aws_stale_revision"
    default_hint = "Run the command again."


class UnavailableError(AwsError):
    """Network, throttling or a server error: can be tried again."""

    code = "aws_unavailable"
    default_hint = "Check the network and the AWS status, then run the command again; it resumes."


class FlagsOffError(CanaryError):
    """Flags that a rollback should switch off are still on; the traffic is rolled back."""

    code = "flags_not_off"
    default_hint = "Switch them off: `flagkit off KEY`."


class OutcomesError(CanaryError):
    """Outcomes of users can't be read: the file, the command's answer or the store is not what it should be."""

    code = "outcomes_unreadable"
    default_hint = "See docs/canary/guarded-rollouts.md for the columns."


class RecordError(CanaryError):
    """The alias description holds a canary record that can't be read."""

    code = "record_invalid"
    default_hint = "Another version of canary may have written it. Run `canary status STAGE` to see the alias."
    exit_code = 6


class UsageError(CanaryError):
    """A command was called with wrong arguments."""

    code = "usage"
    default_hint = "See --help."
    exit_code = 2
