"""How a target is spoken of: functions have versions and requests, a flag has users."""

from __future__ import annotations

import re

import pytest

from canary.core.alias import AliasState
from canary.core.phases import Phase
from canary.core.plan import FlagTarget, FunctionRef
from canary.core.words import shown, words_of

FLAG = FlagTarget("file:flags.json", "new_checkout").function("on")
OF_FUNCTIONS = re.compile(
    r"\b(versions?|alias(es)?|requests?|traffic|baseline|lambda|releases?|functions?|weights?|AWS)\b|LATEST",
    re.IGNORECASE,
)


def alias(function: FunctionRef, version: str, extra: str | None = None, extra_bp: int = 0) -> AliasState:
    return AliasState(function, version, extra, extra_bp, "", "r1")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("api:live", "api:live"),
        ("", ""),
        ("flag.new_checkout:on", "new_checkout"),
        ("flag.button:red", "button:red"),
        ("flag.button", "button"),
    ],
)
def test_a_flag_is_shown_by_its_key(key: str, text: str) -> None:
    assert shown(key) == text


@pytest.mark.parametrize(
    ("version", "extra", "extra_bp", "text"),
    [("1", None, 0, "is at 0 %"), ("1", "2", 550, "is at 5.5 %"), ("2", None, 0, "is at 100 %")],
)
def test_a_flag_is_at_a_percentage(version: str, extra: str | None, extra_bp: int, text: str) -> None:
    assert alias(FLAG, version, extra, extra_bp).routes_text == text


def test_an_alias_serves_versions() -> None:
    api = FunctionRef("api", "live")
    assert alias(api, "7").routes_text == "serves version 7"
    assert alias(api, "6", "7", 1000).routes_text == "serves 90 % version 6 and 10 % version 7"


def test_numbers_of_versions_are_left_out_where_they_are_not_known() -> None:
    words = words_of("api:live")
    assert words.counted_at("", "") == ("on the new version", "on the baseline")
    assert words.counted_at("6", "7") == ("on version 7 (new)", "on version 6 (baseline)")


def test_functions_are_spoken_of_by_their_versions_and_aliases() -> None:
    words, api = words_of("api:live"), FunctionRef("api", "live")
    assert words.is_done("api:live", "7") == "api:live serves version 7 already"
    assert (words.started("10", 1), words.started("10", 3)) == (
        "canary started: 10 % on 1 alias",
        "canary started: 10 % on 3 aliases",
    )
    assert (words.move("api:live", "6", "7"), words.version("7")) == ("api:live 6 → 7", "7")
    assert words.line(("version 6 (baseline)", "version 7 (new)"), "10 %").endswith("→ version 7 (new), 10 %")
    assert words.heading(("version 6 (baseline)", "version 7 (new)")) == "version 6 (baseline) to version 7 (new)"
    assert words.moved(alias(api, "7"), "6") == "version 7 to version 6"
    assert words.releases("api:live") == "releases api:live"
    assert "baseline" in words.beside("1 %")
    assert "--to VERSION" in words.by_hand("prod")
    assert "aliases" in words.rest_back("prod")
    assert "weights" in words.clear("prod")
    assert words.verb("GetAlias api:live") == "GetAlias api:live"
    assert "traffic" in words.unwatched("5m")
    assert words.headline(Phase.BAKING, "10 %").startswith("The new version serves 10 % of the traffic")


def test_no_word_about_a_flag_is_one_about_functions() -> None:
    words, state = words_of(FLAG.key), alias(FLAG, "2")
    names = set(dir(words)) - {"failing"}  # what a simulation varies are requests
    values = (value for name in names if isinstance(value := getattr(words, name), (str, tuple)))
    texts = [text for value in values for text in ([value] if isinstance(value, str) else value)]
    texts += [words.headline(phase, "5 %") for phase in Phase]
    texts += [*words.arms("1", "2"), *words.counted_at("1", "2"), words.version("1"), words.moved(state, "1")]
    texts += [words.is_done(FLAG.key, "2"), words.started("1", 1), words.move(FLAG.key, "1", "2"), words.releases("x")]
    texts += [words.line(words.arms("1", "2"), "5 %"), words.heading(words.arms("1", "2")), words.unwatched("5m")]
    texts += [words.by_hand("checkout"), words.rest_back("checkout"), words.clear("checkout")]
    texts += [words.verb(f"GetAlias {FLAG}"), words.verb(f"UpdateAlias {FLAG} (rollback)")]
    assert [text for text in texts if OF_FUNCTIONS.search(text)] == []
    assert words.beside("1 %") == "beside users without it, of whose requests 1 % fail"
