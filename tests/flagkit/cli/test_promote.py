"""Flags between environments: what is copied, what stays, and what is refused."""

from __future__ import annotations

import re

import pytest

from flagkit.testing import AppConfigFlags


@pytest.fixture
def staging(on_file, tmp_path):
    """A second file, with another rollout of new_flow, a flag of its own, and a segment."""
    for words in (
        ("create", "new_flow", "--name", "New flow"),
        ("rollout", "new_flow", "60"),
        ("create", "fresh", "--on"),
        ("segment", "put", "qa", "--user", "9"),
        ("target", "new_flow", "--segment", "qa"),
    ):
        on_file.good(*words, "-s", "staging.json", "--yes")
    return "staging.json"


def test_copy_takes_the_targeting_and_keeps_on_and_off(on_file, staging: str) -> None:
    done = on_file.good("copy", "new_flow", "fresh", "--from", staging)
    assert "0 to delete.\n" in done.out
    flow, fresh = on_file.flag("new_flow"), on_file.flag("fresh")
    assert (flow["state"], flow["percent"], flow["segments"]) == ("partial", 60.0, ["qa"])  # on here, off in staging
    assert fresh["state"] == "off"  # on in staging, new here
    assert on_file.flag("button")["state"] == "on"


def test_copy_with_state_takes_on_and_off_too(on_file, staging: str) -> None:
    on_file.good("copy", "new_flow", "fresh", "--from", staging, "--with-state")
    assert on_file.flag("fresh")["state"] == "on"
    assert on_file.flag("new_flow")["state"] == "off"


def test_promote_copies_all_flags_and_leaves_those_that_are_only_here(on_file, staging: str) -> None:
    dry = on_file.good("promote", "--from", staging, "--dry-run", "--json").json
    assert {"new_flow", "fresh"} <= set(dry["changes"])
    on_file.good("promote", "--from", staging)
    assert [row["key"] for row in on_file.good("list", "--json").json] == ["button", "fresh", "new_flow", "plain"]
    assert on_file.good("promote", "--from", staging).out == "No change: already up to date.\n"


def test_diff_compares_two_environments(on_file, staging: str) -> None:
    assert on_file.file is not None
    done = on_file.good("diff", "--from", staging, "--to", str(on_file.file))
    assert "- fresh (deleted)" in done.out
    assert done.out.splitlines()[-1].endswith("to delete.")
    assert on_file.good("diff", "--from", staging, "--to", staging).out == "No differences.\n"
    on_file.good("on", "plain")
    assert "~ plain" in on_file.good("diff", "--from", "1", "--to", "2").out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("copy", "nope", "--from", "staging.json"), 3, "there is no flag nope"),
        (("copy", "new_flow", "--from", "other"), 2, "neither a file nor an environment"),
        (("copy", "new_flow", "--from", "flags.json", "--to", "flags.json"), 2, "cannot be copied to itself"),
        (("copy", "--from", "staging.json"), 2, "Missing argument"),
        (("promote",), 2, "Missing option"),
    ],
)
def test_what_can_not_be_copied_is_refused(on_file, staging: str, words: tuple[str, ...], code: int, said: str) -> None:
    before = on_file.saved()
    done = on_file(*words)
    assert (done.code, said in done.err) == (code, True), done
    assert on_file.saved() == before


def test_environments_of_one_profile_share_versions_and_those_of_two_are_copied(on_aws) -> None:
    client, application = on_aws.profile.client, on_aws.profile.application_id
    client.create_environment(ApplicationId=application, Name="qa")
    for words in (("copy", "plain"), ("promote",)):
        refused = on_aws(*words, "--from", "test", "--to", "qa")
        assert (refused.code, "share its versions" in refused.err) == (2, True)
        *_, command = re.findall("`flagkit (.*)`", refused.err)
        assert command == f"deploy --version 1 --source {on_aws.source.replace('/test/', '/qa/')}"
    assert "Version 1" in on_aws.good(*command.split()).out
    refused = on_aws("copy", "plain", "--from", "prod")
    assert (refused.code, "no environment called prod" in refused.err) == (6, True)
    other = AppConfigFlags(on_aws.aws.session(), application="shop2", environment="staging")
    values = {"plain": {"enabled": True, "x": 1}}
    flags = {"plain": {"name": "Plain", "attributes": {"x": {"constraints": {"type": "number"}}}}}
    other.deploy({"version": "1", "flags": flags, "values": values})
    on_aws.aws.clock.advance(700)
    on_aws.good("copy", "plain", "--from", other.url)
    assert on_aws.flag("plain")["attributes"] == {"x": 1}
    assert on_aws.flag("plain")["state"] == "off"


def test_an_environment_of_another_region_is_looked_for_in_that_region(on_aws) -> None:
    """The name of an environment keeps the region of the source: these flags are in us-east-1 only."""
    source = f"{on_aws.source}?region=eu-west-1"
    for words in (
        ("copy", "plain", "--from", "prod", "--source", source),
        ("promote", "--from", on_aws.source, "--to", "prod", "--source", source),
        ("diff", "--from", "prod", "--source", source),
    ):
        done = on_aws(*words)
        assert (done.code, "no application called" in done.err) == (6, True), done


def test_the_name_of_an_environment_is_one_of_the_source_not_of_another_target(on_aws) -> None:
    other = AppConfigFlags(on_aws.aws.session(), application="live", environment="prod")
    other.deploy({"version": "1", "flags": {}, "values": {}})
    on_aws.aws.clock.advance(700)
    for words in (("copy", "plain"), ("promote",)):
        said = on_aws.good(*words, "--from", "test", "--to", other.url, "--yes", "--dry-run").out
        assert "+ plain (new)" in said
