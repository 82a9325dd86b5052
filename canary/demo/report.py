"""The demo's page: what was shown, as chapters of a report; it must not run anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from canary.core.phases import Phase
from canary.demo.scenario import FLAG, FlagStep, Released
from canary.view.model import Bar, BarsView, CanaryView, Chapter, Report, Tone

_FLAG_CODE = f"""\
flags = Flags.connect("appconfig://civicforge/staging/flags")

if flags.is_enabled("{FLAG}", user_id):
    ..."""


def demo_report(steps: Sequence[FlagStep], releases: Sequence[Released], facts: tuple[tuple[str, str], ...]) -> Report:
    """The whole page."""
    return Report(
        title="A flag that needs no redeploy, and releases that come back by themselves",
        lead="The shipped code of flagkit and canary at work on a stand-in for AWS: real boto3 calls, the real handler "
        "executed for each request, virtual time.",
        chapters=(flag_chapter(steps), *(release_chapter(released) for released in releases)),
        facts=facts,
        footer="Intervals hold at every look, not only at the last. Made by `python -m canary demo`.",
    )


def flag_chapter(steps: Sequence[FlagStep]) -> Chapter:
    """Who saw the new flow at each step."""
    same_code = len({step.code_sha256 for step in steps}) == 1
    bars = tuple(
        Bar(
            label=step.label,
            share_ratio=step.seen / step.asked,
            expected_ratio=step.expected_ratio,
            text=f"{step.seen:,} of {step.asked:,} users",
            emphasised=True,
        )
        for step in steps
    )
    return Chapter(
        heading=f"{FLAG} goes live, user by user",
        prose="Every user asked the backend once at each step. The flag changed in AppConfig; the code did not. "
        "The mark on a bar is the share that was asked for.",
        tone=Tone.GOOD if same_code else Tone.BAD,
        verdict="no redeploy" if same_code else "code changed",
        bars=(BarsView("Users that see the new flow", "; ".join(f"{bar.label}: {bar.text}" for bar in bars), bars),),
        code=_FLAG_CODE,
    )


def release_chapter(released: Released) -> Chapter:
    """One release: what happened, why, and where the alias is now."""
    facts = [("Requests on the new version", f"{released.served:,}"), ("Of these failed", f"{released.failed:,}")]
    if released.seen_min is not None:
        facts.insert(0, ("Seen", f"minute {released.seen_min:.1f}"))
    if released.rollback_s is not None:
        facts.append(("Way back", f"{released.rollback_s:.1f} s"))
    facts.append(("Alias now", released.alias))
    view: CanaryView = replace(released.view, facts=tuple(facts))
    return Chapter(
        heading=released.release.heading,
        prose=view.headline,
        tone=view.tone,
        verdict=view.phase,
        canary=view,
    )


def release_text(released: Released) -> list[str]:
    """The end of a release in a few lines."""
    number = released.release.number
    if released.phase is Phase.PROMOTED:
        return [
            f"promoted: version {number} served {released.served:,} requests, {released.failed:,} of them failed",
            f"why: {released.view.evidence}",
            f"alias: {released.alias}",
        ]
    lines = [f"{released.view.phase}: version {number} is off"]
    if released.seen_min is not None:
        lines = [f"{released.view.phase}: seen {minute_text(released.seen_min)} after the start"]
    lines.append(f"why: {released.view.evidence}")
    lines.append(f"harm: {released.failed:,} of {released.served:,} requests on version {number} failed")
    if released.rollback_s is not None:
        lines.append(f"way back: {released.rollback_s:.1f} s from the verdict to the alias read back")
    lines.append(f"alias: {released.alias}")
    return lines


def minute_text(minutes: float) -> str:
    """`4.0 minutes`."""
    return f"{minutes:.1f} minutes"
