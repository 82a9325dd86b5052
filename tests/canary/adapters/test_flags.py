"""A rollback switches the plan's flags off; traffic first, and a flag that can't be switched stops nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest

from canary.adapters.aws import open_session
from canary.adapters.flags import FlagsOff
from canary.assembly import assemble
from canary.core.events import PhaseChanged
from canary.core.phases import Phase
from canary.core.plan import FlagSwitch, Plan
from canary.errors import FlagsOffError
from canary.testing import AwsStandIn
from flagkit.admin.edits import create, switch_on
from flagkit.admin.stores import Note, open_store
from flagkit.testing import AppConfigFlags

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)


def turned(after: Phase) -> PhaseChanged:
    return PhaseChanged("k3f9a2c1", "prod", NOW, Phase.BAKING, after, "why")


def fill(url: str, *keys: str) -> None:
    store = open_store(url)
    base = store.read(missing_ok=True)
    document = base.document
    for key in keys:
        document = switch_on(create(document, key), key)
    receipt = store.save(base, document, Note())
    if store.deployments is not None:
        store.deployments.deploy(receipt.version.number, pace="immediate")
    store.close()


def is_on(url: str, key: str) -> bool:
    store = open_store(url)
    value = json.loads(store.read().content or b"{}")["values"][key]
    store.close()
    return bool(value["enabled"])


@pytest.fixture
def flags(tmp_path: Path) -> str:
    url = f"file:{tmp_path / 'flags.json'}"
    fill(url, "new_checkout", "other")
    return url


@pytest.mark.parametrize("after", [Phase.ROLLING_BACK, Phase.ROLLED_BACK])
def test_a_rollback_switches_its_flags_off_and_no_other(canary_aws: AwsStandIn, flags: str, after: Phase) -> None:
    FlagsOff([FlagSwitch(source=flags, key="new_checkout")], open_session()).notify(turned(after))
    assert (is_on(flags, "new_checkout"), is_on(flags, "other")) == (False, True)


@pytest.mark.parametrize("after", [Phase.HOLDING, Phase.PROMOTED, Phase.ABORTED, Phase.CONFLICT])
def test_nothing_else_touches_them(canary_aws: AwsStandIn, flags: str, after: Phase) -> None:
    FlagsOff([FlagSwitch(source=flags, key="new_checkout")], open_session()).notify(turned(after))
    assert is_on(flags, "new_checkout")


def test_a_flag_that_cannot_be_switched_is_named_and_the_others_are_off(canary_aws: AwsStandIn, flags: str) -> None:
    switches = [FlagSwitch(source=flags, key=key) for key in ("missing", "new_checkout")]
    with pytest.raises(FlagsOffError, match="missing in file:"):
        FlagsOff(switches, open_session()).notify(turned(Phase.ROLLED_BACK))
    assert not is_on(flags, "new_checkout")


def test_in_appconfig_the_switch_is_deployed_at_once_and_only_once(canary_aws: AwsStandIn) -> None:
    url = AppConfigFlags(boto3.Session()).url
    fill(url, "new_checkout")
    off = FlagsOff([FlagSwitch(source=url, key="new_checkout")], open_session())
    off.notify(turned(Phase.ROLLING_BACK))
    off.notify(turned(Phase.ROLLED_BACK))
    store = open_store(url)
    assert store.deployments is not None
    status = store.deployments.status()
    assert (status.newest, status.served) == (2, 2)
    assert not is_on(url, "new_checkout")


def failing(event: object, context: object) -> None:
    raise RuntimeError("no")


def steady(event: object, context: object) -> dict[str, object]:
    return {"statusCode": 200}


def test_the_plan_wires_it(canary_aws: AwsStandIn, flags: str, tmp_path: Path) -> None:
    from canary import runner

    canary_aws.lambda_.deploy("api", steady, alias="live")
    canary_aws.traffic.steady("api", "live", 120)
    canary_aws.clock.advance(120)
    canary_aws.lambda_.deploy("api", failing)
    plan = Plan.parse(
        f"""
        [stages.dev]
        functions = ["api:live"]
        steps = [50]
        bake = "15m"
        flags_off = [{{ source = "{flags}", key = "new_checkout" }}, {{ source = "{flags}", key = "missing" }}]
        """
    )
    ports = assemble(plan, "dev", base=tmp_path, clock=canary_aws.clock)
    state = runner.run(plan.stage("dev"), ports, runner.start(plan.stage("dev"), ports))
    assert state.phase is Phase.ROLLED_BACK
    assert not is_on(flags, "new_checkout")
    noticed = [event for event in ports.journal.events(state.canary_id) if event.event == "noticed"]
    assert any("missing" in event.text for event in noticed)
