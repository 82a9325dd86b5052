"""What a sandbox starts with, and what happens later: a built-in scenario or a file. It serves nothing."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from canary.core.plan import parse_duration
from canary.sandbox import civicforge
from canary.sandbox.pace import Pace
from canary.sandbox.settings import SettingError, apply
from canary.testing import AwsStandIn

CIVICFORGE: Final = "civicforge"
EMPTY: Final = "empty"


class ScenarioError(ValueError):
    """A scenario file that can't be used; the message names the place."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario.

    Attributes:
        base: `civicforge` or `empty`.
        seed: of everything random; None leaves it to the command line.
        start: the time at which the clock begins; None for the present.
        speed: virtual seconds in a real second; None leaves it to the command line.
        settings: lines as for `canary sandbox set`, from the beginning.
        later: lines and when they apply.
    """

    base: str = CIVICFORGE
    seed: int | None = None
    start: datetime | None = None
    speed: float | None = None
    settings: tuple[str, ...] = ()
    later: tuple[tuple[timedelta, str], ...] = field(default=())

    def build(self, aws: AwsStandIn, pace: Pace) -> None:
        """Makes everything, and plans what happens later.

        Raises:
            SettingError: a line can't be used.
        """
        if self.base == CIVICFORGE:
            civicforge.build(aws)
        apply(self.settings, aws, pace)
        for after, line in self.later:
            aws.clock.call_after(after.total_seconds(), partial(apply, [line], aws, pace))


_FIELDS: Final = ("base", "seed", "start", "speed", "set", "later")


def read_scenario(word: str) -> Scenario:
    """`civicforge`, `empty`, or the scenario of a TOML file.

    Raises:
        ScenarioError: there is no such file, or it holds something else.
    """
    if word in {CIVICFORGE, EMPTY}:
        return Scenario(base=word)
    try:
        document = tomllib.loads(Path(word).read_text("utf-8-sig"))
    except OSError as error:
        raise ScenarioError(f"{word}: {error.strerror}; expected {CIVICFORGE}, {EMPTY} or a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{word} is not valid TOML: {error}") from error
    try:
        return _scenario(document)
    except (ValueError, TypeError) as error:
        raise ScenarioError(f"{word}: {error}") from error


def _scenario(document: dict[str, Any]) -> Scenario:
    for name in document:
        if name not in _FIELDS:
            raise ScenarioError(f"unknown field {name!r}; expected one of {', '.join(_FIELDS)}")
    base = document.get("base", CIVICFORGE)
    if base not in {CIVICFORGE, EMPTY}:
        raise ScenarioError(f"base = {base!r}; expected {CIVICFORGE!r} or {EMPTY!r}")
    start = document.get("start")
    if start is not None and not isinstance(start, datetime):
        raise ScenarioError(f"start = {start!r}; expected a time such as 2026-01-05T09:00:00Z")
    speed, seed = document.get("speed"), document.get("seed")
    if speed is not None and (isinstance(speed, bool) or not isinstance(speed, int | float) or not 0 <= speed <= 1e5):
        raise ScenarioError(f"speed = {speed!r}; expected a number from 0 to 100000")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise ScenarioError(f"seed = {seed!r}; expected a whole number")
    later = []
    for number, entry in enumerate(_list(document.get("later", []), "later"), 1):
        if not isinstance(entry, dict) or set(entry) != {"after", "set"}:
            raise ScenarioError(f"later[{number}]: expected after = DURATION and set = [LINE, ...]")
        after = parse_duration(entry["after"])
        if not isinstance(after, timedelta):
            raise ScenarioError(f'later[{number}].after = {entry["after"]!r}; expected a duration such as "10m"')
        later += [(after, line) for line in _lines(entry["set"], f"later[{number}].set")]
    return Scenario(
        base=base,
        seed=seed,
        start=start if start is None or start.tzinfo else start.replace(tzinfo=UTC),
        speed=None if speed is None else float(speed),
        settings=tuple(_lines(document.get("set", []), "set")),
        later=tuple(later),
    )


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise ScenarioError(f"{name}: expected a list")
    return value


def _lines(value: Any, name: str) -> list[str]:
    lines = _list(value, name)
    for line in lines:
        if not isinstance(line, str):
            raise ScenarioError(f"{name}: {line!r} is not a line of text")
    return lines


__all__ = ["CIVICFORGE", "EMPTY", "Scenario", "ScenarioError", "SettingError", "read_scenario"]
