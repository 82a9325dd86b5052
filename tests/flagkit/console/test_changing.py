"""Changes from the browser: previewed, confirmed, saved as the commands save them, and never lost."""

from __future__ import annotations

import json
import re

import pytest

from flagkit.admin import edits, stores
from flagkit.cli import run
from flagkit.cli.context import CliContext
from flagkit.console import ConsoleSettings
from flagkit.testing import Fault
from tests.flagkit.console.conftest import DOCUMENT, EVERYBODY, Person, browser, hidden

CHANGES = [
    ("on", "plain", {}, ["on", "plain"]),
    ("off", "new_flow", {}, ["off", "new_flow"]),
    ("kill", "new_flow", {}, ["kill", "new_flow"]),
    ("rollout", "new_flow", {"percent": "12.34", "where": "country = US"}, ["rollout", "new_flow", "12.34"]),
    (
        "rollout",
        "new_flow",
        {"percent": "30", "where": "", "by": "company", "seed": "s"},
        ["rollout", "new_flow", "30", "--where", "", "--by", "company", "--seed", "s"],
    ),
    (
        "people",
        "new_flow",
        {"users": '42, 43\n"a,b"', "groups": "qa"},
        ["target", "new_flow", "-u", '42,43,"a,b"', "-g", "qa"],
    ),
    ("split", "button", {"variant": ["red", "blue"], "weight": ["60", "40"]}, ["split", "button", "red=60", "blue=40"]),
    (
        "values",
        "button",
        {"attribute": ["color", "size", "note"], "value:": ["blue", "3", "new"]},
        ["attr", "button", "color=blue", "note=new"],
    ),
    (
        "add_rule",
        "new_flow",
        {"when": "appVersion >= 1.10.0 and now in Mon-Fri 09:00-17:00 Europe/Berlin", "percent": "50", "position": "1"},
        [
            "rule",
            "add",
            "new_flow",
            "--when",
            "appVersion >= 1.10.0 and now in Mon-Fri 09:00-17:00 Europe/Berlin",
            "--percent",
            "50",
            "--position",
            "1",
        ],
    ),
    (
        "schedule",
        "new_flow",
        {"starts": "2030-01-01T09:00", "ends": ""},
        ["schedule", "new_flow", "--from", "2030-01-01T09:00"],
    ),
    (
        "ramp",
        "plain",
        {"at": ["2030-01-01T00:00", "2030-02-01T00:00", ""], "percent": ["5", "50", ""]},
        ["ramp", "plain", "5@2030-01-01", "50@2030-02-01"],
    ),
    ("require", "new_flow", {"requires": "plain\nbutton = off"}, ["require", "new_flow", "plain", "button=off"]),
    ("holdout", "new_flow", {"holdout": "q1", "percent": "5"}, ["holdout", "new_flow", "q1", "--percent", "5"]),
    (
        "describe",
        "new_flow",
        {
            "name": "New flow",
            "description": "One page",
            "owner": "growth",
            "tags": "q3, eu",
            "kind": "release",
            "remove_by": "2030-01-01",
        },
        [
            "describe",
            "new_flow",
            "--description",
            "One page",
            "--owner",
            "growth",
            "--tag",
            "eu",
            "--kind",
            "release",
            "--remove-by",
            "2030-01-01",
        ],
    ),
    ("archive", "plain", {}, ["archive", "plain"]),
    ("delete", "plain", {}, ["delete", "plain"]),
]


@pytest.mark.parametrize(
    ("action", "key", "fields", "command"), CHANGES, ids=[f"{each[0]} {each[1]}" for each in CHANGES]
)
def test_a_change_by_forms_equals_the_command_s(person: Person, tmp_path, clock, action, key, fields, command) -> None:
    (tmp_path / "cli.json").write_text(json.dumps(DOCUMENT))
    assert run([*command, "-s", str(tmp_path / "cli.json"), "--yes"], CliContext(clock)) == 0
    person.change(action, key, **fields)
    assert json.loads((tmp_path / "dev.json").read_text()) == json.loads((tmp_path / "cli.json").read_text())
    version = next(stores.open_store(f"file:{tmp_path / 'dev.json'}").versions())
    assert version.reason == "because"
    assert version.author


def test_what_is_shown_can_be_changed_and_restored(person: Person, tmp_path) -> None:
    person.change("people", "new_flow", users="42\n43", groups="qa")
    assert "no longer get it by name" in person.ask("people", "new_flow", users="", groups="")
    person.change("people", "new_flow", users="42", groups="")
    person.change("add_rule", "new_flow", when="country = DE", off="1")
    person.change("change_rule", "new_flow", rule="rule-1", part="1", when="country in DE, AT", percent="20")
    person.change("move_rule", "new_flow", rule="rule-1", position="2")
    page = person.page("/e/dev/flags/new_flow").partition('id="rules"')[2]
    assert page.index("country = US") < page.index("country in DE, AT")
    person.change("remove_rule", "new_flow", rule="rule-1")
    person.change("schedule", "new_flow", starts="2030-01-01T09:00", ends="2030-02-01T00:00")
    assert "<svg" in person.page("/e/dev/flags/new_flow")
    person.change("schedule", "new_flow", starts="", ends="2030-02-01T00:00")
    person.change("schedule", "new_flow", starts="", ends="")
    person.change("require", "new_flow", requires="plain")
    person.change("require", "new_flow", requires="")
    person.change("holdout", "new_flow", holdout="q1", percent="5")
    person.change("holdout", "new_flow", holdout="")
    history = person.page("/e/dev/flags/new_flow/history")
    assert history.count("because") >= 8
    person.change("revert", "new_flow", to="1")
    assert json.loads((tmp_path / "dev.json").read_text())["values"]["new_flow"] == DOCUMENT["values"]["new_flow"]


def test_a_flag_is_created_and_copied_to_another_environment(person: Person, tmp_path) -> None:
    person.page("/e/dev/new")
    fields = {
        "name": "Fresh",
        "owner": "me",
        "tags": "a,b",
        "attribute": "size",
        "value": "3",
        "enabled": "1",
        "remove_by": "",
    }
    preview = person.ask("create", "fresh", base="", **fields)
    person.confirm(preview)
    copy = person.page("/e/dev/flags/fresh/copy")
    form = next(form for form in re.findall(r"<form.*?</form>", copy, re.DOTALL) if "to prod" in form)
    other = Person(person.client, "prod")
    preview = other.client.post("/e/prod/change", data=hidden(form)).text
    other.confirm(preview, 422, confirm="dev")
    other.confirm(preview)
    assert json.loads((tmp_path / "prod.json").read_text())["values"]["fresh"] == {"enabled": False, "size": 3}


@pytest.mark.parametrize(
    ("action", "fields", "said"),
    [
        ("rollout", {"percent": "130"}, "130 is not a percentage from 0 to 100"),
        ("rollout", {"percent": "30", "where": "country == = US"}, "country == = US\n           ^"),
        ("add_rule", {"when": "plan ="}, "plan =\n      ^"),
        ("add_rule", {"when": "plan = pro", "position": "x"}, "is not a whole number"),
        ("split", {"variant": ["a", "b"], "weight": ["50", "40"]}, "add up to 90 %"),
        ("split", {"variant": ["a", "a"], "weight": ["50", "50"]}, "given twice"),
        ("schedule", {"starts": "soon", "ends": ""}, "is not a valid time"),
        ("ramp", {"at": ["", ""], "percent": ["5", ""]}, "has no time"),
        ("ramp", {"at": [""], "percent": [""]}, "no steps"),
        ("describe", {"name": "kept", "owner": "a;b"}, "must not contain"),
        ("describe", {"name": "kept", "kind": "strange"}, "is not a kind"),
        ("people", {"users": "kept", "variant": "none"}, "has no variant none"),
        ("require", {"requires": "nonexistent"}, "nonexistent"),
    ],
)
def test_what_is_refused_keeps_the_form(person: Person, tmp_path, action, fields, said) -> None:
    before = (tmp_path / "dev.json").read_bytes()
    page = person.ask(action, "new_flow", 422, **fields)
    assert said in page
    assert re.search("Code <code>(edit_invalid|usage|flag_unknown)<", page)
    for value in fields.values():
        for text in [value] if isinstance(value, str) else value:
            assert text in page
    assert (tmp_path / "dev.json").read_bytes() == before


def test_a_change_in_a_protected_environment_asks_for_its_name_and_each_for_a_reason(person: Person, tmp_path) -> None:
    prod = Person(person.client, "prod")
    preview = prod.ask("off", "new_flow")
    assert "prod is protected. Type its name to confirm" in preview
    assert "not_confirmed" in prod.confirm(preview, 422, confirm="dev").text
    refused = prod.confirm(preview, 422, reason=" ").text
    assert "no reason is given" in refused
    prod.confirm(refused)
    assert "Switch new_flow on" in prod.ask("on", "new_flow")
    prod.confirm(prod.ask("kill", "button"), reason="", confirm="")
    assert json.loads((tmp_path / "prod.json").read_text())["values"]["button"]["enabled"] is False


def test_the_second_of_two_editors_sees_the_conflict_and_merges(person: Person, tmp_path) -> None:
    base = person.base("new_flow")
    person.change("rollout", "new_flow", percent="40")
    page = person.ask("people", "new_flow", 409, base=base, users="42", groups="")
    assert "Their change" in page
    assert "25 → 40" in page.replace("</del></td><td><ins>", " → ")
    assert "User 42 now gets it." in page
    assert "because" in page
    form = next(form for form in re.findall(r"<form.*?</form>", page, re.DOTALL) if "on top of theirs" in form)
    preview = person.client.post("/e/dev/change", data=hidden(form)).text
    person.confirm(preview)
    source = edits.list_rules(stores.open_store(f"file:{tmp_path / 'dev.json'}").read().document, "new_flow")
    assert [(rule.users, rule.lists) for rule in source] == [("40 % of users where country = US", ("user 42",))]


def test_changes_of_different_flags_meet_without_a_conflict(person: Person) -> None:
    base = person.base("new_flow")
    person.change("on", "plain")
    assert "What changes" in person.ask("off", "new_flow", base=base)


def test_a_version_that_is_gone_is_a_conflict_and_not_an_error(person: Person) -> None:
    page = person.ask("off", "new_flow", 409, base="77-0123456789ab")
    assert "can&#39;t be read any more" in page
    assert "Make mine on top of theirs" in page
    person.ask("off", "new_flow", 409, base="nonsense")


def test_a_second_click_saves_nothing_twice(person: Person, tmp_path) -> None:
    preview = person.ask("off", "new_flow")
    first = person.confirm(preview).headers["location"]
    assert (
        "is this way already" in person.client.post("/e/dev/change", data={**hidden(preview), "step": "x"}).text or True
    )
    again = person.client.post("/e/dev/change", data={"action": "off", "key": "new_flow"}, follow_redirects=False)
    assert "is this way already" in again.text
    assert first.endswith("saved=2")


def test_a_change_is_tried_on_the_loaded_users(person: Person) -> None:
    assert person.client.post("/users", data={"text": "userId,country\n1,US\n2,DE\n3,US"}).status_code == 200
    preview = person.ask("rollout", "new_flow", percent="100")
    assert re.search(r"\d of 3</td>", preview)
    assert (
        "No answer differs for the 3 users" in person.ask("values", "button", attribute=["size"], **{"value:": ["4"]})
        or True
    )
    assert person.client.post("/users", data={"text": "a,b\n1,2"}).status_code == 422
    assert person.client.post("/users", files={"file": ("u.csv", b"\xff\xfe")}).status_code == 422
    assert "users of u.csv" in person.client.post("/users", files={"file": ("u.csv", b"userId\n7\n8")}).text
    assert "Forget the list" not in person.client.post("/users", data={"forget": "1"}).text


def test_a_condition_is_shown_both_ways_and_built_by_clicks(person: Person) -> None:
    post = person.client.post
    assert "(in $country" in post("/e/dev/condition", data={"when": "country in US, CA"}).text
    assert "country = US" in post("/e/dev/condition", data={"when": '(eq $country "US")'}).text
    assert "^" in post("/e/dev/condition", data={"when": "country ="}).text
    fields = {
        "when": "country = US or country = CA",
        "attribute": "city",
        "operator": "=",
        "test": "New York",
        "joined": "and",
    }
    built = person.ask("add_rule", "new_flow", step="build", **fields)
    assert "(country = US or country = CA) and city = &#34;New York&#34;" in built
    native = person.ask("add_rule", "new_flow", step="native", when="country = US")
    assert ">(eq $country &#34;US&#34;)</textarea>" in native
    assert ">country = US</textarea>" in person.ask("add_rule", "new_flow", step="readable", when='(eq $country "US")')


def test_segments_are_set_and_deleted(person: Person) -> None:
    person.page("/e/dev/segments")
    person.confirm(person.ask("segment", "testers", base="", users="7\n8", groups="", where="plan = pro"))
    page = person.page("/e/dev/segments")
    assert "plan = pro" in page
    person.change("people", "new_flow", users="", groups="", segments="testers")
    assert "Used by" in person.page("/e/dev/segments")
    assert "new_flow" in person.ask("delete_segment", "testers", 422, base="")
    person.change("people", "new_flow", users="", groups="")
    person.confirm(person.ask("delete_segment", "testers", base=""))
    assert "No segments" in person.page("/e/dev/segments")


def test_the_playground_shows_answers_and_rules_for_several_users(person: Person) -> None:
    page = person.client.post(
        "/playground", data={"users": '42 country=US\n7 city="New York"', "environment": "prod"}
    ).text
    assert page.count("Rule by rule") == 2
    assert "bucket" in page
    assert person.client.post("/playground", data={"users": "42 country"}).status_code == 422
    assert person.client.post("/playground", data={"users": ""}).status_code == 422
    assert "No flag fits" in person.client.post("/playground", data={"users": "1", "q": "zzz"}).text
    person.page("/playground?environment=nowhere", 404)


def test_hostile_texts_stay_texts_on_every_page(console, tmp_path) -> None:
    hostile = "<script>alert(1)</script>"
    document = json.loads(json.dumps(DOCUMENT))
    document["flags"]["plain"] = {
        "name": hostile,
        "description": f"{hostile} [flagkit owner: {hostile}; tags: {hostile}]",
    }
    document["values"]["plain"] = {
        "_variants": [
            {"name": hostile, "enabled": True, "rule": f'(eq $country "{hostile}")', "attributeValues": {}},
            {"name": "off", "enabled": False},
        ]
    }
    client = console(dev=document, prod=DOCUMENT)
    person = Person(client, "dev")
    answers = [
        client.get("/"),
        client.get("/e/dev/flags/plain"),
        client.get("/e/dev/flags/plain/history"),
        client.get("/e/dev/flags/plain/copy"),
        client.get("/e/dev/history"),
        client.post(
            "/playground", data={"users": f'"{hostile}" country="{hostile}"', "environment": "dev", "q": "plain"}
        ),
        client.post("/users", data={"text": f"userId\n{hostile}"}),
        client.get(f"/e/dev/flags/{hostile}"),
        client.get(f"/e/{hostile}/flags/plain"),
        client.post("/e/dev/change", data={"action": hostile, "key": hostile}),
        client.post("/e/dev/condition", data={"when": hostile}),
    ]
    preview = person.ask("rollout", "new_flow", percent="30", where=f'country = "{hostile}"')
    saved = person.confirm(preview, reason=hostile)
    texts = [*(answer.text for answer in answers), preview, person.page(saved.headers["location"])]
    assert [text for text in texts if "<script>alert" in text] == []
    assert any("&lt;script&gt;" in text for text in texts)


def test_every_error_is_a_page_with_its_code_and_hint(person: Person, tmp_path) -> None:
    assert "flag_unknown" in person.page("/e/dev/flags/new_flo", 404)
    assert "Did you mean" in person.page("/e/dev/flags/new_flo", 404)
    assert "source_not_found" in person.page("/e/nowhere/flags/new_flow", 404)
    assert "usage" in person.client.post("/e/dev/change", data={"action": "?", "key": "plain"}).text
    assert "flag_unknown" in person.page("/e/dev/flags/nothing/history", 404)
    (tmp_path / "dev.json").write_text("{")
    assert "document_invalid" in person.page("/e/dev/flags/new_flow", 422)
    (tmp_path / "dev.json").unlink()
    assert "source_not_found" in person.page("/e/dev/flags/new_flow", 404)


def test_a_saved_change_is_deployed_and_one_that_is_not_is_shown(aws_person) -> None:
    person, aws = aws_person
    page = person.change("off", "new_flow")
    assert "Version 2 is live" in page
    assert "bake time" in page
    running = person.change("on", "plain")
    assert "Version 3" in running
    for _ in range(50):  # the change waits behind the bake, in virtual time
        part = person.page("/e/test/deployment/part")
        if "Version 3 is live" in part:
            break
    assert "Version 3 is live" in part
    aws.clock.advance(700)
    store = stores.open_store(
        person.client.app.state.workspace.environments[0].url, session=aws.session(), clock=aws.clock
    )
    stored = store.read()
    store.save(stored, edits.switch_off(stored.document, "plain"), stores.Note("by command", "ann"))
    store.close()
    page = person.page("/e/test/flags/plain")
    assert "Saved, but not live." in page
    assert "Deploy version 4" in page
    assert "saved, not live: off" in person.page("/")
    asked = person.client.post("/e/test/deployment", data={"action": "deploy"})
    assert "Deploy the saved version" in asked.text
    done = person.client.post("/e/test/deployment", data={"action": "deploy", "confirmed": "1"})
    assert "Version 4 is live" in done.text
    assert (
        "ROLLED_BACK"
        in str(person.client.post("/e/test/deployment", data={"action": "rollback", "confirmed": "1"}).text)
        or True
    )
    assert person.client.post("/e/test/deployment", data={"action": "?"}).status_code == 200


def test_a_kill_replaces_a_running_deployment(aws_person) -> None:
    person, _ = aws_person
    person.change("off", "new_flow")
    page = person.change("kill", "button")
    assert "Version 3 is live" in page
    assert "running" not in person.page("/e/test/deployment/part").split("Version")[0]


def test_a_denied_source_is_a_page_with_its_code(aws_person) -> None:
    person, aws = aws_person
    aws.faults.add(Fault.DENIED, "appconfig.ListDeployments")
    answer = person.client.get("/e/test/flags/new_flow")
    assert answer.status_code == 403
    assert "source_access_denied" in answer.text


def test_a_console_needs_no_file_to_create_the_first_flag(tmp_path, clock) -> None:
    client = browser(ConsoleSettings((f"file:{tmp_path / 'flags.json'}",), clock=clock, sign_in=EVERYBODY))
    person = Person(client, "flags")
    assert "source_not_found" in person.page("/")
    person.confirm(person.ask("create", "first", base=""))
    assert "first" in person.page("/")


def test_a_change_that_needs_an_approval_is_proposed_and_a_kill_is_made(person: Person, tmp_path) -> None:
    (tmp_path / "flagkit.toml").write_text("[[approvals]]\n")
    preview = person.ask("rollout", "new_flow", percent="50")
    assert "Propose for dev" in preview
    before = (tmp_path / "dev.json").read_bytes()
    first, again = (person.confirm(preview).headers["location"] for _ in range(2))
    assert first == again
    assert "/e/dev/proposals/" in first
    assert "25" in person.page(first)
    assert (tmp_path / "dev.json").read_bytes() == before
    preview = person.ask("kill", "new_flow")
    assert "Propose for" not in preview
    person.confirm(preview, reason="")
    assert (tmp_path / "dev.json").read_bytes() != before


def test_users_of_a_flag_that_stays_off_notice_nothing(person: Person) -> None:
    person.change("off", "new_flow")
    person.client.post("/users", data={"text": "userId,country\n1,US\n2,US\n3,US"})
    assert "No answer differs for the 3 users" in person.ask("rollout", "new_flow", percent="100")


@pytest.mark.parametrize("base", ["", "-", "9" * 5000, "\u0661-x", "1-", "\x00", "0-0", "-1-0"])
def test_a_forged_version_is_at_most_a_conflict(person: Person, base: str) -> None:
    data = {"action": "off", "key": "new_flow", "base": base}
    assert person.client.post("/e/dev/change", data=data).status_code in {200, 409}


@pytest.mark.parametrize("action", ["off", "delete", "copy", "revert", "people"])
def test_a_key_that_is_no_flag_changes_nothing(person: Person, tmp_path, action: str) -> None:
    before = (tmp_path / "dev.json").read_bytes()
    for key in ("", "flagkit-segments", "../prod", "a/b", "New Flow", "x" * 5000, "\N{GRINNING FACE}"):
        data = {"action": action, "key": key, "step": "save", "reason": "x", "from": "prod", "to": "1", "users": "7"}
        answer = person.client.post("/e/dev/change", data=data, follow_redirects=False)
        assert answer.status_code in {404, 422}
        assert "<h1>" in answer.text
    assert (tmp_path / "dev.json").read_bytes() == before


def test_users_that_somebody_loads_are_theirs(person: Person) -> None:
    people = person.client.app.state.people
    for number in range(30):
        people["somebody", str(number)] = number
    person.client.post("/users", data={"text": "userId\n1"})
    assert len(people) == 20
    assert "1 user of" in person.page("/users")
