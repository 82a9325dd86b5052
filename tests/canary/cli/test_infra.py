"""canary package and canary infra: files are written, and what can't be done is said."""

from __future__ import annotations

import json

import pytest

from canary.infra import package
from canary.infra.package import Package
from tests.canary.cli.conftest import Desk


def test_infra_prints_or_writes_the_template(desk: Desk) -> None:
    printed = json.loads(desk("infra", "staging").out)
    assert "StateMachine" in printed["Resources"]
    done = desk("infra", "staging", "--out", "t.json")
    assert done.out.startswith("t.json written: ")
    assert json.loads((desk.base / "t.json").read_text()) == printed
    assert "can't be written" in desk("infra", "staging", "--out", "nowhere/t.json").err


def test_package_writes_the_zip_and_says_where_it_goes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(plan: str, arch: str, python: str, *, wheels: object) -> Package:
        assert "stages.staging" in plan
        return Package(b"zip", 3_000_000, ("boto3 1",))

    monkeypatch.setattr(package, "build", build)
    done = desk("package")
    assert done.code == 0
    assert (desk.base / "canary-tick-arm64.zip").read_bytes() == b"zip"
    assert "Next: aws s3 cp canary-tick-arm64.zip s3://BUCKET/canary/tick-" in done.out
    said = json.loads(desk("package", "--out", "x.zip", "--arch", "x86_64", "--json").out)
    assert (said["file"], said["runtime"], said["unzipped_bytes"]) == ("x.zip", "python3.13", 3_000_000)
