"""A product person's morning: the commands of the documentation's page, on files and on AppConfig."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from flagkit.testing import AppConfigFlags

PAGE = Path(__file__).parents[3] / "docs" / "product-teams.md"


def commands() -> list[list[str]]:
    section = PAGE.read_text("utf-8").partition("## A morning from start to end")[2]
    return [shlex.split(line) for line in re.findall(r"^\$ flagkit (.*)$", section, re.MULTILINE)]


@pytest.fixture
def sources(request, terminal, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the page calls `flags.json` and `prod.json`."""
    if terminal.file is not None:
        return {"flags.json": terminal.source, "prod.json": "prod.json"}
    prod = AppConfigFlags(terminal.aws.session(), application="live", environment="prod")
    prod.deploy({"version": "1", "flags": {"other": {}}, "values": {"other": {"enabled": False}}})
    terminal.aws.clock.advance(700)
    return {"flags.json": terminal.source, "prod.json": prod.url}


def test_a_morning_from_the_page_alone(terminal, sources: dict[str, str]) -> None:
    done = {}
    for words in commands():
        typed = [sources.get(word, word) for word in words]
        if words[0] not in {"history", "list"}:
            typed.append("--yes")
        done[words[0]] = terminal.good(*typed)
    prod = terminal.good("show", "gift_cards", "--source", sources["prod.json"], "--saved", "--json").json
    assert (prod["owner"], prod["kind"], prod["remove_by"]) == ("payments", "release", "2026-06-30")
    assert prod["ends"].startswith("2026-03-01")
    assert len(prod["variants"]) == 3
    assert prod["state"] != "off"  # the undo of the kill
    assert prod["last_changed_by"]
    shown = done["history"].out
    assert [text in shown for text in ("tested in staging", "launch", "double bookings")] == [True] * 3
    if terminal.file is None:
        assert "Stopped" in done["kill"].out + done["kill"].err or "stopped" in done["kill"].out + done["kill"].err
