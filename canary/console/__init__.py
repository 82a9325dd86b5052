"""The releases panel of the console: canaries of all stages, live and past, and what people may do with them.

    from canary.console import ReleasesSettings, panel
    from flagkit.console import ConsoleSettings, create_app

    releases = panel(ReleasesSettings(Path("canary.toml")))
    app = create_app(ConsoleSettings(sources=("file:flags.json",)), panels=[releases])

`canary console` serves it. Needs the extra `console`.
"""

from __future__ import annotations

from canary.console.pages import panel
from canary.console.settings import ReleasesSettings

__all__ = ["ReleasesSettings", "panel"]
