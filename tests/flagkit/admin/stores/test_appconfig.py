"""The AppConfig store under faults: lost answers, races inside a save, refusals; the document is unchanged."""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.exceptions import IncompleteReadError, ResponseStreamingError

from flagkit.admin import edits
from flagkit.admin.entries import is_same
from flagkit.admin.stores import Note, open_store
from flagkit.core.documents import FlagDocument
from flagkit.errors import (
    AccessDeniedError,
    ConflictError,
    DocumentError,
    SourceBusyError,
    SourceNotFoundError,
    SourceUnavailableError,
)
from flagkit.testing import AppConfigFlags, Fault

CREATE = "appconfig.CreateHostedConfigurationVersion"


@pytest.fixture(params=["freeform", "flags"])
def profile(aws, request):
    return AppConfigFlags(boto3.Session(), feature_flags=request.param == "flags")


@pytest.fixture
def store(profile, virtual_clock):
    store = open_store(profile.url, clock=virtual_clock)
    document = edits.create(edits.create(store.read(missing_ok=True).document, "a"), "b")
    store.save(store.read(missing_ok=True), document, Note(author="alice"))
    return store


def on(store, key="a", note=None):
    base = store.read()
    return store.save(base, edits.switch_on(base.document, key), note or Note())


def calls(aws, name=CREATE):
    return [record.outcome for record in aws.wire.calls if record.call == name]


def test_a_lost_answer_is_found_again_by_the_label(store, aws):
    aws.faults.add(Fault.LOST_ANSWER, CREATE, times=1)
    receipt = on(store)
    assert (receipt.version.number, receipt.is_new) == (2, True)
    assert len(list(store.versions())) == 2
    assert calls(aws) == ["ok", "lost_answer"]


@pytest.mark.parametrize("fault", [Fault.THROTTLED, Fault.SERVER_ERROR, Fault.UNREACHABLE])
def test_a_call_that_did_not_happen_is_repeated(store, aws, fault):
    aws.faults.add(fault, CREATE, times=2)
    assert on(store).version.number == 2


def test_somebody_else_saves_between_our_read_and_our_write(store, aws, profile, virtual_clock):
    other = open_store(profile.url, clock=virtual_clock)
    base = store.read()
    on(other, "b")
    receipt = store.save(base, edits.switch_on(base.document, "a"), Note())
    assert receipt.version.number == 3
    assert {key for key, value in store.read().document.values.items() if value.enabled} == {"a", "b"}


def test_somebody_else_saves_at_every_call_of_our_save(store, aws, profile, virtual_clock):
    """The other one's save runs inside ours, after each of our calls, until it has interleaved everywhere."""
    other = open_store(profile.url, clock=virtual_clock)
    other.read()
    left = [5]

    def interfere(record):
        if left[0] and record.call.startswith("appconfig."):
            left[0] -= 1
            saved, aws.wire.watchers[:] = list(aws.wire.watchers), []
            base = other.read()
            toggled = edits.set_attributes(base.document, "b", {"n": left[0]})
            other.save(base, toggled, Note())
            aws.wire.watchers[:] = saved

    base = store.read()
    on(other, "b")  # so that our first try fails
    aws.wire.watchers.append(interfere)
    receipt = store.save(base, edits.switch_on(base.document, "a"), Note())
    aws.wire.watchers.clear()
    final = store.read().document
    assert final.values["a"].enabled
    assert final.values["b"].attributes == {"n": 0}
    assert receipt.is_new


def test_a_lost_answer_and_somebody_elses_edit_of_the_same_flag_on_top(store, aws, profile, virtual_clock):
    """Our edit happened and was overwritten later: it is acknowledged, and not applied a second time."""
    other = open_store(profile.url, clock=virtual_clock)
    aws.faults.add(Fault.LOST_ANSWER, CREATE, times=1)

    def interfere(record):
        if record.call == CREATE and record.outcome == "lost_answer":
            aws.wire.watchers.clear()
            base = other.read()
            other.save(base, edits.rollout(base.document, "a", 10), Note())

    aws.wire.watchers.append(interfere)
    receipt = on(store)
    assert receipt.version.number == 2
    assert store.read().version.number == 3
    assert len(store.read().document.values["a"].variants) == 2


def test_a_conflict_after_a_race_saves_nothing(store, profile, virtual_clock):
    base = store.read()
    on(open_store(profile.url, clock=virtual_clock))
    with pytest.raises(ConflictError):
        store.save(base, edits.rollout(base.document, "a", 10), Note())
    assert store.read().version.number == 2


class TestRefusals:
    """Issue 6, bad input: code, hint, and an unchanged document for each."""

    @pytest.fixture(autouse=True)
    def _unchanged(self, store, aws):
        before = store.read()
        yield
        aws.faults.clear()
        assert store.read() == before

    def test_no_right_to_save(self, store, aws):
        aws.faults.add(Fault.DENIED, CREATE)
        with pytest.raises(AccessDeniedError) as error:
            on(store)
        assert (
            "appconfig:CreateHostedConfigurationVersion on arn:aws:appconfig:us-east-1:123456789012:application/"
            in (error.value.message)
        )
        assert "/configurationprofile/" in error.value.message
        assert error.value.hint.startswith("Grant appconfig:CreateHostedConfigurationVersion on arn:")

    def test_no_right_to_read(self, store, aws):
        aws.faults.add(Fault.DENIED, "appconfig.GetHostedConfigurationVersion")
        with pytest.raises(AccessDeniedError, match="appconfig:GetHostedConfigurationVersion on arn:"):
            store.read()

    def test_no_network(self, store, aws, virtual_clock):
        base = store.read()
        aws.faults.add(Fault.UNREACHABLE)
        start = virtual_clock.monotonic()
        with pytest.raises(SourceUnavailableError, match="got no answer"):
            store.save(base, edits.switch_on(base.document, "a"), Note(author="alice"))
        assert virtual_clock.monotonic() - start < 120

    def test_throttled_for_good(self, store, aws):
        aws.faults.add(Fault.THROTTLED, CREATE)
        with pytest.raises(SourceUnavailableError):
            on(store)

    def test_others_never_stop(self, store, aws, profile, virtual_clock):
        other, before = open_store(profile.url, clock=virtual_clock), store.read()

        def interfere(record):
            if record.call == "appconfig.GetHostedConfigurationVersion":
                saved, aws.wire.watchers[:] = list(aws.wire.watchers), []
                base = other.read()
                other.save(base, edits.set_attributes(base.document, "b", {"n": base.version.number}), Note())
                aws.wire.watchers[:] = saved

        aws.wire.watchers.append(interfere)
        with pytest.raises(SourceBusyError):
            on(store)
        aws.wire.watchers.clear()
        latest = store.read()
        assert latest.document.values["a"].enabled is False
        # Put back for the check behind each test.
        for number in range(latest.version.number, before.version.number, -1):
            profile.client.delete_hosted_configuration_version(
                ApplicationId=profile.application_id, ConfigurationProfileId=profile.profile_id, VersionNumber=number
            )

    def test_a_refused_document_names_its_location(self, store, aws):
        """AWS's own validation, should ours ever be laxer."""
        if store.read().content.startswith(b'{"flags":{"a":{"_createdAt"'):
            params = {**store.control.profile(), "ContentType": "application/json"}
            with pytest.raises(DocumentError) as error:
                store.control.once(
                    "CreateHostedConfigurationVersion",
                    Content=b'{"version":"1","values":{"a":{"enabled":1}}}',
                    **params,
                )
            assert error.value.violations[0].location == "values.a.enabled"

    def test_too_large(self, store, aws):
        params = {**store.control.profile(), "ContentType": "application/json"}
        with pytest.raises(DocumentError, match="larger than 2048 KB"):
            store.control.once("CreateHostedConfigurationVersion", Content=b" " * 2_097_153, **params)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("appconfig://nope/test/flags", "no application called nope"),
        ("appconfig://shop/nope/flags", "no environment called nope"),
        ("appconfig://shop/test/nope", "no profile called nope"),
    ],
)
def test_what_does_not_exist_is_named_with_what_there_is(store, virtual_clock, url, words):
    with pytest.raises(SourceNotFoundError, match=words) as error:
        open_store(url, clock=virtual_clock).deployments.status()
    assert "There are:" in error.value.hint


def test_every_version_has_a_label_and_an_ascii_description(store, profile):
    """appconfig.md §7: labels are unique, descriptions travel in a header; a label is what hydration needs (§3.3 B)."""
    note = Note("größer " * 20)
    number = on(store, note=note).version.number
    raw = profile.client.get_hosted_configuration_version(
        ApplicationId=profile.application_id, ConfigurationProfileId=profile.profile_id, VersionNumber=number
    )
    assert raw["VersionLabel"] == f"flagkit-{note.edit_id}"
    assert raw["Description"].isascii()
    assert store.read().version.reason == note.reason


def test_the_author_is_the_caller(store):
    assert on(store).version.author == "arn:aws:sts::123456789012:user/moto"
    assert store.control.caller().account == "123456789012"


def test_without_an_answer_about_the_caller_the_edit_is_saved_all_the_same(store, aws):
    aws.faults.add(Fault.DENIED, "sts.*")
    assert on(store).version.author == "unknown"


def test_ids_work_as_names(store, profile, virtual_clock):
    url = f"appconfig://{profile.application_id}/{profile.environment_id}/{profile.profile_id}"
    assert open_store(url, clock=virtual_clock).read().version.number == 1


def test_reading_and_writing_back_the_bytes_makes_no_version(profile, virtual_clock):
    """Acceptance: byte for byte, also for a document that another tool formatted, with what AWS injected."""
    content = {"version": "1", "flags": {"z": {"name": "z"}}, "values": {"z": {"enabled": False}}}
    profile.save(json.dumps(content, indent=7).encode())
    store = open_store(profile.url, clock=virtual_clock)
    before = store.read()
    virtual_clock.advance(60)
    receipt = store.save(before, FlagDocument.parse(before.content), Note())
    assert not receipt.is_new
    assert store.read() == before
    assert is_same(receipt.document, before.document)
    store.close()


def test_the_first_version_is_saved_also_where_zero_is_no_number(aws, virtual_clock, monkeypatch):
    """Whether AWS takes 0 for "there is none yet" isn't documented: both are handled."""
    from flagkit.testing.appconfig import deployments, versions
    from flagkit.testing.wire import ServiceError

    strict = AppConfigFlags(boto3.Session())

    def refuse_zero(original):
        def check(thing, *rest):
            if rest[-1] == 0:
                raise ServiceError("BadRequestException", "must be greater than or equal to 1")
            return original(thing, *rest)

        return check

    monkeypatch.setattr(versions, "_check_lock", refuse_zero(versions._check_lock))
    operations = deployments.DeploymentOperations
    monkeypatch.setattr(operations, "_check_free", refuse_zero(operations._check_free))
    store = open_store(strict.url, clock=virtual_clock)
    base = store.read(missing_ok=True)
    assert store.save(base, edits.create(base.document, "a"), Note()).version.number == 1
    assert store.deployments.deploy(1, pace="immediate").number == 1


class Cut:
    """A body whose connection ends in the middle."""

    def __init__(self, error):
        self.error = error

    def read(self):
        raise self.error


@pytest.mark.parametrize(
    "error", [IncompleteReadError(actual_bytes=10, expected_bytes=20), ResponseStreamingError(error="reset"), OSError()]
)
def test_a_body_that_is_cut_is_read_again(store, monkeypatch, error):
    real = store.control._client.get_hosted_configuration_version
    bodies = [Cut(error)]

    def answer(**params):
        found = real(**params)
        return {**found, "Content": bodies.pop()} if bodies else found

    monkeypatch.setattr(store.control._client, "get_hosted_configuration_version", answer)
    assert store.read().version.number == 1
    assert not bodies


def test_a_body_that_is_always_cut_is_an_error_in_the_end(store, monkeypatch):
    real = store.control._client.get_hosted_configuration_version
    monkeypatch.setattr(
        store.control._client,
        "get_hosted_configuration_version",
        lambda **params: {**real(**params), "Content": Cut(OSError("reset"))},
    )
    with pytest.raises(SourceUnavailableError, match="ended early"):
        store.read()


def oldest_first(store, monkeypatch):
    """A server that lists versions oldest first."""
    real = store.control._client.list_hosted_configuration_versions

    def answer(**params):
        found = real(**params)
        return {**found, "Items": found["Items"][::-1]}

    monkeypatch.setattr(store.control._client, "list_hosted_configuration_versions", answer)


def test_the_newest_version_is_not_taken_from_the_order_of_a_list(store, monkeypatch):
    on(store, "a")
    oldest_first(store, monkeypatch)
    assert store.read().version.number == 2
    assert [version.number for version in store.versions()] == [2, 1]
    assert on(store, "b").version.number == 3
    assert store.read().document.values["a"].enabled


def test_a_version_saved_over_another_by_a_server_without_locks_is_refused(store, monkeypatch, profile, virtual_clock):
    """The number that was answered isn't the base's plus one, and the version in between exists."""
    base = store.read()
    on(open_store(profile.url, clock=virtual_clock), "b")
    real = store.control._client.create_hosted_configuration_version
    monkeypatch.setattr(
        store.control._client,
        "create_hosted_configuration_version",
        lambda LatestVersionNumber, **params: real(**params),
    )
    with pytest.raises(ConflictError, match="version 3 was saved over version 2"):
        store.save(base, edits.switch_on(base.document, "a"), Note())


def test_a_deleted_version_in_between_is_not_a_conflict(store):
    on(store, "a")
    profile = store.control.profile()
    store.control.call("DeleteHostedConfigurationVersion", **profile, VersionNumber=2)
    assert on(store, "b").version.number == 3


def test_an_edit_lists_each_thing_once(store, aws):
    before = len(aws.wire.calls)
    receipt = on(store, "a")
    store.deployments.deploy(receipt.version.number, pace="immediate")
    names = [record.call.removeprefix("appconfig.") for record in aws.wire.calls[before:]]
    lists = [name for name in names if name.startswith("List")]
    assert len(lists) == len(set(lists))
    assert len(names) <= 10
