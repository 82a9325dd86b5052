"""Deployments on the clock: growth, bake, one at a time, alarms, stop and revert (appconfig.md §7)."""

from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import ClientError

from flagkit.testing import AppConfigFlags

ALARM = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:errors"


@pytest.fixture
def profile(aws):
    return AppConfigFlags(boto3.Session())


def start(profile, version=b"{}", strategy_id=None, **params):
    number = profile.save(version)
    return profile.client.start_deployment(
        ApplicationId=profile.application_id,
        EnvironmentId=profile.environment_id,
        ConfigurationProfileId=profile.profile_id,
        ConfigurationVersion=str(number),
        DeploymentStrategyId=strategy_id or profile.strategy_id,
        **params,
    )


def which(profile, number):
    return {
        "ApplicationId": profile.application_id,
        "EnvironmentId": profile.environment_id,
        "DeploymentNumber": number,
    }


def get(profile, number=1):
    return profile.client.get_deployment(**which(profile, number))


def events(profile, number=1):
    return [item["EventType"] for item in get(profile, number)["EventLog"]]


def test_without_duration_and_bake_a_deployment_is_complete_in_the_answer(profile):
    """§7 (recorded): State COMPLETE, PercentageComplete 100 in the StartDeployment response."""
    answer = start(profile)
    assert (answer["State"], answer["PercentageComplete"]) == ("COMPLETE", 100.0)


def test_a_linear_deployment_grows_as_in_aws_own_sample(profile, aws):
    """Botocore's GetDeployment sample: 25 % in 15 minutes: 25 at +3, 50 at +6, 75 at +9, 100 at +12, bake at +15."""
    answer = start(profile, strategy_id=profile.strategy(duration_min=15, step_percent=25))
    assert (answer["State"], answer["PercentageComplete"]) == ("DEPLOYING", 1.0)
    seen = []
    for _ in range(5):
        aws.clock.advance(180)
        seen.append((get(profile)["PercentageComplete"], get(profile)["State"]))
    assert seen == [
        (25.0, "DEPLOYING"),
        (50.0, "DEPLOYING"),
        (75.0, "DEPLOYING"),
        (100.0, "DEPLOYING"),
        (100.0, "COMPLETE"),
    ]
    log = get(profile)["EventLog"]
    assert [item["EventType"] for item in log] == [
        "DEPLOYMENT_COMPLETED",
        "BAKE_TIME_STARTED",
        *["PERCENTAGE_UPDATED"] * 4,
        "DEPLOYMENT_STARTED",
    ]
    assert log[2]["Description"] == "Configuration available to 100.00% of clients"
    assert [log[-1]["TriggeredBy"], log[0]["TriggeredBy"]] == ["USER", "APPCONFIG"]


def test_an_exponential_deployment_doubles(profile, aws):
    """§7: EXPONENTIAL is G * 2^N."""
    strategy = profile.client.create_deployment_strategy(
        Name="exp", DeploymentDurationInMinutes=50, GrowthFactor=10, GrowthType="EXPONENTIAL", ReplicateTo="NONE"
    )["Id"]
    start(profile, strategy_id=strategy)
    seen = []
    for _ in range(51):
        aws.clock.advance(60)
        percent = get(profile)["PercentageComplete"]
        if percent not in seen:
            seen.append(percent)
    assert seen == [1.0, 10.0, 20.0, 40.0, 80.0, 100.0]


def test_all_at_once_bakes_ten_minutes_and_blocks_the_environment_meanwhile(profile, aws):
    """§7: a second toggle in that time conflicts; text from terraform-provider-aws #36975."""
    assert start(profile, strategy_id="AppConfig.AllAtOnce")["State"] == "BAKING"
    with pytest.raises(ClientError, match="Deployment number 1 already exists") as caught:
        start(profile, b"2")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    aws.clock.advance(599)
    assert get(profile)["State"] == "BAKING"
    aws.clock.advance(1)
    assert get(profile)["State"] == "COMPLETE"
    assert start(profile, b"3")["DeploymentNumber"] == 2


def test_the_lock_on_the_latest_deployment_number(profile):
    """§7: LatestDeploymentNumber is a second optimistic lock."""
    assert start(profile, LatestDeploymentNumber=0)["DeploymentNumber"] == 1
    with pytest.raises(ClientError) as caught:
        start(profile, b"2", LatestDeploymentNumber=0)
    assert caught.value.response["Error"]["Code"] == "ConflictException"
    assert start(profile, b"3", LatestDeploymentNumber=1)["DeploymentNumber"] == 2


def test_a_version_is_named_by_number_or_label(profile):
    """botocore's model: ConfigurationVersion is a number or a label; unknown ones are 404."""
    profile.save(b"1", label="v1.0")
    assert profile.start("v1.0") == 1
    assert get(profile)["VersionLabel"] == "v1.0"
    for version in ("v9", "99"):
        with pytest.raises(ClientError) as caught:
            profile.start(version)
        assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_deployments_are_listed_newest_first_with_their_type(profile):
    """§7: lists carry Type USER or MANAGED."""
    start(profile)
    start(profile, b"2")
    items = profile.client.list_deployments(ApplicationId=profile.application_id, EnvironmentId=profile.environment_id)[
        "Items"
    ]
    assert [(item["DeploymentNumber"], item["Type"]) for item in items] == [(2, "USER"), (1, "USER")]


def test_stopping_a_running_deployment_rolls_it_back(profile, aws):
    """§7: StopDeployment works in DEPLOYING → ROLLED_BACK."""
    start(profile, strategy_id=profile.strategy(duration_min=10, step_percent=50))
    aws.clock.advance(300)
    assert profile.client.stop_deployment(**which(profile, 1))["State"] == "ROLLED_BACK"
    assert events(profile)[:2] == ["ROLLBACK_COMPLETED", "ROLLBACK_STARTED"]
    assert start(profile, b"2")["State"] == "COMPLETE"


def test_stopping_a_finished_deployment_needs_allow_revert_within_72_hours(profile, aws):
    """§7: with AllowRevert a COMPLETE one → REVERTED, up to 72 h after completion."""
    start(profile)
    with pytest.raises(ClientError) as caught:
        profile.client.stop_deployment(**which(profile, 1))
    assert caught.value.response["Error"]["Code"] == "BadRequestException"
    assert profile.client.stop_deployment(**which(profile, 1), AllowRevert=True)["State"] == "REVERTED"
    assert events(profile)[0] == "REVERT_COMPLETED"
    start(profile, b"2")
    aws.clock.advance(72 * 3600 + 1)
    with pytest.raises(ClientError):
        profile.client.stop_deployment(**which(profile, 2), AllowRevert=True)


def test_a_baking_deployment_stops_only_with_allow_revert(profile):
    """botocore's model, StopDeployment: DEPLOYING only, unless AllowRevert is given; the result is ROLLED_BACK."""
    start(profile, strategy_id="AppConfig.AllAtOnce")
    with pytest.raises(ClientError):
        profile.client.stop_deployment(**which(profile, 1))
    assert profile.client.stop_deployment(**which(profile, 1), AllowRevert=True)["State"] == "ROLLED_BACK"


@pytest.mark.parametrize("minutes", [2, 8])
def test_an_alarm_during_deployment_or_bake_rolls_back(profile, aws, minutes):
    """§7: alarm during deploy or bake → automatic rollback."""
    alarms = {ALARM: "OK"}
    aws.appconfig.alarm_state = alarms.__getitem__
    profile.client.update_environment(
        ApplicationId=profile.application_id,
        EnvironmentId=profile.environment_id,
        Monitors=[{"AlarmArn": ALARM, "AlarmRoleArn": "arn:aws:iam::123456789012:role/appconfig"}],
    )
    start(profile, strategy_id=profile.strategy(duration_min=5, bake_min=5, step_percent=50))
    aws.clock.call_after(minutes * 60, lambda: alarms.update({ALARM: "ALARM"}))
    aws.clock.advance(3600)
    assert get(profile)["State"] == "ROLLED_BACK"
    started = get(profile)["EventLog"][1]
    assert (started["EventType"], started["TriggeredBy"]) == ("ROLLBACK_STARTED", "CLOUDWATCH_ALARM")
    environment = profile.client.get_environment(
        ApplicationId=profile.application_id, EnvironmentId=profile.environment_id
    )
    assert environment["State"] == "RolledBack"


def test_an_alarm_after_the_bake_changes_nothing(profile, aws):
    """§7: only during deploy or bake."""
    aws.appconfig.alarm_state = lambda arn: "ALARM" if aws.clock.monotonic() > 1000 else "OK"
    profile.client.update_environment(
        ApplicationId=profile.application_id,
        EnvironmentId=profile.environment_id,
        Monitors=[{"AlarmArn": ALARM, "AlarmRoleArn": "arn:aws:iam::123456789012:role/appconfig"}],
    )
    start(profile, strategy_id=profile.strategy(duration_min=5, bake_min=5, step_percent=50))
    aws.clock.advance(3600)
    assert get(profile)["State"] == "COMPLETE"


def with_validator(profile, schema):
    profile.client.update_configuration_profile(
        ApplicationId=profile.application_id,
        ConfigurationProfileId=profile.profile_id,
        Validators=[{"Type": "JSON_SCHEMA", "Content": schema}],
    )


def test_a_schema_is_checked_when_a_deployment_starts_not_when_a_version_is_saved(profile):
    """§1.1: run at ValidateConfiguration and StartDeployment; draft-07 accepted."""
    with_validator(profile, '{"$schema": "http://json-schema.org/draft-07/schema#", "required": ["a"]}')
    profile.save(b"{}")
    with pytest.raises(ClientError) as caught:
        profile.start("1")
    assert caught.value.response["Error"]["Code"] == "BadRequestException"
    assert caught.value.response["Details"]["InvalidConfiguration"][0]["Constraint"] == "required"
    ids = {"ApplicationId": profile.application_id, "ConfigurationProfileId": profile.profile_id}
    with pytest.raises(ClientError):
        profile.client.validate_configuration(**ids, ConfigurationVersion="1")
    profile.save(b'{"a": 1}')
    profile.client.validate_configuration(**ids, ConfigurationVersion="2")
    assert profile.start("2") == 1


@pytest.mark.parametrize(
    "schema", ["true", '{"$ref": "https://example.org/schema"}', "{oops", '{"a": [{"$ref": "x"}]}']
)
def test_boolean_schemas_and_external_references_are_refused(profile, schema):
    """§1.1: external $ref refused; boolean schema refused."""
    with_validator(profile, schema)
    profile.save(b"{}")
    with pytest.raises(ClientError):
        profile.start("1")
