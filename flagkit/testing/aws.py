"""The AWS stand-in: one context manager for services in process, on a virtual clock, next to moto.

It assembles; each service's behaviour lives in its own module.
"""

from __future__ import annotations

import os
import re
from functools import cache, lru_cache
from types import SimpleNamespace, TracebackType
from typing import Any, ClassVar, Self
from unittest.mock import patch

import boto3
import botocore.session
import moto.core.models
from moto import mock_aws
from moto.backend_index import backend_url_patterns

from flagkit.testing.appconfig import Accounts, AppConfig, AppConfigData
from flagkit.testing.clock import VirtualClock
from flagkit.testing.faults import Faults
from flagkit.testing.wire import Service, Wire

_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIASTANDIN0000000000",
    "AWS_SECRET_ACCESS_KEY": "stand-in",
    "AWS_SESSION_TOKEN": "stand-in",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_CLEARED = ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")

# Most of what a new client costs is reading its service's model; a loader keeps what it read, and within a stand-in
# all sessions of the process share one. Models don't change between clients.
_shared_loader = lru_cache(maxsize=None)(botocore.session.create_loader)


@cache
def _one_pattern() -> SimpleNamespace:
    """What moto registers with `responses` at each start: one pattern of all its services, not 183 for each verb."""
    pattern = re.compile("|".join(f"(?:{pattern.pattern})" for _, pattern in backend_url_patterns))
    return SimpleNamespace(backend_url_patterns=[("", pattern)])


class AwsStandIn:
    """AWS for tests and demos, in process, on a virtual clock, through unmodified boto3 clients.

    ```python
    with AwsStandIn() as aws:
        client = boto3.client("appconfig")      # an ordinary client
        aws.clock.advance(60)
    ```

    Services that the stand-in models itself answer first; moto answers the rest (SNS, SQS, DynamoDB, STS, …).
    Create clients inside the block.

    Args:
        clock: virtual time; a new clock if None.
        seed: of all random numbers.
        region: region of the environment.
    """

    account_id: ClassVar[str] = "123456789012"  # moto's

    def __init__(self, *, clock: VirtualClock | None = None, seed: int = 0, region: str = "us-east-1") -> None:
        self.clock = VirtualClock() if clock is None else clock
        self.seed = seed
        self.region = region
        self.faults = Faults(seed)
        self.wire = Wire(self.clock, self.faults, region)
        self._saved: dict[str, str | None] = {}
        self._moto: Any = None
        self.appconfig = Accounts(self.clock, seed=seed)
        self.appconfig_data = AppConfigData(self.appconfig)
        for service in self.make_services():
            self.wire.add(service)

    def make_services(self) -> list[Service]:
        """The services behind the wire; subclasses add theirs to these."""
        return [AppConfig(self.appconfig), self.appconfig_data]

    def session(self) -> boto3.Session:
        """A boto3 session with the stand-in's credentials and region."""
        return boto3.Session(region_name=self.region)

    def __enter__(self) -> Self:
        environment = {**_ENVIRONMENT, "AWS_DEFAULT_REGION": self.region, "AWS_REGION": self.region}
        self._saved = {name: os.environ.get(name) for name in (*environment, *_CLEARED)}
        os.environ.update(environment)
        for name in _CLEARED:
            os.environ.pop(name, None)
        # By URL: moto finds services by patterns in turn, and some paths fit another service's pattern first.
        passthrough = {"urls": [r"https://(appconfig|appconfigdata|lambda|monitoring|scheduler)\."]}
        config: Any = {"core": {"mock_credentials": False, "passthrough": passthrough}}
        self._moto = mock_aws(config=config)
        with patch.object(moto.core.models, "backend_index", _one_pattern()):
            self._moto.start()
        self._create_loader, botocore.session.create_loader = botocore.session.create_loader, _shared_loader
        self.wire.install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wire.remove()
        botocore.session.create_loader = self._create_loader
        self._moto.stop()
        for name, value in self._saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
