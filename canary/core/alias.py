"""What an alias says and should say, in whole basis points; it must not talk to AWS nor decide anything.

Weights are integers everywhere (1 basis point = 0.01 %), so 0.1 + 0.2 never meets a comparison. They become
AWS's floats in exactly one place, `ratio`, and are read in exactly one place, `from_ratio`
(lambda-canary.md §9, trap 35).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal

from canary.core.plan import FunctionRef

ALL_BP = 10_000
"""The whole traffic of an alias, in basis points."""

DESCRIPTION_LIMIT = 256
"""AWS's limit for an alias description, in characters (lambda-canary.md §1)."""

UNPUBLISHED = "$LATEST"


def basis_points(percent: Decimal | int | float | str) -> int:
    """Turns a percentage (0-100) into whole basis points."""
    exact = Decimal(str(percent)) * 100
    return int(exact.to_integral_value(rounding=ROUND_HALF_EVEN))


def ratio(weight_bp: int) -> float:
    """The weight as AWS takes it, 0.0-1.0. The only place where a weight becomes a float."""
    return weight_bp / ALL_BP


def from_ratio(weight_ratio: float) -> int:
    """The weight as AWS gave it (0.0-1.0) in basis points, whatever the float's last digits."""
    return round(weight_ratio * ALL_BP)


def percent_text(weight_bp: int) -> str:
    """`10`, `12.5` or `0.05`: a weight for people and for the record."""
    return f"{Decimal(weight_bp) / 100:f}".rstrip("0").rstrip(".") if weight_bp % 100 else str(weight_bp // 100)


@dataclass(frozen=True, slots=True)
class AliasSpec:
    """What an alias shall say, all in one `UpdateAlias`.

    Attributes:
        version: the primary version (`FunctionVersion`).
        extra_version: the one additional version, or None for "no weights".
        extra_bp: the additional version's share in basis points.
        description: the whole description: the canary's record, or the operator's own text.
        why: the sentence that led to it, for a target that keeps a history; the alias doesn't say it.
    """

    version: str
    extra_version: str | None
    extra_bp: int
    description: str
    why: str = field(default="", compare=False)

    def share_bp(self, version: str) -> int:
        """The share that a version shall have, in basis points."""
        return _share_bp(self, version)


@dataclass(frozen=True, slots=True)
class AliasState:
    """What an alias says, as read or as answered by a write."""

    function: FunctionRef
    version: str
    extra_version: str | None
    extra_bp: int
    description: str
    revision_id: str
    arn: str = ""

    @property
    def account(self) -> str:
        """The AWS account it lives in, from its ARN; empty when the ARN isn't known."""
        return self.arn.split(":")[4] if self.arn.count(":") > 4 else ""

    @property
    def routes_text(self) -> str:
        """Where its traffic goes, in a sentence's second half."""
        return self.function.words.serves(self)

    @property
    def versions_text(self) -> str:
        """The version that it serves, with their shares where there are two; of a flag its percentage."""
        return self.function.words.share(self)

    @property
    def percents(self) -> tuple[str, str]:
        """The shares of both versions, for people."""
        return percent_text(ALL_BP - self.extra_bp), percent_text(self.extra_bp)

    def share_bp(self, version: str) -> int:
        """The share that a version has, in basis points."""
        return _share_bp(self, version)

    def says(self, spec: AliasSpec) -> bool:
        """True when the alias already is what the spec wants."""
        return self.routes_like(spec) and self.description == spec.description

    def routes_like(self, spec: AliasSpec) -> bool:
        """True when traffic flows as the spec wants, whatever the description says."""
        return (self.version, self.extra_version, self.extra_bp) == (spec.version, spec.extra_version, spec.extra_bp)

    def same_content(self, other: AliasState) -> bool:
        """True when only the RevisionId may differ (AWS moves it on resource-policy changes too)."""
        return other.says(AliasSpec(self.version, self.extra_version, self.extra_bp, self.description))


def _share_bp(alias: AliasSpec | AliasState, version: str) -> int:
    extra_bp = 0 if alias.extra_version is None else alias.extra_bp
    return ALL_BP - extra_bp if alias.version == version else extra_bp if alias.extra_version == version else 0


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """What preflight must know about one published version."""

    version: str
    state: str
    role: str
    dead_letter_arn: str
    timeout_s: int
    code_sha256: str
    config_sha256: str
    durable: bool


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something about a target that a canary of it would meet.

    Attributes:
        name: stable name of the check that shows it.
        hint: what to do about it.
        refuses: whether nothing may start before it is gone.
    """

    name: str
    text: str
    hint: str
    refuses: bool = False


@dataclass(frozen=True, slots=True)
class FunctionFacts:
    """What preflight must know about a function around its alias.

    Attributes:
        provisioned_on: qualifiers (alias names or versions) that carry provisioned concurrency.
        unqualified_url: True when a function URL sits on `$LATEST` and bypasses the alias.
        unqualified_sources: event sources that call the function without the alias.
        unknown: actions that are not permitted to us, so that the rest can't tell.
        obstacles: what else a canary would meet.
    """

    provisioned_on: tuple[str, ...] = ()
    unqualified_url: bool = False
    unqualified_sources: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
