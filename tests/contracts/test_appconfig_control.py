"""AppConfig's control plane: names, children, protection, pages (appconfig.md §1.1, §5, §7)."""

from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def client(aws):
    return boto3.client("appconfig")


@pytest.fixture
def application(client):
    return client.create_application(Name="shop")["Id"]


def refused(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_names_of_applications_environments_and_profiles_are_unique(client, application):
    """§7: app, env, profile names unique (400)."""
    client.create_environment(ApplicationId=application, Name="prod")
    client.create_configuration_profile(ApplicationId=application, Name="flags", LocationUri="hosted")
    bad = ("BadRequestException", 400)
    assert refused(client.create_application, Name="shop") == bad
    assert refused(client.create_environment, ApplicationId=application, Name="prod") == bad
    assert (
        refused(client.create_configuration_profile, ApplicationId=application, Name="flags", LocationUri="hosted")
        == bad
    )
    other = client.create_application(Name="bakery")["Id"]
    assert refused(client.update_application, ApplicationId=other, Name="shop") == bad
    assert client.update_application(ApplicationId=other, Description="bread")["Name"] == "bakery"


def test_an_application_with_children_cannot_be_deleted(client, application):
    """§7: app can't be deleted with children."""
    environment = client.create_environment(ApplicationId=application, Name="prod")["Id"]
    assert refused(client.delete_application, ApplicationId=application) == ("BadRequestException", 400)
    client.delete_environment(ApplicationId=application, EnvironmentId=environment)
    client.delete_application(ApplicationId=application)
    assert client.list_applications()["Items"] == []


def test_a_profile_with_versions_cannot_be_deleted(client, application):
    """§7: profile can't be deleted with versions."""
    profile = client.create_configuration_profile(ApplicationId=application, Name="flags", LocationUri="hosted")["Id"]
    which = {"ApplicationId": application, "ConfigurationProfileId": profile}
    client.create_hosted_configuration_version(**which, Content=b"{}", ContentType="application/json")
    assert refused(client.delete_configuration_profile, **which) == ("BadRequestException", 400)
    client.delete_hosted_configuration_version(**which, VersionNumber=1)
    client.delete_configuration_profile(**which)


def test_flag_profiles_live_only_in_hosted_storage(client, application):
    """§1.1 (recorded): FeatureFlags profiles only with LocationUri hosted."""
    params = {"ApplicationId": application, "Name": "flags", "Type": "AWS.AppConfig.FeatureFlags"}
    assert refused(client.create_configuration_profile, **params, LocationUri="ssm-parameter://x")[1] == 400
    assert client.create_configuration_profile(**params, LocationUri="hosted")["Type"] == "AWS.AppConfig.FeatureFlags"


def test_an_environment_is_ready_for_deployment_in_aws_own_spelling(client, application):
    """§7 (recorded): `ReadyForDeployment`, not the model's READY_FOR_DEPLOYMENT."""
    assert client.create_environment(ApplicationId=application, Name="prod")["State"] == "ReadyForDeployment"


def test_a_monitor_needs_a_role_although_the_model_says_optional(client, application):
    """§7 (recorded); and at most five alarms."""
    arn = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:errors"
    params = {"ApplicationId": application, "Name": "prod"}
    assert refused(client.create_environment, **params, Monitors=[{"AlarmArn": arn}])[1] == 400
    monitor = {"AlarmArn": arn, "AlarmRoleArn": "arn:aws:iam::123456789012:role/appconfig"}
    assert refused(client.create_environment, **params, Monitors=[monitor] * 6)[1] == 400
    environment = client.create_environment(**params, Monitors=[monitor])
    assert environment["Monitors"] == [monitor]
    which = {"ApplicationId": application, "EnvironmentId": environment["Id"]}
    assert client.update_environment(**which, Monitors=[], Name="live")["Monitors"] == []
    assert client.get_environment(**which)["Name"] == "live"


def test_at_most_two_validators(client, application):
    """§7: validators ≤ 2 per profile."""
    validator = {"Type": "JSON_SCHEMA", "Content": "{}"}
    params = {"ApplicationId": application, "Name": "flags", "LocationUri": "hosted"}
    assert refused(client.create_configuration_profile, **params, Validators=[validator] * 3)[1] == 400
    profile = client.create_configuration_profile(**params, Validators=[validator])["Id"]
    assert client.list_configuration_profiles(ApplicationId=application)["Items"][0]["ValidatorTypes"] == [
        "JSON_SCHEMA"
    ]
    changed = client.update_configuration_profile(
        ApplicationId=application, ConfigurationProfileId=profile, Validators=[], Description="d"
    )
    assert "Validators" not in changed


def test_lists_come_in_pages(client):
    """botocore's model: ListX takes MaxResults and NextToken."""
    for number in range(5):
        client.create_application(Name=f"app-{number}")
    first = client.list_applications(MaxResults=2)
    assert [item["Name"] for item in first["Items"]] == ["app-0", "app-1"]
    pages = client.get_paginator("list_applications").paginate(PaginationConfig={"PageSize": 2})
    assert [item["Name"] for page in pages for item in page["Items"]] == [f"app-{number}" for number in range(5)]
    assert refused(client.list_applications, NextToken="rubbish!") == ("BadRequestException", 400)


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("create_application", {"Name": "x" * 65}),
        ("create_application", {"Name": "x", "Description": "x" * 1025}),
        ("list_applications", {"MaxResults": 51}),
        ("get_deployment_strategy", {"DeploymentStrategyId": "No-Such!"}),
        ("create_deployment_strategy", {"Name": "x", "DeploymentDurationInMinutes": 1441, "GrowthFactor": 10.0}),
        ("create_deployment_strategy", {"Name": "x", "DeploymentDurationInMinutes": 1, "GrowthFactor": 100.5}),
        (
            "create_deployment_strategy",
            {"Name": "x", "DeploymentDurationInMinutes": 1, "GrowthFactor": 10.0, "GrowthType": "CUBIC"},
        ),
    ],
)
def test_what_the_service_model_does_not_allow_is_refused(client, operation, params):
    """botocore's model: lengths, patterns, choices and maxima, of which botocore checks none itself."""
    assert refused(getattr(client, operation), **params) == ("BadRequestException", 400)


def test_an_unknown_thing_is_404(client, application):
    """botocore's model: ResourceNotFoundException."""
    gone = ("ResourceNotFoundException", 404)
    assert refused(client.get_application, ApplicationId="abcdefg") == gone
    assert refused(client.get_environment, ApplicationId=application, EnvironmentId="abcdefg") == gone
    assert (
        refused(client.get_configuration_profile, ApplicationId=application, ConfigurationProfileId="abcdefg") == gone
    )
    assert refused(client.get_deployment_strategy, DeploymentStrategyId="abcdefg") == gone


def test_regions_are_separate(client, application):
    """AppConfig is a regional service (botocore's endpoint rules)."""
    assert boto3.client("appconfig", region_name="eu-west-1").list_applications()["Items"] == []


def test_tags_are_kept_by_arn(client):
    """botocore's model: TagResource, UntagResource, ListTagsForResource; tags given at creation."""
    application = client.create_application(Name="shop", Tags={"team": "web"})["Id"]
    arn = f"arn:aws:appconfig:us-east-1:123456789012:application/{application}"
    client.tag_resource(ResourceArn=arn, Tags={"stage": "prod"})
    client.untag_resource(ResourceArn=arn, TagKeys=["team"])
    assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"stage": "prod"}


def test_the_predefined_strategies_are_there_and_can_not_be_changed(client):
    """§7: AllAtOnce 0/100/10, Linear50 1/50/1, Canary10 20/10 EXP/10, Linear20 30/20/30; text from aws-nuke #1081."""
    found = {
        item["Id"]: (
            item["DeploymentDurationInMinutes"],
            item["GrowthFactor"],
            item["GrowthType"],
            item["FinalBakeTimeInMinutes"],
        )
        for item in client.list_deployment_strategies()["Items"]
    }
    assert found == {
        "AppConfig.AllAtOnce": (0, 100.0, "LINEAR", 10),
        "AppConfig.Linear50PercentEvery30Seconds": (1, 50.0, "LINEAR", 1),
        "AppConfig.Canary10Percent20Minutes": (20, 10.0, "EXPONENTIAL", 10),
        "AppConfig.Linear20PercentEvery6Minutes": (30, 20.0, "LINEAR", 30),
    }
    with pytest.raises(ClientError, match=r"Cannot delete predefined Deployment Strategy AppConfig\.AllAtOnce\."):
        client.delete_deployment_strategy(DeploymentStrategyId="AppConfig.AllAtOnce")


def test_strategy_names_need_not_be_unique(client):
    """§7."""
    params = {"Name": "slow", "DeploymentDurationInMinutes": 10, "GrowthFactor": 10}
    first = client.create_deployment_strategy(**params)["Id"]
    assert client.create_deployment_strategy(**params)["Id"] != first
    assert client.update_deployment_strategy(DeploymentStrategyId=first, GrowthFactor=20)["GrowthFactor"] == 20
    client.delete_deployment_strategy(DeploymentStrategyId=first)
    assert refused(client.get_deployment_strategy, DeploymentStrategyId=first)[1] == 404


def test_deletion_protection_holds_what_was_read_lately(client, application, aws):
    """§7: off by default; 60 minutes by default; things younger than an hour exempt unless APPLY."""
    environment = client.create_environment(ApplicationId=application, Name="prod")["Id"]
    which = {"ApplicationId": application, "EnvironmentId": environment}
    state = aws.appconfig.region("us-east-1").applications[application].environments[environment]
    assert client.get_account_settings()["DeletionProtection"]["ProtectionPeriodInMinutes"] == 60
    client.update_account_settings(DeletionProtection={"Enabled": True})
    aws.clock.advance(2 * 3600)
    state.last_read_at = aws.clock.now()
    assert refused(client.delete_environment, **which)[1] == 400
    client.delete_environment(**which, DeletionProtectionCheck="BYPASS")


def test_an_operation_the_stand_in_lacks_says_so(client):
    """Not an AWS fact: a missing operation must not look like an empty answer."""
    assert refused(client.list_extensions) == ("NotImplementedException", 501)
