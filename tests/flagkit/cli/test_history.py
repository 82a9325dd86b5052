"""Looking back, undoing, and bringing what is saved to the clients."""

from __future__ import annotations

import pytest

from flagkit.admin import edits
from flagkit.admin.setup import init
from flagkit.admin.stores import Note, open_store
from flagkit.testing import Fault


def test_history_says_who_what_when_and_why(terminal) -> None:
    terminal.good("on", "plain", "-m", "launch")
    terminal.good("rollout", "new_flow", "40", "-m", "looks good")
    out = terminal.good("history").out
    assert "looks good" in out.splitlines()[0]
    assert "25 % → 40 %" in out
    assert "launch" in out
    entries = terminal.good("history", "plain", "--json").json
    assert entries[0]["reason"] == "launch"
    assert entries[0]["author"]
    assert entries[0]["at"]
    assert "plain" in entries[0]["changes"]
    assert all("new_flow" not in entry["changes"] for entry in entries)
    assert len(terminal.good("history", "--limit", "1", "--json").json) == 1
    assert terminal("history", "never_was").code == 3


def test_revert_undoes_the_last_change_of_one_flag_only(terminal) -> None:
    before = terminal.flag("plain")
    terminal.good("on", "plain")
    terminal.good("rollout", "new_flow", "40")
    terminal.good("revert", "plain", "--last", "-m", "oops")
    assert terminal.flag("plain") == before
    assert "pct::40" in str(terminal.flag("new_flow"))
    assert "oops" in terminal.good("history", "plain").out


def test_revert_of_a_flag_keeps_the_segment_that_it_alone_named(terminal) -> None:
    terminal.good("segment", "put", "testers", "--user", "7")
    terminal.good("target", "plain", "--segment", "testers")
    terminal.good("revert", "plain", "--last")
    assert terminal.good("segment", "--json").json == {"testers": {"users": ["7"], "flags": []}}


def test_revert_brings_everything_back_to_a_version(terminal) -> None:
    first = terminal.good("describe", "plain", "--name", "P", "--json").json["version"]
    terminal.good("on", "plain")
    terminal.good("delete", "button", "--yes")
    terminal.good("revert", "--to", str(first))
    assert terminal.flag("plain")["enabled"] is False
    assert terminal.flag("button")["enabled"] is True


@pytest.mark.parametrize("words", [("revert",), ("revert", "plain", "--last", "--to", "1")])
def test_revert_requires_a_version_or_last(on_file, words: tuple[str, ...]) -> None:
    assert on_file(*words).code == 2


def test_status_offers_to_finish_what_is_saved_but_not_deployed(on_aws) -> None:
    saved = on_aws.good("on", "plain", "--save-only")
    assert "Not deployed." in saved.err
    waiting = on_aws("status")
    assert (waiting.code, "Version 2 is saved but not deployed. Version 1 is live." in waiting.out) == (8, True)
    assert on_aws("status", "--json").json["pending"] is True
    assert on_aws("status", answers=["n"]).code == 8
    done = on_aws.good("status", answers=["y"])
    assert "Version 2 is live" in done.out
    assert on_aws.good("status", "--json").json["served"] == 2


def test_the_next_command_says_what_was_left_and_finishes_it(on_aws) -> None:
    on_aws.good("on", "plain", "--save-only")
    again = on_aws.good("on", "plain")
    assert "No change in the flags. Version 2 is saved but not deployed" in again.err
    assert "Version 2 is live" in again.out
    on_aws.aws.clock.advance(700)
    on_aws.good("off", "plain", "--save-only")
    other = on_aws.good("rollout", "new_flow", "40")
    assert "Note: Version 3 is saved but not deployed" in other.err
    assert "Version 4 is live" in other.out


def test_deploy_deploys_what_is_saved_and_nothing_twice(on_aws) -> None:
    on_aws.good("on", "plain", "--save-only")
    assert "Version 2 is live" in on_aws.good("deploy").out
    assert "Nothing to deploy" in on_aws.good("deploy").out


def test_a_baking_deployment_is_served_and_wait_stays_to_its_end(on_aws) -> None:
    done = on_aws.good("on", "plain")
    assert "Alarms monitor it" in done.err
    assert "Deployment 2 is running: baking, 100 %" in on_aws.good("status").out
    start = on_aws.aws.clock.monotonic()
    done = on_aws.good("off", "plain", "--wait")
    assert "Waiting for deployment 2" in done.err
    assert done.out.endswith("Version 3 is live.\n")
    assert on_aws.aws.clock.monotonic() - start > 1000


def test_while_another_deployment_runs_one_may_wait_replace_queue_or_refuse(on_aws) -> None:
    on_aws.good("on", "plain")
    refused = on_aws("off", "plain", "--when-busy", "refuse")
    assert (refused.code, "error[deployment_busy]" in refused.err, "saved but not deployed" in refused.err) == (
        4,
        True,
        True,
    )
    queued = on_aws("rollout", "new_flow", "40", "--when-busy", "queue")
    assert (queued.code, "when the running deployment has ended" in queued.err) == (8, True)
    replaced = on_aws.good("rollout", "new_flow", "50", "--when-busy", "replace")
    assert "Version 5 is live" in replaced.out
    assert on_aws("on", "plain", "--when-busy", "never").code == 2


def test_a_rollback_of_a_deployment_says_which_guarded_rollouts_it_stops(on_aws) -> None:
    store = open_store(on_aws.source, session=on_aws.aws.session(), clock=on_aws.aws.clock)
    base = store.read()
    store.save(base, edits.put_rollout(base.document, "new_flow", "canary1 k3f9a2c1 more"), Note())
    on_aws.good("deploy")
    assert "Warning: new_flow in a guarded rollout" in on_aws.good("rollback").err


def test_stop_and_rollback_bring_back_what_was_served(on_aws) -> None:
    on_aws.good("on", "plain")
    stopped = on_aws.good("stop")
    assert "rolled back. Version 1 is live." in stopped.out
    assert on_aws.good("show", "plain", "--json").json["enabled"] is False
    taken = on_aws("status")
    assert (taken.code, "Deploy it with `flagkit deploy --again`" in taken.err) == (8, True)
    assert on_aws("deploy").code == 8
    on_aws.good("deploy", "--again", "--pace", "immediate")
    back = on_aws.good("rollback")
    assert "reverted" in back.out
    assert on_aws("rollback", "--yes").code in {0, 8}
    assert on_aws("stop").code == 8


def test_a_file_has_no_deployments(on_file) -> None:
    on_file.good("on", "plain")
    assert "is live." in on_file.good("status").out
    assert on_file.good("status", "--json").json["pending"] is False
    assert "is live." in on_file.good("deploy").out
    assert on_file("stop").code == 2
    assert on_file("rollback").code == 2


def test_a_deployment_that_alarms_roll_back_is_reported(on_aws) -> None:
    client = on_aws.profile.client
    words = {"DeploymentDurationInMinutes": 10, "GrowthFactor": 50, "FinalBakeTimeInMinutes": 1, "ReplicateTo": "NONE"}
    slow = client.create_deployment_strategy(Name="slow", **words)["Id"]
    here = {"ApplicationId": on_aws.profile.application_id, "EnvironmentId": on_aws.profile.environment_id}
    on_aws.aws.clock.call_after(60, lambda: client.stop_deployment(**here, DeploymentNumber=2))
    done = on_aws("on", "plain", "--pace", slow)
    assert done.code == 8
    assert "warning: deployment 2 ended: rolled back" in done.err
    assert "Version 2 is saved but not live" in done.err


def test_progress_is_plain_lines_without_a_terminal_and_a_bar_on_one(on_aws) -> None:
    from dataclasses import replace

    client = on_aws.profile.client
    words = {"DeploymentDurationInMinutes": 2, "GrowthFactor": 50, "FinalBakeTimeInMinutes": 0, "ReplicateTo": "NONE"}
    slow = client.create_deployment_strategy(Name="slow", **words)["Id"]
    plain = on_aws.good("on", "plain", "--pace", slow).err.splitlines()
    assert plain[0].startswith("Deployment 2: deploying, ")
    assert plain[-1].startswith("Deployment 2: complete, 100 %")
    on_aws.cli = replace(on_aws.cli, is_terminal=True)
    bar = on_aws.good("off", "plain", "--pace", slow).err
    assert "Deployment 3: complete" in bar
    assert "100 %" in bar


# Emergencies


def test_kill_is_immediate_and_asks_nothing_with_yes(on_aws) -> None:
    on_aws.good("attr", "button", "size=4")
    on_aws.aws.clock.advance(700)
    start = on_aws.aws.clock.monotonic()
    done = on_aws.good("kill", "button", "--yes", "-m", "double charges")
    assert "Version 3 is live" in done.out
    assert on_aws.aws.clock.monotonic() - start < 60
    assert on_aws.good("show", "button", "--json").json["enabled"] is False


def test_kill_replaces_what_bakes_and_says_what_it_stopped(on_aws) -> None:
    on_aws.good("on", "plain")
    start = on_aws.aws.clock.monotonic()
    done = on_aws.good("kill", "button", "--yes")
    assert "Stopped deployment 2 (baking, 100 %)." in done.err
    assert "Version 3 is live" in done.out
    assert on_aws.asked == []
    assert on_aws.aws.clock.monotonic() - start < 5
    assert on_aws.good("show", "button", "--json").json["enabled"] is False
    assert on_aws.good("show", "plain", "--json").json["enabled"] is True


def test_kill_names_the_option_that_stops_another_profile(on_aws) -> None:
    other = on_aws.profile.url.rpartition("/")[0] + "/other"
    init(other, session=on_aws.aws.session(), clock=on_aws.aws.clock)
    on_aws.good("create", "slow", "--source", other)
    refused = on_aws("kill", "button", "--yes")
    assert (refused.code, "--stop-running" in refused.err, "of another profile" in refused.err) == (4, True, True)
    assert "Version 2 is live" in on_aws.good("kill", "button", "--yes", "--stop-running").out


def test_kill_on_a_file_is_off(on_file) -> None:
    on_file.good("kill", "button")
    assert on_file.flag("button")["enabled"] is False


def test_faults_in_between_leave_one_edit(on_aws) -> None:
    on_aws.aws.faults.add(Fault.LOST_ANSWER, "appconfig.CreateHostedConfigurationVersion", times=1)
    on_aws.aws.faults.add(Fault.THROTTLED, "appconfig.StartDeployment", times=2)
    done = on_aws.good("on", "plain")
    assert "Version 2 is live" in done.out
    assert on_aws.saved() == (2, 2)


def test_the_history_of_an_unknown_flag_is_an_error(terminal) -> None:
    done = terminal("history", "new_folw")
    assert (done.code, "Did you mean new_flow?" in done.err) == (3, True)
    failed = terminal("history", "new_folw", "--json")
    assert failed.json["error"]["code"] == "flag_unknown"
    assert failed.json["error"]["exit_code"] == failed.code == 3
