"""AppConfig's monitors watch the CloudWatch alarms of the same account (appconfig.md §7)."""

from __future__ import annotations

import boto3

from flagkit.testing import AppConfigFlags


def test_a_metric_alarm_during_the_bake_rolls_the_flags_back(canary_aws):
    """§7: alarm during deploy or bake → automatic rollback."""
    cloudwatch = boto3.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="checkout-errors",
        Namespace="shop",
        MetricName="Errors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=5,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    (alarm,) = cloudwatch.describe_alarms()["MetricAlarms"]
    profile = AppConfigFlags(boto3.Session())
    profile.deploy({"new_checkout": False})
    profile.client.update_environment(
        ApplicationId=profile.application_id,
        EnvironmentId=profile.environment_id,
        Monitors=[{"AlarmArn": alarm["AlarmArn"], "AlarmRoleArn": "arn:aws:iam::123456789012:role/appconfig"}],
    )
    number = profile.deploy({"new_checkout": True}, strategy_id="AppConfig.AllAtOnce")
    which = {
        "ApplicationId": profile.application_id,
        "EnvironmentId": profile.environment_id,
        "DeploymentNumber": number,
    }
    canary_aws.clock.advance(120)
    assert profile.client.get_deployment(**which)["State"] == "BAKING"
    cloudwatch.put_metric_data(Namespace="shop", MetricData=[{"MetricName": "Errors", "Value": 9.0}])
    canary_aws.clock.advance(300)
    deployment = profile.client.get_deployment(**which)
    assert deployment["State"] == "ROLLED_BACK"
    assert deployment["EventLog"][1]["TriggeredBy"] == "CLOUDWATCH_ALARM"


def test_an_alarm_that_does_not_exist_stops_nothing(canary_aws):
    """Not an AWS fact: the stand-in takes a missing alarm as INSUFFICIENT_DATA."""
    assert canary_aws.appconfig.alarm_state("arn:aws:cloudwatch:us-east-1:123456789012:alarm:x") == "INSUFFICIENT_DATA"
