"""The reading of an experiment as lines, as a page and as data for programs; it must not compute effects."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime

from canary.core.reading import Effect, Reading
from canary.view.labels import percent
from canary.view.model import Bar, BarsView, Chapter, Report


def reading_data(name: str, found: Reading) -> dict[str, object]:
    """The keys that programs read."""
    total = sum(found.users.values())
    return {
        "experiment": name,
        "control": found.control,
        "from": None if found.minutes is None else _at(found.minutes[0]),
        "until": None if found.minutes is None else _at(found.minutes[1] + 1),
        "users": dict(found.users),
        "shares": {arm: users / total if total else 0.0 for arm, users in found.users.items()},
        "steps": [
            {"percent": 100.0 * step.share, "exposed": step.exposed, "others": step.others} for step in found.steps
        ],
        "is_sample_ratio_wrong": found.is_share_wrong,
        "effects": [
            {
                "metric": effect.metric,
                "arm": effect.arm,
                "users": effect.users,
                "mean": effect.mean,
                "control_mean": effect.control_mean,
                "difference": effect.difference,
                "interval": None
                if math.isinf(effect.half_width)
                else [effect.difference - effect.half_width, effect.difference + effect.half_width],
                "rate_interval": None if effect.rate is None else [effect.rate.lower, effect.rate.upper],
                "users_needed": effect.needed,
                "is_clear": effect.is_clear,
            }
            for effect in found.effects
        ],
    }


def reading_lines(name: str, found: Reading, effect_percent: float) -> Iterator[str]:
    """The result as a table."""
    if found.minutes is None:
        yield f"No user of {name} is counted yet: a user counts when the window after the first exposure ends."
        return
    yield f"{name}, {_span(found)}"
    yield ""
    yield f"{'arm':<20}{'users':>12}{'share':>10}{'expected':>10}"
    total = sum(found.users.values())
    for arm, users in sorted(found.users.items(), key=lambda pair: (pair[0] != found.control, pair[0])):
        expected = percent(found.expected[arm]) if arm in found.expected else "–"
        label = f"{arm} (control)" if arm == found.control else arm
        yield f"{label:<20}{users:>12,}{percent(users / total if total else 0.0):>10}{expected:>10}"
    for step in found.steps:
        users = step.exposed + step.others
        share = percent(step.exposed / users) if users else "–"
        yield f"{f'new users at {percent(step.share)}':<20}{users:>12,}{share:>10}{percent(step.share):>10}"
    yield ""
    yield sample_ratio_text(found)
    yield ""
    if not found.effects:
        yield "Nothing was reported."
        return
    yield (
        f"{'metric':<16}{'arm':<14}{'control':>10}{'arm':>10}{'difference':>13}  {'95 % at any time':<24}"
        f"{'users needed':>14}"
    )
    for effect in found.effects:
        needed = "–" if effect.needed is None else f"{effect.needed:,}"
        yield (
            f"{effect.metric:<16}{effect.arm:<14}{_value(effect, effect.control_mean):>10}"
            f"{_value(effect, effect.mean):>10}{_signed(effect, effect.difference):>13}  {_interval(effect):<24}"
            f"{needed:>14}"
        )
    yield ""
    yield (
        "The interval of a difference compares users of the same minutes and holds however often one looks; those of "
        f"one metric hold together. Users needed, in both arms: for an effect of {effect_percent:g} % of the control's "
        "mean. * excludes 0."
    )


def sample_ratio_text(found: Reading) -> str:
    """What the shares of the arms say."""
    if found.is_share_wrong is None:
        if found.steps:
            return "Sample ratio: not checked yet. It takes users first exposed two minutes after a step begins."
        return "Sample ratio: not checked. `--shares on=50,off=50` gives the shares that the arms had all the time."
    if found.is_share_wrong:
        return "Sample ratio: wrong. The arms can't be compared: users are assigned wrongly or lost on the way."
    expected = "expected shares" if found.expected else "percentages of the rollout"
    return f"Sample ratio: no contradiction to the {expected}."


def reading_report(name: str, found: Reading, effect_percent: float) -> Report:
    """The result as a page."""
    total = sum(found.users.values()) or 1
    users = tuple(
        Bar(arm, count / total, found.expected.get(arm), f"{count:,} users", emphasised=arm != found.control)
        for arm, count in found.users.items()
    )
    facts = tuple(
        (
            f"{effect.metric}: {effect.arm} and {found.control}",
            f"{_value(effect, effect.mean)} and {_value(effect, effect.control_mean)}; difference "
            f"{_signed(effect, effect.difference)}, 95 % interval {_interval(effect)}",
        )
        for effect in found.effects
    )
    summary = "; ".join(f"{bar.label}: {bar.text}" for bar in users)
    chapter = Chapter(
        heading="Users and effects",
        prose=sample_ratio_text(found),
        bars=(BarsView("Users by arm", summary, users),) if found.minutes is not None else (),
        facts=facts,
        code="\n".join(reading_lines(name, found, effect_percent)),
    )
    lead = _span(found) if found.minutes is not None else "No user is counted yet."
    return Report(title=f"Experiment {name}", lead=lead, chapters=(chapter,))


def _span(found: Reading) -> str:
    first, last = found.minutes or (0, 0)
    return f"users whose windows ended from {_at(first)} to {_at(last + 1)}"


def _at(minute: int) -> str:
    return datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%MZ")


def _value(effect: Effect, value: float) -> str:
    return percent(value) if effect.is_share else f"{value:.4g}"


def _signed(effect: Effect, value: float) -> str:
    return f"{100 * value:+.2f} %" if effect.is_share else f"{value:+.3g}"


def _interval(effect: Effect) -> str:
    if math.isinf(effect.half_width):
        return "too few users"
    low, high = effect.difference - effect.half_width, effect.difference + effect.half_width
    clear = " *" if effect.is_clear else ""
    return f"{_signed(effect, low)} … {_signed(effect, high)}{clear}"
