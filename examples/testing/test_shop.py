"""How to test code that asks for flags. Run it: `pytest examples/testing`.

The fixtures `aws`, `virtual_clock` and `override_flags` come with flagkit (`pip install flagkit-canary[testing]`).
"""

from __future__ import annotations

import boto3
import pytest
from shop import Shop

from flagkit import Flags, State, StaticSource
from flagkit.testing import AppConfigFlags, Fault, combinations, override

# 1. Flags given in the test: the fastest way, no AWS at all.


@pytest.fixture
def shop():
    return Shop(Flags(StaticSource({"new_checkout": False, "button_colour": "red"})))


def test_the_old_page_is_shown_while_the_flag_is_off(shop):
    assert shop.checkout("42", "US") == "old page"


def test_a_flag_is_overridden_for_a_block(shop):
    with override(shop.flags, new_checkout=True, button_colour="blue"):
        assert shop.checkout("42", "US") == "new page, blue button"
    assert shop.checkout("42", "US") == "old page"


def test_a_flag_is_overridden_until_the_test_ends(shop, override_flags):
    override_flags(shop.flags, new_checkout=True)
    assert shop.checkout("42", "US") == "new page, red button"


@pytest.mark.parametrize("state", combinations(new_checkout=[True, False], button_colour=["red", "blue"]))
def test_every_combination_of_flags_shows_some_page(shop, override_flags, state):
    override_flags(shop.flags, **state)
    assert shop.checkout("42", "US").startswith("new page" if state["new_checkout"] else "old page")


# 2. The whole way through AWS AppConfig, in process, with an ordinary boto3 client and on a clock that the test moves.


@pytest.fixture
def profile(aws):
    profile = AppConfigFlags(boto3.Session(), application="shop", environment="prod")
    profile.deploy({"new_checkout": False})
    return profile


@pytest.fixture
def live_shop(profile, virtual_clock):
    with Flags.connect(profile.url, clock=virtual_clock) as flags:
        yield Shop(flags)


def test_a_deployment_reaches_the_shop_at_its_next_poll(live_shop, profile, virtual_clock):
    profile.deploy({"new_checkout": {"enabled": True}, "button_colour": "green"})
    assert live_shop.checkout("42", "US") == "old page"
    virtual_clock.advance(60)
    live_shop.flags.refresh_if_due()
    assert live_shop.checkout("42", "US") == "new page, green button"


def test_a_gradual_deployment_that_sets_off_an_alarm_comes_back(live_shop, profile, aws, virtual_clock):
    alarm = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:checkout-errors"
    role = "arn:aws:iam::123456789012:role/appconfig"
    profile.client.update_environment(
        ApplicationId=profile.application_id,
        EnvironmentId=profile.environment_id,
        Monitors=[{"AlarmArn": alarm, "AlarmRoleArn": role}],
    )
    aws.appconfig.alarm_state = lambda _arn: "ALARM" if virtual_clock.monotonic() > 400 else "OK"
    number = profile.deploy({"new_checkout": True}, strategy_id="AppConfig.AllAtOnce")  # bakes ten minutes
    virtual_clock.advance(60)
    live_shop.flags.refresh_if_due()
    assert live_shop.checkout("42", "US").startswith("new page")
    virtual_clock.advance(600)
    live_shop.flags.refresh_if_due()
    assert live_shop.checkout("42", "US") == "old page"
    deployment = profile.client.get_deployment(
        ApplicationId=profile.application_id, EnvironmentId=profile.environment_id, DeploymentNumber=number
    )
    assert deployment["State"] == "ROLLED_BACK"


def test_an_outage_of_aws_changes_nothing_for_customers(live_shop, profile, aws, virtual_clock):
    profile.deploy({"new_checkout": True})
    aws.faults.add(Fault.UNREACHABLE, "appconfigdata.*")
    for _ in range(10):
        virtual_clock.advance(60)
        live_shop.flags.refresh_if_due()
        assert live_shop.checkout("42", "US") == "old page"
    assert live_shop.flags.status().state is State.STALE
    aws.faults.clear()
    virtual_clock.advance(60)
    live_shop.flags.refresh_if_due()
    assert live_shop.checkout("42", "US").startswith("new page")
