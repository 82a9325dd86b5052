"""The error tree of flagkit; it names errors and must not decide anything.

    FlagkitError
    ├── DocumentError              the flag document breaks AWS's format
    ├── RuleError                  one rule can't be read
    ├── EvaluationError            raised only by explicit `*_or_raise` calls and providers, never by reads
    ├── EditError                  an authoring edit makes no sense
    │   ├── UnknownFlagError       no such flag (with "did you mean")
    │   └── ConflictError          somebody else changed the same flag
    ├── SourceError                the document can't be fetched
    │   ├── SourceUrlError         the source address can't be read
    │   ├── SourceNotFoundError    nothing with that name exists
    │   ├── NotDeployedError       the profile exists, but nothing was deployed yet
    │   ├── AccessDeniedError      the caller lacks a right, or credentials are missing
    │   ├── SourceUnavailableError network, throttling, 5xx: try again later
    │   └── SourceBusyError        others keep changing the same place
    ├── DeploymentError            a deployment didn't do what was asked
    │   └── DeploymentBusyError    another deployment runs
    ├── RefusedError               a person said no, or nobody was there to say yes
    └── UsageError                 a command was called with words that don't fit

Every error has a stable `code`, a message that names the thing, and a `hint` that says what to do.
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
        hint: one line that says what to do.

    Since 0.1.
    """

    code: ClassVar[str] = "flagkit_error"
    default_hint: ClassVar[str] = "See the error catalogue in the documentation."

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken constraint of a flag document, in AWS's own words.

    Attributes:
        constraint: AWS's constraint name, e.g. `Required` or `RuleIsValid` (appconfig.md §1.1).
        location: dotted path, e.g. `values.checkout._variants.0.rule.eq`.
        type: AWS's group name of the constraint, may be empty.
        value: the refused value as JSON text, shortened.
        reason: native reason, e.g. `TooFewOperands`, or empty.
        message: one readable sentence.

    Since 0.1.
    """

    constraint: str
    location: str
    type: str = ""
    value: str = ""
    reason: str = ""
    message: str = ""


class DocumentError(FlagkitError):
    """The flag document breaks AWS's format; `violations` lists every break. Since 0.1."""

    code = "document_invalid"
    default_hint = "Correct the named locations; `flagkit lint` shows them all."

    def __init__(self, message: str, *, violations: tuple[Violation, ...] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.violations = violations


class RuleError(FlagkitError):
    """One rule can't be read.

    Attributes:
        reason: AWS's native reason, e.g. `NotAnExpression`, `UnknownSymbol`, `TooFewOperands` (appconfig.md §2.3).
        position: character offset of the fault in `rule`.
        rule: the rule's text.
        path: operators from the rule's root to the fault, as in AWS's locations (`eq`, `and.1.eq`).

    Since 0.1.
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
        """Lets a pool of processes hand the error over: an exception is made anew of its arguments alone."""
        made = partial(type(self), reason=self.reason, position=self.position, rule=self.rule)
        return made, (self.message,), self.__dict__

    @property
    def caret(self) -> str:
        """The line of the rule that is at fault, with a caret under the fault (two lines)."""
        start = self.rule.rfind("\n", 0, self.position) + 1
        end = self.rule.find("\n", self.position)
        line = self.rule[start:] if end < 0 else self.rule[start:end]
        column = self.position - start
        first = max(0, column - 60)
        return f"{line[first : first + 120]}\n{' ' * (column - first)}^"


class EvaluationError(FlagkitError):
    """An evaluation failed where the caller asked for an exception. Reads never raise this. Since 0.1."""

    code = "evaluation_failed"


class EditError(FlagkitError):
    """An authoring edit makes no sense, e.g. 140 %. The document is unchanged. Since 0.1."""

    code = "edit_invalid"
    default_hint = "Nothing was changed. Correct the value and try again."


class UnknownFlagError(EditError):
    """No flag has that key. Since 0.1."""

    code = "flag_unknown"
    default_hint = "`flagkit list` shows the flags of this source."


class ConflictError(EditError):
    """Somebody else changed the same flag in between. Since 0.1."""

    code = "edit_conflict"
    default_hint = "Read the flag again (`flagkit show KEY`) and repeat the edit."


class SourceError(FlagkitError):
    """The flag document can't be fetched. Since 0.1."""

    code = "source_failed"


class SourceUrlError(SourceError):
    """The source address can't be read. Since 0.1."""

    code = "source_url_invalid"
    default_hint = "Use file:PATH or appconfig://APPLICATION/ENVIRONMENT/PROFILE."


class SourceNotFoundError(SourceError):
    """Nothing with that name exists. Since 0.1."""

    code = "source_not_found"
    default_hint = "Check the spelling, the region and the account."


class NotDeployedError(SourceError):
    """The profile exists, but no version was deployed to the environment yet. Since 0.1."""

    code = "source_not_deployed"
    default_hint = "Deploy a version to this environment; until then the code's defaults are served."


class AccessDeniedError(SourceError):
    """The caller lacks a right, or no credentials were found. Since 0.1."""

    code = "source_access_denied"
    default_hint = "Grant appconfig:StartConfigurationSession and appconfig:GetLatestConfiguration to the caller."


class SourceUnavailableError(SourceError):
    """Network, throttling or a server error: worth another try later.

    Attributes:
        retry_after_s: how long the other side wants to be left alone; None if it didn't say.

    Since 0.1.
    """

    code = "source_unavailable"
    default_hint = "AWS or the network did not answer; flags keep serving the last good document."

    def __init__(self, message: str, *, retry_after_s: float | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class SourceBusyError(SourceError):
    """Others keep changing the same place, or hold its lock. Nothing was saved. Since 0.1."""

    code = "source_busy"
    default_hint = "Nothing was saved. Try again in a moment."


class DeploymentError(FlagkitError):
    """A deployment didn't do what was asked, e.g. nothing runs that could be stopped. Since 0.1."""

    code = "deployment_failed"
    default_hint = "`flagkit status` shows what is saved and what is served."


class DeploymentBusyError(DeploymentError):
    """Another deployment runs; AppConfig runs one at a time in an environment. Since 0.1."""

    code = "deployment_busy"
    default_hint = "Your change is saved. Wait, stop the running deployment, or deploy later."


class RefusedError(FlagkitError):
    """A person said no, or nobody was there to say yes; nothing was changed. Since 0.1."""

    code = "not_confirmed"
    default_hint = "Nothing was changed. Pass --yes in scripts."


class UsageError(FlagkitError):
    """A command was called with words that don't fit. Since 0.1."""

    code = "usage"
    default_hint = "See --help."
