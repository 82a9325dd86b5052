"""When a flag was last evaluated: from a read of the flag, by EmfSink and CloudWatch, to the commands."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from canary.testing import AwsStandIn
from flagkit import EmfSink, Exposures, Flags
from flagkit.admin.evaluations import KEPT_DAYS, Evaluations, read_evaluations
from flagkit.admin.stale import find_stale
from flagkit.cli import run
from flagkit.cli.context import CliContext
from flagkit.core.documents import FlagDocument
from flagkit.errors import AccessDeniedError, SourceUnavailableError
from flagkit.testing import Fault

KEYS = ("asked", "idle", "never")
DOCUMENT: dict[str, Any] = {
    "version": "1",
    "flags": {key: {"name": key} for key in KEYS},
    "values": {key: {"enabled": True} for key in KEYS},
}
DAY_S = 86_400


def evaluate(aws: AwsStandIn, key: str, namespace: str = "shop") -> None:
    """One read of a flag, and what CloudWatch makes of the line that EmfSink writes (its EMF specification)."""
    stream = io.StringIO()
    flags = Flags.connect("static:" + json.dumps(DOCUMENT), clock=aws.clock)
    exposures = Exposures(EmfSink(namespace, stream), clock=aws.clock, flush_interval_s=None)
    flags.watch(exposures.watch)
    flags.is_enabled(key, "user-1")
    exposures.flush()
    flags.close()
    client = aws.session().client("cloudwatch")
    for line in map(json.loads, stream.getvalue().splitlines()):
        at = dt.datetime.fromtimestamp(line["_aws"]["Timestamp"] / 1000, dt.UTC)
        for directive in line["_aws"]["CloudWatchMetrics"]:
            data: Any = [
                {
                    "MetricName": metric["Name"],
                    "Unit": metric["Unit"],
                    "Value": line[metric["Name"]],
                    "Timestamp": at,
                    "Dimensions": [{"Name": name, "Value": line[name]} for name in names],
                }
                for names in directive["Dimensions"]
                for metric in directive["Metrics"]
            ]
            client.put_metric_data(Namespace=directive["Namespace"], MetricData=data)


@pytest.fixture
def aws() -> Iterator[AwsStandIn]:
    with AwsStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def counted(aws: AwsStandIn) -> AwsStandIn:
    """`idle` was read 100 days before `asked`; `never` never was."""
    evaluate(aws, "idle")
    aws.clock.advance(100 * DAY_S)
    evaluate(aws, "asked")
    aws.clock.advance(600)
    return aws


def read(aws: AwsStandIn, *keys: str, namespace: str = "shop") -> Evaluations:
    return read_evaluations(keys or KEYS, namespace=namespace, clock=aws.clock, session=aws.session())


def test_the_last_day_is_known_for_what_was_asked_and_never_for_what_was_not(counted: AwsStandIn) -> None:
    found, today = read(counted), counted.clock.now().date()
    assert [found.last(key) for key in KEYS] == [today, today - dt.timedelta(days=100), "never"]
    assert [found.idle_days(key, today) for key in KEYS] == [0, 100, 100]


def test_where_nothing_is_counted_nothing_is_known(counted: AwsStandIn) -> None:
    for found in (read(counted, namespace="other"), read(counted, "never")):
        assert found.last("never") is None
        assert found.idle_days("never", counted.clock.now().date()) == 0


def test_a_call_asks_for_200_flags_of_455_days(counted: AwsStandIn) -> None:
    asked: list[Any] = []
    session = counted.session()
    session.events.register("provide-client-params.cloudwatch.GetMetricData", lambda params, **_: asked.append(params))
    keys = [f"f{number}" for number in range(401)]
    read_evaluations(keys, namespace="shop", clock=counted.clock, session=session)
    assert [len(params["MetricDataQueries"]) for params in asked] == [200, 200, 1]
    assert asked[0]["EndTime"] - asked[0]["StartTime"] == dt.timedelta(days=KEPT_DAYS + 1)
    assert 200 * (KEPT_DAYS + 1) <= 100_800


def test_what_passes_is_tried_again_and_a_refusal_is_not(counted: AwsStandIn) -> None:
    counted.faults.add(Fault.THROTTLED, "cloudwatch.GetMetricData", times=2)
    assert read(counted).last("asked") is not None
    counted.faults.add(Fault.THROTTLED, "cloudwatch.GetMetricData", times=3)
    with pytest.raises(SourceUnavailableError):
        read(counted)
    counted.faults.clear()
    counted.faults.add(Fault.DENIED, "cloudwatch.GetMetricData", times=1)
    with pytest.raises(AccessDeniedError, match="cloudwatch:GetMetricData"):
        read(counted)


def test_an_incomplete_answer_is_unknown_and_not_never(counted: AwsStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    class Client:
        def __init__(self) -> None:
            at = counted.clock.now()
            self.pages: list[Any] = [
                {
                    "MetricDataResults": [
                        {"Id": "f0", "StatusCode": "PartialData", "Timestamps": [at]},
                        {"Id": "f1", "StatusCode": "InternalError"},
                        {"Id": "f2", "StatusCode": "Complete", "Timestamps": []},
                    ],
                    "NextToken": "t",
                },
                {"MetricDataResults": [{"Id": "f0", "StatusCode": "Complete", "Timestamps": []}], "NextToken": "t"},
            ]

        def get_metric_data(self, **_: Any) -> Any:
            return self.pages.pop(0)

        def close(self) -> None:
            """Nothing is open."""

    monkeypatch.setattr("flagkit.sources.aws.make_client", lambda *_, **__: Client())
    found = read(counted)
    assert [found.last(key) for key in KEYS] == [counted.clock.now().date(), None, "never"]


def test_a_flag_is_stale_if_it_was_not_evaluated_for_long_and_counts_are_old_enough() -> None:
    now = dt.datetime(2026, 6, 1, 9, tzinfo=dt.UTC)
    document = FlagDocument.parse(json.dumps({**DOCUMENT, "values": {key: {"enabled": False} for key in KEYS}}))
    old = dict.fromkeys(KEYS, now - dt.timedelta(days=95))

    def found(days: dict[str, dt.date], since: dt.date | None, changed: Any = old) -> list[tuple[str, str]]:
        evaluations = Evaluations(days, since)
        stale = find_stale(document, [], changed, now=now, evaluations=evaluations)
        return [(item.key, item.reason) for item in stale if item.finding == "unevaluated"]

    days = {"asked": dt.date(2026, 5, 31), "idle": dt.date(2026, 2, 1)}
    assert found(days, dt.date(2026, 1, 1)) == [
        ("idle", "not evaluated since 2026-02-01 (120 days)"),
        ("never", "not evaluated since 2026-01-01 (151 days)"),
    ]
    assert found({"asked": dt.date(2026, 5, 31)}, dt.date(2026, 5, 1)) == []  # counted for a month
    assert found(days, None) == []
    assert found(days, dt.date(2026, 1, 1), dict.fromkeys(KEYS, now - dt.timedelta(days=3))) == []
    assert found(days, dt.date(2026, 1, 1), {}) == []


def command(aws: AwsStandIn, *words: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(words, CliContext(aws.clock, session=aws.session()))
    return code, out.getvalue(), err.getvalue()


def test_list_show_and_stale_say_when_a_flag_was_last_evaluated(
    counted: AwsStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLAGKIT_CONFIG", raising=False)
    Path("flags.json").write_text(json.dumps(DOCUMENT))
    Path("code.py").write_text("".join(f"flags.is_enabled('{key}')\n" for key in KEYS))
    today = counted.clock.now().date()

    def listed() -> list[str | None]:
        _, out, _ = command(counted, "list", "--json")
        return [flag["last_evaluated"] for flag in json.loads(out)]

    assert listed() == [None, None, None]
    Path("flagkit.toml").write_text('[[exposures]]\nnamespace = "shop"\n')
    assert listed() == [str(today), str(today - dt.timedelta(days=100)), "never"]
    _, table, _ = command(counted, "list", "--sort", "evaluated")
    assert [line.split()[0] for line in table.splitlines()[1:]] == list(KEYS)
    for key, said in zip(KEYS, listed(), strict=True):
        _, out, _ = command(counted, "show", key, "--json")
        assert json.loads(out)["last_evaluated"] == said
    assert "Last evaluated: never" in command(counted, "show", "never")[1]
    _, out, _ = command(counted, "stale", "code.py", "--json", "--days", "1")
    assert {item["key"]: item["last_evaluated"] for item in json.loads(out)["stale"]}.get("never", "never") == "never"

    counted.faults.add(Fault.DENIED, "cloudwatch.GetMetricData", times=1)
    code, _, err = command(counted, "list", "--json")
    assert (code, "warning: when flags were last evaluated is not known: AWS denied" in err) == (0, True)
