"""The contract tests that a client can make are made twice: in process, and over HTTP.

Clients and the port are kept for all tests: making them takes longer than most tests.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import boto3
import pytest

import canary.sandbox.server
from canary.sandbox.http import Answer, HttpServer
from canary.sandbox.server import SandboxServer
from canary.testing import AwsStandIn
from flagkit.testing import VirtualClock

_BOTH = (
    "test_appconfig_", "test_lambda_aliases", "test_lambda_versions", "test_lambda_invocations", "test_recorded",
    "test_scheduler", "test_alarm_api", "test_alarm_refusals", "test_cloudwatch_queries", "test_cloudwatch_listing",
)  # fmt: skip
_HTTP = pytest.param("http", marks=[pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"])])


class KeptPort:
    """An HTTP server that answers for one sandbox after another; it takes the place of their own."""

    def __init__(self) -> None:
        self._http: HttpServer | None = None

    def __call__(self, host: str, _port: int, answer: Answer, date: Callable[[], str]) -> KeptPort:
        if self._http is None:
            self._http = HttpServer(host, 0, answer, date)
            self._http.start()
        self._http.answer, self._http.date = answer, date
        self.netloc, self.server_address = self._http.netloc, self._http.server_address
        return self

    def start(self) -> None:
        """It has started."""

    def stop(self) -> None:
        """It goes on."""

    def close(self) -> None:
        if self._http is not None:
            self._http.stop()


@pytest.fixture(scope="session")
def kept_port() -> Iterator[KeptPort]:
    port = KeptPort()
    yield port
    port.close()


_clients: dict[tuple[object, ...], Any] = {}
_make_client = boto3.Session.client


def _kept_client(session: boto3.Session, name: str, **settings: Any) -> Any:
    config = settings.get("config")
    options = None if config is None else repr(sorted(config._user_provided_options.items()))
    region = settings.get("region_name") or session.region_name
    key = (name, region, options, os.environ.get("AWS_ENDPOINT_URL"))
    if settings.keys() - {"config", "region_name"}:
        return _make_client(session, name, **settings)
    if key not in _clients:
        _clients[key] = _make_client(session, name, **settings)
    return _clients[key]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    name = metafunc.module.__name__.rpartition(".")[2]
    if name.startswith(_BOTH) and {"aws", "canary_aws"} & set(metafunc.fixturenames):
        metafunc.parametrize("transport", ["process", _HTTP], indirect=True)


@pytest.fixture(autouse=True)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Whether boto3's calls are answered in process, or sent to a server on this machine."""
    kind = getattr(request, "param", "process")
    monkeypatch.setattr(boto3.Session, "client", _kept_client)
    with ExitStack() as stack:
        if kind == "http":
            names = request.fixturenames
            stand_in = request.getfixturevalue("canary_aws" if "canary_aws" in names else "aws")
            monkeypatch.setattr(canary.sandbox.server, "HttpServer", request.getfixturevalue("kept_port"))
            server = stack.enter_context(SandboxServer(stand_in, "127.0.0.1", 0, 0))
            monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield kind


@pytest.fixture
def aws(virtual_clock: VirtualClock, aws_seed: int) -> Iterator[AwsStandIn]:
    """The whole stand-in, which a server needs."""
    with AwsStandIn(clock=virtual_clock, seed=aws_seed) as stand_in:
        yield stand_in
