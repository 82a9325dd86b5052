"""The state file: everything is there again, also after a kill; what can't be read is said and left alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from canary.sandbox.errors import SandboxError
from canary.sandbox.program import Options, run
from canary.sandbox.scenario import Scenario
from canary.sandbox.state import FILE, StateFile

pytestmark = [pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"])]


def options(folder: Path, **changes: Any) -> Options:
    base: dict[str, Any] = {
        "scenario": Scenario(base="empty"),
        "speed": 0.0,
        "seed": 1,
        "region": "us-east-1",
        "host": "127.0.0.1",
        "port": 0,
        "agent_port": 0,
        "is_agent_port_given": True,
        "folder": folder,
        "keeps_state": True,
        "record": None,
    }
    return Options(**{**base, **changes})


def client(url: str, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="sandbox",
        aws_secret_access_key="sandbox",
        config=Config(retries={"total_max_attempts": 1}),
    )


def test_everything_comes_back(tmp_path: Path) -> None:
    with run(options(tmp_path)) as running:
        server = running.server
        server.aws.lambda_.deploy("api", "def handler(event, context): return 1", alias="live")
        server.aws.traffic.steady("api", "live", 600)
        server.step(300)
        queue = client(server.url, "sqs").create_queue(QueueName="jobs")["QueueUrl"]
        application = client(server.url, "appconfig").create_application(Name="shop")["Id"]
        client(server.url, "cloudwatch").put_metric_alarm(
            AlarmName="a", Namespace="AWS/Lambda", MetricName="Invocations", Statistic="Sum", Period=60,
            Dimensions=[{"Name": "FunctionName", "Value": "api"}], EvaluationPeriods=1, Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
        )  # fmt: skip
        alias = client(server.url, "lambda").get_alias(FunctionName="api", Name="live")
        now, requests = server.now(), server.aws.traffic.streams[0].counts.requests
    with run(options(tmp_path, seed=9, region="eu-west-1")) as running:
        server = running.server
        assert server.now() == now
        assert server.aws.region == "us-east-1", "the file's, not the command line's"
        again = client(server.url, "lambda").get_alias(FunctionName="api", Name="live")
        assert again["RevisionId"] == alias["RevisionId"]
        assert client(server.url, "appconfig").list_applications()["Items"][0]["Id"] == application
        assert client(server.url, "sqs").list_queues()["QueueUrls"][0].rpartition("/")[2] == queue.rpartition("/")[2]
        server.step(180)
        assert server.aws.traffic.streams[0].counts.requests > requests + 1000
        alarms = client(server.url, "cloudwatch").describe_alarms()["MetricAlarms"]
        assert [alarm["StateValue"] for alarm in alarms] == ["ALARM"], "metrics from before and after count"
        assert client(server.url, "lambda").invoke(FunctionName="api:live")["ExecutedVersion"] == "1"


def test_at_the_real_clocks_speed_the_time_of_the_pause_has_passed_without_traffic(tmp_path: Path) -> None:
    with run(options(tmp_path, scenario=Scenario(base="empty"))) as running:
        aws = running.server.aws
        aws.lambda_.deploy("api", "def handler(event, context): return 1", alias="live")
        aws.traffic.steady("api", "live", 60)
        began = running.server.now()
    with run(options(tmp_path, speed=1.0)) as running:
        assert running.server.now() > began
        assert running.server.aws.traffic.streams[0].requests_per_minute == 60


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda line, body: line.replace(b'"version": "', b'"version": "9.') + body, "was written by version 9."),
        (lambda line, body: line.replace(b'"format": ', b'"format": 9') + body, "was written by version"),
        (lambda line, body: line + body[:-10], "is damaged"),
        (lambda line, body: b"hello\n", "is not a state file"),
        (lambda line, body: b"", "is not a state file"),
    ],
)
def test_a_file_of_another_version_or_kind_is_left_alone(tmp_path: Path, change: Any, text: str) -> None:
    with run(options(tmp_path)):
        pass
    path = tmp_path / FILE
    line, _, body = path.read_bytes().partition(b"\n")
    content = change(line + b"\n", body)
    path.write_bytes(content)
    with pytest.raises(SandboxError, match=text) as caught, run(options(tmp_path)):
        pass
    assert "Nothing was changed" in caught.value.hint
    assert path.read_bytes() == content


def test_a_directory_is_for_one_sandbox_at_a_time(tmp_path: Path) -> None:
    with (
        run(options(tmp_path)),
        pytest.raises(SandboxError, match="in use by another sandbox"),
        run(options(tmp_path)),
    ):
        pass


def test_a_state_that_can_not_be_saved_is_said_once_and_at_the_end(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    pauses = iter([False, False, False, True])
    with run(options(tmp_path)) as running:
        StateFile(folder / "gone" / FILE, running.server.aws, "empty").run(lambda _: next(pauses), lambda: 0.0)
    with pytest.raises(SandboxError, match=r"was not saved at the end: .*No such file"), run(options(folder)):
        shutil.rmtree(folder)
    assert capfd.readouterr().err.count("the state is not saved") == 1


@pytest.mark.sweep
@pytest.mark.slow
def test_a_sandbox_that_is_killed_comes_back(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "canary", "sandbox", "--scenario", "empty", "--json", "--speed", "0"]
    options_ = ["--port", "0", "--agent-port", "0", "--state", str(tmp_path)]

    def start() -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen([*command, *options_], stdout=subprocess.PIPE, text=True, env=dict(os.environ))
        assert process.stdout is not None
        return process, json.loads(process.stdout.readline())["url"]

    process, url = start()
    client(url, "appconfig").create_application(Name="shop")
    path = tmp_path / FILE
    before = path.stat().st_mtime_ns
    while path.stat().st_mtime_ns == before:  # the next save
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process, url = start()
    try:
        assert [item["Name"] for item in client(url, "appconfig").list_applications()["Items"]] == ["shop"]
        with urllib.request.urlopen(f"{url}/_sandbox/clock", timeout=10) as answer:
            assert json.load(answer)["speed"] == 0
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
    assert process.returncode == 0
