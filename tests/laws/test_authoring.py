"""Laws of the readable form: what is compiled reads back, what is read back means the same."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flagkit.authoring import AuthoringDocument, compile_document, decompile, read_toml, read_where, write_toml
from flagkit.authoring.conditions import share_of
from flagkit.authoring.shape import read_shapes
from flagkit.core.documents import FlagDocument, FlagValue
from flagkit.core.rules.printer import print_rule
from flagkit.core.snapshot import Snapshot
from flagkit.errors import DocumentError, EditError

pytestmark = pytest.mark.sweep

START = datetime(2026, 12, 1, tzinfo=UTC)
CLOCK = [START + timedelta(days=days) for days in (-1, 3, 20, 60)]
CONTEXTS = [{}, {"group": "qa"}, {"country": "US", "plan": "pro"}, {"country": "DE", "accountId": "acme"}]
USERS = ["", "1", "42", "é", *(f"user-{number}" for number in range(12))]
ANSWERS = ["", " = on", " = off", " = v0", " != v1"]
KEYS = ["alpha", "beta", "gamma", "delta"]

percents = st.sampled_from([0, 1, 10, 25, "33.3333", 50, "99.9999", 100])
lists = {
    "users": st.lists(st.sampled_from(["1", "42", 'o"x\\', "é"]), max_size=2, unique=True),
    "groups": st.lists(st.sampled_from(["qa", "hr"]), max_size=2, unique=True),
    "segments": st.lists(st.sampled_from(["eu", "staff"]), max_size=2, unique=True),
}
conditions = st.sampled_from(['(eq $country "US")', '(and (eq $country "DE") (exists key::"accountId"))'])
rules = st.fixed_dictionaries(
    {"when": st.sampled_from(["country = US", "plan = pro or group in [qa]", "not (accountId exists)"]) | conditions},
    optional={"percent": percents, "seed": st.sampled_from(["s1", "r"]), "by": st.just("accountId")},
)
moments = st.integers(0, 30).map(lambda days: START + timedelta(days=days))


@st.composite
def ramps(draw):
    days = draw(st.lists(st.integers(0, 40), min_size=1, max_size=3, unique=True))
    sizes = sorted(draw(st.integers(0, 100)) for _ in days)
    return [{"at": START + timedelta(days=day), "percent": size} for day, size in zip(sorted(days), sizes, strict=True)]


@st.composite
def flags(draw, earlier):
    prerequisites = [f"{key}{answer}" for key in earlier for answer in ANSWERS[:-1]] or [""]
    needed = st.builds(
        lambda key, answer: {"when": f"country = US and requires {key}{answer}"},
        st.sampled_from(earlier or [""]),
        st.sampled_from(ANSWERS),
    )
    any_rule = rules | needed if earlier else rules
    words = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "requires": st.lists(st.sampled_from(prerequisites), max_size=2, unique=True),
                "from": moments,
                "among": st.lists(st.sampled_from(["eu", "staff"]), min_size=1, max_size=2, unique=True),
                "where": conditions,
                "holdout": st.just("q3"),
                "by": st.sampled_from(["userId", "accountId"]),
                "seed": st.sampled_from(["s1", "s2"]),
                "percent_seed": st.just("p"),
            },
        )
    )
    if not earlier:
        words.pop("requires", None)
    if draw(st.booleans()):
        words["until"] = START + timedelta(days=45)
    words |= draw(
        st.sampled_from([{}, {"layer": {"name": "l", "share": 20}}])
        | st.builds(lambda percent: {"percent": percent}, percents)
        | st.builds(lambda ramp: {"ramp": ramp}, ramps())
    )
    match draw(st.sampled_from(["plain", "switch", "variants", "variants"])):
        case "plain":
            return {"enabled": draw(st.booleans())}
        case "switch":
            return (
                words
                | draw(st.fixed_dictionaries({}, optional=lists))
                | draw(st.sampled_from([{}, {"enabled": False}]))
            )
        case _:
            variant = st.fixed_dictionaries(
                {}, optional={**lists, "weight": st.integers(0, 33), "rules": st.lists(any_rule, max_size=2)}
            )
            rest = st.builds(lambda rule: {"rule": rule}, conditions) | st.just({})
            chosen = draw(st.lists(variant | rest, max_size=3))
            ruled = [{"name": f"v{index}", "enabled": draw(st.booleans()), **each} for index, each in enumerate(chosen)]
            return words | {"variants": [*ruled, {"name": "off", "enabled": draw(st.booleans())}]}


@st.composite
def sources(draw):
    made = {}
    for key in draw(st.lists(st.sampled_from(KEYS), min_size=1, unique=True)):
        made[key] = draw(flags(list(made)))
    return {
        "segments": {"eu": {"where": '(in $country ["DE"])'}, "staff": {"users": ["user-3"], "groups": ["hr"]}},
        "layers": {"l": {}},
        "holdouts": {"q3": {"percent": 20}},
        "flags": made,
    }


def compiled(words):
    try:
        source = AuthoringDocument.parse(words)
        return source, compile_document(source)
    except EditError:
        return None  # e.g. a variant that nobody gets


def answers(document, now):
    snapshot = Snapshot.from_document(document.to_dict(), now=lambda: now)
    assert snapshot.check() == {}
    return [snapshot.evaluate(key, user, context) for key in snapshot.flags for user in USERS for context in CONTEXTS]


@given(sources())
def test_reading_back_loses_nothing(words):
    made = compiled(words)
    if made is None:
        return
    source, document = made
    back = decompile(document)
    assert compile_document(back) == document
    assert read_toml(write_toml(source)) == source
    assert read_toml(write_toml(back)) == back


@given(sources())
@settings(max_examples=40)
def test_reading_back_changes_no_answer(words):
    made = compiled(words)
    if made is None:
        return
    again = compile_document(decompile(made[1]))
    for now in CLOCK:
        assert answers(again, now) == answers(made[1], now)


@given(sources(), st.integers(0, 3))
@settings(max_examples=40)
def test_the_compiled_rules_mean_what_the_words_say(words, moment):
    """An independent reading of the words, user by user."""
    made = compiled(words)
    if made is None:
        return
    source, document = made
    now = CLOCK[moment]
    snapshot = Snapshot.from_document(document.to_dict(), now=lambda: now)
    for key in source.flags:
        for user in USERS:
            for context in CONTEXTS:
                meant = _meant(source, document, key, user, context, now)
                got = snapshot.evaluate(key, user, context)
                assert (got.enabled, got.variant) == meant


def _meant(source, document, key, user, context, now):
    flag = source.flags[key]
    if not flag.variants and not flag.is_targeted:
        return bool(flag.enabled), None
    open_ = all(_fulfilled(source, document, entry, user, context, now) for entry in flag.requires)
    open_ = open_ and (flag.starts is None or now >= flag.starts) and (flag.ends is None or now < flag.ends)
    if not flag.variants:
        plain = not (flag.users or flag.groups or flag.segments)
        on = _listed(source, flag, user, context) or (
            (plain or flag.has_share) and _drawn(source, flag, key, user, context, now)
        )
        return (flag.enabled is not False, "on") if open_ and on else (False, "off")

    def ruled(variant):
        return not (flag.holdout and _held_out(user, context, now)) and any(
            _rule_holds(source, document, rule, flag.seed or key, flag.by, user, context, now) for rule in variant.rules
        )

    for variant, native in zip(flag.variants, document.values[key].variants, strict=True):
        if variant is flag.variants[-1]:
            return variant.enabled, variant.name
        if not open_:
            continue
        if variant.rule is not None:
            hit = _true(variant.rule, user, context, now)
        else:
            weighted = variant.weight is not None
            hit = _listed(source, variant, user, context) or ruled(variant)
            later = flag.variants[flag.variants.index(variant) + 1 : -1]
            elsewhere = any(_listed(source, it, user, context) or (it.weight is not None and ruled(it)) for it in later)
            if not hit and not elsewhere and (weighted or variant.is_empty):
                hit = _drawn(source, flag, key, user, context, now, weighted=weighted) and (
                    not weighted or _in_own_range(native, user, context, flag, key, now)
                )
        if hit:
            return variant.enabled, variant.name
    raise AssertionError


def _fulfilled(source, document, entry, user, context, now):
    other, _, wanted = (part.strip() for part in entry.partition("="))
    negated = other.endswith("!")
    enabled, variant = _meant(source, document, other.removesuffix("!").strip(), user, context, now)
    held = enabled if wanted in {"", "on"} else not enabled if wanted == "off" else variant == wanted
    return held is not negated


def _rule_holds(source, document, rule, seed, by, user, context, now):
    when, _, prerequisite = (rule.when or "").partition(" and requires ")
    if rule.percent is not None:
        share = f'(split pct::{rule.percent / 10_000} by::${rule.by or by} seed::"{rule.seed or seed}")'
        if not _true(share, user, context, now):
            return False
    if when and not _true(read_where(when), user, context, now):
        return False
    return not prerequisite or _fulfilled(source, document, prerequisite, user, context, now)


def _in_own_range(native, user, context, flag, key, now):
    # Bands are proven in test_allocations; here it only matters that they count beside the other words.
    (shape,) = read_shapes(FlagValue(variants=(native, native)))
    return _true(print_rule(share_of(shape.share)), user, context, now)


def _listed(source, audience, user, context):
    return (
        user in audience.users
        or context.get("group") in audience.groups
        or any(_in_segment(source, name, user, context) for name in audience.segments)
    )


def _in_segment(source, name, user, context):
    segment = source.segments[name]
    by_rule = segment.where is not None and _true(read_where(segment.where), user, context, START)
    return user in segment.users or context.get("group") in segment.groups or by_rule


def _drawn(source, flag, key, user, context, now, *, weighted=False):
    if flag.among and not any(_in_segment(source, name, user, context) for name in flag.among):
        return False
    if flag.where is not None and not _true(read_where(flag.where), user, context, now):
        return False
    if flag.holdout and _held_out(user, context, now):
        return False
    if flag.layer and not _in_layer(source, key, user, context, now):
        return False
    seed = flag.seed or key
    seed = (flag.percent_seed or seed + ":exposure") if weighted else seed
    size = flag.percent
    if flag.ramp:
        size = max((step.percent for step in flag.ramp if step.at <= now), default=0)
    if size is None:
        return True
    return _true(f'(split pct::{size / 10_000} by::${flag.by} seed::"{seed}")', user, context, now)


def _held_out(user, context, now):
    return _true('(split pct::20 by::$userId seed::"holdout:q3")', user, context, now)


def _in_layer(source, key, user, context, now):
    members = sorted(other for other, flag in source.flags.items() if flag.layer is not None)
    low = 20 * members.index(key)
    upper, lower = (f'(split pct::{edge} by::$userId seed::"layer:l")' for edge in (low + 20, low))
    return _true(f"(and {upper} (not {lower}))", user, context, now)


def _true(rule, user, context, now):
    variants = [{"name": "yes", "enabled": True, "rule": rule}, {"name": "no", "enabled": False}]
    snapshot = Snapshot.from_document({"version": "1", "values": {"f": {"_variants": variants}}}, now=lambda: now)
    return snapshot.evaluate("f", user, context).enabled


native_rules = st.recursive(
    st.sampled_from(
        [
            '(in $userId ["1"])',
            '(in $group ["qa"])',
            '(eq $country "US")',
            '(split pct::0 by::$userId seed::"segment:s")',
            '(split pct::0 by::$userId seed::"requires:g")',
            '(split pct::5 by::$userId seed::"holdout:h")',
            '(split pct::30 by::$userId seed::"layer:l")',
            '(split pct::10 by::$userId seed::"f")',
            '(split pct::60 by::$userId seed::"f")',
            '(split pct::20 by::$userId seed::"f:exposure")',
            "(gte $now 2026-12-01T00:00:00Z)",
            "(lt $now 2026-12-20T00:00:00Z)",
            "true",
        ]
    ),
    lambda inner: (
        st.builds(lambda part: f"(not {part})", inner)
        | st.builds(
            lambda operator, parts: f"({operator} {' '.join(parts)})",
            st.sampled_from(["and", "or"]),
            st.lists(inner, min_size=2, max_size=4),
        )
    ),
    max_leaves=8,
).filter(lambda rule: rule.startswith("("))


@given(st.lists(native_rules, min_size=1, max_size=3), st.booleans(), st.booleans())
@settings(max_examples=200)
def test_native_documents_of_any_shape_keep_their_rules_or_their_meaning(rules, switch, on):
    """Built from our own shapes in wrong places: the likeliest to be mistaken for something else."""
    names = ["on"] if switch else [f"v{index}" for index in range(len(rules))]
    variants = [{"name": name, "enabled": True, "rule": rule} for name, rule in zip(names, rules, strict=False)]
    content = {
        "version": "1",
        "values": {"f": {"_variants": [*variants, {"name": "off", "enabled": False}]}, "g": {"enabled": on}},
    }
    try:
        document = FlagDocument.parse(content)
    except DocumentError:
        return
    back = decompile(document)
    again = compile_document(back)
    if any(flag.requires for flag in back.flags.values()):
        return  # an expansion that isn't the other flag's condition is brought up to date
    assert [v.rule for v in again.values["f"].variants] == [v.rule for v in document.values["f"].variants]
