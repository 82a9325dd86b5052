"""What every page must be: free of accessibility violations, usable by keyboard, and without hidden overflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from axe_playwright_python.sync_playwright import Axe

if TYPE_CHECKING:
    from playwright.sync_api import Page

_AXE = Axe()
_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# What the keyboard must reach: everything that a pointer can use and that can be seen.
_CONTROLS = """() => [...document.querySelectorAll('a[href], button, input, select, textarea, summary')].filter((one) =>
  one.checkVisibility({ visibilityProperty: true }) && !one.disabled && one.type !== 'hidden' && one.tabIndex >= 0
  && !(one.type === 'radio' && !one.checked)
).map((one, at) => (one.dataset.control = at))"""
_FOCUSED = """() => ({
  control: document.activeElement?.dataset?.control ?? null,
  isShown: (() => {
    const one = document.activeElement, style = getComputedStyle(one);
    const isOutlined = style.outlineStyle !== 'none' || style.boxShadow !== 'none';
    return one.type?.startsWith('date') || (one.matches(':focus-visible') && isOutlined);
  })(),
  html: document.activeElement?.outerHTML.slice(0, 120),
})"""


def violations(page: Page) -> list[str]:
    """The accessibility violations of a page, one line each."""
    found: list[dict[str, Any]] = _AXE.run(page).response["violations"]
    return [
        f"{page.url}: {violation['id']} ({violation['impact']}): {node['html'][:160]} {node['failureSummary'][:200]}"
        for violation in found
        for node in violation["nodes"]
    ]


def overflow(page: Page) -> list[str]:
    """The page, if it is wider than its window."""
    return [f"{page.url}: wider than its window"] if page.evaluate(_OVERFLOW) > 0 else []


def unreachable(page: Page) -> list[str]:
    """What the tab key doesn't reach, and what shows no focus when it does."""
    wanted = {str(control) for control in page.evaluate(_CONTROLS)}
    page.evaluate("document.activeElement?.blur()")
    faults, reached = [], set()
    for _ in range(len(wanted) + 5 + 6 * page.locator("[type^=date]").count()):  # a date has fields of its own
        page.keyboard.press("Tab")
        at = page.evaluate(_FOCUSED)
        if at["control"] is None:
            continue
        reached.add(at["control"])
        if not at["isShown"]:
            faults.append(f"{page.url}: shows no focus: {at['html']}")
    missed = page.evaluate(
        "(missed) => missed.map((at) => document.querySelector(`[data-control='${at}']`).outerHTML.slice(0, 120))",
        sorted(wanted - reached),
    )
    return faults + [f"{page.url}: the tab key does not reach {html}" for html in missed]
