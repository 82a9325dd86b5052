"""`flagkit ofrep`: what is checked before anything is served."""

from __future__ import annotations

from typing import Any

import pytest

from flagkit.web import serving


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would have been served."""
    apps: list[Any] = []
    monkeypatch.setattr(serving, "listen", lambda _host, _port: _Listening())
    monkeypatch.setattr(serving, "run", lambda app, _listening, stopping: apps.append((app, stopping)))
    return apps


class _Listening:
    def __enter__(self) -> _Listening:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 8016


def test_it_serves_what_is_marked_or_named(on_file: Any, served: list[Any]) -> None:
    done = on_file("ofrep")
    assert (done.code, "Serving 0 client-visible flags" in done.err) == (0, True)
    assert "flagkit describe KEY --client-visible" in done.err
    on_file.good("describe", "plain", "--client-visible", "--yes")
    done = on_file("ofrep", "--visible", "button,absent")
    assert "Serving 2 client-visible flags" in done.err
    assert "http://127.0.0.1:8016" in done.err
    app, stopping = served[-1]
    assert app.visible == ("button", "plain")
    stopping()
    assert app.streams.is_full()


@pytest.mark.parametrize(
    ("arguments", "environment", "error"),
    [
        (["--origin", "shop.example"], {}, "is not an origin"),
        (["--token-audience", "x"], {}, "--token-audience needs --token-issuer"),
        (["--token-issuer", "https://id.example"], {}, "audience is empty"),
        (["--token-issuer", "http://id.example", "--token-audience", "x"], {}, "that starts with https://"),
        (["--token-issuer", "https://id.example", "--token-audience", "x"], {}, "stream_secret is missing"),
        ([], {"FLAGKIT_OFREP_KEYS": "short"}, "at least 16"),
    ],
)
def test_settings_that_can_not_work_are_refused(
    on_file: Any, served: list[Any], monkeypatch: pytest.MonkeyPatch, arguments: Any, environment: Any, error: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = on_file("ofrep", *arguments)
    assert (done.code, served) == (2, [])
    assert error in done.err
