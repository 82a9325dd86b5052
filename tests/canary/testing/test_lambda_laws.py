"""Laws of the stand-in's Lambda, whatever is done to it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from canary.testing import LambdaService
from canary.testing.lambda_.telemetry import Telemetry
from flagkit.testing import CallContext, ServiceError, VirtualClock

NOBODY = CallContext(region="", access_key="", headers={})
VERSIONS = ("1", "2", "3", "9", "$LATEST")


class Sums:
    """A metric store that only adds up."""

    def __init__(self) -> None:
        self.of: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()

    def record(
        self, namespace: str, metric: str, dimensions: Mapping[str, str], value: float, at: datetime, unit: str = ""
    ) -> None:
        self.of[metric, tuple(sorted(dimensions.items()))] += value

    def record_all(
        self, namespace: str, sets: Iterable[Mapping[str, str]], samples: Iterable[tuple[str, str, float]], at: datetime
    ) -> None:
        samples = list(samples)
        for dimensions in sets:
            for metric, _, value in samples:
                self.record(namespace, metric, dimensions, value, at)

    def get(self, metric: str, **dimensions: str) -> float:
        return self.of[metric, tuple(sorted(dimensions.items()))]


def service(clock: VirtualClock, sums: Sums) -> LambdaService:
    made = LambdaService(
        clock=clock,
        telemetry=Telemetry(sums),
        deliver=lambda arn, body, attributes: None,
        seed=0,
        region="us-east-1",
        account_id="123456789012",
    )
    for _ in range(3):

        def handler(event: Any, context: Any) -> None:
            if event["fail"]:
                raise ValueError

        made.deploy("f", handler, alias="live")
    return made


weights = st.none() | st.dictionaries(
    st.sampled_from(VERSIONS), st.sampled_from([-0.5, 0.0, 0.1, 1.0, 1.5]), max_size=2
)
updates = st.fixed_dictionaries(
    {},
    optional={
        "FunctionVersion": st.sampled_from(VERSIONS),
        "weights": weights,
        "Description": st.sampled_from(["", "x", "y" * 257]),
        "RevisionId": st.sampled_from(["current", "stale"]),
    },
)


@given(st.lists(updates, max_size=12))
@settings(max_examples=150)
def test_an_alias_is_always_valid_and_each_write_has_its_revision(steps: list[dict[str, Any]]) -> None:
    """A refused update leaves everything as it was; an accepted one has a new revision and a routing AWS allows."""
    lambda_ = service(VirtualClock(), Sums())
    name = {"FunctionName": "f", "Name": "live"}
    seen = {lambda_.GetAlias(name, NOBODY)["RevisionId"]}
    for step in steps:
        before = lambda_.GetAlias(name, NOBODY)
        params = {**name, **step}
        if (given_weights := params.pop("weights", None)) is not None:
            params["RoutingConfig"] = {"AdditionalVersionWeights": given_weights}
        if params.get("RevisionId") == "current":
            params["RevisionId"] = before["RevisionId"]
        try:
            after = lambda_.UpdateAlias(params, NOBODY)
        except ServiceError:
            assert lambda_.GetAlias(name, NOBODY) == before
            continue
        assert after == lambda_.GetAlias(name, NOBODY)
        assert after["RevisionId"] not in seen
        seen.add(after["RevisionId"])
        assert step.get("RevisionId") != "stale"
        routing = after.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
        primary = after["FunctionVersion"]
        assert primary in {"1", "2", "3", "$LATEST"}
        assert len(routing) <= 1
        for number, weight in routing.items():
            assert number in {"1", "2", "3"} - {primary}
            assert primary != "$LATEST"
            assert 0 <= weight <= 1
        assert len(after["Description"]) <= 256


@given(st.floats(0, 1), st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60), st.integers(0, 5))
@settings(max_examples=100)
def test_requests_are_conserved(weight: float, requests: list[tuple[bool, bool]], room: int) -> None:
    """Versions add up to the alias, executed and throttled requests to all requests, on every dimension set."""
    clock, sums = VirtualClock(), Sums()
    lambda_ = service(clock, sums)
    function = lambda_.function("f")
    function.aliases["live"].weights = {"2": weight}
    function.reserved_concurrency = room
    outcomes = []
    for fail, later in requests:
        outcomes.append(lambda_.call("f", "live", json.dumps({"fail": fail}).encode()))
        clock.advance(0.3 if later else 0)
    clock.advance(60)
    resource = {"FunctionName": "f", "Resource": "f:live"}
    ran = [outcome for outcome in outcomes if outcome.error != "Throttled"]
    failed = [outcome for outcome in ran if outcome.error == "Unhandled"]
    for dimensions in ({"FunctionName": "f"}, resource):
        assert sums.get("Invocations", **dimensions) == len(ran)
        assert sums.get("Errors", **dimensions) == len(failed)
        assert sums.get("Throttles", **dimensions) == len(outcomes) - len(ran)
    for metric in ("Invocations", "Errors", "Duration"):
        parts = [sums.get(metric, **resource, ExecutedVersion=number) for number in ("1", "2")]
        assert abs(sum(parts) - sums.get(metric, **resource)) < 1e-6
