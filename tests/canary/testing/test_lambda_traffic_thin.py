"""The thin path: two versions, an alias with weights, steady traffic, metrics."""

from __future__ import annotations

import boto3

from canary.testing import AwsStandIn

GOOD = """
import time

def handler(event, context):
    time.sleep(0.05)
    return {"statusCode": 200, "body": context.function_version}
"""


def test_weighted_traffic_runs_the_real_code_of_both_versions() -> None:
    """Users' requests to a weighted alias run both versions, in the share of the weight."""
    bad = GOOD.replace("return", "raise ValueError('broken')\n    return")
    with AwsStandIn() as aws:
        assert aws.lambda_.deploy("api", GOOD, alias="live") == "1"
        assert aws.lambda_.deploy("api", bad) == "2"
        weights = {"AdditionalVersionWeights": {"2": 0.1}}
        boto3.client("lambda").update_alias(FunctionName="api", Name="live", RoutingConfig=weights)
        stream = aws.traffic.steady("api", "live", requests_per_minute=600)
        aws.clock.advance(600)
        counts = stream.stop()
        assert 5_500 < counts.requests < 6_500
        assert 0.08 < counts.by_version["2"] / counts.requests < 0.12
        assert counts.failed == counts.by_version["2"] == counts.failed_by_version["2"]
