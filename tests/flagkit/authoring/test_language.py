"""The condition language: what people write becomes native rules, and native rules are shown as people write them."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagkit.authoring.language import read_condition, read_where, remarks_on, show_condition, show_where
from flagkit.authoring.language.lexer import MAX_CONDITION_CHARS
from flagkit.authoring.language.patterns import VersionTest, pattern_of, read_pattern
from flagkit.authoring.language.versions import Version
from flagkit.core.rules.parser import parse_rule
from flagkit.errors import EditError
from tests.laws import rule_generator
from tests.laws.evaluators import compile_rule

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def holds(condition: str, context: dict[str, object], now: datetime = NOW) -> bool:
    return compile_rule(parse_rule(read_where(condition)), default_seed="flag", now=lambda: now)("u", context)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("country in US,CA", '(in $country ["US", "CA"])'),
        ('city in "Paris, Texas",Rome', '(in $city ["Paris, Texas", "Rome"])'),
        ("country not in US", '(not (in $country ["US"]))'),
        ("plan = pro", '(eq $plan "pro")'),
        ("plan is pro", '(eq $plan "pro")'),
        ("plan != pro", '(not (eq $plan "pro"))'),
        ("plan is not pro", '(not (eq $plan "pro"))'),
        ("age >= 18", "(gte $age 18)"),
        ("age<65.5", "(lt $age 65.5)"),
        ("beta = true", "(eq $beta true)"),
        ('zip = "01234"', '(eq $zip "01234")'),
        ("x = nan", '(eq $x "nan")'),
        ("email ends with @example.com", '(ends_with $email "@example.com")'),
        ("email starts with a", '(begins_with $email "a")'),
        ('name contains "and more"', '(contains $name "and more")'),
        ('name matches "^a.*b$"', '(matches in::$name pattern::"^a.*b$")'),
        ("country exists", '(exists key::"country")'),
        ("country is missing", '(not (exists key::"country"))'),
        ("country is not missing", '(exists key::"country")'),
        ("beta = True", "(eq $beta true)"),
        ("a = 1 and b = 2", "(and (eq $a 1) (eq $b 2))"),
        ("a = 1 or b = 2 and c = 3", "(or (eq $a 1) (and (eq $b 2) (eq $c 3)))"),
        ('a = "x and y"', '(eq $a "x and y")'),
        ("industry = it", '(eq $industry "it")'),
        ('  (eq $a "US") ', '(eq $a "US")'),
    ],
)
def test_a_phrase_becomes_a_rule(text, rule):
    assert read_where(text) == rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("(a = 1 or b = 2) and c = 3", "(and (or (eq $a 1) (eq $b 2)) (eq $c 3))"),
        ("not (a = 1 and b = 2)", "(not (and (eq $a 1) (eq $b 2)))"),
        ("not country = US", '(not (eq $country "US"))'),
        ("COUNTRY in US OR a = 1", '(or (in $COUNTRY ["US"]) (eq $a 1))'),
        ('country in ["US", "CA",]', '(in $country ["US", "CA"])'),
        ("signedUp >= 2026-01-31", "(gte $signedUp 2026-01-31)"),
        ("at < 2026-01-31T09:00:00Z", "(lt $at 2026-01-31T09:00:00Z)"),
        ("company.plan = pro", "(eq '$company.plan' \"pro\")"),
        ("custom:role = admin", "(eq '$custom:role' \"admin\")"),
        ('"admin" in roles', '(contains $roles "\\"admin\\"")'),
        ("5 not in sizes", '(not (contains $sizes "\\"5\\""))'),
        ("now in Sat,Sun", '(in \'$weekday@UTC\' ["Sat", "Sun"])'),
        (
            "now in 09:00-17:00 Europe/Berlin",
            "(and (gte '$time@Europe/Berlin' \"09:00\") (lt '$time@Europe/Berlin' \"17:00\"))",
        ),
        ('quote = "say \\"hi\\" \\\\"', '(eq $quote "say \\"hi\\" \\\\")'),
    ],
)
def test_groups_dates_lists_nesting_and_windows_become_native_rules(text: str, rule: str) -> None:
    assert read_where(text) == rule
    assert read_where(show_where(rule)) == rule


@pytest.mark.parametrize(
    ("text", "problem", "column"),
    [
        ("", "expected an attribute", 0),
        ("country", "expected a comparison after country", 7),
        ("country in", "expected a value after 'in'", 10),
        ("country in US,,CA", "expected a value after ','", 14),
        ("a ~ b", "expected a comparison after a", 2),
        ("country exists now", "expected 'and', 'or' or the end, not 'now'", 15),
        ("= 1", "expected an attribute such as country, not '='", 0),
        ("a = ", "expected a value after '='", 3),
        ("a = or", "not 'or' (put it in quotes if it is the value)", 4),
        ('a = "x', "the quoted text has no end", 4),
        ("a = 1 b = 2", "expected 'and', 'or' or the end, not 'b'", 6),
        ("(a = 1", "expected ')'", 6),
        ("a in [US", "expected ',' or ']'", 8),
        ("a not = 1", "expected 'in' after 'not'", 6),
        ("app >= 1.x.0", None, 0),
        ("app >= 1.2.3-", "'1.2.3-' is not a valid semantic version", 7),
        ("d > 2026-13-01", "'2026-13-01' is not a valid date", 4),
        ("age > ٣", "'٣' is not written in the digits 0 to 9", 6),
        ("app > ١.٢.٣", "'١.٢.٣' is not written in the digits 0 to 9", 6),
        ("d > ٢٠٢٧-٠١-٠١", "'٢٠٢٧-٠١-٠١' is not written in the digits 0 to 9", 4),
        ("d before soon", "expected a date such as 2026-01-31 after 'before'", 9),
        ("age > 1 ignoring case", "'ignoring case' goes with", 6),
        ("beta > true", "true can only be compared with = and !=", 7),
        ("ip in cidr 10.0.0.1/8", "'10.0.0.1/8' is not a valid address range", 11),
        ("ip in cidr 2001:db8::1/32", "is not a valid address range", 11),
        ("age > " + "1" * 5000, "a number may have at most 128 digits", 6),
        ("app > " + "1" * 5000 + ".0.0", "is not a valid semantic version", 6),
        ('name matches "("', "the pattern can't be used: missing ): (", 13),
        ("age > 1e400", "a number may have at most 128 digits", 6),
        ("age > 1e-400", "a number may have at most 128 digits", 6),
        ("app >= 1.2.3.4", "'1.2.3.4' has no order: it is an address", 7),
        ("app = 1.2.3.400", "'1.2.3.400' is neither a version nor a number", 6),
        ("app = 1.2.3.4.5", "'1.2.3.4.5' is neither a version nor a number", 6),
        ("ip in cidr ::1/33", "'::1/33' is not a valid address range", 11),
        ("requires base = ", "expected a value after '='", 15),
        ("now in Mon-Fir", "'Mon-Fir' is not a valid day", 7),
        ("now in 9-17", "is not a valid time window", 7),
        ("now in 09:00-09:00", "'09:00-09:00' is not a valid span of hours", 7),
        ("now in Mon Europe/Atlantis", "'Europe/Atlantis' is not a known time zone", 7),
        ("now in", "is not a valid time window", 6),
        ('"admin" = roles', "expected 'in' and a list attribute", 8),
        ('"admin" in "roles"', "expected a list attribute such as roles", 11),
        ("a-b! = 1", "unexpected '!'", 3),
        ("1a = 1", "'1a' is not a valid attribute name", 0),
        ("name matches " + "x" * 1025, "a pattern has more than 1024 characters", 0),
        ("a in " + ",".join("é" * 9 for _ in range(200)) + " ignoring case", "needs a pattern of", None),
        ("v < 1.0.0-" + "a" * 300, "needs a pattern of", None),
        ("not " * 70 + "a = 1", "nest", None),
        ("(" + " " * 16_000, "expected an attribute", None),  # took 3 s
        ("(" * 5000 + "a = 1" + ")" * 5000, "parentheses", None),
    ],
)
def test_what_is_not_a_condition_is_refused_with_the_place(text: str, problem: str | None, column: int | None) -> None:
    if problem is None:
        assert read_where(text)  # text, not a version
        return
    with pytest.raises(EditError) as refused:
        read_where(text)
    assert problem in refused.value.message
    assert refused.value.hint
    if column is not None:
        assert refused.value.message.splitlines()[-1].index("^") == min(column, 60)


def test_a_condition_that_is_too_long_is_refused() -> None:
    with pytest.raises(EditError, match="at most 16384"):
        read_where("a = " + "x" * MAX_CONDITION_CHARS)


def test_a_broken_native_rule_is_refused_as_a_rule() -> None:
    with pytest.raises(EditError, match="nope"):
        read_where("(nope $a)")


@pytest.mark.parametrize(
    "text",
    [
        "country in US, CA",
        'city in "Paris, Texas", Rome',
        "country not in US",
        "plan = pro",
        "plan != pro",
        "age >= 18",
        "age < 65.5",
        "beta = true",
        'zip = "01234"',
        'version = "1.2.3"',
        "email ends with @example.com",
        'name contains "and more"',
        'name matches "^a b$"',
        "country exists",
        "country is missing",
        "a = 1 and b = 2",
        "a = 1 or b = 2 and c = 3",
        "(a = 1 or b = 2) and c = 3",
        "not (a = 1 and b = 2)",
        "not (a > 1)",
        "appVersion >= 1.10.0",
        "appVersion < 2.0.0-rc.1",
        "appVersion != 1.2.3",
        "signedUp before 2026-01-31",
        "signedUp after 2026-01-31T09:00:00Z",
        "ip in cidr 10.0.0.0/9",
        "ip in cidr 10.0.0.0/8, 192.168.0.0/16",
        "ip not in cidr 10.0.0.0/8",
        "ip = 10.0.0.1",
        "ip in cidr 2001:db8::/33",
        "ip in cidr ::1/128, 2001:db8::/32, 10.0.0.0/8",
        "ip not in cidr ::/0",
        "request.ip in cidr fe80::/10",
        '"admin" in roles ignoring case',
        '"a,b" not in roles ignoring case',
        "requires base",
        "requires base = blue and a = 1",
        "not (requires base = off)",
        "requires = 5",
        "country = us ignoring case",
        "country in us, ca ignoring case",
        "country not in us, ca ignoring case",
        "email ends with @EXAMPLE.com ignoring case",
        "name starts with a ignoring case",
        "name contains x.y ignoring case",
        '"admin" in roles',
        '"admin" not in roles',
        "company.plan = pro",
        "now in Mon-Fri 09:00-17:00 Europe/Berlin",
        "now in Mon,Wed-Fri",
        "now in Mon,Tue America/New_York and a = 1",
        "now in 22:00-06:00",
        "now in Sat,Sun 22:00-06:00 Asia/Kolkata",
        "now not in Sat,Sun",
        "now not in Mon-Fri 09:00-17:00",
    ],
)
def test_a_rule_is_shown_as_the_condition_that_makes_it(text: str) -> None:
    assert show_where(read_where(text)) == text


@pytest.mark.parametrize(
    "rule",
    [
        "(in $a [1, 2])",
        "(in $a [])",
        '(split pct::5 by::$userId seed::"x")',
        "(eq 1 $a)",
        "(eq $a $b)",
        '(eq $a "x\\ny")',
        '(contains $roles "\\"")',
        '(contains $roles "\\"ad")',
        '(contains $roles "\\"a\\u005c\\"")',
        "(and (eq $a 1) (eq $b 2024T))",
        "(and (eq $a 1))",
        "(not (split pct::5 by::$userId))",
        "(and true (eq $a 1))",
        "(eq '$a b' \"x\")",
        '(in \'$weekday@UTC\' ["Tue", "Mon"])',
        "(in '$weekday@UTC' [\"Someday\"])",
        '(in \'$weekday@UTC\' ["Someday", "Mon"])',
        '(eq $app "v1x")',
        '(eq $app "1.2.3-01")',
        '(eq $day "2026-99-99")',
        '(eq $beta "True")',
        "(and (in '$weekday@UTC' [\"Mon\"]) (eq $a 1) (eq $b 2))",
        "(gte '$time@UTC' 5)",
        "(or (lt $d 2026-01-31) (split pct::5 by::$userId))",
        '(matches in::$a pattern::"^(?P<gte_1_2e0>x)$")',
        '(matches in::$a pattern::"^(?P<cidr_x>x)$")',
        '(matches in::$a pattern::"^(?P<gt_zz>x)$")',
        "(broken",
    ],
)
def test_a_rule_without_a_readable_form_stays_native_or_reads_back(rule: str) -> None:
    shown = show_where(rule)
    assert parse_rule(read_where(shown)) == parse_rule(rule) if rule != "(broken" else shown == rule


@given(st.integers())
def test_whatever_is_shown_reads_back_as_the_same_rule(seed: int) -> None:
    rule = rule_generator.Generator(seed).rule()
    shown = show_condition(rule)
    assert shown is None or read_condition(shown) == rule


def precedence(version: Version) -> tuple[object, ...]:
    """The order of semver.org §11."""
    pre = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in version.pre)
    return (*version.numbers, not pre, pre)


ORDERED = """
0.0.0-0 0.0.0 0.9.10 1.0.0-0 1.0.0-1 1.0.0-10 1.0.0--- 1.0.0-A 1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta
1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0-rc.1.0 1.0.0-rc1 1.0.0-rc10 1.0.0-x-y 1.0.0 1.0.1 1.1.0 1.9.0 1.10.0 1.10.1
1.11.0 1.99.99 1.100.0 2.0.0 9.9.9 10.0.0 19.0.0 100.0.0 1000.20.300
"""


@pytest.mark.parametrize("literal", ORDERED.split())
def test_versions_compare_by_the_precedence_of_semver(literal: str) -> None:
    wanted = Version.read(literal)
    assert wanted is not None
    for text in ORDERED.split():
        version = Version.read(text)
        assert version is not None
        less, same = precedence(version) < precedence(wanted), version == wanted
        right = {"<": less, "<=": less or same, "=": same, ">=": not less, ">": not less and not same}
        for spelling in (text, f"v{text}", f"{text}+build.7"):
            assert {sign: holds(f"app {sign} {literal}", {"app": spelling}) for sign in right} == right, spelling


identifiers = st.one_of(
    st.from_regex(r"0|[1-9][0-9]{0,3}", fullmatch=True), st.from_regex(r"[0-9A-Za-z-]{0,3}[A-Za-z-]", fullmatch=True)
)
versions = st.builds(
    Version,
    st.tuples(*[st.sampled_from([0, 1, 2, 9, 10, 11, 19, 20, 99, 100, 101]) | st.integers(0, 3000)] * 3),
    st.lists(identifiers, max_size=2).map(tuple),
)


@given(versions, versions)
def test_any_two_versions_compare_as_semver_says(wanted: Version, version: Version) -> None:
    import re2

    less, same = precedence(version) < precedence(wanted), version == wanted
    right = {"lt": less, "lte": less or same, "eq": same, "gte": not less, "gt": not less and not same}
    for operator, answer in right.items():
        test = VersionTest(operator, wanted)
        assert read_pattern(pattern_of(test)) == test
        assert (re2.search(pattern_of(test), str(version)) is not None) == answer


@pytest.mark.parametrize(
    "text", ["", "1.", "01.2.3", "1.2.3-", "1.2.3.4", "x", "1.2.3-01", "1.2.3 ", "1.2.3\n", "v", "٣.0.0", "1,2"]
)
def test_text_that_is_not_a_version_is_in_no_relation(text: str) -> None:
    assert not any(holds(f"app {sign} 1.2.3", {"app": text}) for sign in ("<", "<=", "=", ">=", ">"))


def test_missing_minor_and_patch_are_zero() -> None:
    assert holds("app >= 1.10.0", {"app": "1.10"})
    assert holds("app = 2.0.0", {"app": "2"})
    assert holds("app < v1.10", {"app": "1.9"})
    assert not holds("app < 1.10.0", {"app": "1.10"})


@pytest.mark.parametrize(("text", "before", "after"), [
    ("2026-01-30", True, False),
    ("2026-01-31", False, False),
    ("2026-01-31T00:00:01Z", False, True),
    (1769817600000 - 1, True, False),
    (1769817600000, False, False),
    ("1769817600001", False, True),
    ("2027", False, True),
    ("1999", True, False),
    ("soon", False, False),
    (None, False, False),
])  # fmt: skip
def test_dates_are_dates_or_milliseconds_since_1970(text: object, before: bool, after: bool) -> None:
    assert holds("at before 2026-01-31", {"at": text}) is before
    assert holds("at after 2026-01-31", {"at": text}) is after


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [("1939-12-31", True, False), (-946771200001, True, False), (-946771199999, False, True), (0, False, False),
     ("1940", False, False), ("1941", False, True), (1769817600000, False, True)],
)  # fmt: skip
def test_milliseconds_before_1970_are_negative(text: object, before: bool, after: bool) -> None:
    assert holds("born before 1940-01-01", {"born": text}) is before
    assert holds("born after 1940-01-01", {"born": text}) is after
    assert holds("born before 2026-01-31", {"born": -946771200001})
    assert show_where(read_where("born before 1940-01-01")) == "born before 1940-01-01"


@pytest.mark.parametrize(
    "network", ["10.0.0.0/8", "10.128.0.0/9", "192.168.4.0/22", "1.2.3.4", "0.0.0.0/0", "0.0.0.0/1", "203.0.113.128/25"]
)
def test_an_address_is_in_the_range_that_the_standard_library_says(network: str) -> None:
    draw = random.Random(network)
    net = ip_network(network)
    edges = [
        int(net.network_address),
        int(net.broadcast_address),
        0,
        2**32 - 1,
        *(draw.randrange(2**32) for _ in range(50)),
    ]
    for number, step in itertools.product(edges, (-1, 0, 1)):
        if 0 <= number + step < 2**32:
            address = IPv4Address(number + step)
            assert holds(f"ip in cidr {network}", {"ip": str(address)}) is (address in net), address
    for text in ("", "10.0.0", "10.0.0.256", "010.0.0.1", "10.0.0.1 ", "::ffff:10.0.0.1"):
        assert not holds(f"ip in cidr {network}", {"ip": text})


@pytest.mark.parametrize(
    "network", ["2001:db8::/32", "2001:db8::/33", "::/0", "::1/128", "fe80::/10", "8000::/1", "::ffff:0:0/96"]
)
def test_an_ipv6_range_holds_what_the_addresses_say_however_they_are_written(network: str) -> None:
    net, rng = IPv6Network(network), random.Random(network)
    first, last = int(net.network_address), int(net.broadcast_address)
    edges = [first - 1, first, first + 1, last - 1, last, last + 1, *(rng.randrange(2**128) for _ in range(20))]
    for number in (*edges, *(rng.randrange(first, last + 1) for _ in range(20))):
        if not 0 <= number < 2**128:
            continue
        address = IPv6Address(number)
        for text in (str(address), address.exploded, address.exploded.upper(), f"{address}%eth0"):
            assert holds(f"ip in cidr {network}", {"ip": text}) is (address in net), text
    for value in ("", "10.0.0.1", "2001:db8::g", ":::", None, 7, ["2001:db8::1"], {}):
        assert not holds(f"ip in cidr {network}", {"ip": value})
    assert holds(f"client.ip in cidr {network}", {"client": {"ip": str(net.network_address)}})
    full = net.network_address.packed.hex(":", 2)  # as AWS's Agent is sent it
    assert holds(f"ip in cidr {network}", {"ipv6@ip": full})


def test_a_range_has_one_spelling_in_every_python() -> None:
    """Python 3.13 writes `::ffff:0:0` as `::ffff:0.0.0.0`."""
    condition = "ip in cidr ::ffff:10.1.0.0/112, 2001:db8::/32"
    assert show_where(read_where(condition)) == "ip in cidr ::ffff:a01:0/112, 2001:db8::/32"


def test_what_a_condition_may_not_mean_is_said() -> None:
    (remark,) = remarks_on("country = US and (admin in roles or a = 1)")
    assert 'If roles is a list attribute, write "admin" in roles.' in remark
    assert remarks_on("admin not in roles")
    for clear in (
        "country in us",
        '"admin" in roles',
        "a in roles, groups",
        "a in [roles]",
        "now in Mon-Fri 09:00-17:00",
        "(in $a ['])",
    ):
        assert remarks_on(clear) == []


def test_case_is_ignored_where_asked_and_only_there() -> None:
    assert holds("country in us, CA ignoring case", {"country": "Us"})
    assert not holds("country in us", {"country": "US"})
    assert holds("email ends with @Example.com ignoring case", {"email": "a@EXAMPLE.COM"})
    assert not holds("email ends with @example.com ignoring case", {"email": "a@example.com.evil"})
    assert holds('name contains "a|b" ignoring case', {"name": "xA|Bx"})
    assert not holds('name contains "a|b" ignoring case', {"name": "a"})
    assert holds('name = "" ignoring case', {"name": ""})
    assert not holds('name = "" ignoring case', {"name": "x"})


def test_an_element_is_found_in_a_list_and_not_within_another() -> None:
    roles = ["admin", 'a"b', "back\\slash", "x,y", 5, True, None, ["nested"]]
    for element in ("admin", "x,y", "5", "true"):
        assert holds(f'"{element}" in roles', {"roles": roles}), element
    assert holds('"a\\"b" in roles', {"roles": tuple(roles)})
    assert holds('"back\\\\slash" in roles', {"roles": roles})
    for element in ("adm", "min", "a", "b", "", "nested", "None", ","):
        assert not holds(f'"{element}" in roles', {"roles": roles}), element
    assert not holds('"x\\"admin" in roles', {"roles": ["admin"]})
    assert not holds('"admin" in roles', {"roles": ['x"admin']})
    assert holds('"admin" not in roles', {})
    assert holds('"admin" in roles', {"roles": {"admin"}})
    assert holds('"admin" in roles ignoring case', {"roles": ["x", "Admin"]})
    assert not holds('"admin" in roles ignoring case', {"roles": ["Admins", "xADMIN"]})


def test_a_nested_attribute_is_read_from_mappings_or_an_entry_of_that_name() -> None:
    assert holds("company.plan = pro", {"company": {"plan": "pro"}})
    assert holds("company.plan = pro", {"company.plan": "pro", "company": {"plan": "free"}})
    assert holds("a.b.c exists", {"a": {"b": {"c": 0}}})
    for context in ({}, {"company": "pro"}, {"company": {}}, {"company": None}, {"company": {"plan": None}}):
        assert not holds("company.plan exists", context)


def test_a_hostile_mapping_is_a_missing_attribute() -> None:
    class Hostile(dict[str, object]):
        def get(self, *_arguments: object) -> object:
            raise RuntimeError

    assert not holds("company.plan exists", {"company": Hostile()})


@pytest.mark.sweep
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia"])
def test_a_window_is_that_of_the_local_clock_through_a_year(zone: str) -> None:
    local = ZoneInfo(zone)
    for hours in range(0, 24 * 365, 7):
        now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours, minutes=hours % 60)
        there = now.astimezone(local)
        office = there.weekday() < 5 and 9 <= there.hour < 17
        night = there.hour >= 22 or there.hour < 6
        assert holds(f"now in Mon-Fri 09:00-17:00 {zone}", {}, now) is office, now
        assert holds(f"now in 22:00-06:00 {zone}", {}, now) is night, now


def test_a_window_follows_daylight_saving_time() -> None:
    condition = "now in 09:00-10:00 Europe/Berlin"
    assert holds(condition, {}, datetime(2026, 10, 24, 7, 30, tzinfo=UTC))
    assert not holds(condition, {}, datetime(2026, 10, 25, 7, 30, tzinfo=UTC))
    assert holds(condition, {}, datetime(2026, 10, 25, 8, 30, tzinfo=UTC))


def test_the_end_of_a_window_is_not_in_it_and_midnight_is_reached_by_24() -> None:
    assert not holds("now in 09:00-17:00", {}, datetime(2026, 1, 1, 17, tzinfo=UTC))
    assert holds("now in 09:00-17:00", {}, datetime(2026, 1, 1, 16, 59, 59, tzinfo=UTC))
    assert holds("now in 20:00-24:00", {}, datetime(2026, 1, 1, 23, 59, 59, tzinfo=UTC))


def test_the_context_overrules_the_clock_of_a_window() -> None:
    assert holds("now in Sat", {"weekday@UTC": "Sat"}, datetime(2026, 1, 1, tzinfo=UTC))


def test_a_rule_with_an_unknown_zone_or_without_a_clock_is_false() -> None:
    rule = parse_rule("(gte '$time@Europe/Atlantis' \"00:00\")")
    assert compile_rule(rule, default_seed="flag", now=lambda: NOW)("u", {}) is False
    assert compile_rule(parse_rule("(gte '$time@UTC' \"00:00\")"), default_seed="flag")("u", {}) is False
