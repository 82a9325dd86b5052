"""A kill while the last change bakes, with throttles and cut answers: from the command to the last client's False."""

from __future__ import annotations

import boto3
import pytest

from flagkit import Flags
from flagkit.admin import edits
from flagkit.admin.setup import init
from flagkit.admin.stores import Note, open_store
from flagkit.testing import Fault

URL = "appconfig://shop/prod/flags"
POLL_S = 60.0
CLIENTS = 20


FAULTS = {
    "appconfig.GetHostedConfigurationVersion": Fault.THROTTLED,
    "appconfig.CreateHostedConfigurationVersion": Fault.LOST_ANSWER,
    "appconfig.StopDeployment": Fault.SERVER_ERROR,
    "appconfig.StartDeployment": Fault.LOST_ANSWER,
}


CUT = dict.fromkeys(
    (
        "appconfig.ListHostedConfigurationVersions",
        "appconfig.GetHostedConfigurationVersion",
        "appconfig.CreateHostedConfigurationVersion",
        "appconfig.ListDeployments",
        "appconfig.StartDeployment",
        "appconfigdata.GetLatestConfiguration",
    ),
    Fault.CUT,
)


@pytest.mark.parametrize("faults", [{}, FAULTS, CUT], ids=["no faults", "faults", "cut answers"])
def test_every_client_is_off_within_a_poll(aws, virtual_clock, faults):
    init(URL, clock=virtual_clock)
    store = open_store(URL, clock=virtual_clock)
    base = store.read(missing_ok=True)
    receipt = store.save(base, edits.create(base.document, "pay", enabled=True), Note("launch"))
    deployment = store.deployments.deploy(receipt.version.number)
    assert store.deployments.status().running.state == "BAKING"
    clients = []
    for _ in range(CLIENTS):
        clients.append(Flags.connect(f"{URL}?interval={POLL_S:.0f}", session=boto3.Session(), clock=virtual_clock))
        assert clients[-1].is_enabled("pay")
        virtual_clock.advance(POLL_S / CLIENTS)
    assert store.deployments.status().running.number == deployment.number

    for call, fault in faults.items():
        aws.faults.add(fault, call, times=1)
    started = virtual_clock.monotonic()
    base = store.read()
    receipt = store.save(base, edits.kill(base.document, "pay"), Note("double charges"))
    done = store.deployments.deploy(receipt.version.number, pace="immediate", when_busy="replace")
    assert done.state == "COMPLETE"
    assert virtual_clock.monotonic() - started <= (POLL_S if faults else 1)
    for _ in range(round(POLL_S * 1.1)):
        virtual_clock.advance(1)
        for client in clients:
            client.refresh_if_due()
    assert not any(client.is_enabled("pay") for client in clients)
