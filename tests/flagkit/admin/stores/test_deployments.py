"""From saved to live: start, wait, replace, follow, stop, roll back, and what was forgotten in between."""

from __future__ import annotations

import boto3
import pytest

from flagkit.admin import edits
from flagkit.admin.setup import init
from flagkit.admin.stores import Note, open_store
from flagkit.errors import AccessDeniedError, DeploymentBusyError, DeploymentError, SourceUnavailableError
from flagkit.testing import Fault

URL = "appconfig://shop/prod/flags"


@pytest.fixture
def store(aws, virtual_clock):
    init(URL, clock=virtual_clock)
    return open_store(URL, clock=virtual_clock)


def save(store, key="f"):
    """One more version; returns its number."""
    base = store.read(missing_ok=True)
    known = key in base.document.values
    if not known:
        document = edits.create(base.document, key)
    elif base.document.values[key].enabled:
        document = edits.switch_off(base.document, key)
    else:
        document = edits.switch_on(base.document, key)
    return store.save(base, document, Note()).version.number


def text(store):
    return store.deployments.status().to_text()


def test_nothing_is_saved_then_saved_then_deployed(store):
    assert text(store) == "No version is saved."
    number = save(store)
    assert text(store) == "Version 1 is saved but not deployed. No version is live."
    assert store.deployments.deploy(number, pace="immediate").state == "COMPLETE"
    assert text(store) == "Version 1 is live."


def test_a_process_that_died_between_saving_and_deploying_is_noticed_and_finished(store, virtual_clock):
    store.deployments.deploy(save(store), pace="immediate")
    save(store)
    later = open_store(URL, clock=virtual_clock)
    assert text(later) == "Version 2 is saved but not deployed. Version 1 is live."
    assert later.deployments.finish(pace="immediate").version == 2
    assert later.deployments.finish() is None


def test_what_users_had_and_have_no_longer_is_known(store):
    for _ in range(3):
        store.deployments.deploy(save(store), pace="immediate")
    assert store.deployments.status().reverted is None
    store.deployments.revert()
    assert (store.deployments.status().served, store.deployments.status().reverted) == (2, 3)
    save(store)
    assert store.deployments.status().reverted == 3


def test_a_guarded_deployment_bakes_and_is_followed_to_its_end(store):
    deployment = store.deployments.deploy(save(store))
    states = [(item.state, item.percent) for item in store.deployments.follow(deployment.number)]
    assert states[-1] == ("COMPLETE", 100.0)
    assert "BAKING" in {state for state, _ in states}
    final = list(store.deployments.follow(deployment.number))[-1]
    assert [event.kind for event in final.events][-1] == "DEPLOYMENT_COMPLETED"


def test_a_version_that_a_newer_deployment_contains_is_not_deployed_again(store):
    first, second = save(store), save(store)
    done = store.deployments.deploy(second, pace="immediate")
    assert store.deployments.deploy(first, pace="immediate").number == done.number


class TestBusy:
    @pytest.fixture
    def busy(self, store):
        store.deployments.deploy(save(store))
        save(store)
        return store

    def test_wait(self, busy, virtual_clock):
        seen, start = [], virtual_clock.monotonic()
        assert busy.deployments.deploy(2, on_wait=seen.append).version == 2
        assert virtual_clock.monotonic() - start >= 600
        assert {item.state for item in seen} == {"BAKING"}
        assert len(seen) <= 40, "a bake takes minutes: not one call each five seconds"

    def test_immediate_does_not_wait_for_a_bake_of_its_own_profile(self, busy, virtual_clock):
        stopped, start = [], virtual_clock.monotonic()
        assert busy.deployments.deploy(2, pace="immediate", on_stop=stopped.append).state == "COMPLETE"
        assert virtual_clock.monotonic() == start
        assert [(item.number, item.state) for item in stopped] == [(1, "BAKING")]

    def test_replace(self, busy, virtual_clock):
        start = virtual_clock.monotonic()
        assert busy.deployments.deploy(2, pace="immediate", when_busy="replace").state == "COMPLETE"
        assert virtual_clock.monotonic() == start

    def test_queue(self, busy):
        assert busy.deployments.deploy(2, when_busy="queue") is None
        assert busy.deployments.status().is_pending

    def test_refuse(self, busy):
        with pytest.raises(DeploymentBusyError, match="deployment 1 is running in shop/prod/flags: baking"):
            busy.deployments.deploy(2, when_busy="refuse")

    def test_waiting_has_an_end(self, busy):
        busy.deployments._wait_limit_s = 60
        with pytest.raises(DeploymentBusyError, match="after 1 min of waiting") as error:
            busy.deployments.deploy(2)
        assert error.value.hint.startswith("Deploy version 2 with `flagkit deploy` later")

    def test_the_deployment_of_another_profile_is_replaced_only_if_that_is_said(self, busy, virtual_clock):
        init("appconfig://shop/prod/other", clock=virtual_clock)
        other = open_store("appconfig://shop/prod/other", clock=virtual_clock)
        with pytest.raises(DeploymentBusyError, match="of another profile") as error:
            other.deployments.deploy(save(other), pace="immediate", when_busy="replace")
        assert "--stop-running" in error.value.hint
        assert other.deployments.status().running.number == 1
        done = other.deployments.deploy(1, pace="immediate", when_busy="replace_any")
        assert (done.version, done.state) == (1, "COMPLETE")


def test_an_alarm_rolls_a_version_back_and_it_is_not_deployed_again_by_itself(aws, virtual_clock):
    alarm, role = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:a", "arn:aws:iam::123456789012:role/r"
    init(URL, alarms={role: alarm}, clock=virtual_clock)
    store = open_store(URL, clock=virtual_clock)
    store.deployments.deploy(save(store), pace="immediate")
    running = store.deployments.deploy(save(store))
    aws.appconfig.alarm_state = lambda _arn: "ALARM"
    assert list(store.deployments.follow(running.number))[-1].state == "ROLLED_BACK"
    assert text(store) == "Version 2 was deployed and rolled back. Version 1 is live."
    with pytest.raises(DeploymentError, match="rolled back") as error:
        store.deployments.finish()
    assert "`flagkit deploy --again`" in error.value.hint
    aws.appconfig.alarm_state = lambda _arn: "OK"
    assert store.deployments.finish(again=True, pace="immediate").state == "COMPLETE"


def test_stop_and_revert(store):
    store.deployments.deploy(save(store), pace="immediate")
    store.deployments.deploy(save(store))
    assert store.deployments.stop().state == "ROLLED_BACK"
    with pytest.raises(DeploymentError, match="no deployment is running"):
        store.deployments.stop()
    with pytest.raises(DeploymentError, match="deployment 1 is not running"):
        store.deployments.stop(1)
    assert store.deployments.revert().state == "REVERTED"
    with pytest.raises(DeploymentError, match="no deployment to roll back"):
        store.deployments.revert()
    assert store.deployments.status().served is None


def test_a_revert_takes_back_what_clients_have_not_an_older_deployment(store, virtual_clock):
    """Also while it still bakes."""
    for _ in range(3):
        store.deployments.deploy(save(store), pace="immediate")
    baking = store.deployments.deploy(save(store))
    undone = store.deployments.revert()
    assert (undone.number, undone.holds) == (baking.number, False)
    virtual_clock.advance(60)
    assert store.deployments.status().served == 3
    assert store.deployments.revert().number == 3
    assert store.deployments.status().served == 2


def test_a_stop_leaves_the_deployment_of_another_profile(store, virtual_clock):
    theirs = "appconfig://shop/prod/theirs"
    init(theirs, clock=virtual_clock)
    other = open_store(theirs, clock=virtual_clock)
    other.deployments.deploy(save(other))
    with pytest.raises(DeploymentError, match="of another profile"):
        store.deployments.stop()


def test_a_revert_after_72_hours_is_refused(store, virtual_clock):
    store.deployments.deploy(save(store), pace="immediate")
    virtual_clock.advance(73 * 3600)
    with pytest.raises(DeploymentError, match="can't be stopped"):
        store.deployments.revert()


@pytest.mark.parametrize("call", ["StartDeployment", "StopDeployment"])
def test_a_lost_answer_never_acts_twice(store, aws, call):
    number = save(store)
    aws.faults.add(Fault.LOST_ANSWER, f"appconfig.{call}", times=1)
    deployment = store.deployments.deploy(number)
    assert deployment.number == 1
    assert store.deployments.stop().state == "ROLLED_BACK"
    assert [item.number for item in store.deployments._list()] == [1]


def test_without_strategies_of_its_own_flagkit_uses_those_of_aws(aws, virtual_clock):
    from flagkit.testing import AppConfigFlags

    profile = AppConfigFlags(boto3.Session())
    store = open_store(profile.url, clock=virtual_clock)
    running = store.deployments.deploy(save(store), pace="immediate")
    assert running.state in {"BAKING", "DEPLOYING"}
    save(store)
    assert store.deployments.deploy(2, pace=profile.strategy_id).state == "COMPLETE"


def test_a_missing_right_is_named_with_its_strategy(store, aws):
    """Issue 6, bad input: no rights (which action on which ARN is missing)."""
    number = save(store)
    aws.faults.add(Fault.DENIED, "appconfig.StartDeployment")
    with pytest.raises(AccessDeniedError) as error:
        store.deployments.deploy(number, pace="immediate")
    assert "appconfig:StartDeployment" in error.value.message
    assert ":123456789012:deploymentstrategy/" in error.value.message
    assert store.deployments.status().is_pending


def test_no_answer_at_all_is_an_error_in_the_end(store, aws):
    number = save(store)
    aws.faults.add(Fault.UNREACHABLE, "appconfig.StartDeployment")
    with pytest.raises(SourceUnavailableError):
        store.deployments.deploy(number)
    aws.faults.clear()
    assert store.deployments.status().is_pending


@pytest.fixture
def slow(store):
    """A strategy that takes ten minutes."""
    params = {"DeploymentDurationInMinutes": 10, "FinalBakeTimeInMinutes": 0, "GrowthFactor": 20}
    return store.control.once("CreateDeploymentStrategy", Name="slow", ReplicateTo="NONE", **params)["Id"]


def test_a_deployment_that_is_on_its_way_says_so(store, slow):
    store.deployments.deploy(save(store), pace=slow)
    assert text(store) == "Version 1 is being deployed (1 %)."


def test_a_kill_switch_does_not_wait_for_a_slow_deployment_that_contains_it(store, slow, virtual_clock):
    killed, later = save(store), save(store)
    running = store.deployments.deploy(later, pace=slow)
    assert store.deployments.deploy(killed, pace=slow).number == running.number
    done = store.deployments.deploy(killed, pace="immediate", when_busy="replace")
    assert (done.version, done.state) == (later, "COMPLETE")
    assert virtual_clock.monotonic() == 0


def test_a_long_past_is_not_read_again_and_again(store, aws):
    """AppConfig lists 50 deployments a page; only as many are read as are needed."""
    for _ in range(60):
        store.deployments.deploy(save(store), pace="immediate")
    before = len([record for record in aws.wire.calls if record.call == "appconfig.ListDeployments"])
    assert store.deployments.status().served == 60
    store.deployments.deploy(save(store), pace="immediate")
    after = len([record for record in aws.wire.calls if record.call == "appconfig.ListDeployments"])
    assert after - before == 2


def test_a_kill_is_live_at_once_while_its_profile_bakes(store, virtual_clock):
    """`create a --on; kill a` on AppConfig, within the ten minutes of the bake."""
    store.deployments.deploy(save(store))
    assert store.deployments.status().running.state == "BAKING"
    killed = save(store)
    start = virtual_clock.monotonic()
    done = store.deployments.deploy(killed, pace="immediate", when_busy="replace")
    assert (done.version, done.state) == (killed, "COMPLETE")
    assert virtual_clock.monotonic() - start < 5


class TestOlderBotocore:
    """Lambda's runtimes bundle versions of botocore that lack members which newer ones have."""

    @pytest.fixture
    def older(self, store):
        model = store.control._client.meta.service_model
        del model.operation_model("StartDeployment").input_shape.members["LatestDeploymentNumber"]
        items = model.operation_model("ListDeployments").output_shape.members["Items"]
        items.member.members.pop("ConfigurationProfileId")
        return store

    def test_versions_are_deployed_and_known(self, older):
        assert older.deployments.deploy(save(older), pace="immediate").state == "COMPLETE"
        assert text(older) == "Version 1 is live."
        assert older.deployments.deploy(save(older)).version == 2
        assert older.deployments.stop().state == "ROLLED_BACK"
