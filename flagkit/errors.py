"""The error tree of flagkit; it defines errors and must not decide anything.

    FlagkitError
    ├── DocumentError              the flag document breaks AWS's format
    ├── RuleError                  one rule is not valid
    ├── EditError                  an edit of a flag is not valid
    │   ├── UnknownFlagError       no such flag (with "did you mean")
    │   └── ConflictError          another writer changed the same flag
    ├── SourceError                the document can't be fetched
    │   ├── SourceUrlError         the source URL is not valid
    │   ├── SourceNotFoundError    the application, environment, profile, version or file does not exist
    │   ├── NotDeployedError       the profile exists, but no version has been deployed
    │   ├── AccessDeniedError      the caller lacks a permission, or credentials are missing
    │   ├── SourceUnavailableError network, throttling, 5xx: try again later
    │   └── SourceBusyError        other writers keep changing the same source
    ├── DeploymentError            a deployment request failed
    │   └── DeploymentBusyError    another deployment is in progress
    ├── RefusedError               the change was not confirmed
    │   └── ApprovalRequiredError  the change needs another person's approval
    └── UsageError                 a command was called with invalid arguments

Every error has a stable `code`, a message with the value that is wrong, and a `hint` with the next step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar


class FlagkitError(Exception):
    """Base of every error that flagkit raises.

    Attributes:
        code: stable identifier for programs and the error catalogue.
        hint: the next step, one line.
    """

    code: ClassVar[str] = "flagkit_error"
    default_hint: ClassVar[str] = "See the error catalogue in the documentation."

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint


@dataclass(frozen=True, slots=True)
class Violation:
    """One violated constraint of a flag document, as AWS reports it.

    Attributes:
        constraint: AWS's constraint name, e.g. `Required` or `RuleIsValid` (appconfig.md §1.1).
        location: dotted path, e.g. `values.checkout._variants.0.rule.eq`.
        type: AWS's group name of the constraint, can be empty.
        value: the refused value as JSON text, shortened.
        reason: native reason, e.g. `TooFewOperands`, or empty.
        message: one readable sentence.
    """

    constraint: str
    location: str
    type: str = ""
    value: str = ""
    reason: str = ""
    message: str = ""


class DocumentError(FlagkitError):
    """The flag document breaks AWS's format; `violations` lists each one."""

    code = "document_invalid"
    default_hint = "Correct the named locations; `flagkit lint` shows all of them."

    def __init__(self, message: str, *, violations: tuple[Violation, ...] = (), hint: str | None = None) -> None:
        if hint is None and any(violation.constraint in {"ValidJson", "JSON"} for violation in violations):
            hint = "Correct the text; `flagkit lint` shows the line."
        super().__init__(message, hint=hint)
        self.violations = violations


class RuleError(FlagkitError):
    """One rule is not valid.

    Attributes:
        reason: AWS's native reason, e.g. `NotAnExpression`, `UnknownSymbol`, `TooFewOperands` (appconfig.md §2.3).
        position: character offset of the fault in `rule`.
        rule: the rule's text.
        path: operators from the rule's root to the fault, as in AWS's locations (`eq`, `and.1.eq`).
    """

    code = "rule_invalid"
    default_hint = 'Rules are s-expressions such as (eq $country "US"); see docs/rules.md.'

    def __init__(
        self, message: str, *, reason: str, position: int, rule: str, path: str = "", hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
        self.position = position
        self.rule = rule
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., RuleError], tuple[str], dict[str, object]]:
        """Support pickle, which creates an exception from its positional arguments alone."""
        create = partial(type(self), reason=self.reason, position=self.position, rule=self.rule)
        return create, (self.message,), self.__dict__

    @property
    def caret(self) -> str:
        """The line of the rule with the fault and a caret under it, two lines."""
        start = self.rule.rfind("\n", 0, self.position) + 1
        end = self.rule.find("\n", self.position)
        line = self.rule[start:] if end < 0 else self.rule[start:end]
        column = self.position - start
        first = max(0, column - 60)
        return f"{line[first : first + 120]}\n{' ' * (column - first)}^"


class EditError(FlagkitError):
    """An edit of a flag is not valid, for example 140 %. The document is unchanged."""

    code = "edit_invalid"
    default_hint = "Nothing was changed. Correct the value and try again."


class UnknownFlagError(EditError):
    """No flag has this key."""

    code = "flag_unknown"
    default_hint = "`flagkit list` shows the flags of this source."


class ConflictError(EditError):
    """Another writer changed the same flag in the meantime."""

    code = "edit_conflict"
    default_hint = "Read the flag again (`flagkit list` shows all) and repeat the edit."


class SourceError(FlagkitError):
    """The flag document can't be fetched."""

    code = "source_failed"


class SourceUrlError(SourceError):
    """The source URL is not valid."""

    code = "source_url_invalid"
    default_hint = "Use file:PATH or appconfig://APPLICATION/ENVIRONMENT/PROFILE."


class SourceNotFoundError(SourceError):
    """The application, environment, profile, version or file does not exist."""

    code = "source_not_found"
    default_hint = "Check the spelling, the region and the account."


class NotDeployedError(SourceError):
    """The profile exists, but no version has been deployed to the environment."""

    code = "source_not_deployed"
    default_hint = "Deploy a version to this environment; until then reads return the code's defaults."


class AccessDeniedError(SourceError):
    """The caller lacks a permission, or no credentials were found."""

    code = "source_access_denied"
    default_hint = "Grant appconfig:StartConfigurationSession and appconfig:GetLatestConfiguration to the caller."


class SourceUnavailableError(SourceError):
    """Network, throttling or a server error: try again later.

    Attributes:
        retry_after_s: how long the server asked to wait; None if it didn't say.
    """

    code = "source_unavailable"
    default_hint = "Check the network and the AWS service health; reads continue with the last good document."

    def __init__(self, message: str, *, retry_after_s: float | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class SourceBusyError(SourceError):
    """Other writers keep changing the same source, or hold its lock. Nothing was saved."""

    code = "source_busy"
    default_hint = "Nothing was saved. Try again in a moment."


class DeploymentError(FlagkitError):
    """A deployment request failed, for example because no deployment is in progress to stop."""

    code = "deployment_failed"
    default_hint = "`flagkit status` shows which version is saved and which is live."


class DeploymentBusyError(DeploymentError):
    """Another deployment is in progress; AppConfig runs one at a time in an environment."""

    code = "deployment_busy"
    default_hint = "Your change is saved. Wait for the running deployment, stop it, or deploy later."


class RefusedError(FlagkitError):
    """The change was not confirmed, so nothing was changed."""

    code = "not_confirmed"
    default_hint = "Nothing was changed. Pass --yes in scripts."


class ApprovalRequiredError(RefusedError):
    """The change needs another person's approval, and has none. Nothing was changed."""

    code = "approval_required"
    default_hint = "Propose it with --propose; another person approves it in the console. Switching off needs none."


class UsageError(FlagkitError):
    """A command was called with invalid arguments."""

    code = "usage"
    default_hint = "See --help."
