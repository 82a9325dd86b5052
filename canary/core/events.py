"""What the machine wants done (effects) and what is published about a canary (events): frozen values, no behaviour.

An effect is an order to the runner. An event is history: it goes to the journal, the live view and the notifiers,
and nothing is ever decided from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Literal

from canary.core.alias import AliasSpec
from canary.core.measurements import Observations
from canary.core.phases import Phase, Signal
from canary.core.plan import FunctionRef
from canary.core.verdict import Judgement


class WriteKind(StrEnum):
    """Why aliases are written; the runner treats the kinds differently."""

    FORWARD = "forward"
    """More weight, or the promotion: in the plan's order, bounded retries, never over a foreign change."""
    ANNOTATE = "annotate"
    """Only the record changes (pause, deadline): as forward."""
    ROLLBACK = "rollback"
    """Everything to the baseline: before any other call, all at once, retried without a bound, verified."""
    RESTORE = "restore"
    """The operator's description again: in the given order, bounded retries."""


@dataclass(frozen=True, slots=True)
class AliasWrite:
    """One alias and what it shall say.

    Attributes:
        versions: baseline and candidate: the only versions the alias may name now; anything else is somebody else's.
        canary_id: the canary whose record may be replaced.
    """

    function: FunctionRef
    spec: AliasSpec
    versions: tuple[str, str]
    canary_id: str


@dataclass(frozen=True, slots=True)
class WriteAliases:
    """Effect: make each alias say its spec, guarded by its RevisionId, in this order, and verify it."""

    kind: WriteKind
    writes: tuple[AliasWrite, ...]


@dataclass(frozen=True, slots=True)
class FunctionMove:
    """One function of a canary: from which version to which."""

    function: str
    baseline: str
    candidate: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the released code comes from, and who started the canary; empty where it isn't known."""

    commit: str = ""
    branch: str = ""
    author: str = ""
    started_by: str = ""


UNKNOWN_ORIGIN = Origin()


@dataclass(frozen=True, slots=True)
class CanaryStarted:
    """A canary is starting; `description` of each function is the operator's whole text."""

    canary_id: str
    stage: str
    at: datetime
    functions: tuple[FunctionMove, ...]
    steps_bp: tuple[int, ...]
    fingerprint: str
    hotfix: bool = False
    origin: Origin = UNKNOWN_ORIGIN
    event: Literal["canary_started"] = "canary_started"


@dataclass(frozen=True, slots=True)
class TrafficShifted:
    """The candidate's share changed, on every function. 10,000 basis points is the promotion."""

    canary_id: str
    stage: str
    at: datetime
    weight_bp: int
    why: str
    event: Literal["traffic_shifted"] = "traffic_shifted"


@dataclass(frozen=True, slots=True)
class PhaseChanged:
    """The machine went from one phase to another; `signal` is what made it do so."""

    canary_id: str
    stage: str
    at: datetime
    before: Phase
    after: Phase
    why: str
    signal: Signal | None = None
    event: Literal["phase_changed"] = "phase_changed"


@dataclass(frozen=True, slots=True)
class Judged:
    """A tick looked at the evidence; `by` is who ran the driver, empty where it isn't known."""

    canary_id: str
    stage: str
    at: datetime
    phase: Phase
    weight_bp: int
    judgement: Judgement
    by: str = ""
    event: Literal["judged"] = "judged"


@dataclass(frozen=True, slots=True)
class Measured:
    """What a tick saw; rows that the same driver published already are left out."""

    canary_id: str
    stage: str
    at: datetime
    observations: Observations
    event: Literal["measured"] = "measured"


@dataclass(frozen=True, slots=True)
class CanaryEnded:
    """The canary is over, or stopped for a conflict.

    Attributes:
        functions_left: functions that still carry weights of this canary (only after a conflict).
    """

    canary_id: str
    stage: str
    at: datetime
    outcome: Phase
    why: str
    started_at: datetime
    functions_left: tuple[str, ...] = ()
    event: Literal["canary_ended"] = "canary_ended"


@dataclass(frozen=True, slots=True)
class CallRetried:
    """An AWS call failed and is made again."""

    canary_id: str
    stage: str
    at: datetime
    action: str
    attempt: int
    wait_s: float
    error: str
    event: Literal["call_retried"] = "call_retried"


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something a person should know that changes nothing by itself.

    Attributes:
        is_alert: somebody has to do something: it is sent to people, not only written down.
        is_planned: it went as it should: no warning.
    """

    canary_id: str
    stage: str
    at: datetime
    text: str
    is_alert: bool = False
    is_planned: bool = False
    event: Literal["noticed"] = "noticed"


Event = CanaryStarted | TrafficShifted | PhaseChanged | Judged | Measured | CanaryEnded | CallRetried | Noticed
"""Everything the journal, the live view and the notifiers may receive. `event` names the kind."""


@dataclass(frozen=True, slots=True)
class Announce:
    """Effect: publish an event to the journal and the observers."""

    event: Event


Effect = WriteAliases | Announce
"""Everything the machine may order."""


def which_id(which: str) -> str:
    """The part of a message's id that tells equal transitions of one canary apart (its weight, its moment)."""
    return sha256(which.encode()).hexdigest()[:16]
