"""Notices of changes, from the command to the receiver: one for each change, whatever becomes of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flagkit.admin import edits
from flagkit.admin.history import revert_document
from flagkit.admin.stores import Note, open_store
from flagkit.testing import Fault

if TYPE_CHECKING:
    from tests.flagkit.cli.conftest import Terminal

pytestmark = pytest.mark.enable_socket


class Receiver(ThreadingHTTPServer):
    """An HTTP receiver that answers as told and keeps what it got."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[str, dict[str, str], Any]] = []
        self.status = 204

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def notices(self) -> list[tuple[str, list[str]]]:
        return [(body["type"], sorted(body["flags"])) for _, _, body in self.got]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.got.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def watched(terminal: Terminal, receiver: Receiver) -> Terminal:
    Path("flagkit.toml").write_text(f'[[notices]]\nkind = "webhook"\nurl = "{receiver.url}/hook"\n')
    return terminal


@pytest.fixture
def watched_aws(on_aws: Terminal, receiver: Receiver) -> Terminal:
    Path("flagkit.toml").write_text(f'[[notices]]\nkind = "webhook"\nurl = "{receiver.url}/hook"\n')
    return on_aws


def done(terminal: Terminal) -> str:
    return "flags.live" if terminal.file else "flags.deploying"


CHANGES: list[tuple[tuple[str, ...], list[str]]] = [
    (("on", "plain"), ["plain"]),
    (("off", "button"), ["button"]),
    (("kill", "new_flow", "--yes"), ["new_flow"]),
    (("rollout", "new_flow", "40"), ["new_flow"]),
    (("target", "new_flow", "--user", "42"), ["new_flow"]),
    (("split", "button", "a=50", "b=50"), ["button"]),
    (("rule", "add", "plain", "--when", 'country == "US"'), ["plain"]),
    (("attr", "button", "size=4"), ["button"]),
    (("schedule", "plain", "--from", "2030-01-01"), ["plain"]),
    (("describe", "plain", "--description", "x"), ["plain"]),
    (("create", "fresh"), ["fresh"]),
    (("delete", "button", "--yes"), ["button"]),
    (("segment", "put", "qa", "--user", "9"), ["segment qa"]),
    (("apply", "flags.toml", "--yes"), ["button", "fresh", "new_flow", "plain"]),
    (("import", "powertools.json"), ["lucky"]),
    (("promote", "--from", "other.json"), ["fresh"]),
]


@pytest.mark.parametrize(("words", "keys"), CHANGES, ids=[words[0] for words, _ in CHANGES])
def test_every_command_that_changes_flags_sends_one_notice(
    watched: Terminal, receiver: Receiver, words: tuple[str, ...], keys: list[str]
) -> None:
    Path("flags.toml").write_text("[flags.fresh]\nenabled = true\n")
    Path("powertools.json").write_text('{"lucky": {"default": true}}')
    Path("other.json").write_text('{"version":"1","flags":{"fresh":{"name":"F"}},"values":{"fresh":{"enabled":true}}}')
    watched.good(*words)
    assert receiver.notices() == [(done(watched), keys)]


def test_a_notice_says_who_changed_what_when_why_for_whom_and_how_to_undo_it(
    watched: Terminal, receiver: Receiver
) -> None:
    watched.good("rollout", "new_flow", "40", "-m", "first week")
    ((path, headers, body),) = receiver.got
    assert path == "/hook"
    assert headers["Content-Type"] == "application/json"
    assert body["reason"] == "first week"
    assert body["author"]
    assert body["timestamp"].startswith("2026-")
    assert body["flags"]["new_flow"]["audience"]
    assert "new_flow: 25 % → 40 %" in body["text"]
    assert body["environment"] == (None if watched.file else "test")
    watched.good(*body["undo"].split()[1:])
    assert watched.flag("new_flow")["percent"] == 25.0


@pytest.mark.parametrize("words", [("on", "plain", "--dry-run"), ("on", "button"), ("show", "plain")])
def test_what_changes_nothing_sends_nothing(watched: Terminal, receiver: Receiver, words: tuple[str, ...]) -> None:
    watched.good(*words)
    assert receiver.got == []


def test_what_is_saved_without_deploying_is_noticed_as_such_and_its_deployment_on_its_own(
    watched_aws: Terminal, receiver: Receiver
) -> None:
    watched_aws.good("on", "plain", "--save-only")
    watched_aws.good("deploy")
    assert receiver.notices() == [("flags.saved", ["plain"]), ("flags.deploying", ["plain"])]
    saved, deployed = (body for _, _, body in receiver.got)
    assert (saved["deployment"], deployed["version"], deployed["deployment"]) == (None, 2, 2)
    assert saved["id"] != deployed["id"]


def test_a_stopped_and_a_rolled_back_deployment_are_noticed_with_what_users_get_again(
    watched_aws: Terminal, receiver: Receiver
) -> None:
    watched_aws.good("on", "plain")
    watched_aws.good("stop", "--yes")
    stopped = receiver.got[-1][2]
    assert (stopped["type"], stopped["live_version"], sorted(stopped["flags"])) == ("flags.stopped", 1, ["plain"])
    assert stopped["text"].startswith("[test] ")
    watched_aws.good(*stopped["undo"].split()[1:], "--wait")
    watched_aws.good("rollback", "--yes")
    assert [kind for kind, _ in receiver.notices()] == [
        "flags.deploying",
        "flags.stopped",
        "flags.deploying",
        "flags.rolled_back",
    ]


def test_a_source_that_is_given_by_ids_is_known_by_its_names(watched_aws: Terminal, receiver: Receiver) -> None:
    profile = watched_aws.profile
    assert profile is not None
    text = Path("flagkit.toml").read_text()
    Path("flagkit.toml").write_text(f'{text}source = "{profile.url}"\n')
    ids = f"appconfig://{profile.application_id}/{profile.environment_id}/{profile.profile_id}"
    watched_aws.good("on", "plain", "-s", ids)
    assert [body["source"] for _, _, body in receiver.got] == [profile.url]


def test_a_source_that_no_receiver_names_is_changed_in_silence(watched: Terminal, receiver: Receiver) -> None:
    text = Path("flagkit.toml").read_text()
    Path("flagkit.toml").write_text(f'{text}source = "appconfig://shop/prod/*"\n')
    watched.good("on", "plain")
    assert receiver.got == []


def test_a_receiver_that_refuses_changes_neither_the_flag_nor_the_exit_code(
    watched: Terminal, receiver: Receiver
) -> None:
    receiver.status = 302
    said = watched.good("on", "plain", "--json")
    assert said.json["changed"] is True
    assert "warning: the notice to webhook (127.0.0.1) was not delivered: HTTP status 302\n" in said.err
    assert len(receiver.got) == 1  # the redirect is not followed


@pytest.mark.parametrize("text", ["[[notices]]\nkind = 'fax'\n", "nonsense", "\x00"])
def test_settings_that_cannot_be_read_stop_no_change(watched: Terminal, text: str) -> None:
    Path("flagkit.toml").write_text(text)
    said = watched.good("kill", "button", "--yes")
    assert "warning: nobody is notified of changes or asked to approve them: " in said.err
    assert watched.flag("button")["state"] == "off"


def test_a_deployment_that_fails_leaves_a_notice_of_what_was_saved(watched_aws: Terminal, receiver: Receiver) -> None:
    assert watched_aws.aws is not None
    watched_aws.aws.faults.add(Fault.DENIED, "appconfig.StartDeployment")
    assert watched_aws("on", "plain").code == 6
    assert receiver.notices() == [("flags.saved", ["plain"])]


def test_python_sends_one_notice_for_each_change_too(watched: Terminal, receiver: Receiver) -> None:
    store = open_store(watched.source, session=watched.cli.session, clock=watched.cli.clock)
    base = store.read()
    note = Note("launch", author="alice")
    for _ in range(2):  # an edit id is saved once, and told once
        receipt = store.save(base, edits.switch_on(base.document, "plain"), note)
    if store.deployments is not None:
        store.deployments.deploy(receipt.version.number, pace="immediate")
    stored, document = revert_document(store)
    store.save(stored, document, Note("undone"))
    store.close()
    assert sorted(receiver.notices()) == sorted(
        [(done(watched), ["plain"]), ("flags.live" if watched.file else "flags.saved", ["plain"])]
    )


def test_notify_lists_the_receivers_and_what_is_likely_wrong(watched: Terminal, receiver: Receiver) -> None:
    with Path("flagkit.toml").open("a") as file:
        file.write('[[notices]]\nkind = "slack"\nurl_env = "MISSING"\n')
    said = watched("notify")
    assert said.code == 1
    assert "  webhook (127.0.0.1)\n    warning: notices are not signed" in said.out
    assert "  slack (MISSING)\n    warning: the environment variable MISSING is not set" in said.out
    listed = watched("notify", "--json").json
    assert [row["receiver"] for row in listed["receivers"]] == ["webhook (127.0.0.1)", "slack (MISSING)"]
    assert receiver.got == []


def test_notify_test_reaches_every_receiver_and_says_which_one_failed(watched: Terminal, receiver: Receiver) -> None:
    assert watched.good("notify", "test").out == "webhook (127.0.0.1): delivered\n"
    assert receiver.notices() == [("flags.test", [])]
    receiver.status = 404
    failed = watched("notify", "test", "--json")
    assert failed.code == 7
    assert failed.json == [
        {"receiver": "webhook (127.0.0.1)", "delivered": False, "problem": "HTTP status 404"},
    ]


@pytest.mark.parametrize("words", [("notify",), ("notify", "test")])
def test_notify_without_settings_or_receivers_says_so(on_file: Terminal, words: tuple[str, ...]) -> None:
    assert "error[usage]: there is no flagkit.toml" in on_file(*words).err
    Path("flagkit.toml").write_text("")
    said = on_file(*words)
    assert (said.code, said.out.startswith("Nobody is notified of changes in ")) == (1, True)


def test_the_policy_of_who_changes_flags_names_the_receivers_of_the_source(on_aws: Terminal) -> None:
    Path("flagkit.toml").write_text(
        '[[notices]]\nkind = "sns"\ntopic_arn = "arn:aws:sns:us-east-1:123456789012:flags"\n'
        '[[notices]]\nkind = "eventbridge"\n[[exposures]]\n'
    )
    statements = on_aws.good("iam", "--role", "toggler").json["Statement"]
    found = {statement["Sid"]: statement["Resource"] for statement in statements}
    assert found["NotifyTopics"] == ["arn:aws:sns:us-east-1:123456789012:flags"]
    assert found["NotifyBuses"] == ["arn:aws:events:us-east-1:123456789012:event-bus/default"]
    assert "ReadCounts" in found


def test_a_deployment_that_alarms_roll_back_is_noticed_while_it_is_watched(
    watched_aws: Terminal, receiver: Receiver
) -> None:
    store = open_store(watched_aws.source, session=watched_aws.cli.session, clock=watched_aws.cli.clock)
    assert store.deployments is not None
    base = store.read()
    receipt = store.save(base, edits.switch_on(base.document, "plain"), Note("launch"))
    started = store.deployments.deploy(receipt.version.number)
    assert started is not None
    assert watched_aws.profile is not None
    steps = store.deployments.follow(started.number)
    assert next(steps).state == "BAKING"
    watched_aws.profile.client.stop_deployment(  # what AWS does when an alarm goes off
        ApplicationId=watched_aws.profile.application_id,
        EnvironmentId=watched_aws.profile.environment_id,
        DeploymentNumber=started.number,
        AllowRevert=True,
    )
    assert [step.state for step in steps][-1] in {"ROLLED_BACK", "REVERTED"}
    store.close()
    assert sorted(kind for kind, _ in receiver.notices()) == ["flags.deploying", "flags.rolled_back"]
    (said,) = (body for _, _, body in receiver.got if body["type"] == "flags.rolled_back")
    assert (said["author"], said["live_version"]) == (None, 1)
    assert said["text"].startswith(f"[test] deployment {started.number} was rolled back: version 1 is live\n")


def test_a_saved_version_that_nobody_deploys_or_closes_is_noticed_after_a_while(
    watched_aws: Terminal, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    class AtOnce(threading.Thread):
        """A timer whose time is over."""

        def __init__(self, _: float, call: Any, words: Any) -> None:
            super().__init__(target=call, args=words)

        def cancel(self) -> None:
            """Too late."""

    monkeypatch.setattr("flagkit.admin.notices.store.threading.Timer", AtOnce)
    store = open_store(watched_aws.source, session=watched_aws.cli.session, clock=watched_aws.cli.clock)
    base = store.read()
    store.save(base, edits.switch_on(base.document, "plain"), Note("launch"))
    store.close()
    assert receiver.notices() == [("flags.saved", ["plain"])]


def test_a_lost_answer_to_a_deployment_is_noticed_once(watched_aws: Terminal, receiver: Receiver) -> None:
    assert watched_aws.aws is not None
    watched_aws.good("on", "plain", "--save-only")
    watched_aws.aws.faults.add(Fault.LOST_ANSWER, "appconfig.StartDeployment", times=1)
    watched_aws.good("deploy")
    watched_aws.good("deploy")
    assert [kind for kind, _ in receiver.notices()] == ["flags.saved", "flags.deploying"]


def test_a_refusal_to_stop_a_deployment_of_another_profile_is_no_change_of_these_flags(
    watched_aws: Terminal, receiver: Receiver
) -> None:
    profile = watched_aws.profile
    assert profile is not None
    client, application = profile.client, {"ApplicationId": profile.application_id}
    other = client.create_configuration_profile(**application, Name="other", LocationUri="hosted")["Id"]
    client.create_hosted_configuration_version(
        **application, ConfigurationProfileId=other, ContentType="text/plain", Content=b"x"
    )
    client.start_deployment(
        **application,
        EnvironmentId=profile.environment_id,
        ConfigurationProfileId=other,
        ConfigurationVersion="1",
        DeploymentStrategyId=profile.strategy(bake_min=10),
    )
    refused = watched_aws("stop", "--yes")
    assert (refused.code, f"of another profile ({other})" in refused.err) == (8, True)
    newest, *_ = client.list_deployments(**application, EnvironmentId=profile.environment_id)["Items"]
    assert newest["State"] in {"DEPLOYING", "BAKING"}
    assert receiver.got == []
