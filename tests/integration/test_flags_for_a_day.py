"""A day of faults on 30 % of all calls, an hour of total outage, bad documents: flags go on being answered."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta

import boto3
import pytest

from flagkit import ErrorCode, Flags, State
from flagkit.testing import AppConfigFlags, Fault

pytestmark = pytest.mark.sweep

INTERVAL_S = 60
DAY_S = 24 * 3600
OUTAGE = (10 * 3600, 11 * 3600)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_day_of_faults(aws, virtual_clock, seed):
    """Issue 5, reliability: every answer from a last good document, bounded staleness, bounded requests."""
    profile = AppConfigFlags(boto3.Session())
    versions = {profile.save({"n": number}, label=f"good-{number}"): f"good-{number}" for number in range(24)}
    profile.start("good-0")
    flags = Flags.connect(profile.url + f"?interval={INTERVAL_S}", clock=virtual_clock)
    assert flags.integer("n", default=-1) == 0
    chance = random.Random(seed)
    flags._engine.refresher._random = random.Random(seed)  # the jitter, too, is repeatable
    aws.faults.add_mix(0.3, "appconfigdata.*")
    start = virtual_clock.now()
    outage, worst_age_s, served = None, 0.0, set()
    for second in range(0, DAY_S, 5):
        virtual_clock.advance(5)
        if second == OUTAGE[0]:
            outage = aws.faults.add(Fault.UNREACHABLE, "appconfigdata.*")
            # The outage must win over the mix.
            aws.faults._rules.insert(0, aws.faults._rules.pop())
        if second == OUTAGE[1]:
            aws.faults.remove(outage)
        if second % 3600 == 1800:
            profile.start(f"good-{second // 3600}")
        if second % 7200 == 3000:
            profile.deploy(b"{not a document")
        if chance.random() < 0.001:
            aws.appconfig_data.expire_tokens()
        flags.refresh_if_due()
        answer = flags.evaluate("n")
        assert answer.error is None
        assert flags.integer("n", default=-1) >= 0
        served.add(answer.version)
        status = flags.status()
        assert status.state in {State.READY, State.STALE}
        worst_age_s = max(worst_age_s, status.age_s)
    assert served == set(versions.values()) - {"good-10"}  # came and went during the outage
    # Staleness: the outage and two intervals (with the jitter of a tenth on each).
    assert worst_age_s <= OUTAGE[1] - OUTAGE[0] + 2 * INTERVAL_S * 1.1
    # Requests: one poll an interval; a failure is retried after at most min(interval / 2, 2^n) s with full jitter, so
    # an hour of outage costs about four times the usual number, and a new session costs one request more.
    hours = Counter(
        (record.at - start) // timedelta(hours=1) for record in aws.wire.calls if "appconfigdata" in record.call
    )
    usual = 3600 / INTERVAL_S
    assert max(hours.values()) <= 5 * usual
    assert sum(hours.values()) / 24 <= 2.5 * usual
    assert flags.evaluate("missing").error is ErrorCode.FLAG_NOT_FOUND


def test_a_rollback_is_picked_up_like_any_version(aws, virtual_clock):
    """Issue 5 item 4."""
    profile = AppConfigFlags(boto3.Session())
    profile.deploy({"a": True}, label="old")
    flags = Flags.connect(profile.url, clock=virtual_clock)
    number = profile.deploy({"a": False}, label="new", strategy_id="AppConfig.AllAtOnce")
    virtual_clock.advance(60)
    flags.refresh_if_due()
    assert not flags.is_enabled("a")
    profile.client.stop_deployment(
        ApplicationId=profile.application_id,
        EnvironmentId=profile.environment_id,
        DeploymentNumber=number,
        AllowRevert=True,
    )
    virtual_clock.advance(60)
    flags.refresh_if_due()
    assert flags.is_enabled("a")
    assert flags.status().label == "old"


def test_frozen_for_three_hours_the_first_invocation_is_served_at_once(aws, virtual_clock):
    """Issue 5, reliability: Lambda thaws, serves, and refreshes within its budget."""
    profile = AppConfigFlags(boto3.Session())
    profile.deploy({"a": False})
    flags = Flags.connect(profile.url, clock=virtual_clock, refresh="on_demand")
    profile.deploy({"a": True})
    virtual_clock.advance(3 * 3600)
    assert not flags.is_enabled("a", default=True)
    flags.refresh_if_due(5.0)
    assert flags.is_enabled("a")


def test_frozen_for_a_day_the_token_is_gone_and_a_new_session_delivers(aws, virtual_clock):
    """Powertools never renews its 24-hour token (flag-peers.md §2)."""
    profile = AppConfigFlags(boto3.Session())
    profile.deploy({"a": False})
    flags = Flags.connect(profile.url, clock=virtual_clock)
    profile.deploy({"a": True})
    virtual_clock.advance(25 * 3600)
    flags.refresh_if_due()
    assert flags.is_enabled("a")
    assert flags.status().state is State.READY
