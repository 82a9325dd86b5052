"""The AppConfig source follows the session protocol and reads rules where the data plane hides them."""

from __future__ import annotations

import json

import boto3
import pytest

from flagkit import Flags
from flagkit.errors import AccessDeniedError, NotDeployedError, SourceUnavailableError
from flagkit.sources import DocumentKind, connect
from flagkit.testing import AppConfigFlags, Fault

RULED = {
    "version": "1",
    "flags": {"checkout": {"name": "Checkout"}},
    "values": {
        "checkout": {
            "_variants": [
                {"name": "blue", "enabled": True, "rule": '(eq $tier "premium")'},
                {"name": "default", "enabled": False},
            ]
        }
    },
}


@pytest.fixture
def profile(aws):
    return AppConfigFlags(boto3.Session())


@pytest.fixture
def flag_profile(aws):
    return AppConfigFlags(boto3.Session(), feature_flags=True)


def calls(aws, pattern):
    return [record.outcome for record in aws.wire.calls if pattern in record.call]


def test_a_freeform_document_arrives_byte_by_byte(profile):
    profile.deploy(b'{"version": "1",   "values": {}}', label="v1.0")
    document = connect(profile.url).fetch()
    assert document.content == b'{"version": "1",   "values": {}}'
    assert (document.version, document.label, document.kind) == ("v1.0", "v1.0", DocumentKind.FREEFORM)


def test_a_flag_profile_whose_last_flag_was_deleted_has_no_flags(flag_profile, aws):
    flag_profile.deploy({"a": True})
    flags = Flags.connect(flag_profile.url, clock=aws.clock)
    assert flags.is_enabled("a")
    flag_profile.deploy({"version": "1", "flags": {}, "values": {}})
    aws.clock.advance(60)
    assert flags.refresh()
    assert (flags.keys(), flags.status().error) == ((), None)


@pytest.mark.parametrize("key", ["values", "version", "flags", "enabled"])
def test_a_flag_may_be_called_like_a_part_of_the_document(flag_profile, aws, key):
    flag_profile.deploy({"version": "1", "flags": {key: {"name": key}}, "values": {key: {"enabled": True}}})
    flags = Flags.connect(flag_profile.url, clock=aws.clock)
    assert flags.is_enabled(key)
    assert flags.status().error is None


@pytest.mark.parametrize("content", [b"[]", b"[" * 100_000, b'{"values": {"enabled": {"enabled": true}}}', b"{", b"1"])
def test_what_is_no_document_stays_refused_while_the_source_says_unchanged(profile, aws, content):
    profile.deploy({"a": True})
    flags = Flags.connect(profile.url, clock=aws.clock)
    profile.deploy(content)
    for _ in range(2):
        aws.clock.advance(60)
        flags.refresh()
        status = flags.status()
        assert (str(status.state), status.error.code) == ("stale", "document_invalid")
    assert flags.is_enabled("a")


def test_a_document_without_values_is_whole(profile, aws):
    profile.deploy(b'{"version": "1"}')
    flags = Flags.connect(profile.url, clock=aws.clock)
    assert (flags.keys(), str(flags.status().state)) == ((), "ready")


def test_one_session_serves_many_polls(profile, aws):
    profile.deploy({"a": True})
    source = connect(profile.url)
    for _ in range(5):
        source.fetch()
        aws.clock.advance(45)
    assert len(calls(aws, "StartConfigurationSession")) == 1
    assert len(calls(aws, "GetLatestConfiguration")) == 5


def test_the_interval_the_server_names_is_taken_over(profile, aws):
    profile.deploy({"a": True})
    source = connect(profile.url + "?interval=20")
    source.fetch()
    assert source.poll_interval_s == 20


def test_an_answer_without_the_next_token_or_interval_is_taken_and_a_new_session_follows(profile, aws, monkeypatch):
    profile.deploy({"a": True})
    source = connect(profile.url + "?interval=20")
    get = aws.appconfig_data.GetLatestConfiguration

    def bare(params, context):
        answer = get(params, context)
        return {name: answer[name] for name in ("Configuration", "ContentType")}

    monkeypatch.setattr(aws.appconfig_data, "GetLatestConfiguration", bare)
    for _ in range(2):
        assert source.fetch() is not None
        assert source.poll_interval_s == 20
    assert len(calls(aws, "StartConfigurationSession")) == 2


def test_an_expired_token_starts_a_new_session_once(profile, aws):
    profile.deploy({"a": True})
    source = connect(profile.url)
    source.fetch()
    aws.clock.advance(25 * 3600)
    assert source.fetch() is not None  # a new session delivers the whole document
    assert len(calls(aws, "StartConfigurationSession")) == 2


def test_a_corrupted_token_starts_a_new_session(profile):
    profile.deploy({"a": True})
    source = connect(profile.url)
    source._token = "rubbish"
    assert source.fetch() is not None


def test_a_lost_answer_starts_a_new_session_at_the_next_fetch(profile, aws):
    profile.deploy({"a": True})
    source = connect(profile.url)
    source.fetch()
    aws.clock.advance(60)
    aws.faults.add(Fault.LOST_ANSWER, "appconfigdata.GetLatestConfiguration", times=1)
    with pytest.raises(SourceUnavailableError):
        source.fetch()
    assert source.fetch() is not None
    assert len(calls(aws, "StartConfigurationSession")) == 2


@pytest.mark.parametrize("fault", [Fault.THROTTLED, Fault.SERVER_ERROR])
def test_a_poll_that_was_turned_away_keeps_its_session(profile, aws, fault):
    profile.deploy({"a": True})
    source = connect(profile.url)
    source.fetch()
    aws.clock.advance(60)
    aws.faults.add(fault, "appconfigdata.GetLatestConfiguration", times=1)
    with pytest.raises(SourceUnavailableError):
        source.fetch()
    assert source.fetch() is None
    assert len(calls(aws, "StartConfigurationSession")) == 1


def test_a_poll_that_came_too_early_keeps_the_token_and_names_the_wait(profile, aws):
    profile.deploy({"a": True})
    source = connect(profile.url)
    source.fetch()
    with pytest.raises(SourceUnavailableError) as caught:
        source.fetch()
    assert caught.value.retry_after_s == 45
    aws.clock.advance(45)
    assert source.fetch() is None
    assert len(calls(aws, "StartConfigurationSession")) == 1


def test_nothing_deployed_yet_says_so(profile):
    with pytest.raises(NotDeployedError, match="shop/test/flags"):
        connect(profile.url).fetch()


@pytest.mark.parametrize("fault", [Fault.THROTTLED, Fault.SERVER_ERROR, Fault.LOST_ANSWER, Fault.UNREACHABLE])
def test_what_passes_is_unavailable_and_nothing_is_retried_inside(profile, aws, fault):
    profile.deploy({"a": True})
    aws.faults.add(fault, "appconfigdata.*")
    with pytest.raises(SourceUnavailableError):
        connect(profile.url).fetch()
    assert len(calls(aws, "appconfigdata")) == 1


def test_a_denial_names_the_action_to_grant(profile, aws):
    aws.faults.add(Fault.DENIED, "appconfigdata.*")
    with pytest.raises(AccessDeniedError) as caught:
        connect(profile.url).fetch()
    assert "appconfig:StartConfigurationSession" in caught.value.hint


def test_missing_credentials_are_one_clear_line(aws, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    with pytest.raises(AccessDeniedError, match="credentials"):
        connect("appconfig://a/b/c").fetch()


def test_rules_of_a_labelled_flag_version_are_read_from_the_control_plane_once(flag_profile, aws):
    flag_profile.deploy(RULED, label="v1")
    source = connect(flag_profile.url)
    document = source.fetch()
    assert document.kind is DocumentKind.FREEFORM
    assert json.loads(document.content)["values"]["checkout"]["_variants"][0]["rule"] == '(eq $tier "premium")'
    assert (document.label, document.warning) == ("v1", "")
    aws.clock.advance(60)
    assert source.fetch() is None
    assert len(calls(aws, "GetHostedConfigurationVersion")) == 1
    changed = json.loads(json.dumps(RULED).replace("premium", "gold"))
    flag_profile.deploy(changed, label="v2")
    aws.clock.advance(60)
    assert b"gold" in source.fetch().content
    assert len(calls(aws, "ListApplications")) == 1


def test_basic_flags_need_no_control_plane(flag_profile, aws):
    flag_profile.deploy({"a": True}, label="v1")
    before = len(calls(aws, "appconfig."))
    document = connect(flag_profile.url).fetch()
    assert document.kind is DocumentKind.FEATURE_FLAGS
    assert len(calls(aws, "appconfig.")) == before


def test_rules_without_a_label_are_never_passed_over_silently(flag_profile):
    flag_profile.deploy(RULED)
    document = connect(flag_profile.url).fetch()
    assert document.kind is DocumentKind.FEATURE_FLAGS
    assert "VersionLabel" in document.warning


def test_a_denied_control_plane_is_asked_ever_more_rarely(flag_profile, aws):
    flag_profile.deploy(RULED, label="v1")
    rule = aws.faults.add(Fault.DENIED, "appconfig.List*")
    source = connect(flag_profile.url)
    document = source.fetch()
    assert document.kind is DocumentKind.FEATURE_FLAGS
    assert "appconfig:ListApplications" in document.warning
    for _ in range(9):
        aws.clock.advance(60)
        assert isinstance(source.fetch().shortfall, AccessDeniedError)
    assert len(calls(aws, "ListApplications")) == 4  # at the 1st, 2nd, 4th and 8th time
    aws.faults.remove(rule)
    for _ in range(6):
        aws.clock.advance(60)
        document = source.fetch()
    assert (document.kind, document.shortfall) == (DocumentKind.FREEFORM, None)


def test_rules_that_could_not_be_read_for_now_are_asked_for_again_in_the_same_session(flag_profile, aws):
    flag_profile.deploy(RULED, label="v1")
    aws.faults.add(Fault.THROTTLED, "appconfig.Get*", times=2)
    source = connect(flag_profile.url)
    assert source.fetch().warning
    assert source.fetch().shortfall.code == "source_unavailable"  # early: the data plane refuses, its token stays
    assert source.fetch().kind is DocumentKind.FREEFORM
    assert len(calls(aws, "StartConfigurationSession")) == 1  # a new session would cost a received configuration


def test_text_that_is_no_json_is_delivered_for_the_reader_to_name_the_fault(profile):
    profile.deploy(b"not json _variant")
    assert connect(profile.url).fetch().kind is DocumentKind.FREEFORM


def test_a_hosted_version_is_read_by_number_or_label_without_a_deployment(profile):
    profile.save(b'{"n": 1}', label="one")
    profile.save(b'{"n": 2}')
    assert connect("hosted://shop/flags@1").fetch().content == b'{"n": 1}'
    assert connect("hosted://shop/flags@one").fetch().version == "1"
    assert connect("hosted://shop/flags").fetch().content == b'{"n": 2}'
    assert connect(f"hosted://{profile.application_id}/{profile.profile_id}").fetch().version == "2"
