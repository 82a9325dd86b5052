"""What a rollout of a flag depends on, before users get it: the flag itself, its outcomes, and enough users."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

from canary.core.alias import AliasState, FunctionFacts
from canary.core.measurements import MINUTE, DataState, MinuteCounts, Stream, SumStream
from canary.core.plan import MeanGate, OutcomesGate, StagePlan, check_users, format_duration
from canary.core.schedule import whole_minute
from canary.core.stats.bounds import interval
from canary.core.verdict.sentences import limit, percent, what_is_bad
from canary.core.words import EVERYBODY
from canary.ports import Target, Window
from canary.runner.checks import Check, Level
from canary.runner.session import Ports

DAY: Final = timedelta(days=1)
_ALPHA: Final = 0.005
_UNREAD: Final = frozenset({DataState.FAILED, DataState.PARTIAL, DataState.UNKNOWN})
_REPORTING: Final = "docs/canary/guarded-rollouts.md#reporting"


def flag_checks(stage: StagePlan, alias: AliasState, facts: FunctionFacts) -> Iterator[Check]:
    """Whether its percentage can be read and raised."""
    key = alias.function.key
    if alias.version == EVERYBODY:
        text, hint = stage.words.is_done(key, alias.version), stage.words.taken
        yield Check("flag_readable", Level.WARNING, text, key, hint)
    else:
        yield Check("flag_readable", Level.OK, f"{alias.function} {alias.routes_text}", key)
    for found in facts.obstacles:
        level = Level.FAILED if found.refuses else Level.WARNING
        yield Check(found.name, level, found.text, key, found.hint)


def user_checks(stage: StagePlan, ports: Ports, baselines: Sequence[Target]) -> Iterator[Check]:
    """Whether outcomes can be read, somebody reports them, and a step can come to a verdict with so many users.

    Nobody is exposed yet, so all users of the last day count as users without it.
    """
    gates = {name: gate for name, gate in stage.gates.items() if isinstance(gate, OutcomesGate | MeanGate)}
    if not gates:
        return
    yield from _in_time(stage)
    now = whole_minute(ports.clock.now() - stage.settle)
    narrowed = stage.model_copy(update={"gates": gates})
    measured = ports.metrics.measure(narrowed, baselines, Window(now - DAY, now, now - DAY))
    for note in dict.fromkeys(measured.notes):
        yield Check("outcomes", Level.WARNING, note, hint="See docs/canary/guarded-rollouts.md.")
    found: tuple[Stream | SumStream, ...] = (*measured.streams, *measured.sums)
    if unread := next((one for one in found if one.state in _UNREAD), None):
        why = unread.detail or unread.state.value
        hint = "Correct `outcomes` in the plan, create the table, or grant what the message names."
        yield Check("outcomes", Level.FAILED, f"{stage.outcomes} can't be read: {why}", unread.key.function, hint)
        return
    for target in baselines:
        yield from _of_target(
            stage, target, [one for one in measured.streams if one.key.function == target.function.key]
        )


def _of_target(stage: StagePlan, target: Target, streams: Sequence[Stream]) -> Iterator[Check]:
    key, name = target.function.key, target.function.flag or target.function.name
    counted = max((stream.minutes for stream in streams), key=lambda rows: sum(map(_users, rows)), default=())
    users = sum(map(_users, counted))
    if not users:
        hint = f"Name {name} in `experiments` of Outcomes(…), and call flags.report_to(…): {_REPORTING}."
        text = f"no user of {name} was counted in the last day: no program reports for it, or nobody uses it"
        yield Check("outcomes", Level.NO_DATA, text, key, hint)
        return
    yield Check("outcomes", Level.OK, f"{users:,} users were counted in the last day", key)
    for stream in streams:
        yield from _limit_check(stage, stream)
    first = min(row.minute for row in counted if _users(row))
    last = max(row.minute for row in counted)
    per_minute = users / max(1.0, (last - first) / MINUTE + 1)
    for problem in check_users(stage, per_minute):
        text = f"{problem.message} (users of the last day: {per_minute:.3g} new ones a minute)"
        yield Check("enough_users", Level.WARNING, text, key, problem.hint)


def _users(row: MinuteCounts) -> int:
    return row.candidate_requests + row.baseline_requests


def _limit_check(stage: StagePlan, stream: Stream) -> Iterator[Check]:
    """Users who fail without the flag more often than the limit allows would fail with it, too."""
    gate = stage.gates[stream.key.gate]
    users = sum(map(_users, stream.minutes))
    bad = sum(row.candidate_bad + row.baseline_bad for row in stream.minutes)
    if not isinstance(gate, OutcomesGate) or not users:
        return
    ratio = float(gate.limit_percent) / 100
    if interval(users, bad, _ALPHA).lower > ratio:
        text = (
            f"{stream.key}: {percent(bad / users)} % of {users:,} users {what_is_bad(gate)} in the last day, and the "
            f"limit is {limit(ratio)} %: no step can be shown to stay below it"
        )
        hint = f"Raise limit_percent of gate {stream.key.gate} above what users have anyway."
        level = Level.WARNING if stage.hotfix or gate.dry_run else Level.FAILED
        yield Check("users_healthy", level, text, stream.key.function, hint)


def _in_time(stage: StagePlan) -> Iterator[Check]:
    """A user counts when the window is over; until then a step has no evidence."""
    late = stage.window + stage.settle
    hint = "Shorten window, let the step bake longer, or raise hold_max."
    short = next((step for step in stage.steps if late > step.bake + stage.hold_max), None)
    counts = f"a user counts {format_duration(late)} after the first exposure (window and settle)"
    if short is not None:
        longest = format_duration(short.bake + stage.hold_max)
        text = f"{counts}, and the step of {short.weight:f} % ends after {longest} at most: it never has evidence"
        level = Level.WARNING if stage.on_no_data == "promote" else Level.FAILED
        yield Check("judged_in_time", level, text, hint=hint)
    elif stage.post_bake and late > stage.post_bake + stage.hold_max:
        longest = format_duration(stage.post_bake + stage.hold_max)
        text = f"{counts}, and the post-promotion watch ends after {longest} at most: it never has evidence"
        yield Check("judged_in_time", Level.WARNING, text, hint="Shorten window, or raise post_bake.")
