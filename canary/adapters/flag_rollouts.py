"""Every rollout of a flag that a region's AppConfig has a record of, for who looks for what nobody drives.

All hosted profiles are read as they are live, in each environment; what isn't a flag document has no rollout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from canary.adapters.aws import Api, Session
from canary.adapters.clock import AppConfigClock
from canary.adapters.flag_target import FlagAliases
from canary.core.alias import AliasState
from canary.core.plan import FlagTarget
from canary.errors import AccessDeniedError, AwsError, NotFoundError, UnavailableError
from canary.ports import Clock

if TYPE_CHECKING:
    from flagkit.core.documents import FlagDocument


@dataclass(frozen=True, slots=True)
class FlagRollout:
    """A record of a rollout.

    Attributes:
        targets: the flag by names and by ids; a plan may have either.
        aliases: what reads and writes it.
        state: as it was read.
    """

    targets: tuple[FlagTarget, FlagTarget]
    aliases: FlagAliases
    state: AliasState


def flag_rollouts(session: Session, clock: Clock) -> Iterator[FlagRollout]:
    """The rollouts under way by the documents that are live.

    Raises:
        AwsError: AppConfig can't be read.
    """
    api = Api(session, "appconfig")
    for application in api.pages("ListApplications", "Items"):
        within = {"ApplicationId": application["Id"]}
        profiles = [one for one in api.pages("ListConfigurationProfiles", "Items", **within) if _is_hosted(one)]
        environments = api.pages("ListEnvironments", "Items", **within) if profiles else ()
        for environment in environments:
            for profile in profiles:
                parts = (application, environment, profile)
                names, ids = ("appconfig://" + "/".join(str(part[key]) for part in parts) for key in ("Name", "Id"))
                yield from _in_document(names, ids, session, clock)


def _is_hosted(profile: dict[str, object]) -> bool:
    return profile.get("LocationUri") == "hosted"


def _in_document(names: str, ids: str, session: Session, clock: Clock) -> Iterator[FlagRollout]:
    from flagkit.core.definitions import ROLLOUTS_FLAG

    waiting = AppConfigClock(clock)
    try:
        document = FlagAliases(FlagTarget(ids, ROLLOUTS_FLAG), "on", session, clock=waiting).live_document()
    except (AccessDeniedError, UnavailableError):
        raise
    except (NotFoundError, AwsError):
        return  # nothing is live, or no flag document is
    records = document.values.get(ROLLOUTS_FLAG)
    for key in () if records is None else records.attributes:
        targets = FlagTarget(names, key), FlagTarget(ids, key)
        aliases = FlagAliases(targets[1], variant := _variant(document, key), session, clock=waiting)
        yield FlagRollout(targets, aliases, aliases.read(targets[0].function(variant)))


def _variant(document: FlagDocument, key: str) -> str:
    """What the rollout gives to users: a flag with a rollout has one percentage, that of its first variant."""
    from flagkit.authoring.editor import readable
    from flagkit.errors import FlagkitError

    try:
        variants = readable(document, key).variants
    except FlagkitError:
        return "on"
    return variants[0].name if variants else "on"
