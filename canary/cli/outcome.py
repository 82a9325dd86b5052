"""How a driven canary ends on the command line: exit code, report, step summary; it must not drive anything."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from canary.cli.github import annotate, summarise
from canary.cli.screens import Screen
from canary.core.phases import Phase
from canary.core.state import CanaryState
from canary.errors import UsageError
from canary.view.page import canary_report, page
from canary.view.plain import markdown

EXIT_CODES: Final = {
    Phase.PROMOTED: 0,
    Phase.POST_BAKE: 0,
    Phase.ROLLED_BACK: 3,
    Phase.ABORTED: 3,
    Phase.INCONCLUSIVE: 4,
    Phase.CONFLICT: 6,
}
"""Exit code of a driven canary by its last phase; any phase that isn't an end is 4: it holds (docs/canary/cli.md)."""


def exit_code(phase: Phase) -> int:
    """The exit code that tells how a canary ended. Since 0.1."""
    return EXIT_CODES.get(phase, 4)


def finish(screen: Screen, state: CanaryState, report: Path | None) -> int:
    """Writes report, summary and annotation, and answers the exit code. Since 0.1."""
    code = exit_code(state.phase)
    story = screen.story
    if not story.begun:
        return code
    view = story.view()
    summarise(markdown(view))
    title = f"canary on {view.stage}: {view.phase}"
    annotate({0: "notice", 4: "warning"}.get(code, "error"), title, view.evidence or view.headline)  # type: ignore[arg-type] # literals
    if report is not None:
        write_report(report, page(canary_report(view)))
        screen.say(f"report: {report}")
    return code


def write_report(path: Path, text: str) -> None:
    """Writes a page.

    Raises:
        UsageError: the file can't be written.

    Since 0.1.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"the report {path} can't be written: {error.strerror}", hint="Name another --report."
        ) from error
