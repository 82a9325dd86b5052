"""uv installs from where pip would: `scripts/install.py`."""

from __future__ import annotations

import runpy
from pathlib import Path

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "install.py"))


def test_the_indexes_of_pip_are_those_of_uv() -> None:
    listed = """\
:env:.index-url='https://name:p%40ss@one.example/simple?a=b'
global.index-url='https://two.example/simple'
global.extra-index-url='\\nfile:///a/simple\\nhttps://three.example/simple'
global.find-links='/wheels /more'
install.cert='/b.pem'
global.cert='/a.pem'
global.timeout='9'
"""
    assert SCRIPT["uv_environment"](SCRIPT["pip_settings"](listed)) == {
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_DEFAULT_INDEX": "https://name:p%40ss@one.example/simple?a=b",
        "UV_INDEX": "file:///a/simple https://three.example/simple",
        "UV_FIND_LINKS": "/wheels,/more",
        "SSL_CERT_FILE": "/b.pem",
    }


def test_a_pip_without_configuration_changes_nothing() -> None:
    assert SCRIPT["uv_environment"](SCRIPT["pip_settings"]("")) == {"UV_INDEX_STRATEGY": "unsafe-best-match"}
