"""The settings of notices: found near the source, checked by line, matched by source, without secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from flagkit.admin.settings import HttpReceiver, SnsReceiver, SourceSettings, problems, read_settings
from flagkit.admin.settings_file import find_file, name_of_source
from flagkit.errors import UsageError


def test_the_file_is_found_beside_the_flags_here_or_in_the_repository(tmp_path: Path) -> None:
    for folder in ("flags", "repo/.git", "repo/deep/er", "out/side"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in ("flags", "repo", "out"):
        (tmp_path / folder / "flagkit.toml").touch()
    url = f"file:{tmp_path / 'flags' / 'flags.json'}"
    assert find_file(url, {}, tmp_path / "repo/deep") == tmp_path / "flags/flagkit.toml"
    assert find_file("appconfig://a/b/c", {}, tmp_path / "repo/deep/er") == tmp_path / "repo/flagkit.toml"
    assert find_file("appconfig://a/b/c", {}, tmp_path / "out/side") is None  # a parent that isn't ours
    assert find_file(":", {}, tmp_path / "out/side") is None
    assert find_file(url, {"FLAGKIT_CONFIG": "x.toml"}, tmp_path) == Path("x.toml")
    assert find_file(url, {"FLAGKIT_CONFIG": ""}, tmp_path) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[notices]]\nkind = "fax"\n', "line 1: notices.0:"),
        ('[[notices]]\nkind = "slack"\nurl_evn = "X"\n', "unknown key 'url_evn' (did you mean 'url_env'?)"),
        ('[[notices]]\nkind = "slack"\n', "give either url_env"),
        ('[[notices]]\nkind = "slack"\nurl = "https://a"\nurl_env = "A"\n', "give either url_env"),
        ('[[notices]]\nkind = "teams"\nurl_env = "A"\nsecret_env = "B"\n', "teams takes no secret_env"),
        ('[[notices]]\nkind = "slack"\nurl = "ftp://secret"\n', "not a valid http or https URL"),
        ('[[notices]]\nkind = "slack"\nurl_env = "https://secret"\n', "url_env"),
        ('[[notices]]\nkind = "sns"\ntopic_arn = "flags"\n', "topic_arn"),
        ('[notices]\nkind = "slack"\n', "such as [[notices]]"),
        ("exposures = [1]", "such as [[notices]]"),
        ('[[exposures]]\nnamespace = ""\n', "namespace"),
        ("a = [", "not valid TOML"),
        ("é".encode("latin-1"), "not UTF-8"),
        (b"#" * 1_000_001, "larger than 1,000,000 bytes"),
    ],
)
def test_settings_that_are_wrong_are_refused_without_their_secrets(
    tmp_path: Path, text: str | bytes, said: str
) -> None:
    path = tmp_path / "flagkit.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError) as found:
        read_settings(path)
    assert said in found.value.message
    assert str(path) in found.value.message
    assert "secret" not in found.value.message.replace("secret_env", "")


def test_settings_that_cannot_be_opened_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_settings(tmp_path / "missing.toml")
    with pytest.raises(UsageError, match="cannot be read"):
        read_settings(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "url", "fits"),
    [
        ("*", "file:flags.json", True),
        ("flags.json", "file:flags.json", True),
        ("file:flags.json", "flags.json", True),
        ("conf/*.json", "file:conf/a.json", True),
        ("other.json", "file:flags.json", False),
        ("appconfig://shop/prod/*", "appconfig://shop/prod/flags?region=eu-west-1", True),
        ("appconfig://shop/*", "appconfig://shop/a%20b/flags", True),
        ("appconfig://shop/prod/flags", "appconfig://shop/staging/flags", False),
        ("appconfig://shop/prod/flags", "file:appconfig:", False),
    ],
)
def test_a_receiver_names_its_sources_by_pattern(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, url: str, fits: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    receiver = HttpReceiver(kind="slack", url_env="A", source=pattern)
    settings = SourceSettings(tmp_path / "flagkit.toml", (receiver,))
    assert settings.of([name_of_source(url)]) == ((receiver,) if fits else ())


@pytest.mark.parametrize(
    ("receiver", "environment", "said"),
    [
        (HttpReceiver(kind="slack", url_env="A"), {"A": "https://a"}, None),
        (HttpReceiver(kind="slack", url_env="A"), {}, "variable A is not set"),
        (HttpReceiver(kind="slack", url_env="A"), {"A": "nonsense"}, "A holds no valid http or https URL"),
        (HttpReceiver(kind="teams", url="https://a"), {}, "is a secret"),
        (HttpReceiver(kind="webhook", url="https://a"), {}, "not signed"),
        (HttpReceiver(kind="webhook", url="http://a", secret_env="B"), {"B": "x"}, "unencrypted"),
        (HttpReceiver(kind="webhook", url="http://127.0.0.1:1", secret_env="B"), {"B": "x"}, None),
        (SnsReceiver(kind="sns", topic_arn="arn:aws:sns:us-east-1:123456789012:a"), {}, None),
    ],
)
def test_what_is_likely_wrong_with_a_receiver_is_said(
    receiver: HttpReceiver, environment: dict[str, str], said: str | None
) -> None:
    found = problems(receiver, environment)
    assert (not found) if said is None else (len(found) == 1 and said in found[0])


def test_the_first_table_that_names_a_source_says_where_its_exposures_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "flagkit.toml"
    path.write_text(
        "[[exposures]]\nsource = 'appconfig://shop/prod/*'\nnamespace = 'shop-prod'\nregion = 'eu-west-1'\n"
        "[[exposures]]\n"
    )
    settings = read_settings(path)
    prod, other = (settings.metrics_of([f"appconfig://shop/{name}/flags"]) for name in ("prod", "dev"))
    assert prod is not None
    assert other is not None
    assert (prod.namespace, prod.region, other.namespace) == ("shop-prod", "eu-west-1", "flagkit")
    assert SourceSettings().metrics_of(["x"]) is None
