"""Screens: live on a terminal, with or without colour; the terminal is left to questions."""

from __future__ import annotations

import io
import itertools
import sys
from random import Random
from types import FrameType
from typing import Any

import pytest
from rich.console import Console

from canary import runner
from canary.cli import screens, signals
from canary.cli.screens import JsonScreen, LiveScreen, PlainScreen, asking, open_screen
from canary.cli.signals import StopFlag, StoppableClock, StopRequest, interrupt_policy
from canary.core.events import Noticed
from canary.core.plan import Plan, StagePlan
from canary.simulator import Scenario
from canary.simulator.releases import simulated
from canary.view.build import ViewBuilder

PLAN = '[stages.staging]\nfunctions = ["api:live"]\nsteps = [10, 50]\nbake = "5m"\n'


@pytest.fixture
def stage() -> StagePlan:
    return Plan.parse(PLAN).stage("staging")


def played(stage: StagePlan, screen: screens.Screen) -> None:
    simulation = simulated(stage, Scenario(0.3, 0.01, 10.0), "screen")
    with screen:
        ports = simulation.ports(observers=(screen,))
        runner.run(stage, ports, runner.start(stage, ports, versions={"": "2"}))


def console(**options: object) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=True, width=140, **options), out  # type: ignore[arg-type]


def test_the_live_screen_draws_and_scrolls(stage: StagePlan) -> None:
    on, out = console()
    screen = LiveScreen(ViewBuilder(stage), on)
    played(stage, screen)
    text = out.getvalue()
    assert "canary on staging" in text
    assert "rolled back" in text
    assert "\x1b[31m" in text


def test_no_color_means_no_colour(stage: StagePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    on, out = console()
    played(stage, LiveScreen(ViewBuilder(stage), on))
    assert "\x1b[31m" not in out.getvalue()
    assert screens.terminal(no_color=True).no_color


def test_a_question_has_the_terminal_to_itself(stage: StagePlan) -> None:
    on, out = console()
    screen = LiveScreen(ViewBuilder(stage), on)
    with screen:
        assert asking(screen, lambda question: question.upper())("back?") == "BACK?"
    with screen.suspended():
        screen.write_line("before the start")
    assert "before the start" in out.getvalue()
    plain = PlainScreen(ViewBuilder(stage), io.StringIO())
    assert asking(plain, lambda question: question)("x") == "x"


@pytest.mark.parametrize("kind", [PlainScreen, LiveScreen])
def test_events_before_the_start_are_kept_for_later(stage: StagePlan, kind: type[PlainScreen]) -> None:
    screen = kind(ViewBuilder(stage), console()[0] if kind is LiveScreen else io.StringIO())  # type: ignore[arg-type]
    simulation = simulated(stage, Scenario(0.1), "x")
    screen.notify(Noticed("", "staging", simulation.clock.now(), "hello"))
    assert not screen.builder.begun


def test_the_screen_fits_the_place(
    stage: StagePlan, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert isinstance(open_screen(ViewBuilder(stage), as_json=True), JsonScreen)
    assert isinstance(open_screen(ViewBuilder(stage), as_json=False), PlainScreen)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(open_screen(ViewBuilder(stage), as_json=False), LiveScreen)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(open_screen(ViewBuilder(stage), as_json=False), PlainScreen)
    JsonScreen(ViewBuilder(stage)).write_line("words")
    assert capsys.readouterr().err == "words\n"


# stopping


@pytest.mark.parametrize(
    ("answer", "decision"), [("", "rollback"), ("b", "rollback"), (" Leave ", "leave"), ("nonsense", "rollback")]
)
def test_a_person_decides_and_silence_means_back(stage: StagePlan, answer: str, decision: str) -> None:
    assert interrupt_policy(stage, lambda _: answer)() == decision


def test_nobody_there_or_gone_means_back(stage: StagePlan) -> None:
    def gone(_: str) -> str:
        raise EOFError

    assert interrupt_policy(stage, None)() == "rollback"
    assert interrupt_policy(stage, gone)() == "rollback"


def test_a_plan_that_decides_asks_nobody(stage: StagePlan) -> None:
    leave = stage.model_copy(update={"on_interrupt": "leave"})
    assert interrupt_policy(leave, lambda _: str(1 / 0))() == "leave"


def test_a_wait_ends_when_a_stop_is_requested(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("canary.adapters.clock.time.sleep", slept.append)
    stop = StopRequest()
    clock = StoppableClock(stop.event)
    clock.sleep(0.001)
    assert slept == []
    stop.event.set()
    clock.sleep(60)  # the waits between attempts of a rollback are kept
    assert slept == [60]


@pytest.mark.parametrize("line", range(3))
def test_a_signal_at_any_line_of_a_wait_ends_it(line: int) -> None:
    """`Event.set` in a handler stood still for ever where the signal came while `Event.wait` held its lock."""
    flag, lines = StopFlag(), itertools.count()

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        if frame.f_code.co_name != "wait":
            return None
        if event == "line" and next(lines) == line:
            flag.set()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        assert flag.wait(60)
    finally:
        sys.settrace(before)


def test_outside_the_main_thread_no_signal_is_noted() -> None:
    import threading

    seen: list[bool] = []

    def work() -> None:
        with StopRequest() as stop:
            seen.append(stop.is_set())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
    assert signals.Answer
    assert Random(1)
