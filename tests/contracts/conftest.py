"""The contract tests that a client can make are made twice: in process, and over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from canary.sandbox.server import SandboxServer
from canary.testing import AwsStandIn
from flagkit.testing import VirtualClock

_BOTH = ("test_appconfig_", "test_lambda_aliases", "test_lambda_versions", "test_lambda_invocations", "test_recorded")
_HTTP = pytest.param("http", marks=[pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"])])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    name = metafunc.module.__name__.rpartition(".")[2]
    if name.startswith(_BOTH) and {"aws", "canary_aws"} & set(metafunc.fixturenames):
        metafunc.parametrize("transport", ["process", _HTTP], indirect=True)


@pytest.fixture(autouse=True)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Whether boto3's calls are answered in process, or sent to a server on this machine."""
    kind = getattr(request, "param", "process")
    with ExitStack() as stack:
        if kind == "http":
            names = request.fixturenames
            stand_in = request.getfixturevalue("canary_aws" if "canary_aws" in names else "aws")
            server = stack.enter_context(SandboxServer(stand_in, "127.0.0.1", 0, 0))
            monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield kind


@pytest.fixture
def aws(virtual_clock: VirtualClock, aws_seed: int) -> Iterator[AwsStandIn]:
    """The whole stand-in, which a server needs."""
    with AwsStandIn(clock=virtual_clock, seed=aws_seed) as stand_in:
        yield stand_in
