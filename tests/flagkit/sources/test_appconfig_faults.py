"""What a FeatureFlags profile serves while the wire fails between its data plane and its control plane."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import boto3
import pytest

from flagkit import Flags, Reason, State
from flagkit.errors import SourceUnavailableError
from flagkit.sources import aws as aws_module
from flagkit.sources import connect
from flagkit.sources.appconfig import AppConfigSource
from flagkit.testing import AppConfigFlags, Fault

GET_VERSION = "appconfig.GetHostedConfigurationVersion"
LIST_VERSIONS = "appconfig.ListHostedConfigurationVersions"
GET_LATEST = "appconfigdata.GetLatestConfiguration"
FAULTS = [
    (Fault.CUT, GET_VERSION),
    (Fault.CUT, LIST_VERSIONS),
    (Fault.THROTTLED, GET_VERSION),
    (Fault.SERVER_ERROR, LIST_VERSIONS),
    (Fault.LOST_ANSWER, GET_VERSION),
    (Fault.UNREACHABLE, "appconfig.*"),
    (Fault.DENIED, GET_VERSION),
    (Fault.CREDENTIALS_EXPIRED, LIST_VERSIONS),
]


def ruled(plan: str) -> dict[str, object]:
    variants = [{"name": "on", "enabled": True, "rule": f'(eq $plan "{plan}")'}, {"name": "off", "enabled": False}]
    values = {"new_checkout": {"_variants": variants}}
    return {"version": "1", "flags": {"new_checkout": {"name": "New"}}, "values": values}


@pytest.fixture
def profile(aws):
    return AppConfigFlags(boto3.Session(), feature_flags=True)


def on_for(flags: Flags, plan: str) -> bool:
    return flags.is_enabled("new_checkout", "42", {"plan": plan})


@pytest.mark.parametrize(("fault", "calls"), FAULTS)
def test_rules_that_cannot_be_read_leave_the_last_whole_document_stale_until_they_can(profile, aws, fault, calls):
    profile.deploy(ruled("gold"), label="v1")
    flags = Flags.connect(profile.url, clock=aws.clock)
    assert on_for(flags, "gold")
    profile.deploy(ruled("silver"), label="v2")
    rule = aws.faults.add(fault, calls)
    aws.clock.advance(60)
    for failures in (1, 2):
        assert not flags.refresh()
        assert on_for(flags, "gold"), "never the default variants instead"
        status = flags.status()
        assert (status.state, status.version, status.failures) == (State.STALE, "v1", failures)
        assert status.error is not None
        assert flags.evaluate("new_checkout", "42", {"plan": "gold"}).reason is Reason.STALE
        assert status.next_poll_at - aws.clock.now() < timedelta(seconds=23)  # sooner than after a success
    aws.faults.remove(rule)
    while flags.status().version == "v1":
        flags.refresh()
    assert (on_for(flags, "gold"), on_for(flags, "silver")) == (False, True)
    status = flags.status()
    assert (status.state, status.version, status.failures, status.error) == (State.READY, "v2", 0, None)


def test_a_cut_answer_of_the_data_plane_is_asked_for_again(profile, aws):
    profile.deploy(ruled("gold"), label="v1")
    flags = Flags.connect(profile.url, clock=aws.clock)
    profile.deploy(ruled("silver"), label="v2")
    aws.faults.add(Fault.CUT, GET_LATEST, times=1)
    aws.clock.advance(60)
    assert not flags.refresh()
    assert (on_for(flags, "gold"), flags.status().error.code) == (True, "source_unavailable")
    assert flags.refresh()
    assert on_for(flags, "silver")


@pytest.mark.parametrize(("fault", "calls"), FAULTS)
def test_without_a_whole_document_the_default_variants_are_served_and_the_status_says_so(profile, aws, fault, calls):
    profile.deploy(ruled("gold"), label="v1")
    rule = aws.faults.add(fault, calls)
    flags = Flags.connect(profile.url, clock=aws.clock)
    answer = flags.evaluate("new_checkout", "42", {"plan": "gold"})
    assert (answer.variant, answer.reason) == ("off", Reason.RULES_UNSEEN)
    status = flags.status()
    assert status.failures == 1
    assert "only default variants" in status.warning
    assert not flags.wait_until_ready(0)
    aws.faults.remove(rule)
    flags.refresh()
    assert on_for(flags, "gold")
    assert (flags.status().warning, flags.status().error) == ("", None)


def test_newer_default_variants_replace_older_ones(profile, aws):
    profile.deploy(ruled("gold"), label="v1")
    aws.faults.add(Fault.THROTTLED, GET_VERSION)
    flags = Flags.connect(profile.url, clock=aws.clock)
    switched = json.loads(json.dumps(ruled("gold")).replace("false", "true"))
    profile.deploy(switched, label="v2")
    aws.clock.advance(60)
    flags.refresh()
    assert flags.is_enabled("new_checkout")
    assert flags.status().version == "v2"


def test_a_version_without_a_label_leaves_the_last_whole_document_stale(profile, aws):
    profile.deploy(ruled("gold"), label="v1")
    flags = Flags.connect(profile.url, clock=aws.clock)
    profile.deploy(ruled("silver"))
    for _ in range(3):
        aws.clock.advance(60)
        flags.refresh()
        assert on_for(flags, "gold")
        assert (flags.status().state, "VersionLabel" in flags.status().error.message) == (State.STALE, True)
    profile.deploy(ruled("bronze"), label="v3")
    aws.clock.advance(60)
    assert flags.refresh()
    assert on_for(flags, "bronze")
    assert flags.status().state is State.READY


def test_the_version_that_is_deployed_again_ends_the_staleness(profile, aws):
    profile.deploy(ruled("gold"), label="v1")
    flags = Flags.connect(profile.url, clock=aws.clock)
    profile.deploy(ruled("silver"))
    aws.clock.advance(60)
    flags.refresh()
    profile.deploy(ruled("gold"), label="v1b")
    aws.clock.advance(60)
    assert flags.refresh()
    assert (flags.status().state, on_for(flags, "gold")) == (State.READY, True)


def test_the_disk_has_the_rules_when_the_control_plane_has_not(profile, aws, tmp_path):
    profile.deploy(ruled("gold"), label="v1")
    Flags.connect(profile.url, clock=aws.clock, cache_dir=tmp_path).close()
    profile.deploy(ruled("silver"), label="v2")
    rule = aws.faults.add(Fault.CUT, GET_VERSION)
    for _ in range(2):  # the first one must not overwrite it
        flags = Flags.connect(profile.url, clock=aws.clock, cache_dir=tmp_path, fallback={"new_checkout": False})
        assert on_for(flags, "gold")
        assert (flags.status().state, flags.status().origin, flags.status().version) == (State.STALE, "cache", "v1")
    aws.faults.remove(rule)
    flags.refresh()
    assert on_for(flags, "silver")
    assert flags.status().origin == "source"


def test_an_outage_of_the_control_plane_costs_no_received_configurations(profile, aws):
    profile.deploy(ruled("gold"), label="v1")
    flags = Flags.connect(profile.url, clock=aws.clock)
    profile.deploy(ruled("silver"), label="v2")
    aws.faults.add(Fault.THROTTLED, "appconfig.*", times=100)
    aws.clock.advance(60)
    while not on_for(flags, "silver"):
        aws.clock.advance(5)
        flags.refresh_if_due()
    polls = [record.outcome for record in aws.wire.calls if record.call == GET_LATEST]
    assert polls.count("ok") < 100 * 15 / 45
    assert sum(record.call.endswith("StartConfigurationSession") for record in aws.wire.calls) == 1


def test_a_token_that_expired_meanwhile_brings_the_rules_of_the_newest_version(profile, aws):
    profile.deploy(ruled("gold"), label="v1")
    flags = Flags.connect(profile.url, clock=aws.clock)
    profile.deploy(ruled("silver"), label="v2")
    aws.faults.add(Fault.CUT, GET_VERSION, times=1)
    aws.clock.advance(60)
    flags.refresh()
    profile.deploy(ruled("bronze"), label="v3")
    aws.clock.advance(25 * 3600)
    assert flags.refresh()
    assert on_for(flags, "bronze")


def test_an_error_nobody_expects_after_a_poll_loses_no_version(profile, aws, monkeypatch):
    profile.deploy(ruled("gold"), label="v1")
    flags = Flags.connect(profile.url, clock=aws.clock)
    profile.deploy(ruled("silver"), label="v2")
    aws.clock.advance(60)
    with monkeypatch.context() as patch:
        patch.setattr(AppConfigSource, "_complete", lambda *_: 1 / 0)
        assert not flags.refresh()
        assert on_for(flags, "gold")
    flags.refresh()
    assert on_for(flags, "silver")


def test_what_a_discarded_session_brings_is_not_used(profile, aws, monkeypatch):
    profile.deploy(ruled("gold"), label="v1")
    source = connect(profile.url)
    poll = source._poll

    def slow():
        answer = poll()
        source.reset()
        return answer

    monkeypatch.setattr(source, "_poll", slow)
    with pytest.raises(SourceUnavailableError, match="discarded"):
        source.fetch()
    monkeypatch.setattr(source, "_poll", poll)
    assert source.fetch().label == "v1"


class Trickle(BaseHTTPRequestHandler):
    """Begins an answer, and sends a byte whenever it is let."""

    go_on = threading.Event()

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        try:
            while not self.go_on.wait(0.001):
                self.wfile.write(b" ")
                self.wfile.flush()
        except OSError:
            pass

    def log_message(self, *_):
        pass


@pytest.mark.allow_hosts(["127.0.0.1"])
@pytest.mark.enable_socket
def test_a_body_that_trickles_ends_at_its_limit(monkeypatch):
    monkeypatch.setattr(aws_module, "BODY_LIMIT_S", 0.05)
    server = HTTPServer(("127.0.0.1", 0), Trickle)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_APPCONFIGDATA", f"http://127.0.0.1:{server.server_port}")
    source = connect("appconfig://shop/test/flags", session=session)
    source._token = "t"
    try:
        with pytest.raises(SourceUnavailableError, match="not complete after"):
            source.fetch()
    finally:
        Trickle.go_on.set()
        server.shutdown()
        server.server_close()
