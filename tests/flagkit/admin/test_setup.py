"""`init` makes what is missing, changes nothing that exists, and may be repeated."""

from __future__ import annotations

import json

import boto3
import pytest

from flagkit.admin.setup import init
from flagkit.errors import AccessDeniedError, SourceUnavailableError, SourceUrlError
from flagkit.testing import Fault

URL = "appconfig://shop/prod/flags"
PARTS = (
    "application shop",
    "environment prod",
    "profile flags",
    "strategy flagkit-immediate",
    "strategy flagkit-guarded",
)


def test_everything_is_made_once(aws, virtual_clock):
    assert init(URL, clock=virtual_clock).created == PARTS
    again = init(URL, clock=virtual_clock)
    assert (again.created, again.found) == ((), PARTS)


def test_a_second_environment_shares_the_rest(aws, virtual_clock):
    init(URL, clock=virtual_clock)
    assert init("appconfig://shop/dev/flags", clock=virtual_clock).created == ("environment dev",)


def test_a_freeform_profile_is_checked_by_aws_own_schema(aws, virtual_clock):
    init(URL, clock=virtual_clock)
    client = boto3.client("appconfig")
    app = client.list_applications()["Items"][0]["Id"]
    listed = client.list_configuration_profiles(ApplicationId=app)["Items"][0]
    profile = client.get_configuration_profile(ApplicationId=app, ConfigurationProfileId=listed["Id"])
    (validator,) = profile["Validators"]
    assert len(validator["Content"]) <= 32_768
    assert json.loads(validator["Content"])["type"] == "object"


def test_a_profile_of_aws_type_has_no_validator(aws, virtual_clock):
    init(URL, profile_type="feature_flags", clock=virtual_clock)
    client = boto3.client("appconfig")
    app = client.list_applications()["Items"][0]["Id"]
    (profile,) = client.list_configuration_profiles(ApplicationId=app)["Items"]
    assert (profile["Type"], profile["ValidatorTypes"]) == ("AWS.AppConfig.FeatureFlags", [])


def test_a_strategy_of_the_same_name_that_does_something_else_does_not_count(aws, virtual_clock):
    boto3.client("appconfig").create_deployment_strategy(
        Name="flagkit-immediate",
        DeploymentDurationInMinutes=60,
        FinalBakeTimeInMinutes=0,
        GrowthFactor=10,
        ReplicateTo="NONE",
    )
    assert "strategy flagkit-immediate" in init(URL, clock=virtual_clock).created


@pytest.mark.parametrize("seed", range(5))
def test_lost_answers_make_nothing_twice(aws, virtual_clock, seed):
    aws.faults._random.seed(seed)
    aws.faults.add_mix(0.3, "appconfig.*")
    for _ in range(20):
        try:
            init(URL, clock=virtual_clock)
            break
        except SourceUnavailableError:
            continue
    aws.faults.clear()
    assert init(URL, clock=virtual_clock).found == PARTS
    client = boto3.client("appconfig")
    own = [item["Name"] for item in client.list_deployment_strategies()["Items"] if item["Name"].startswith("flagkit")]
    assert sorted(own) == ["flagkit-guarded", "flagkit-immediate"]
    assert len(client.list_applications()["Items"]) == 1


def test_a_missing_right_is_named(aws, virtual_clock):
    aws.faults.add(Fault.DENIED, "appconfig.CreateApplication")
    with pytest.raises(AccessDeniedError, match="appconfig:CreateApplication on arn:aws:appconfig:us-east-1"):
        init(URL, clock=virtual_clock)


def test_a_file_needs_no_setup():
    with pytest.raises(SourceUrlError):
        init("file:flags.json")
