"""docs/notices.md is true: its settings, its JSON, and its check of a signature."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flagkit.admin.notices.notice import Notice
from flagkit.admin.settings import read_settings
from flagkit.channels.messages import signed_headers

PAGE = (Path(__file__).parents[4] / "docs" / "notices.md").read_text("utf-8")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_settings_of_the_page_name_every_kind_of_receiver(tmp_path: Path) -> None:
    (tmp_path / "flagkit.toml").write_text(block("toml"), encoding="utf-8")
    kinds = [receiver.kind for receiver in read_settings(tmp_path / "flagkit.toml").receivers]
    assert kinds == ["slack", "teams", "webhook", "sns", "eventbridge"]


def test_the_json_of_the_page_has_the_keys_of_a_notice() -> None:
    notice = Notice("m", "live", datetime(2027, 1, 5, tzinfo=UTC), "file:flags.json")
    assert json.loads(block("json")).keys() == notice.to_dict().keys()


def test_the_check_of_the_page_accepts_what_is_sent_and_nothing_else() -> None:
    names: dict[str, Any] = {}
    exec(block("python"), names)
    is_ours = names["is_ours"]
    secret = "whsec_" + base64.b64encode(b"0123456789abcdef").decode()
    headers = signed_headers(secret, "m1", 1_000, b"{}")
    assert is_ours(headers, b"{}", secret, 1_100.0)
    assert not is_ours(headers, b"{ }", secret, 1_100.0)
    assert not is_ours(headers, b"{}", secret, 2_000.0)
    assert not is_ours({**headers, "webhook-id": "m2"}, b"{}", secret, 1_100.0)
