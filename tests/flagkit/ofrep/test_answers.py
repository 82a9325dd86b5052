"""What a client learns of the flags: values, variants and reasons of those that are marked, and nothing else."""

from __future__ import annotations

import json

import pytest

from flagkit import Flags, StaticSource
from flagkit.ofrep import OfrepSettings, create_app
from flagkit.testing import override
from tests.flagkit.ofrep.conftest import BULK, OFF, VALUES, VISIBLE, Server, document, on

RED, BLUE = "user-1", "user-3"


@pytest.mark.parametrize(
    ("key", "context", "wanted"),
    [
        ("plain", {}, {"value": True, "reason": "STATIC", "variant": "on"}),
        ("region", {"country": "US"}, {"value": True, "reason": "TARGETING_MATCH", "variant": "us"}),
        ("region", {"country": "DE"}, {"value": False, "reason": "DEFAULT", "variant": "off"}),
        ("limit", {}, {"value": 10, "reason": "STATIC", "variant": "on", "metadata": {"unit": "items"}}),
        ("layout", {}, {"value": {"columns": [1, {"wide": None}]}, "reason": "STATIC", "variant": "on"}),
        ("message", {}, {"reason": "DISABLED", "variant": "off"}),
        ("stopped", {}, {"value": False, "reason": "DISABLED", "variant": "off"}),
    ],
)
def test_an_answer_has_value_variant_and_reason(server: Server, key: str, context: dict, wanted: dict) -> None:
    answer = server.flag(key, **context)
    assert (answer.status, answer.json) == (200, {"key": key, **wanted})
    assert server.all(**context)[key] == {"key": key, **wanted}


def test_a_percentage_answers_as_the_client_of_the_process_does(server: Server) -> None:
    for user in map(str, range(40)):
        found = server.flag("colour", targetingKey=user).json
        own = server.flags.evaluate("colour", user)
        assert (found["value"], found["variant"], found["reason"]) == (own.value, own.variant, own.reason)
        assert found.get("metadata") == ({"dark": True} if own.variant == "red" else None)


def test_numbers_of_a_flag_with_fractions_have_a_point(server: Server) -> None:
    assert b'"value":1.0' in server.flag("ratio", country="US").body
    assert b'"value":0.5' in server.flag("ratio").body
    assert b'"value":10,' in server.flag("limit").body + b","


def test_a_flag_without_the_mark_is_as_unknown_as_one_that_does_not_exist(server: Server) -> None:
    hidden, missing = server.flag("secret"), server.flag("absent")
    assert hidden.status == missing.status == 404
    assert hidden.body == missing.body.replace(b"absent", b"secret")
    assert hidden.headers == missing.headers
    assert "secret" not in server.all()
    for answer in (server.flag("secret", targetingKey="1"), server.ask(f"{BULK}/secret", b"{}")):
        other = server.ask(f"{BULK}/absent", b"{}") if answer.status == 400 else server.flag("absent", targetingKey="1")
        assert answer.body == other.body.replace(b"absent", b"secret")


def test_only_flags_that_need_the_user_lack_the_targeting_key(server: Server) -> None:
    found = server.all(country="US")
    lacking = {key for key, flag in found.items() if flag.get("errorCode") == "TARGETING_KEY_MISSING"}
    assert lacking == {"beta", "colour"}
    answer = server.flag("beta")
    assert (answer.status, answer.json["errorCode"]) == (400, "TARGETING_KEY_MISSING")
    assert server.flag("beta", targetingKey="").json["errorCode"] == "TARGETING_KEY_MISSING"
    assert server.flag("beta", userId="7").status == 200  # the user by the client's own name


def test_a_rule_that_answers_before_the_percentage_needs_no_user(serve) -> None:
    rules = [
        '(eq $country "US")',
        '(and (eq $country "DE") (split pct::50 by::$userId))',
        "(split pct::9 by::$company)",
    ]
    variants = [{**on(f"v{number}", rule)} for number, rule in enumerate(rules)]
    server = serve(document({"mixed": {"_variants": [*variants, OFF]}}))
    assert server.flag("mixed", country="US").json["variant"] == "v0"
    assert server.flag("mixed", country="DE").json["errorCode"] == "TARGETING_KEY_MISSING"
    assert server.flag("mixed", country="FR").json["reason"] in {"DEFAULT", "SPLIT"}


def test_a_broken_flag_says_nothing_about_its_rule(server: Server) -> None:
    answer = server.flag("broken")
    assert (answer.status, answer.json["errorCode"]) == (400, "PARSE_ERROR")
    assert b"country" not in answer.body
    assert server.all()["broken"] == answer.json


def test_a_value_of_null_is_left_out(serve) -> None:
    server = serve(
        document(
            {
                "empty": {"enabled": True, "value": None},
                "mixed": {"_variants": [on("text", '(eq $country "US")', value="x"), on("none", None, value=None)]},
            }
        )
    )
    assert server.flag("mixed").json == {"key": "mixed", "reason": "DEFAULT", "variant": "none"}
    assert server.flag("empty").json["value"] is True


def test_marks_and_documents_count_at_once(server: Server) -> None:
    values = {"plain": {"enabled": False}, "secret": {"enabled": True}}
    server.deploy(document(values, hidden=("plain",)))
    assert server.flag("plain").status == 404
    assert server.flag("secret").json["value"] is True


def test_a_source_without_descriptions_needs_the_settings(serve) -> None:
    flags = Flags(StaticSource({"shown": True, "kept": True}))
    assert create_app(flags).visible == ()
    assert create_app(flags, OfrepSettings(visible=["shown", "absent"])).visible == ("shown",)
    flags.close()


def test_an_override_is_answered_and_is_no_mark(serve) -> None:
    server = serve(document({"plain": {"enabled": True}}))
    before = server.app.streams._tag()
    with override(server.flags, all_threads=True, plain=False, other=True):
        assert server.flag("plain").json["value"] is False
        assert server.flag("other").status == 404
        assert server.app.streams._tag() != before
    with override(server.flags, all_threads=True, plain="text"):
        assert server.flag("plain").json["value"] == "text"
    assert server.flag("plain").json["value"] is True


def test_a_page_can_begin_with_the_answers(serve) -> None:
    server = serve(document({"plain": {"enabled": True, "value": "</script><b>&"}}))
    text = server.app.bootstrap("1", {"country": "US"})
    assert "<" not in text
    assert json.loads(text)["flags"] == list(server.all(targetingKey="1").values())
    assert json.loads(server.app.bootstrap())["flags"][0]["value"] == "</script><b>&"


def test_watchers_see_single_evaluations_only(server: Server) -> None:
    seen: list[str] = []
    server.flags.watch(lambda evaluation, user: seen.append(f"{evaluation.key} {user}"))
    server.all(targetingKey="1")
    server.flag("plain", targetingKey="2")
    server.flag("secret", targetingKey="2")
    assert seen == ["plain 2"]


@pytest.mark.parametrize("flags", [None, [], {"plain": None}, {"plain": {"description": 1}}])
def test_odd_descriptions_are_no_mark(serve, flags: object) -> None:
    content = json.dumps({"version": "1", "flags": flags, "values": {"plain": {"enabled": True}}}).encode()
    assert serve(content).app.visible == ()


def test_a_mark_without_a_value_is_no_flag(serve) -> None:
    content = json.dumps({"version": "1", "flags": {"plain": {"description": VISIBLE}}, "values": {}}).encode()
    server = serve(content)
    assert server.flag("plain").status == 404
    assert server.all() == {}


def test_flags_that_the_agent_evaluates_are_answered_by_it_and_not_asked_for_a_tag() -> None:
    from flagkit.sources.agent import AgentSource
    from flagkit.testing import AgentStandIn, VirtualClock

    agent = AgentStandIn(json.loads(document({key: VALUES[key] for key in ("plain", "region")})), feature_flags=True)
    flags = Flags(AgentSource("shop", "prod", "flags", ask=agent), clock=VirtualClock())
    server = Server(create_app(flags, OfrepSettings(visible=["region", "plain"])), flags, None, None)  # type: ignore[arg-type]
    assert flags.may_wait
    assert server.flag("region", targetingKey="1", country="US").json["value"] is True
    assert server.all(targetingKey="1", country="DE")["region"]["value"] is False
    assert server.app._view._kept == {}
    flags.close()


@pytest.mark.parametrize("entry", [{"enabled": "perhaps"}, {"_variants": [on("a", "(split pct::5"), OFF]}, 7])
def test_what_can_not_be_read_lacks_no_user(serve, entry: object) -> None:
    server = serve(document({"odd": entry, "plain": {"enabled": True}}))
    assert server.flag("odd").json["errorCode"] == "PARSE_ERROR"
    assert server.all()["plain"]["value"] is True
    assert server.all(targetingKey="1")["odd"]["errorCode"] == "PARSE_ERROR"


def test_a_rule_that_fails_lacks_no_user(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flagkit.ofrep.answers.is_true", lambda _found: 1 / 0)
    assert server.flag("region").status == 200
    assert server.flag("beta").json["errorCode"] == "TARGETING_KEY_MISSING"
