"""Policies for roles: exactly the rights that are needed, valid by AWS's schema, restricted by strategy."""

from __future__ import annotations

import json
from dataclasses import replace
from fnmatch import fnmatchcase

import pytest
from cfnlint import api

from flagkit.admin.iam import ROLES, Resources, policy
from flagkit.errors import EditError

pytestmark = pytest.mark.slow

RESOURCES = Resources("eu-west-1", "123456789012", "abc1234", "env1234", "pro1234", ("gua1234",))


def allows(document, action, arn):
    return any(
        action in statement["Action"] and any(fnmatchcase(arn, pattern) for pattern in statement["Resource"])
        for statement in document["Statement"]
    )


@pytest.mark.parametrize("role", ROLES)
def test_a_policy_is_valid(role):
    """cfn-lint checks policies against AWS's schema of statements, actions and ARNs, offline."""
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Resources": {
            "Policy": {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {"PolicyDocument": policy(role, RESOURCES)},
            }
        },
    }
    assert api.lint(json.dumps(template), None, ["eu-west-1"]) == []


def test_the_validator_would_see_a_mistake():
    document = policy("reader", RESOURCES)
    document["Statement"][0]["Effect"] = "Permit"
    template = {"Resources": {"P": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": document}}}}
    assert api.lint(json.dumps(template), None, ["eu-west-1"])


def test_a_reader_writes_nothing():
    actions = [action for statement in policy("reader", RESOURCES)["Statement"] for action in statement["Action"]]
    verbs = {action.split(":")[1][:3] for action in actions}
    assert verbs == {"Get", "Lis", "Sta"}
    assert "appconfig:StartDeployment" not in actions


def test_a_toggler_deploys_with_the_named_strategies_only():
    document = policy("toggler", RESOURCES)
    assert allows(document, "appconfig:StartDeployment", RESOURCES.arn("deploymentstrategy/gua1234"))
    assert not allows(document, "appconfig:StartDeployment", RESOURCES.arn("deploymentstrategy/imm1234"))
    assert not allows(document, "appconfig:CreateHostedConfigurationVersion", RESOURCES.arn("application/other"))
    with pytest.raises(EditError, match="needs a deployment strategy"):
        policy("toggler", Resources("r", "1", "a", "e", "p"))


def test_an_admin_sets_up_and_may_use_every_strategy():
    document = policy("admin", RESOURCES)
    assert allows(document, "appconfig:StartDeployment", RESOURCES.arn("deploymentstrategy/imm1234"))
    assert allows(document, "appconfig:CreateDeploymentStrategy", "*")


def test_there_is_no_other_role():
    with pytest.raises(EditError, match="no role owner"):
        policy("owner", RESOURCES)


def test_other_partitions_have_their_own_arns():
    arn = Resources("cn-north-1", "1", "a", "e", "p", partition="aws-cn").arn("application/a")
    assert arn == "arn:aws-cn:appconfig:cn-north-1:1:application/a"


def test_who_changes_flags_may_notify_their_receivers_and_a_reader_may_not():
    topic = "arn:aws:sns:eu-west-1:123456789012:flags"
    notified = replace(RESOURCES, topics=[topic], buses=["default", "arn:aws:events:eu-west-1:1:event-bus/x"])
    for role in ("toggler", "admin"):
        document = policy(role, notified)
        assert allows(document, "sns:Publish", topic)
        assert allows(document, "events:PutEvents", "arn:aws:events:eu-west-1:123456789012:event-bus/default")
        assert allows(document, "events:PutEvents", "arn:aws:events:eu-west-1:1:event-bus/x")
    assert not allows(policy("reader", notified), "sns:Publish", topic)
    counted = policy("reader", replace(RESOURCES, has_counts=True))
    assert allows(counted, "cloudwatch:GetMetricData", "*")
