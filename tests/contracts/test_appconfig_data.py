"""The data plane: sessions, tokens, intervals, and what a plain client receives (appconfig.md §3, §4)."""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.exceptions import ClientError

from flagkit.testing import AppConfigFlags, VirtualClock

NAMES = {
    "ApplicationIdentifier": "shop",
    "EnvironmentIdentifier": "test",
    "ConfigurationProfileIdentifier": "flags",
}


@pytest.fixture
def client(aws):
    return boto3.client("appconfigdata")


@pytest.fixture
def profile(aws):
    return AppConfigFlags(boto3.Session())


def session(client, interval_s=None, **names):
    params = {} if interval_s is None else {"RequiredMinimumPollIntervalInSeconds": interval_s}
    return client.start_configuration_session(**{**NAMES, **names}, **params)["InitialConfigurationToken"]


def poll(client, token):
    answer = client.get_latest_configuration(ConfigurationToken=token)
    return answer["Configuration"].read(), answer["NextPollConfigurationToken"], answer


def problem(client, token):
    with pytest.raises(ClientError) as caught:
        client.get_latest_configuration(ConfigurationToken=token)
    response = caught.value.response
    assert (response["Error"]["Code"], response["Reason"]) == ("BadRequestException", "InvalidParameters")
    return response["Details"]["InvalidParameters"]["ConfigurationToken"]["Problem"]


def test_a_session_is_opened_by_names_or_by_ids(client, profile):
    """§4: ids or names."""
    profile.deploy(b"{}")
    assert len(session(client)) > 500  # ~830 bytes natively
    token = session(
        client,
        ApplicationIdentifier=profile.application_id,
        EnvironmentIdentifier=profile.environment_id,
        ConfigurationProfileIdentifier=profile.profile_id,
    )
    assert poll(client, token)[0] == b"{}"


def test_the_body_is_empty_when_nothing_changed(client, profile):
    """§4: body empty = unchanged."""
    profile.deploy(b'{"a": 1}')
    body, token, answer = poll(client, session(client))
    assert (body, answer["ContentType"], answer["NextPollIntervalInSeconds"]) == (b'{"a": 1}', "application/json", 60)
    body, token, _ = poll(client, token)
    assert body == b""
    profile.deploy(b'{"a": 2}')
    assert poll(client, token)[0] == b'{"a": 2}'


def test_the_label_of_the_version_comes_along_and_is_empty_when_unchanged(client, profile):
    """§4: Version-Label absent if unlabelled; empty when unchanged."""
    profile.deploy(b"1", label="v1.0")
    _, token, answer = poll(client, session(client))
    assert answer["VersionLabel"] == "v1.0"
    _, token, answer = poll(client, token)
    assert answer["VersionLabel"] == ""
    profile.deploy(b"2")
    assert "VersionLabel" not in poll(client, token)[2]


def test_a_token_is_good_for_one_call(client, profile):
    """§4: every token is single use."""
    profile.deploy(b"{}")
    token = session(client)
    poll(client, token)
    assert problem(client, token) == "Expired"


def test_a_token_expires_after_24_hours(client, profile, aws):
    """§4: valid ≤ 24 h."""
    profile.deploy(b"{}")
    token = session(client)
    aws.clock.advance(24 * 3600 + 1)
    assert problem(client, token) == "Expired"


def test_a_token_that_was_never_given_out_is_corrupted(client, profile):
    """§4: Problem Corrupted."""
    assert problem(client, "abc") == "Corrupted"


def test_a_poll_before_the_interval_the_client_asked_for_is_refused(client, profile, aws):
    """§4: Problem PollIntervalNotSatisfied, for sessions with a required interval."""
    profile.deploy(b"{}")
    _, token, answer = poll(client, session(client, 30))
    assert answer["NextPollIntervalInSeconds"] == 30
    aws.clock.advance(29)
    assert problem(client, token) == "PollIntervalNotSatisfied"
    aws.clock.advance(1)
    assert poll(client, token)[0] == b""


def test_the_required_interval_is_at_most_a_day(client, profile):
    """§4: 15..86400; boto3 itself refuses the lower bound only."""
    with pytest.raises(ClientError) as caught:
        session(client, 86401)
    assert caught.value.response["Error"]["Code"] == "BadRequestException"


@pytest.mark.parametrize(
    ("member", "kind"),
    [
        ("ApplicationIdentifier", "Application"),
        ("EnvironmentIdentifier", "Environment"),
        ("ConfigurationProfileIdentifier", "ConfigurationProfile"),
    ],
)
def test_a_404_says_what_is_missing(client, profile, member, kind):
    """§4: ResourceType."""
    with pytest.raises(ClientError) as caught:
        session(client, **{member: "nothing"})
    assert caught.value.response["ResourceType"] == kind
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_before_the_first_deployment_there_is_a_404_for_it(client, profile):
    """§4: ResourceType Deployment."""
    token = session(client)
    with pytest.raises(ClientError) as caught:
        poll(client, token)
    assert caught.value.response["ResourceType"] == "Deployment"


def test_flags_with_variants_are_reduced_to_their_default(client, aws):
    """§3.1 (recorded): exactly this body for this flag."""
    profile = AppConfigFlags(boto3.Session(), feature_flags=True)
    variants = [
        {"name": "blue", "enabled": True, "rule": '(eq $tier "premium")', "attributeValues": {"color": "blue"}},
        {"name": "default", "enabled": False, "attributeValues": {"color": "red"}},
    ]
    attributes = {"color": {"constraints": {"type": "string"}}}
    profile.deploy(
        {
            "version": "1",
            "flags": {"checkout": {"name": "Checkout", "attributes": attributes}},
            "values": {"checkout": {"_variants": variants}},
        }
    )
    body, _, answer = poll(client, session(client))
    assert body == b'{"checkout":{"_variant":"default","enabled":false}}'
    assert answer["ContentType"] == "application/json"


def test_attributes_of_a_basic_flag_are_delivered_only_while_it_is_on(client, aws):
    """§1.2: attributes only if enabled; keys sorted as in the native example."""
    profile = AppConfigFlags(boto3.Session(), feature_flags=True)
    attributes = {"color": {"constraints": {"type": "string"}}, "limit": {"constraints": {"type": "number"}}}
    profile.deploy(
        {
            "version": "1",
            "flags": {"feature": {"attributes": attributes}, "disabled": {"attributes": attributes}},
            "values": {
                "feature": {"enabled": True, "color": "blue", "limit": 2},
                "disabled": {"enabled": False, "color": "red", "limit": 1},
            },
        }
    )
    assert poll(client, session(client))[0] == (
        b'{"disabled":{"enabled":false},"feature":{"color":"blue","enabled":true,"limit":2}}'
    )


def test_a_request_for_ion_is_answered_in_json(client, aws):
    """§3.2: the symbol tables aren't published, so the stand-in leaves binary Ion out; AWS answers JSON, too, when no
    flag has variants."""
    profile = AppConfigFlags(boto3.Session(), feature_flags=True)
    profile.deploy({"a": True})
    client.meta.events.register(
        "before-call.appconfigdata.GetLatestConfiguration",
        lambda params, **_: params["headers"].update({"Accept": "application/ion;type=AWS.AppConfig.FeatureFlags"}),
    )
    body, _, answer = poll(client, session(client))
    assert answer["ContentType"] == "application/json"
    assert json.loads(body) == {"a": {"enabled": True}}


def test_a_gradual_deployment_reaches_sessions_one_after_another(client, profile, aws):
    """§6: gradual deployments are per session."""
    profile.deploy(b"old")
    profile.deploy(b"new", strategy_id=profile.strategy(duration_min=60, step_percent=25))
    aws.clock.advance(30 * 60)  # 50 % since minute 24
    tokens = [session(client) for _ in range(200)]
    answers = [poll(client, token) for token in tokens]
    share = sum(body == b"new" for body, _, _ in answers) / 200
    assert 0.35 < share < 0.65
    again = [poll(client, token)[0] for _, token, _ in answers]
    assert set(again) == {b""}  # nobody flips while the percentage stands still
    aws.clock.advance(3600)
    final = [poll(client, session(client))[0] for _ in range(20)]
    assert set(final) == {b"new"}


@pytest.mark.parametrize("revert", [False, True])
def test_a_rollback_or_revert_delivers_the_version_before(client, profile, aws, revert):
    """§7: the previous version is served again."""
    profile.deploy(b"old")
    strategy = None if revert else "AppConfig.AllAtOnce"
    profile.deploy(b"new", strategy_id=strategy)
    body, token, _ = poll(client, session(client))
    assert body == b"new"
    profile.client.stop_deployment(
        ApplicationId=profile.application_id,
        EnvironmentId=profile.environment_id,
        DeploymentNumber=2,
        AllowRevert=True,
    )
    assert poll(client, token)[0] == b"old"


def test_the_same_seed_draws_the_same_tokens(aws):
    """Not an AWS fact: a failing test must be repeatable."""
    from flagkit.testing.appconfig import Accounts

    assert Accounts(VirtualClock(), seed=3).new_id() == Accounts(VirtualClock(), seed=3).new_id()
    assert Accounts(VirtualClock(), seed=3).new_id() != Accounts(VirtualClock(), seed=4).new_id()


def test_all_tokens_can_be_made_to_expire(client, profile, aws):
    """Not an AWS fact: the fault that `Fault` can't express."""
    profile.deploy(b"{}")
    token = session(client)
    aws.appconfig_data.expire_tokens()
    assert problem(client, token) == "Expired"
