"""What can be changed about a running sandbox, one line of words a change: `api:4 errors=12% for=5m`.

The command line, the HTTP API and scenario files all use these lines. AWS's own operations aren't here: use an SDK.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

from canary.core.plan import parse_duration
from canary.sandbox.pace import Pace
from canary.sandbox.routing import OWN
from canary.testing import AwsStandIn
from canary.testing.lambda_.disturbance import EVERY_VERSION, Disturbance
from flagkit.testing import Fault, ServiceError

Words = Mapping[str, str]
Change = Callable[[], str]

_MOTO: Final = ("sts", "ssm", "sns", "sqs", "dynamodb", "events", "logs")

HELP: Final = """\
speed 60                                    virtual seconds in a real second; 0 stops the clock
step 10m                                    move the clock further
FUNCTION[:VERSION] errors=12% latency=300ms slow=15% slow_by=2500ms for=5m
FUNCTION[:VERSION] clear                    end what is wrong with a version
traffic FUNCTION=600 ...                    requests per minute; 0 pauses; FUNCTION:ALIAS=600 starts new traffic
cold_starts 30%                             share of invocations that start a new environment
outage FUNCTION|SERVICE for=5m              every invocation fails, or the AWS service can't be reached
fault KIND [CALLS] times=3 share=20% skip=1 delay=2s for=5m
fault clear                                 end all faults
foreign FUNCTION:ALIAS version=1 weights=2:50 description=text after=lambda.GetAlias nth=1 in=5m
"""


class SettingError(ValueError):
    """A line that can't be used; the message says what was expected."""


def apply(lines: Iterable[str], aws: AwsStandIn, pace: Pace) -> list[str]:
    """Makes changes, all or none, and returns what was done.

    Raises:
        SettingError: a line is not one of those in `HELP`; nothing was changed.
    """
    with aws.wire.lock:
        planned = [_planned(line, aws, pace) for line in lines]
        if not any(is_step for is_step, _ in planned):
            return [change() for _, change in planned]
    done = []
    for is_step, change in planned:
        if is_step:  # requests are answered meanwhile
            done.append(change())
            continue
        with aws.wire.lock:
            done.append(change())
    return done


def _planned(line: str, aws: AwsStandIn, pace: Pace) -> tuple[bool, Change]:
    """The change that a line asks for, checked and not made; and whether it moves the clock."""
    subject, *rest = line.split() or [""]
    single = [word for word in rest if "=" not in word]
    pairs = dict(word.split("=", 1) for word in rest if "=" in word)
    plan = _CHANGES.get(subject.replace("-", "_"), partial(_version, subject))
    try:
        return plan is _step, plan(single, pairs, aws, pace)
    except SettingError:
        raise
    except ServiceError as error:
        raise SettingError(f"{line}: {error.message}") from error
    except (ValueError, LookupError) as error:
        raise SettingError(str(error.args[0] if error.args else error)) from error


def _speed(single: list[str], pairs: Words, _aws: AwsStandIn, pace: Pace) -> Change:
    _only(pairs, ())
    speed = _number(_one(single, "speed 60"), "a speed", 0, 100_000)

    def change() -> str:
        pace.speed = speed
        return f"speed {speed:g}"

    return change


def _step(single: list[str], pairs: Words, _aws: AwsStandIn, pace: Pace) -> Change:
    _only(pairs, ())
    seconds = _duration_s(_one(single, "step 10m"))

    def change() -> str:
        pace.step(seconds)
        return f"stepped by {seconds:g} s"

    return change


def _version(subject: str, single: list[str], pairs: Words, aws: AwsStandIn, _pace: Pace) -> Change:
    function, _, version = subject.partition(":")
    if function not in aws.lambda_.functions:
        known = ", ".join([*_CHANGES, *aws.lambda_.functions])
        raise SettingError(f"{subject or '(empty)'} can't be set; expected one of {known}")
    aws.lambda_.check(function, version)
    alias = aws.lambda_.functions[function].aliases.get(version)
    number = alias.primary if alias else version or EVERY_VERSION
    disturbances = aws.lambda_.invoker.disturbances
    name = f"{function}:{number}"
    if single == ["clear"]:

        def clear() -> str:
            disturbances.clear(function, number)
            return f"{name} is as it was"

        return clear
    _none(single)
    _only(pairs, ("errors", "latency", "slow", "slow_by", "for"))
    if not pairs:
        raise SettingError(f"{subject}: nothing to set; for example {subject} errors=12%, or {subject} clear")
    for_s = _duration_s(pairs["for"]) if "for" in pairs else None
    found = Disturbance(
        error_ratio=_ratio(pairs.get("errors", "0")),
        latency_ms=_duration_s(pairs.get("latency", "0s")) * 1000,
        slow_ratio=_ratio(pairs.get("slow", "0")),
        slow_ms=_duration_s(pairs.get("slow_by", "2500ms")) * 1000,
    )

    def change() -> str:
        until = None if for_s is None else aws.clock.now() + timedelta(seconds=for_s)
        disturbances.set(function, replace(found, until=until), number)
        return f"{name}: {' '.join(f'{key}={value}' for key, value in pairs.items())}"

    return change


def _traffic(single: list[str], pairs: Words, aws: AwsStandIn, _pace: Pace) -> Change:
    _none(single)
    if not pairs:
        raise SettingError("traffic: nothing to set; for example traffic api=600")
    rates = {name: _number(text, "requests per minute", 0, 1_000_000) for name, text in pairs.items()}
    streams = {stream.function: stream for stream in aws.traffic.streams}
    for name in rates:
        function, _, alias = name.partition(":")
        if alias:
            aws.lambda_.check(function, alias)
        elif name not in streams:
            expected = f"one of {', '.join(streams)}, or " if streams else ""
            raise SettingError(f"there is no traffic to {name}; expected {expected}FUNCTION:ALIAS for new traffic")

    def change() -> str:
        for name, rate in rates.items():
            function, _, alias = name.partition(":")
            known = [one for one in aws.traffic.streams if one.function == function and alias in {"", one.alias}]
            for stream in known or [aws.traffic.steady(function, alias, rate)]:
                stream.requests_per_minute = rate
        return "traffic " + " ".join(f"{name}={rate:g}" for name, rate in rates.items())

    return change


def _cold_starts(single: list[str], pairs: Words, aws: AwsStandIn, _pace: Pace) -> Change:
    _only(pairs, ())
    ratio = _ratio(_one(single, "cold_starts 30%"))

    def change() -> str:
        aws.lambda_.settings.cold_ratio = ratio
        return f"cold_starts {ratio:.4g}"

    return change


def _outage(single: list[str], pairs: Words, aws: AwsStandIn, pace: Pace) -> Change:
    name = _one(single, "outage api for=5m")
    _only(pairs, ("for",))
    if name in aws.lambda_.functions:
        return _version(name, [], {"errors": "100%", **pairs}, aws, pace)
    return _fault(["unreachable", f"{name}.*"], pairs, aws, pace)


def _fault(single: list[str], pairs: Words, aws: AwsStandIn, _pace: Pace) -> Change:
    if single == ["clear"]:

        def clear() -> str:
            aws.faults.clear()
            return "no faults"

        return clear
    kinds = [str(kind) for kind in Fault]
    if not single or len(single) > 2 or single[0] not in kinds:
        raise SettingError(
            f"fault {' '.join(single)}: expected {', '.join(kinds)} or clear, and then calls such as lambda.*"
        )
    _only(pairs, ("times", "share", "skip", "delay", "for"))
    calls = single[1] if len(single) == 2 else "*"
    service = calls.partition(".")[0]
    if not re.search(r"[*?\[]", service) and service not in {*OWN, *_MOTO}:
        raise SettingError(f"{calls}: the sandbox has no service {service}; expected for example lambda.UpdateAlias")
    for_s = _duration_s(pairs["for"]) if "for" in pairs else None
    add = partial(
        aws.faults.add,
        Fault(single[0]),
        calls,
        times=int(_number(pairs["times"], "times", 1, 1e9)) if "times" in pairs else None,
        probability_ratio=_ratio(pairs.get("share", "100%")),
        skip=int(_number(pairs.get("skip", "0"), "skip", 0, 1e9)),
        delay_s=_duration_s(pairs.get("delay", "2s")),
    )

    def change() -> str:
        rule = add()
        if for_s is not None:
            aws.clock.call_after(for_s, partial(aws.faults.remove, rule))
        return f"fault {single[0]} on {calls}"

    return change


def _foreign(single: list[str], pairs: Words, aws: AwsStandIn, _pace: Pace) -> Change:
    name = _one(single, "foreign api:live version=1")
    function, _, alias = name.partition(":")
    aws.lambda_.check(function, alias)
    if alias not in aws.lambda_.functions[function].aliases:
        raise SettingError(f"{name} is no alias; expected FUNCTION:ALIAS")
    _only(pairs, ("version", "weights", "description", "after", "nth", "in"))
    weights = None
    if "weights" in pairs:
        shares = (word.partition(":") for word in pairs["weights"].split(",") if word)
        weights = {number: _ratio(share) for number, _, share in shares}
    aws.foreign.check(function, alias, pairs.get("version"), weights=weights, description=pairs.get("description"))
    wait_s = _duration_s(pairs["in"]) if "in" in pairs else None
    move = partial(
        aws.foreign.move_alias,
        function,
        alias,
        pairs.get("version"),
        weights=weights,
        description=pairs.get("description"),
        after_call=pairs.get("after"),
        nth=int(_number(pairs.get("nth", "1"), "nth", 1, 1e9)),
    )

    def change() -> str:
        move(at=None if wait_s is None else aws.clock.now() + timedelta(seconds=wait_s))
        return f"a foreign writer changes {name}"

    return change


_CHANGES: Final[dict[str, Callable[[list[str], Words, AwsStandIn, Pace], Change]]] = {
    "speed": _speed,
    "step": _step,
    "traffic": _traffic,
    "cold_starts": _cold_starts,
    "outage": _outage,
    "fault": _fault,
    "foreign": _foreign,
}


def _one(single: list[str], example: str) -> str:
    if len(single) != 1:
        raise SettingError(f"expected one value; for example {example}")
    return single[0]


def _none(single: list[str]) -> None:
    if single:
        raise SettingError(f"{single[0]} is not of the form NAME=VALUE")


def _only(pairs: Words, names: tuple[str, ...]) -> None:
    for name in pairs:
        if name not in names:
            raise SettingError(f"unknown setting {name}; expected {', '.join(names) or 'none'}")


def _number(text: str, what: str, low: float, high: float) -> float:
    try:
        value = float(text) if text.isascii() and "_" not in text else float("nan")
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise SettingError(f"{text!r} is not {what}: expected a number from {low:g} to {high:g}")
    return value


def _ratio(text: str) -> float:
    return _number(text.removesuffix("%"), "a percentage", 0, 100) / 100


def _duration_s(text: str) -> float:
    value = parse_duration(text)
    if not isinstance(value, timedelta):
        raise SettingError(f"{text!r} is not a duration: use for example 90s or 10m")
    return value.total_seconds()
