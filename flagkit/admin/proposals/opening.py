"""From a store and its settings to its guard and its proposals."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from flagkit.admin.identity import Person, local_user
from flagkit.admin.notices.store import NoticedStore, names_of, shown
from flagkit.admin.proposals.guard import GuardedStore
from flagkit.admin.proposals.keeping import SUFFIX, AppConfigProposals, FileProposals, ProposalStore
from flagkit.admin.proposals.review import Demand, Proposals
from flagkit.admin.settings import SourceSettings
from flagkit.admin.stores.base import FlagStore
from flagkit.admin.stores.control import Control
from flagkit.runtime.clock import Clock
from flagkit.sources.urls import parse

if TYPE_CHECKING:
    import boto3

    from flagkit.admin.stores.appconfig import AppConfigStore


def guarded(
    store: FlagStore,
    plain: FlagStore,
    url: str,
    settings: SourceSettings,
    clock: Clock,
    *,
    session: boto3.Session | None = None,
) -> GuardedStore:
    """Return a store that asks for the approvals that the settings ask for; nothing is read yet.

    Args:
        store: the flags, with notices.
        plain: the same, without.
        url: its source, as it was given.
        settings: which sources need approvals.
        clock: dates what is done.
        session: boto3 session; the usual chain of credentials and region where None.
    """

    @cache
    def demand() -> Demand:
        # By AppConfig's names: a source that is given by its ids is the same source.
        names = names_of(plain)
        return Demand(settings.approvals_of(names), shown(plain)[1], settings.frees_rollouts_of(names))

    def caller() -> Person:
        if plain.deployments is None:
            return Person(local_user())
        return Person(cast("AppConfigStore", plain).control.caller().arn)

    announce = store.notice_proposed if isinstance(store, NoticedStore) else None
    return GuardedStore(store, Proposals(store, _kept(url, clock, session), demand, clock, caller, announce))


def _kept(url: str, clock: Clock, session: boto3.Session | None) -> ProposalStore:
    address = parse(url)
    if address.scheme == "file":
        path = address.rest.removeprefix("//") if address.rest.startswith("//") else address.rest
        return FileProposals(Path(path), clock=clock)
    application, name, profile = address.names(3)
    region = address.options.get("region")
    control = Control(application, profile + SUFFIX, name, session=session, region=region, clock=clock)
    return AppConfigProposals(control)
