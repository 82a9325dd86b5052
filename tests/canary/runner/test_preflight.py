"""What is checked before a canary starts, and what is refused with nothing changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from canary import runner
from canary.core.alias import FunctionFacts
from canary.core.events import Noticed
from canary.core.measurements import AlarmReading, AlarmState, DataState, Observations, Probe, Stream, StreamKey
from canary.errors import AccessDeniedError, RefusedError
from canary.ports import CredentialsEnd, Target
from canary.runner import Level
from canary.simulator import Simulation
from tests.canary.faults import simulation_of, steady
from tests.canary.stages import stage_of


def failed(simulation: Simulation, **more: object) -> dict[str, str]:
    """Names and texts of the checks that fail for version 2."""
    targets = [
        Target(function, simulation.aliases.states[function.key].version, "2")
        for function in simulation.stage.functions
    ]
    checks = runner.preflight(simulation.stage, simulation.ports(), targets, **more)  # type: ignore[arg-type]
    return {check.name: check.text for check in checks if check.level is Level.FAILED}


def warned(simulation: Simulation) -> set[str]:
    targets = [Target(function, "1", "2") for function in simulation.stage.functions]
    checks = runner.preflight(simulation.stage, simulation.ports(), targets)
    return {check.name for check in checks if check.level is Level.WARNING}


def one(**settings: object) -> Simulation:
    return simulation_of(stage_of("api:live", **settings))


def test_a_healthy_stage_passes_every_check() -> None:
    assert failed(one()) == {}
    assert warned(one()) == set()


def version(simulation: Simulation, **changes: object) -> None:
    key = ("api", "2")
    simulation.aliases.versions[key] = replace(simulation.aliases.versions[key], **changes)  # type: ignore[arg-type]


def facts(**known: object) -> Callable[[Simulation], None]:
    def change(simulation: Simulation) -> None:
        simulation.aliases.facts["api"] = FunctionFacts(**known)  # type: ignore[arg-type]

    return change


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("version_active", lambda simulation: version(simulation, state="Pending")),
        ("same_role", lambda simulation: version(simulation, role="other")),
        ("same_dead_letter_queue", lambda simulation: version(simulation, dead_letter_arn="arn:dlq")),
        ("version_readable", lambda simulation: simulation.aliases.versions.pop(("api", "2"))),
        ("version_readable", lambda simulation: simulation.aliases.versions.pop(("api", "1"))),
        ("alias_published", lambda simulation: simulation.aliases.change("api:live", version="$LATEST")),
        ("alias_free", lambda simulation: simulation.aliases.change("api:live", extra_version="2", extra_bp=500)),
        ("versions_differ", lambda simulation: simulation.aliases.change("api:live", version="2")),
        ("alias_readable", lambda simulation: simulation.aliases.states.pop("api:live")),
        ("alias_readable", lambda simulation: simulation.aliases.change("api:live", description="canary9 unknown")),
        ("no_unqualified_url", facts(unqualified_url=True)),
        ("no_unqualified_sources", facts(unqualified_sources=("arn:queue",))),
        ("baseline_healthy", lambda simulation: steady(simulation).failing.update({"1": 0.2})),
        ("metrics", lambda simulation: setattr(simulation.metrics, "state", DataState.FAILED)),
    ],
)
def test_what_would_go_wrong_later_is_refused_with_its_reason(
    name: str, change: Callable[[Simulation], object]
) -> None:
    simulation = one()
    targets = [Target(simulation.stage.functions[0], "1", "2")]
    if name == "versions_differ":
        targets = [Target(simulation.stage.functions[0], "2", "2")]
    change(simulation)
    checks = runner.preflight(simulation.stage, simulation.ports(), targets)
    found = [check for check in checks if check.level is Level.FAILED]
    assert name in {check.name for check in found}
    assert all(check.text for check in found)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("durable", lambda simulation: version(simulation, durable=True)),
        ("provisioned_concurrency", facts(provisioned_on=("live",))),
        ("may_look", facts(unknown=("lambda:ListFunctionUrlConfigs",))),
        ("description_fits", lambda simulation: simulation.aliases.change("api:live", description="x" * 250)),
    ],
)
def test_what_is_only_worth_knowing_is_a_warning(name: str, change: Callable[[Simulation], object]) -> None:
    simulation = one()
    change(simulation)
    assert failed(simulation) == {}
    assert name in warned(simulation)


def test_without_traffic_a_gate_has_no_data() -> None:
    simulation = one()
    steady(simulation).per_minute = 0
    checks = runner.preflight(simulation.stage, simulation.ports())
    assert {check.level for check in checks if check.name == "traffic"} == {Level.NO_DATA}


def test_an_api_without_requests_before_a_function_with_requests_is_named_wrongly() -> None:
    gates = {"api": {"kind": "http_5xx", "source": "http_api", "target": "a1b2"}}
    simulation = one(gates=gates)
    ports = simulation.ports()

    class Empty:
        def measure(self, stage: object, targets: object, window: object) -> Observations:
            detail = "CloudWatch has no values of AWS/ApiGateway Count {ApiId=a1b2}"
            return Observations((Stream(StreamKey("", "api"), state=DataState.NO_DATA, detail=detail),))

        def requests_per_minute(self, targets: object, now: object) -> dict[str, float]:
            return {"api:live": 60.0}

        def missing_series(self, stage: object, targets: object, keys: object) -> dict[StreamKey, str]:
            return {}

    checks = runner.preflight(simulation.stage, replace(ports, metrics=Empty()))
    (check,) = [check for check in checks if check.name == "traffic"]
    assert check.level is Level.FAILED
    assert check.text == "api: CloudWatch has no values of AWS/ApiGateway Count {ApiId=a1b2} in the last 3h"
    assert check.hint == "Correct source and target of gate api."


def test_another_account_than_the_plans_is_refused() -> None:
    simulation = one(account="111122223333")
    assert "unknown" in failed(simulation)["account"]
    simulation.aliases.change("api:live", arn="arn:aws:lambda:eu-west-1:999999999999:function:api:live")
    assert "999999999999" in failed(simulation)["account"]
    simulation.aliases.change("api:live", arn="arn:aws:lambda:eu-west-1:111122223333:function:api:live")
    assert failed(simulation) == {}


def test_a_hotfix_may_replace_an_unhealthy_baseline() -> None:
    simulation = one(hotfix=True)
    steady(simulation).failing["1"] = 0.2
    assert failed(simulation) == {}
    assert "baseline_healthy" in warned(simulation)


def alarm(state: AlarmState) -> AlarmReading:
    return AlarmReading("alarms", "too-many-errors", state, detail="there is no such alarm")


ALARMS = {"alarms": {"kind": "alarms", "names": ["too-many-errors"]}}


@pytest.mark.parametrize(
    ("state", "name"),
    [(AlarmState.ALARM, "alarm_green"), (AlarmState.UNKNOWN, "alarm_exists")],
)
def test_an_alarm_that_is_red_or_missing_is_refused(state: AlarmState, name: str) -> None:
    simulation = one(gates=ALARMS)
    simulation.alarms.readings = (alarm(state),)
    assert set(failed(simulation)) == {name}


def test_a_red_alarm_may_be_ignored_by_name_or_by_the_plan() -> None:
    simulation = one(gates=ALARMS)
    simulation.alarms.readings = (alarm(AlarmState.ALARM),)
    assert failed(simulation, ignore_alarms=["too-many-errors"]) == {}
    tolerant = one(gates={"alarms": {"kind": "alarms", "names": ["too-many-errors"], "already_red": "ignore"}})
    tolerant.alarms.readings = (alarm(AlarmState.ALARM),)
    assert failed(tolerant) == {}
    assert failed(one(gates=ALARMS)) == {}


def test_alarms_that_cannot_be_asked_are_not_green() -> None:
    class Mute:
        def alarms(self, stage: object, started_at: object) -> tuple[AlarmReading, ...]:
            raise AccessDeniedError("cloudwatch:DescribeAlarms: AccessDenied")

    simulation = one(gates=ALARMS)
    simulation.alarms = Mute()  # type: ignore[assignment]
    assert "AccessDenied" in failed(simulation)["alarm_exists"]


HEALTH = {"ping": {"kind": "health", "invoke": {"path": "/health"}}}


@pytest.mark.parametrize(("ok", "fails"), [(True, False), (False, True), (None, True)])
def test_the_old_version_must_answer_its_health_checks(ok: bool | None, fails: bool) -> None:
    simulation = one(gates=HEALTH)
    key = StreamKey("api:live", "ping")
    simulation.probes.answers = [
        (Probe(key, simulation.clock.now(), ok, "status 500"),),
        (Probe(key, simulation.clock.now(), ok=True),),
    ]
    assert ("health" in failed(simulation)) is fails


def test_a_new_version_that_fails_its_health_check_gets_no_traffic_at_all() -> None:
    simulation = one(gates=HEALTH)
    key = StreamKey("api:live", "ping")
    good, bad = (
        Probe(key, simulation.clock.now(), ok=True),
        Probe(key, simulation.clock.now(), ok=False, detail="it raised"),
    )
    simulation.probes.answers = [(good,), (bad,)]
    with pytest.raises(RefusedError, match="it raised"):
        runner.start(simulation.stage, simulation.ports())
    assert simulation.aliases.writes == []


def test_a_dedicated_address_is_not_asked_about_the_old_version() -> None:
    gate = {"kind": "health", "url": "https://preview.example", "dedicated": True}
    simulation = one(gates={"preview": gate})
    simulation.probes.answers = [(Probe(StreamKey("", "preview"), simulation.clock.now(), None, "no network"),)]
    assert failed(simulation) == {}
    assert "health" in warned(simulation)


def test_more_steps_than_a_description_can_hold_are_refused() -> None:
    steps = [{"weight": Decimal("1.01") + number, "bake": timedelta(minutes=10)} for number in range(20)]
    assert "characters too long" in failed(one(steps=steps))["record_fits"]


def test_doctor_checks_a_stage_without_a_release() -> None:
    simulation = one()
    names = {check.name for check in runner.preflight(simulation.stage, simulation.ports())}
    assert {"alias_published", "alias_free", "baseline_healthy"} <= names
    assert "versions_differ" not in names
    simulation.aliases.states.clear()
    assert Level.FAILED in {check.level for check in runner.preflight(simulation.stage, simulation.ports())}


@pytest.mark.parametrize(
    ("per_minute", "hint"),
    [
        (60.0, "Raise the first weight to 35 %, or add paired probes to the plan."),
        (5.0, "Add paired probes to the plan."),
    ],
)
def test_little_traffic_is_named_with_what_to_do(per_minute: float, hint: str) -> None:
    simulation = simulation_of(stage_of("api:live", on_inconclusive="promote"))
    simulation.metrics.daily = {"api:live": per_minute}
    (found,) = (c for c in runner.preflight(simulation.stage, simulation.ports()) if c.name == "little_traffic")
    assert (found.level, found.function, found.hint) == (Level.WARNING, "api:live", hint)
    simulation.metrics.daily = {"api:live": 600.0}
    assert "little_traffic" not in {c.name for c in runner.preflight(simulation.stage, simulation.ports())}


@pytest.mark.parametrize(
    ("end", "level"),
    [
        (CredentialsEnd(), Level.OK),
        (CredentialsEnd(is_known=False), Level.WARNING),
        (CredentialsEnd(datetime(2026, 1, 5, 9, 25, tzinfo=UTC)), Level.WARNING),
        (CredentialsEnd(datetime(2026, 1, 5, 21, tzinfo=UTC)), Level.OK),
    ],
)
def test_credentials_that_end_before_the_release_are_a_warning(end: CredentialsEnd, level: Level) -> None:
    simulation = one()
    ports = simulation.ports(credentials_end=lambda: end)
    (check,) = [c for c in runner.preflight(simulation.stage, ports) if c.name == "credentials_last"]
    assert check.level is level
    assert bool(check.hint) is (level is Level.WARNING)
    if level is Level.WARNING:
        assert "this release lasts 35m as planned, 2h35m if every step holds" in check.text


def test_a_release_notices_that_its_credentials_end_before_it_does() -> None:
    simulation = one()
    end = CredentialsEnd(simulation.clock.now() + timedelta(minutes=20))
    runner.start(simulation.stage, simulation.ports(credentials_end=lambda: end))
    texts = [event.text for event in simulation.journal.written if isinstance(event, Noticed)]
    assert len([text for text in texts if text.startswith("the AWS credentials end at ")]) == 1


@pytest.mark.parametrize(
    ("gate", "answers", "part"),
    [
        ({}, True, "ping: the URL doesn't say which version answers"),
        (
            {"version_header": "x-version"},
            False,
            "ping: no answer named the baseline's version in the header x-version",
        ),
        ({"version_header": "x-version"}, True, ""),
        ({"dedicated": True}, True, ""),
    ],
)
def test_a_health_url_whose_failures_can_not_count_is_a_warning(
    gate: dict[str, object], answers: bool, part: str
) -> None:
    simulation = one(gates={"errors": {}, "ping": {"kind": "health", "url": "https://a.example/", **gate}})

    class Answers:
        def probe(self, stage: object, targets: object, now: datetime) -> tuple[Probe, ...]:
            return (Probe(StreamKey("", "ping"), now, True),) if answers else ()

    ports = simulation.ports(probes=Answers())
    texts = [c.text for c in runner.preflight(simulation.stage, ports) if c.name == "health_attributed"]
    assert [text.startswith(part) for text in texts] == ([True] if part else [])
