"""The share of users of a flag as an alias: in AppConfig what is live counts, and one save holds share and record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import boto3
import pytest

from canary.adapters.flag_target import FlagAliases, no_dead_man
from canary.core.alias import AliasSpec, AliasState
from canary.core.plan import FlagTarget
from canary.errors import AccessDeniedError, AwsError, NotFoundError, StaleRevisionError, UnavailableError
from canary.testing import AwsStandIn
from flagkit.admin import edits
from flagkit.admin.entries import changed_keys
from flagkit.admin.stores import Note, Receipt, open_store
from flagkit.admin.stores.deployments import AppConfigDeployments
from flagkit.core.documents import FlagDocument
from flagkit.errors import AccessDeniedError as FlagAccessDeniedError
from flagkit.testing import AppConfigFlags

KEY = "new_checkout"
RECORD = "canary1 k3f9a2c1 1>2 b tn1f0a 10@0,25 - 9f3a2b1c|"
TEN = AliasSpec("1", "2", 1000, RECORD)
NONE = AliasSpec("1", None, 0, "")


class Profile:
    """A flag in AppConfig, off."""

    def __init__(self, aws: AwsStandIn) -> None:
        self.aws = aws
        self.flags = AppConfigFlags(boto3.Session())
        self.target = FlagTarget(self.flags.url, KEY)
        self.function = self.target.function("on")
        self.aliases = FlagAliases(self.target, "on", boto3.Session(), clock=aws.clock)

    def save(self, change: Callable[[FlagDocument], FlagDocument], *, deploy: bool = True) -> Receipt:
        store = open_store(self.flags.url, clock=self.aws.clock)
        base = store.read(missing_ok=True)
        receipt = store.save(base, change(base.document), Note())
        if deploy and store.deployments is not None:
            store.deployments.deploy(receipt.version.number, pace="immediate")
        store.close()
        self.aws.clock.sleep(60)
        return receipt

    def write(self, spec: AliasSpec, revision: str | None = None) -> AliasState:
        state = self.aliases.write(self.function, spec, revision or self.revision())
        self.aws.clock.sleep(60)
        return state

    def revision(self) -> str:
        return self.aliases.read(self.function).revision_id


@pytest.fixture
def profile(canary_aws: AwsStandIn) -> Profile:
    found = Profile(canary_aws)
    found.save(lambda document: edits.create(edits.create(document, KEY), "other"))
    return found


def test_a_write_is_live_with_its_record_at_once(profile: Profile) -> None:
    state = profile.write(TEN)
    assert state.says(TEN)
    assert profile.aliases.read(profile.function).says(TEN)
    assert profile.write(NONE).says(NONE)


def test_a_write_over_another_change_is_refused(profile: Profile) -> None:
    revision = profile.revision()
    profile.save(lambda document: edits.rollout(document, KEY, 40))
    with pytest.raises(StaleRevisionError, match="has changed"):
        profile.write(TEN, revision)


def test_what_is_saved_and_not_deployed_has_changed_nothing(profile: Profile) -> None:
    revision = profile.revision()
    profile.save(lambda document: edits.expose(document, KEY, Decimal(40)), deploy=False)
    assert profile.aliases.read(profile.function).extra_bp == 0
    with pytest.raises(UnavailableError, match="saved but not deployed"):
        profile.write(TEN, revision)


def test_a_driver_that_ended_between_save_and_deployment_is_completed_by_the_next(profile: Profile) -> None:
    revision = profile.revision()
    profile.save(
        lambda document: edits.put_rollout(edits.expose(document, KEY, Decimal(10)), KEY, RECORD), deploy=False
    )
    assert profile.write(TEN, revision).says(TEN)


def test_a_rollout_whose_end_was_saved_only_is_completed(profile: Profile) -> None:
    revision = profile.write(TEN).revision_id
    profile.save(lambda document: edits.put_rollout(edits.expose(document, KEY, Decimal(0)), KEY, None), deploy=False)
    assert profile.write(NONE, revision).says(NONE)


def test_a_profile_that_was_never_deployed_has_no_share(canary_aws: AwsStandIn) -> None:
    found = Profile(canary_aws)
    found.save(lambda document: edits.create(document, KEY), deploy=False)
    with pytest.raises(NotFoundError, match="is live"):
        found.revision()


def test_an_increase_waits_for_another_deployment_and_a_decrease_replaces_it(profile: Profile) -> None:
    profile.write(TEN)
    receipt = profile.save(lambda document: edits.rollout(document, "other", 10), deploy=False)
    slow = profile.flags.strategy(duration_min=30, step_percent=10)
    store = open_store(profile.flags.url, clock=profile.aws.clock)
    assert store.deployments is not None
    store.deployments.deploy(receipt.version.number, pace=slow)
    with pytest.raises(UnavailableError):
        profile.aliases.write(profile.function, AliasSpec("1", "2", 2500, RECORD), profile.revision())
    assert profile.write(NONE).says(NONE)


@pytest.mark.parametrize("key", ["missing", "unknown_flag"])
def test_a_flag_that_does_not_exist_is_not_found(profile: Profile, key: str) -> None:
    target = FlagTarget(profile.flags.url, key)
    aliases = FlagAliases(target, "on", boto3.Session())
    with pytest.raises(NotFoundError):
        aliases.read(target.function("on"))
    with pytest.raises(NotFoundError):
        aliases.create(target.function("on"), "1")


def test_a_variant_that_does_not_exist_is_refused(profile: Profile) -> None:
    with pytest.raises(AwsError, match="no variant blue"):
        FlagAliases(profile.target, "blue", boto3.Session()).read(profile.function)


def test_both_versions_of_a_flag_always_exist(profile: Profile) -> None:
    aliases, function = profile.aliases, profile.function
    assert (aliases.publish(function), aliases.newest_version(function)) == ("2", "2")
    assert aliases.version_facts(function, "1").state == "Active"
    assert not aliases.function_facts(function).unqualified_url
    assert no_dead_man().kind is None


def test_what_is_saved_but_not_deployed_and_a_missing_strategy_are_named(profile: Profile) -> None:
    def found() -> dict[str, bool]:
        return {it.name: it.refuses for it in profile.aliases.function_facts(profile.function).obstacles}

    assert found() == {"flag_strategy": False, "flag_deployment": False}, "AppConfig.AllAtOnce watches for 10 minutes"
    profile.aws.clock.sleep(1200)
    profile.save(lambda document: edits.rollout(document, "other", 40), deploy=False)
    assert found() == {"flag_strategy": False, "flag_deployed": False}
    profile.save(lambda document: edits.rollout(document, KEY, 40), deploy=False)
    assert found() == {"flag_strategy": False, "flag_deployed": True}


def test_a_version_keeps_why_it_was_saved_and_where_rollouts_are_exempt_needs_no_approval(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAGKIT_CONFIG", str(tmp_path / "flagkit.toml"))
    (tmp_path / "flagkit.toml").write_text('[[approvals]]\nexempt = ["guarded_rollouts"]\n')
    profile.write(AliasSpec("1", None, 0, RECORD.replace("10@0,25", "10,25").replace(" b ", " s ")))
    profile.write(replace(TEN, why="canary started: 10 % of the users"))
    profile.write(replace(NONE, why="8 % of 412 users failed – " * 60))
    store = open_store(profile.flags.url, clock=profile.aws.clock)
    ended, began, *_ = (version.reason or "" for version in store.versions())
    assert began == "guarded rollout: 0 % → 10 % of users"
    assert ended.startswith("guarded rollout ended at 0 % of users; 8 % of 412 users failed")
    assert ended.endswith(" …")


def test_an_increase_that_may_not_be_deployed_is_not_left_saved(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object, **__: object) -> None:
        raise FlagAccessDeniedError("appconfig:StartDeployment: AccessDeniedException")

    before = open_store(profile.flags.url).read().document
    with monkeypatch.context() as patched:
        patched.setattr(AppConfigDeployments, "deploy", denied)
        with pytest.raises(AccessDeniedError, match="StartDeployment"):
            profile.write(TEN)
    assert changed_keys(before, open_store(profile.flags.url).read().document) == {}
    assert profile.write(TEN).says(TEN), "with the permission the rollout starts"
