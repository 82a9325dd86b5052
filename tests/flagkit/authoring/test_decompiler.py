"""Reading native documents back loses nothing."""

from datetime import UTC, datetime

import pytest

from flagkit.authoring import AuthoringDocument, compile_document, decompile
from flagkit.authoring.movement import flag_allocation, read_allocations
from flagkit.authoring.ranges import sizes
from flagkit.core.documents import FlagDocument
from flagkit.core.snapshot import Snapshot

WHEN = datetime(2026, 12, 7, 9, 30, 15, 250_000, tzinfo=UTC)
EVERYTHING = {
    "segments": {
        "staff": {"users": ["1", "2"], "groups": ["hr"], "where": '(ends_with $email "@example.com")'},
        "eu": {"where": '(in $country ["DE", "FR"])'},
        "odd": {"where": '(or (in $userId ["9"]) (eq $x 1))'},
    },
    "layers": {"checkout": {}, "accounts": {"by": "accountId"}},
    "holdouts": {"q3": {"percent": "2.5"}, "none": {"percent": 0, "by": "accountId"}},
    "flags": {
        "plain": {
            "name": "Plain",
            "description": "about",
            "remove_by": "2026-12-31",
            "enabled": True,
            "attributes": {
                "a": {"type": "string", "pattern": "^x", "description": "A"},
                "b": {"type": "number", "minimum": 1, "maximum": 2.5, "required": True},
                "c": {"type": "array", "elements": {"type": "string", "enum": ["u", "v"]}},
                "d": {"type": "boolean"},
                "e": {},
                "f": {"type": "string", "enum": ["p", "q"]},
            },
            "values": {"a": "xy", "b": 2, "c": ["u"], "d": False},
        },
        "declared": {"remove_by": True},
        "off": {"enabled": False},
        "roll": {"percent": 25, "users": ["42"], "groups": ["qa"], "segments": ["staff", "odd"], "values": {}},
        "seeded": {"percent": "33.3333", "by": "accountId", "seed": "s1"},
        "sleeping": {"percent": 10, "enabled": False},
        "listed": {"users": ["42"]},
        "segmented": {"segments": ["eu", "staff"]},
        "mixed": {"among": ["eu", "staff"], "where": '(and (eq $a 1) (eq $b "c"))', "percent": 100},
        "elsewhere": {"where": '(or (eq $country "US") (eq $plan "pro"))'},
        "button": {
            "variants": [
                {"name": "red", "weight": "33.3333", "users": ["7"]},
                {"name": "blue", "weight": 40, "segments": ["eu"], "values": {}},
                {"name": "none", "weight": 0},
                {"name": "tier", "rule": '(eq $tier  "gold") // paying'},
                {"name": "off", "enabled": False},
            ]
        },
        "reallocate": {
            "seed": "s2",
            "variants": [
                {"name": "a", "ranges": [[0, 10], ["55.5", 60]]},
                {"name": "b", "ranges": [[10, 20]]},
                {"name": "c", "weight": None, "users": ["1"]},
                {"name": "off"},
            ],
        },
        "exposed": {
            "percent": 20,
            "seed": "s3",
            "variants": [{"name": "a", "weight": 50}, {"name": "b", "weight": 50}, {"name": "off", "enabled": False}],
        },
        "child": {"requires": ["roll", "plain"], "percent": 50, "from": WHEN, "until": WHEN.replace(year=2027)},
        "gated": {"requires": ["off"]},
        "gatedTiers": {
            "from": WHEN,
            "variants": [{"name": "gold", "rule": '(eq $tier "gold")'}, {"name": "rest"}, {"name": "off"}],
        },
        "exp1": {
            "layer": {"name": "checkout", "share": 30},
            "holdout": "q3",
            "variants": [{"name": "a", "weight": 50}, {"name": "b", "weight": 50, "users": ["9"]}, {"name": "off"}],
        },
        "exp2": {"layer": {"name": "checkout", "share": 40}, "percent": 50, "holdout": "none"},
        "exp3": {"layer": {"name": "accounts", "ranges": [[5, 10], [50, 60]]}},
        "ramp": {
            "among": ["eu"],
            "ramp": [{"at": WHEN, "percent": 0}, {"at": WHEN.replace(day=9), "percent": 50}],
            "until": WHEN.replace(year=2027),
        },
        "rampedVariants": {
            "ramp": [{"at": WHEN, "percent": 10}, {"at": WHEN.replace(day=9), "percent": 50}],
            "variants": [{"name": "a", "weight": 50}, {"name": "b", "weight": 25}, {"name": "off"}],
        },
        "oneStep": {"users": ["1"], "ramp": [{"at": WHEN, "percent": 10}]},
    },
}


def native(*variants, **others):
    return FlagDocument.parse({"version": "1", "values": {"f": {"_variants": list(variants)}, **others}})


def ruled(rule, name="on"):
    return {"name": name, "enabled": True, "rule": rule}


OFF = {"name": "off", "enabled": False}


def test_everything_the_readable_form_can_say_comes_back():
    source = AuthoringDocument.parse(EVERYTHING)
    document = compile_document(source)
    back = decompile(document)
    for key, flag in source.flags.items():
        assert back.flags[key] == flag, key
    assert back == source
    assert compile_document(back) == document


def test_it_comes_back_from_what_aws_stores():
    """JSON, sorted keys, timestamps: none of it matters."""
    document = compile_document(AuthoringDocument.parse(EVERYTHING))
    stored = document.to_dict()
    stored["flags"]["roll"]["_createdAt"] = stored["values"]["roll"]["_updatedAt"] = "2026-01-01T00:00:00Z"
    assert decompile(FlagDocument.parse(stored)) == AuthoringDocument.parse(EVERYTHING)


def test_names_survive_in_the_rules_themselves():
    """A segment is read from the native document alone, without anything beside it."""
    document = native(ruled('(or (in $userId ["1"]) (split pct::0 by::$userId seed::"segment:staff"))'), OFF)
    back = decompile(document)
    assert back.flags["f"].segments == ("staff",)
    assert back.segments["staff"].users == ("1",)


def test_a_segment_with_two_meanings_stays_native_where_it_differs():
    """Somebody edited one copy in the console."""
    first = '(or (in $userId ["1"]) (split pct::0 by::$userId seed::"segment:s"))'
    second = '(or (in $userId ["2"]) (split pct::0 by::$userId seed::"segment:s"))'
    document = native(ruled(first), OFF, g={"_variants": [ruled(second), OFF]})
    back = decompile(document)
    assert back.flags["f"].segments == ("s",)
    assert back.flags["g"].variants[0].rule == second
    assert compile_document(back).values == document.values


def test_an_outdated_prerequisite_is_brought_up_to_date():
    document = compile_document(
        AuthoringDocument.parse({"flags": {"base": {"percent": 10}, "child": {"requires": ["base"]}}})
    )
    edited = document.to_dict()
    edited["values"]["base"]["_variants"][0]["rule"] = '(split pct::90 by::$userId seed::"base")'
    back = decompile(FlagDocument.parse(edited))
    assert back.flags["child"].requires == ("base",)
    assert "pct::90" in compile_document(back).values["child"].variants[0].rule


@pytest.mark.parametrize(
    "rules",
    [
        ['(eq $tier "premium")'],
        ['(split pct::20 by::$userId seed::"f")', '(split pct::45 by::$userId seed::"f")'],
        ["(split pct::20 by::$userId)"],
        ['(split pct::0.00001 by::$userId seed::"f")'],
        ['(not (split pct::20 by::$userId seed::"f"))'],
        ['(and (split pct::20 by::$userId seed::"f") (not (split pct::10 by::$userId seed::"g")))'],
        ['(or (split pct::20 by::$userId seed::"f") (split pct::10 by::$userId seed::"g"))'],
        ['(split pct::20 by::$userId seed::"f")', '(split pct::20 by::$userId seed::"g")'],
        ['(and (split pct::20 by::$userId seed::"f") (split pct::20 by::$userId seed::"g"))'],
        ['(and (split pct::35 by::$userId seed::"f") (not (split pct::10 by::$userId seed::"f")))'],
        ['(or (in $userId ["1", 2]) (eq $a 1))'],
        ['(in $userId [])'],
        ['(or (eq $a 1))'],
        ['(or true (eq $a 1))'],
        ['(gte $now 2026-12-07T10:00:00+01:00)'],
        ['(gte $now 2026T)', '(lt $now "x")'],
        ['(and (gte $now 2026-12-07T09:00:00Z) (lt $now 2026-12-01T09:00:00Z))'],
        ['(and (lt $now 2026-12-07T09:00:00Z) (gte $now 2026-12-01T09:00:00Z))'],
        ['(or (and (gte $now 2026-12-07T09:00:00Z) (split pct::50 by::$userId seed::"f")) '
         '(and (gte $now 2026-12-08T09:00:00Z) (split pct::10 by::$userId seed::"f")))'],
        ['(or (eq $a 1) (split pct::0 by::$userId seed::"requires:nobody"))'],
        ['(or (eq $a 1) (split pct::0 by::$userId seed::"requires:f"))'],
        ['(and (or true (split pct::0 by::$userId seed::"requires:g")) (eq $a 1))', '(eq $b 1)'],
        ['(not (split pct::5 by::$userId seed::"holdout:q"))', '(not (split pct::6 by::$userId seed::"holdout:q"))'],
        ['(and (split pct::5 by::$userId seed::"layer:q") (eq $a 1))', '(split pct::6 by::$userId seed::"f")'],
        ['(and (not (or (split pct::5 by::$userId seed::"holdout:q"))) (eq $a 1))'],
        ['(split pct::20 by::$userId seed::"f") // a fifth'],
        ['(contains $url "//")'],
        ['(and (not (eq $a 1)) (and (eq $b 1) (or (eq $c 1) (eq $d 1))))'],
    ],
)  # fmt: skip
def test_native_rules_of_any_shape_survive(rules):
    """Whatever is recognised or not: the same rules come out."""
    variants = [ruled(rule, f"v{index}") for index, rule in enumerate(rules)]
    for last in (OFF, {"name": "default", "enabled": True}):
        document = native(*variants, last, g={"enabled": True})
        again = compile_document(decompile(document))
        assert again.values == document.values
    document = native(ruled(rules[0], "on"), OFF, g={"enabled": True})
    assert compile_document(decompile(document)).values == document.values


def test_rules_with_comments_keep_them():
    document = native(ruled('(split pct::20 by::$userId seed::"f") /* a fifth */'), OFF)
    assert decompile(document).flags["f"].variants[0].rule.endswith("/* a fifth */")


def test_spacing_alone_is_no_reason_to_stay_native():
    document = native(ruled('( split seed::"f"  pct::20 by::$userId )'), OFF)
    assert decompile(document).flags["f"].percent == 200_000


def test_a_flag_without_enabled_and_one_with_empty_variants_are_off():
    document = FlagDocument.parse({"version": "1", "values": {"f": {}, "g": {"_variants": []}}})
    back = decompile(document)
    assert (back.flags["f"].enabled, back.flags["g"].enabled) == (False, False)


def test_a_lone_default_variant_survives():
    document = native({"name": "only", "enabled": True})
    assert compile_document(decompile(document)).values == document.values


def test_an_impossible_date_of_removal_stays():
    """The format takes any digits."""
    content = {"version": "1", "flags": {"f": {"_deprecation": {"status": "planned", "date": "2026-13-99"}}}}
    document = FlagDocument.parse(content)
    assert compile_document(decompile(document)) == document


def test_allocations_are_read_from_rules_that_rely_on_their_order():
    """AWS's guide: 20 % and then 25 % of the same seed gives 20 and 5 (appconfig.md §2.6, rows 17 and 18)."""
    document = native(
        ruled('(split pct::20 by::$userId seed::"s")', "a"), ruled('(split pct::25 by::$userId seed::"s")', "b"), OFF
    )
    found = flag_allocation(document, "f")
    assert (found.seed, found.by, found.default) == ("s", "userId", "off")
    assert sizes(found.allocation) == {"a": 200_000, "b": 50_000}
    assert read_allocations(document).flags == {("f", "s", "userId"): found.allocation}


class TestOff:
    """A flag that is switched off reads as that, and as nothing else."""

    def test_a_flag_with_variants_reads_as_off_without_a_pseudo_variant(self):
        source = AuthoringDocument.parse(
            {"flags": {"f": {"enabled": False, "variants": [{"name": "red", "weight": 50}, {"name": "blue"}]}}}
        )
        found = decompile(compile_document(source))
        assert found == source
        assert [variant.name for variant in found.flags["f"].variants] == ["red", "blue"]

    def test_what_requires_a_flag_that_is_off_is_off(self):
        variants = [{"name": "red", "weight": 100}, {"name": "blue", "enabled": False}]
        source = AuthoringDocument.parse(
            {"flags": {"a": {"enabled": False, "variants": variants}, "b": {"requires": ["a"], "percent": 100}}}
        )
        assert not Snapshot.from_document(compile_document(source).to_dict()).evaluate("b", "1").enabled

    @pytest.mark.parametrize(
        "change",
        [
            {"enabled": True},
            {"rule": '(not (split pct::1 by::$userId seed::"switched off"))'},
            {"attributeValues": {"color": "red"}},
        ],
    )
    def test_a_variant_that_only_looks_like_it_stays_a_variant(self, change):
        source = AuthoringDocument.parse(
            {"flags": {"f": {"enabled": False, "variants": [{"name": "red", "weight": 50}, {"name": "blue"}]}}}
        )
        native = compile_document(source).to_dict()
        native["values"]["f"]["_variants"][0] |= change
        native["flags"]["f"] = {"attributes": {"color": {"constraints": {"type": "string"}}}}
        document = FlagDocument.parse(native)
        assert decompile(document).flags["f"].variants[0].name == "switched off"
        assert compile_document(decompile(document)).values == document.values


class TestKeptSegments:
    """Segments that no flag names are in the readable form, and where they are kept isn't."""

    def test_they_are_read_back(self):
        source = AuthoringDocument.parse({"segments": {"staff": {"users": ["1"], "groups": ["qa"]}}})
        assert decompile(compile_document(source)) == source

    def test_a_flag_of_that_key_from_another_hand_stays_visible(self):
        values = {"flagkit-segments": {"_variants": [{"name": "a", "enabled": True}]}}
        document = FlagDocument.parse({"version": "1", "values": values})
        assert set(decompile(document).flags) == {"flagkit-segments"}
