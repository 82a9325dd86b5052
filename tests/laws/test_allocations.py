"""Laws of allocations: disjoint, exact, least movement, and movement that agrees with counting users one by one."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from flagkit.authoring.ranges import STEPS, Allocation, allocate, ranges, reallocate, sizes
from flagkit.core.bucketing import BUCKETS, bucket, threshold

NAMES = "abcde"
# Coarse steps of 0.1 % make it possible to count all of them; odd ones make sure nothing depends on that.
GRAIN = 1_000


@st.composite
def shares(draw, grain=1):
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=5))
    edges = sorted(draw(st.integers(0, STEPS // grain)) for _ in names)
    widths = [end - start for start, end in zip([0, *edges], edges, strict=False)]
    return {name: width * grain for name, width in zip(names, widths, strict=True)}


@st.composite
def histories(draw, grain=1):
    present: Allocation = {}
    for wanted in draw(st.lists(shares(grain=grain), min_size=1, max_size=6)):
        present = reallocate(present, wanted)
    return present


def moved(old, new):
    """Return how many steps go from one owner to another, by pair; None is nobody."""
    found: dict[tuple[str | None, str | None], int] = {}
    for first, source in ranges(old):
        for second, target in ranges(new):
            overlap = max(min(first.end, second.end) - max(first.start, second.start), 0)
            if source != target and overlap:
                found[source, target] = found.get((source, target), 0) + overlap
    return found


@given(histories(), shares())
def test_a_reallocation_gives_each_name_exactly_the_wanted_share(old, wanted):
    new = reallocate(old, wanted)
    assert sizes(new) == wanted
    pieces = list(ranges(new))  # raises if two ranges overlap
    assert sum(span.size for span, _ in pieces) == STEPS


@given(histories(), shares())
def test_a_reallocation_moves_only_what_shares_lose(old, wanted):
    """No allocation with these shares can move fewer users: whoever has too much must give it up."""
    before = sizes(old)
    rest = STEPS - sum(before.values())
    lost = sum(max(size - wanted.get(name, 0), 0) for name, size in before.items())
    lost += max(rest - (STEPS - sum(wanted.values())), 0)
    assert sum(moved(old, reallocate(old, wanted)).values()) == lost


@given(histories(grain=GRAIN), histories(grain=GRAIN))
def test_the_movement_is_what_counting_step_by_step_finds(old, new):
    counted: dict[tuple[str | None, str | None], int] = {}
    for position in range(0, STEPS, GRAIN):
        pair = owner(old, position), owner(new, position)
        if pair[0] != pair[1]:
            counted[pair] = counted.get(pair, 0) + GRAIN
    assert moved(old, new) == counted


@given(histories(), shares())
def test_users_move_as_computed(old, wanted):
    """Real buckets of real user ids: nobody moves along a pair that the movement doesn't name."""
    new = reallocate(old, wanted)
    pairs = set(moved(old, new))
    for number in range(200):
        place = bucket("seed", f"user-{number}")
        before, after = bucket_owner(old, place), bucket_owner(new, place)
        assert before == after or (before, after) in pairs


@given(shares())
def test_thresholds_lose_less_than_a_bucket_for_each_edge(wanted):
    """In buckets a share is what it is in percent, up to the one bucket that an edge falls into."""
    for owned in allocate(wanted).values():
        for span in owned:
            buckets = threshold_of(span.end) - threshold_of(span.start)
            assert abs(Fraction(buckets, BUCKETS) - Fraction(span.size, STEPS)) < Fraction(1, BUCKETS)


def owner(present, position):
    return next(
        (name for name, ranges in present.items() if any(b.start <= position < b.end for b in ranges)),
        None,
    )


def threshold_of(steps):
    return threshold(f"{steps // 10_000}.{steps % 10_000:04d}")


def bucket_owner(present, place):
    return next(
        (
            name
            for name, ranges in present.items()
            if any(threshold_of(b.start) <= place < threshold_of(b.end) for b in ranges)
        ),
        None,
    )
