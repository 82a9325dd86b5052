"""Who moves between two documents, by percentages, against counting real users."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from flagkit.authoring import AuthoringDocument, compile_document, flag_movement
from flagkit.authoring.movement import flag_allocation, read_allocations
from flagkit.core.documents import FlagDocument
from flagkit.core.snapshot import Snapshot
from flagkit.errors import UnknownFlagError

USERS = [f"user-{number}" for number in range(20_000)]
AB = [{"name": "a", "weight": 50}, {"name": "b", "weight": 50}, {"name": "off", "enabled": False}]
ABC = [
    {"name": "a", "weight": 30},
    {"name": "b", "weight": 50},
    {"name": "c", "weight": 20},
    {"name": "off", "enabled": False},
]


def native(flag, previous=None, **others):
    words = {"layers": {"l": {}}, "holdouts": {"h": {"percent": 10}}, "flags": {"f": flag, **others}}
    allocations = None if previous is None else read_allocations(previous)
    return compile_document(AuthoringDocument.parse(words), allocations=allocations)


def counted(old, new):
    """The share of real users that get another answer, in percent."""
    before, after = Snapshot.from_document(old.to_dict()), Snapshot.from_document(new.to_dict())
    changed = 0
    for user in USERS:
        one, other = before.evaluate("f", user), after.evaluate("f", user)
        names = [found.variant or ("on" if found.enabled else "off") for found in (one, other)]
        changed += names[0] != names[1]
    return 100 * changed / len(USERS)


@pytest.mark.parametrize(
    ("old", "new", "percent", "is_exact"),
    [
        ({"percent": 25}, {"percent": 40}, 15, True),
        ({"percent": 40}, {"percent": 25}, 15, True),
        ({"enabled": True}, {"percent": 25}, 75, True),
        ({"enabled": False}, {"percent": 25}, 25, True),
        ({"enabled": True}, {"enabled": False}, 100, True),
        ({"enabled": True}, {"enabled": True}, 0, True),
        ({"percent": 25}, {"percent": 25, "seed": "other"}, 37.5, False),
        ({"variants": AB}, {"variants": ABC}, 20, True),
        ({"variants": AB}, {"variants": AB, "percent": 20}, 80, False),
        ({"variants": AB, "percent": 20}, {"variants": AB, "percent": 60}, 40, False),
        ({"variants": AB, "percent": 50}, {"variants": ABC, "percent": 50}, 10, False),
        ({"percent": 50}, {"percent": 50, "holdout": "h"}, 5, False),
        ({"holdout": "h"}, {"enabled": True}, 10, True),
        (
            {"layer": {"name": "l", "share": 30}},
            {"layer": {"name": "l", "share": 50}},
            20,
            True,
        ),
        ({"layer": {"name": "l", "share": 30}}, {"layer": {"name": "l", "share": 30}, "percent": 50}, 15, False),
    ],
)
def test_the_movement_is_what_happens(old, new, percent, is_exact):
    before = native(old)
    after = native(new, previous=before)
    movement = flag_movement(before, after, "f")
    assert movement.percent == Decimal(str(percent))
    assert movement.is_exact is is_exact
    assert abs(counted(before, after) - percent) < 1.5


def test_moves_are_named_by_their_variants():
    before = native({"enabled": True})
    after = native({"percent": 25}, previous=before)
    (move,) = flag_movement(before, after, "f").moves
    assert (move.source, move.target) == ("on", "off")


def test_lists_and_conditions_are_not_percentages():
    """Who is on a list isn't known here; those the rule lets in move as said."""
    before = native({"users": ["1"], "where": '(eq $country "US")', "percent": 25})
    after = native({"users": ["2"], "where": '(eq $country "US")', "percent": 30})
    assert flag_movement(before, after, "f").percent == 5
    listed = native({"users": ["1"]})
    assert flag_movement(listed, native({"enabled": False}), "f").percent == 0
    ruled = native({"variants": [{"name": "gold", "rule": '(eq $tier "gold")'}, {"name": "off"}]})
    assert flag_allocation(ruled, "f").allocation == {}


def test_prerequisites_alone_are_everybody_they_let_in():
    before = native({"requires": ["g"]}, g={"enabled": True})
    after = native({"requires": ["g"], "percent": 60}, g={"enabled": True})
    assert flag_movement(before, after, "f").percent == 40


def test_some_flags_have_no_single_answer():
    plain = native({"enabled": True})
    steps = [{"at": datetime(2026, 12, day, tzinfo=UTC), "percent": 10 * day} for day in (1, 2)]
    ramp = native({"ramp": steps})
    rules = ['(split pct::20 by::$userId seed::"s")', '(split pct::25 by::$userId seed::"t")']
    variants = [{"name": name, "enabled": True, "rule": rule} for name, rule in zip("ab", rules, strict=True)]
    off = {"name": "off", "enabled": False}
    seeds = FlagDocument.parse({"version": "1", "values": {"f": {"_variants": [*variants, off]}}})
    for document in (ramp, seeds):
        assert flag_allocation(document, "f") is None
        assert flag_movement(plain, document, "f") is None
        assert flag_movement(document, plain, "f") is None


def test_an_unknown_flag_is_refused():
    with pytest.raises(UnknownFlagError):
        flag_allocation(native({"enabled": True}), "nobody")
