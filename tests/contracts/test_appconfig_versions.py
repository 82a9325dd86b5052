"""Hosted versions: lock, labels, size, and what becomes of flag documents (appconfig.md §1.1, §7)."""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.exceptions import ClientError

from flagkit.testing import AppConfigFlags


@pytest.fixture
def freeform(aws):
    return AppConfigFlags(boto3.Session())


@pytest.fixture
def flags(aws):
    return AppConfigFlags(boto3.Session(), feature_flags=True)


def put(profile, content, **params):
    return profile.client.create_hosted_configuration_version(
        ApplicationId=profile.application_id,
        ConfigurationProfileId=profile.profile_id,
        ContentType="application/json",
        Content=content if isinstance(content, bytes) else json.dumps(content).encode(),
        **params,
    )


def get(profile, number):
    return profile.client.get_hosted_configuration_version(
        ApplicationId=profile.application_id, ConfigurationProfileId=profile.profile_id, VersionNumber=number
    )


def numbers(profile, **params):
    answer = profile.client.list_hosted_configuration_versions(
        ApplicationId=profile.application_id, ConfigurationProfileId=profile.profile_id, **params
    )
    return [item["VersionNumber"] for item in answer["Items"]]


def delete(profile, number):
    profile.client.delete_hosted_configuration_version(
        ApplicationId=profile.application_id, ConfigurationProfileId=profile.profile_id, VersionNumber=number
    )


def flag(**entry):
    return {"version": "1", "flags": {"checkout": {"name": "Checkout"}}, "values": {"checkout": entry}}


def test_freeform_content_is_kept_byte_by_byte(freeform):
    """§3.3 A: bytes delivered verbatim."""
    content = b'{ "b": 1,\n"a": [1,2] }'
    assert put(freeform, content)["VersionNumber"] == 1
    assert get(freeform, 1)["Content"].read() == content


def test_a_stale_lock_is_refused_with_both_numbers(freeform):
    """§7 (recorded): the text of the 409."""
    put(freeform, b"1", LatestVersionNumber=0)
    with pytest.raises(ClientError, match="Expected latest version 5 does not match actual latest version 1") as caught:
        put(freeform, b"2", LatestVersionNumber=5)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    assert caught.value.response["Error"]["Code"] == "ConflictException"
    assert put(freeform, b"2", LatestVersionNumber=1)["VersionNumber"] == 2


def test_deleted_numbers_are_not_used_again_and_the_lock_looks_at_what_remains(freeform):
    """§7."""
    for content in (b"1", b"2", b"3"):
        put(freeform, content)
    delete(freeform, 3)
    assert put(freeform, b"4", LatestVersionNumber=2)["VersionNumber"] == 4
    assert numbers(freeform) == [4, 2, 1]


def test_a_label_is_unique_and_not_only_digits(freeform):
    """§7: ≥ 1 non-digit, ≤ 64, unique per profile (duplicate → 400)."""
    assert put(freeform, b"1", VersionLabel="v1.0")["VersionLabel"] == "v1.0"
    for label in ("v1.0", "7"):
        with pytest.raises(ClientError) as caught:
            put(freeform, b"2", VersionLabel=label)
        assert caught.value.response["Error"]["Code"] == "BadRequestException"


def test_versions_are_listed_newest_first_and_filtered_by_label(freeform):
    """§7: label filter takes a trailing *."""
    for number, label in enumerate(["v1.0", "v1.1", "w1"]):
        put(freeform, str(number).encode(), VersionLabel=label)
    assert numbers(freeform) == [3, 2, 1]
    assert numbers(freeform, VersionLabel="v1.*") == [2, 1]
    assert numbers(freeform, VersionLabel="w1") == [3]


def test_two_megabytes_and_a_byte_are_too_large(freeform):
    """§1.1 (recorded): 2 097 153 bytes → 413 with Measure, Limit and Size."""
    put(freeform, b"x" * 2_097_152)
    with pytest.raises(ClientError) as caught:
        put(freeform, b"x" * 2_097_153)
    response = caught.value.response
    assert response["Error"]["Code"] == "PayloadTooLargeException"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert (response["Measure"], response["Limit"], response["Size"]) == ("KILOBYTES", 2048.0, 2049.0)


def test_a_description_is_ascii(freeform):
    """§7: Description (ASCII only; HTTP header)."""
    assert put(freeform, b"1", Description="plain")["Description"] == "plain"
    with pytest.raises(ClientError) as caught:
        put(freeform, b"2", Description="gr\u00fcn")
    assert caught.value.response["Error"]["Code"] == "BadRequestException"


def test_a_flag_document_is_checked_with_aws_own_details(flags):
    """§1.1: message, Reason, and Details.InvalidConfiguration with Constraint and Location."""
    variants = [{"name": "a", "enabled": True, "rule": "(eq $tier)"}, {"name": "b", "enabled": False}]
    with pytest.raises(ClientError) as caught:
        put(flags, flag(_variants=variants))
    response = caught.value.response
    assert response["Error"]["Message"] == (
        "Error invoking extension AppConfig Feature Flags Helper: Invalid 'Content' data"
    )
    assert response["Reason"] == "InvalidConfiguration"
    found = {(item["Constraint"], item["Location"]) for item in response["Details"]["InvalidConfiguration"]}
    assert ("RuleIsValid", "values.checkout._variants.0.rule.eq") in found


def test_enabled_in_words_is_a_boolean_and_null_is_off(flags):
    """§1.1 (recorded): coerced; unknown keys dropped."""
    number = put(flags, flag(enabled="TRUE") | {"stray": 1})["VersionNumber"]
    saved = json.loads(get(flags, number)["Content"].read())
    assert saved["values"]["checkout"]["enabled"] is True
    assert "stray" not in saved
    number = put(flags, flag(enabled=None))["VersionNumber"]
    assert json.loads(get(flags, number)["Content"].read())["values"]["checkout"]["enabled"] is False
    with pytest.raises(ClientError):
        put(flags, flag(enabled=1))


def test_timestamps_are_put_in_and_move_only_on_the_side_that_changed(flags, aws):
    """§1.1 (recorded): `_updatedAt` moves only on the side that changed."""
    put(flags, flag(enabled=True))
    before = json.loads(get(flags, 1)["Content"].read())
    aws.clock.advance(3600)
    put(flags, flag(enabled=False))
    after = json.loads(get(flags, 2)["Content"].read())
    assert after["flags"]["checkout"] == before["flags"]["checkout"]
    assert after["values"]["checkout"]["_createdAt"] == before["values"]["checkout"]["_createdAt"]
    assert after["values"]["checkout"]["_updatedAt"] > before["values"]["checkout"]["_updatedAt"]


def test_the_same_flags_again_make_no_new_version(flags, aws):
    """§1.1 (recorded): 201 with the existing VersionNumber."""
    assert put(flags, flag(enabled=True))["VersionNumber"] == 1
    aws.clock.advance(60)
    again = put(flags, flag(enabled=True))
    assert (again["VersionNumber"], again["ResponseMetadata"]["HTTPStatusCode"]) == (1, 201)
    assert numbers(flags) == [1]


def test_a_created_at_that_is_no_timestamp_is_a_server_error_with_no_message(flags):
    """§1.1 (recorded): 500 InternalServerException with an empty message; a valid one is kept."""
    client = boto3.client("appconfig", config=boto3.session.Config(retries={"total_max_attempts": 1}))
    flags.client = client
    with pytest.raises(ClientError) as caught:
        put(flags, flag(enabled=True, _createdAt="yesterday"))
    assert caught.value.response["Error"] == {"Code": "InternalServerException", "Message": ""}
    put(flags, flag(enabled=True, _createdAt="2020-01-01T00:00:00Z", _updatedAt="2020-01-01T00:00:00Z"))
    saved = json.loads(get(flags, 1)["Content"].read())["values"]["checkout"]
    assert saved["_createdAt"] == "2020-01-01T00:00:00Z"
    assert saved["_updatedAt"] != "2020-01-01T00:00:00Z"


def test_angle_brackets_are_escaped(flags):
    r"""§1.1: `<`, `>`, `&` are returned as \u003c, \u003e, \u0026."""
    put(flags, flag(enabled=True, text="<a&b>") | {"flags": {"checkout": {"attributes": {"text": {}}}}})
    content = get(flags, 1)["Content"].read()
    assert b"\\u003ca\\u0026b\\u003e" in content
