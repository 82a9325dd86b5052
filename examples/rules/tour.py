"""A tour of the rule language: who gets what, and why. Run it: `python examples/rules/tour.py`.

Every stop is a flag with native AppConfig rules, some users, and what they get. The last stops show what goes wrong,
and how it is told.
"""

from __future__ import annotations

from datetime import UTC, datetime

from flagkit import Flags, RuleError, Snapshot, StaticSource
from flagkit.authoring import parse_rule

STOPS = [
    (
        "Comparing: equality is case-sensitive; text is read as the literal's type",
        '(and (eq $state "Virginia") (gte $age 65))',
        [{"state": "Virginia", "age": "70"}, {"state": "virginia", "age": 70}, {"state": "Virginia"}],
    ),
    (
        "Text: begins_with, ends_with, contains, and matches for regular expressions in linear time",
        '(or (ends_with $email "@example.org") (matches in::$email pattern::"^qa-[0-9]+@"))',
        [{"email": "jo@example.org"}, {"email": "qa-7@example.com"}, {"email": "jo@example.com"}],
    ),
    (
        "Lists, and a key that is just there",
        '(and (in $plan ["pro", "team"]) (not (exists key::"opted_out")))',
        [{"plan": "team"}, {"plan": "team", "opted_out": False}, {"plan": "free"}],
    ),
    (
        "Time: $now comes from the clock",
        "(and (gte $now 2026-12-01T00:00:00Z) (lt $now 2026-12-24T00:00:00Z))",
        [{}, {"now": "2026-12-31T12:00:00Z"}],
    ),
]


def flags_with(rule: str) -> Flags:
    """Flags with one flag that is on where the rule is true."""
    variants = [{"name": "on", "enabled": True, "rule": rule}, {"name": "off", "enabled": False}]
    return Flags(StaticSource({"flag": {"_variants": variants}}), refresh="manual", clock=December())


class December:
    """A clock that stands at the middle of December."""

    def now(self) -> datetime:
        """Noon on the 15th."""
        return datetime(2026, 12, 15, 12, tzinfo=UTC)

    def monotonic(self) -> float:
        """It stands still."""
        return 0.0

    def sleep(self, seconds: float) -> None:
        """Nothing to wait for."""


def main() -> None:
    """The tour."""
    for title, rule, contexts in STOPS:
        print(f"\n{title}\n  {rule}")
        flags = flags_with(rule)
        for context in contexts:
            print(f"    {'on ' if flags.is_enabled('flag', 'user-1', context) else 'off'} for {context}")

    print("\nPercentages: one bucket per user and seed, so raising a percentage removes nobody")
    users = [f"user-{number}" for number in range(10_000)]
    before: set[str] = set()
    for percent in (10, 25, 50):
        flags = flags_with(f'(split pct::{percent} by::$userId seed::"checkout")')
        now_on = {user for user in users if flags.is_enabled("flag", user)}
        print(f"    {percent} %: {len(now_on):,} of 10,000 users; lost {len(before - now_on)}")
        before = now_on

    print("\nWhy? explain() asks the same compiled rules")
    flags = flags_with('(and (eq $country "US") (split pct::25 by::$userId seed::"checkout"))')
    print(
        "\n".join("    " + line for line in flags.explain("flag", "user-8", {"country": "US"}).to_text().splitlines())
    )

    print("\nFaults point at the place")
    for wrong in ("(eq $tier)", '(nope $tier "premium")', '(and (eq $a "x") (gt $age "65)'):
        try:
            parse_rule(wrong)
        except RuleError as error:
            caret = "\n".join("    " + line for line in error.caret.splitlines())
            print(f"{caret}\n      {error.reason}: {error.message}")

    print("\nA broken flag is off and named; its neighbours serve")
    document = {
        "version": "1",
        "values": {
            "broken": {
                "_variants": [{"name": "v", "enabled": True, "rule": "(eq $tier)"}, {"name": "d", "enabled": True}]
            },
            "fine": {"enabled": True},
        },
    }
    snapshot = Snapshot.from_document(document)
    print(f"    fine: {snapshot.evaluate('fine').enabled}; problems: {dict(snapshot.check())}")


if __name__ == "__main__":
    main()
