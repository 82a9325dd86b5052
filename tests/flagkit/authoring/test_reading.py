"""Lists show what the editor reads: one law over flags that flagkit compiled; rules by others are shown as they are."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagkit import Snapshot
from flagkit.admin.audience import status_of
from flagkit.authoring import AuthoringDocument, compile_document, decompile
from flagkit.authoring.reading import read_shown

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
DAYS = ["2026-01-01T00:00:00Z", "2026-07-01T00:00:00Z"]
LISTS = {"users": st.just(["42", "43"]), "groups": st.just(["beta"]), "segments": st.just(["staff"])}
PERCENT = st.sampled_from(["0", "0.5", "25", "100"])
LIMITS = {
    "among": st.just(["staff"]),
    "where": st.just('(eq $country "US")'),
    "holdout": st.just("control"),
    "layer": st.just({"name": "checkout", "share": "50"}),
}
GATES = {"requires": st.just(["other"]), "from": st.sampled_from(DAYS), "until": st.just("2026-08-01T00:00:00Z")}
SWITCH = st.fixed_dictionaries(
    {}, optional={**LISTS, **LIMITS, **GATES, "percent": PERCENT, "enabled": st.just(False)}
).filter(bool)
RAMP = st.fixed_dictionaries(
    {"ramp": st.just([{"at": DAYS[0], "percent": "5"}, {"at": DAYS[1], "percent": "50"}])},
    optional={"users": LISTS["users"], **GATES},
)
VARIANT = st.fixed_dictionaries({"weight": st.sampled_from(["10", "50"])}, optional=LISTS)
SPLIT = st.fixed_dictionaries(
    {"variants": st.tuples(VARIANT, VARIANT)},
    optional={**LIMITS, **GATES, "percent": PERCENT, "enabled": st.just(False)},
).map(
    lambda flag: {
        **flag,
        "variants": [
            {"name": "red", **flag["variants"][0]},
            {"name": "blue", **flag["variants"][1]},
            {"name": "default", "enabled": False},
        ],
    }
)
PLAIN = st.sampled_from([{"enabled": True}, {"enabled": False}])


@given(st.one_of(SWITCH, RAMP, SPLIT, PLAIN))
def test_a_flag_is_shown_as_the_editor_reads_it(flag: dict[str, object]) -> None:
    document = compile_document(
        AuthoringDocument.parse(
            {
                "segments": {"staff": {"users": ["1"], "where": '(eq $plan "pro")'}},
                "holdouts": {"control": {"percent": "5"}},
                "layers": {"checkout": {}},
                "flags": {"f": flag, "other": {"enabled": True}},
            }
        )
    )
    shown = read_shown(Snapshot.from_document(document.to_dict()).definition("f"))
    assert status_of(shown, now=NOW) == status_of(decompile(document).flags["f"], now=NOW)


@pytest.mark.parametrize(
    ("rule", "audience", "percent"),
    [
        ('(eq $country "US")', "all users (where country = US)", Decimal(100)),
        ('(split pct::25 by::$userId seed::"other")', "25 % of users", Decimal(25)),
        ('(not (split pct::25 by::$userId seed::"f"))', None, None),
    ],
)
def test_a_rule_by_somebody_else_is_shown_as_it_is(rule: str, audience: str | None, percent: Decimal | None) -> None:
    variants = [{"name": "on", "enabled": True, "rule": rule}, {"name": "off", "enabled": False}]
    snapshot = Snapshot.from_document({"version": "1", "values": {"f": {"_variants": variants}}})
    status = status_of(read_shown(snapshot.definition("f")), now=NOW)
    if audience is not None:
        assert (status.audience, status.percent) == (audience, percent)
    assert status.state == "partial"
