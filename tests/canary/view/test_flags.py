"""A rollout of a flag is shown as what it is: users of a flag, not traffic of a version."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from canary import runner
from canary.core.events import CanaryStarted, FunctionMove
from canary.core.phases import Phase
from canary.core.words import words_of
from canary.view.build import view_of_events
from canary.view.current import stage_now
from canary.view.labels import as_sentence, headline
from canary.view.model import Means, Rate, StreamView
from canary.view.plain import bounds_text, function_text, rate_texts, status_lines, stream_text
from canary.view.terminal import live
from tests.canary.cli.flag_desk import FlagDesk
from tests.canary.core.test_words import OF_FUNCTIONS

KEY = "flag.new_checkout:on"
NOW = datetime(2027, 1, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize("phase", list(Phase))
def test_no_phase_of_a_rollout_speaks_of_versions_or_traffic(phase: Phase) -> None:
    text = headline(phase, 500, "", words_of("flag.new_checkout:on"))
    assert not {"version", "traffic", "baseline"} & set(text.lower().replace(".", " ").replace(":", " ").split())


def test_a_rollout_names_its_users() -> None:
    moves = (FunctionMove("flag.new_checkout:on", "1", "2", ""),)
    start = CanaryStarted("k3f9a2c1", "checkout", NOW, moves, (100, 500), "9f3a2b1c")
    view = view_of_events([start]).view()
    assert (view.flag, view.candidate_name, view.baseline_name) == (
        "new_checkout",
        "users with new_checkout",
        "users without it",
    )
    assert view.weight_name == "Share of users with new_checkout"
    assert function_text(view.functions[0]) == "new_checkout: 0 % of the users have it"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("new_checkout was changed", "new_checkout was changed."),
        ("api:live was changed.", "api:live was changed."),
        ("paused on request", "Paused on request."),
        ("post-promotion watch", "Post-promotion watch."),
        ("interrupted: it was ended", "Interrupted: it was ended."),
        ("", ""),
    ],
)
def test_a_sentence_begins_with_a_capital_or_a_name(text: str, sentence: str) -> None:
    assert as_sentence(text) == sentence


def test_means_are_shown_with_the_interval_of_their_difference() -> None:
    stream = StreamView(KEY, "orders", "orders per user", 0.9, (), Rate(0, 60), Rate(0, 5940), unit="means")
    assert (rate_texts(stream)[0], bounds_text(stream)) == ("60 users", "–")
    assert rate_texts(replace(stream, candidate=Rate(0, 0), means=Means(9.19, 10.0)))[0] == "0 users"
    known = replace(stream, means=Means(9.19, 10.0, -0.93, -0.33))
    assert rate_texts(known) == ("9.19 (60 users)", "10 (5,940 users)")
    assert stream_text(known).endswith("without it 10 (5,940 users), limit 90 % of that, evidence none")
    assert bounds_text(known) == "difference -0.93 to -0.33"
    assert bounds_text(replace(known, means=Means(9.19, 10.0))) == "–"


def test_a_rollout_in_progress_shows_its_users_with_intervals_and_their_ratio(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = FlagDesk(tmp_path, capsys)
    stage, ports = desk.stage, desk.ports()
    state = runner.tick(stage, ports, runner.start(stage, ports)).state
    for _ in range(11):
        desk.clock.advance(60)
        state = runner.tick(stage, ports, state).state
    view = stage_now(stage, ports).canary
    assert view is not None
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(live(view))
    for text in (console.export_text(), "\n".join(status_lines(view))):
        assert re.search(r"1 % of [\d,]+", text), text
        assert re.search(r"0\.\d+ % to \d\.\d % ", text) or re.search(r"interval 0\.\d+ % to", text), text
        assert "difference -" in text
        assert re.search(r"users with and without new_checkout: [\d,]+ and [\d,]+, sample ratio: 5 % of [\d,]+", text)
        assert not OF_FUNCTIONS.search(text)
