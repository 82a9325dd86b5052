"""What applications report: bounded, never raising, never waiting, without users' ids."""

from __future__ import annotations

import io
import logging
import threading
import weakref
from collections.abc import Sequence

import pytest
from openfeature.evaluation_context import EvaluationContext
from openfeature.track import TrackingEventDetails

from flagkit import Flags, StaticSource, UsageError
from flagkit.openfeature import FlagkitProvider
from flagkit.outcomes import EmfStore, Exposed, MemoryStore, Outcome, Outcomes, Row, recorder
from flagkit.testing import VirtualClock


class FailingStore(MemoryStore):
    """A store that is away while `is_away`."""

    is_away = True

    def record(self, exposures: Sequence[Exposed], outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        if self.is_away:
            raise ConnectionError("https://user:token@host")
        return super().record(exposures, outcomes)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def flags(clock: VirtualClock) -> Flags:
    return Flags(StaticSource({"checkout": True, "search": False}), clock=clock)


def recording(flags: Flags, clock: VirtualClock, **options: object) -> tuple[Outcomes, MemoryStore]:
    store = options.pop("store", None) or MemoryStore()
    defaults = {"secret": "s", "experiments": {"checkout"}, "flush_interval_s": None, "clock": clock}
    outcomes = Outcomes(store, **{**defaults, **options})  # type: ignore[arg-type]
    flags.report_to(outcomes)
    return outcomes, store  # type: ignore[return-value]


def test_a_user_is_exposed_once_and_fails_once(flags: Flags, clock: VirtualClock) -> None:
    outcomes, store = recording(flags, clock)
    for _ in range(3):
        flags.is_enabled("checkout", 42)
        flags.is_enabled("search", 42)
        flags.for_user(42).report(failed=True)
    assert outcomes.flush() == 4
    assert outcomes.flush() == 0
    (row,) = store.rows("checkout")
    assert (row.arm, row.users, row.bad) == ("on", 1, {"failed": 1})
    assert store.rows("search") == ()


def test_each_kind_of_outcome_has_its_metric(flags: Flags, clock: VirtualClock) -> None:
    outcomes, store = recording(flags, clock)
    flags.is_enabled("checkout", "u")
    flags.report("u", failed=True, slow=True, metric="payment")
    flags.report("u", value=12.5, metric="orders")
    flags.report("u", value=1)
    flags.report("u")
    flags.report(None, failed=True)
    outcomes.flush()
    (row,) = store.rows("checkout")
    assert row.bad == {"payment": 1, "slow": 1}
    assert row.sums == {"orders": 12.5, "value": 1.0}


def test_outcomes_after_the_window_are_not_sent(flags: Flags, clock: VirtualClock) -> None:
    outcomes, _ = recording(flags, clock)
    flags.is_enabled("checkout", "u")
    assert outcomes.flush() == 1
    clock.advance(301)
    flags.report("u", failed=True)
    assert outcomes.flush() == 0


def test_another_process_may_have_exposed_the_user(flags: Flags, clock: VirtualClock) -> None:
    shop, store = recording(flags, clock)
    payments = Outcomes(store, secret="s", experiments={"checkout"}, flush_interval_s=None, clock=clock)
    payments.report("u", failed=True)
    assert payments.flush() == 0  # nobody knows the user yet
    flags.is_enabled("checkout", "u")
    shop.flush()
    assert payments.flush() == 1
    assert store.rows("checkout")[0].bad == {"failed": 1}
    payments.report("stranger", failed=True)
    assert [payments.flush() for _ in range(5)] == [0] * 5
    assert not payments._happened  # given up after three attempts


def test_a_function_can_name_experiments(flags: Flags, clock: VirtualClock) -> None:
    names = {"checkout": "shop"}
    outcomes, store = recording(flags, clock, experiments=names.get)
    flags.report("u", failed=True)  # no experiment is known yet
    flags.is_enabled("checkout", "u")
    flags.is_enabled("search", "u")
    outcomes.flush()
    assert store.experiments == ("shop",)


def test_a_function_that_raises_makes_no_experiment(flags: Flags, clock: VirtualClock) -> None:
    def name_of(key: str) -> str:
        raise RuntimeError(key)

    outcomes, _ = recording(flags, clock, experiments=name_of)
    assert flags.is_enabled("checkout", "u")
    assert outcomes.flush() == 0


class Document:
    """A document whose flag `checkout` is on, in one rollout after the other."""

    def __init__(self, clock: VirtualClock) -> None:
        self.source = StaticSource({})
        self.put("")
        self.flags = Flags(self.source, clock=clock)

    def put(self, rollout: str) -> None:
        values: dict[str, object] = {"checkout": {"enabled": True}, "search": {"enabled": True}}
        if rollout:
            values["flagkit-rollouts"] = {"enabled": False, "checkout": f"canary1 {rollout} 1>2 b"}
        self.source.replace({"version": "1", "flags": {}, "values": values})

    def live(self, rollout: str) -> None:
        self.put(rollout)
        self.flags.refresh()


def test_each_rollout_counts_users_of_its_own(clock: VirtualClock) -> None:
    document = Document(clock)
    outcomes, store = recording(document.flags, clock)
    for rollout in ("", "k1", "k2", ""):
        document.live(rollout)
        document.flags.is_enabled("checkout", "u")
        document.flags.report("u", failed=True)
        outcomes.flush()
        clock.advance(30)
    assert store.experiments == ("checkout", "checkout@k1", "checkout@k2")
    assert [row.bad for name in store.experiments for row in store.rows(name)] == [{"failed": 1}] * 3


def test_an_answer_counts_for_the_rollout_of_the_document_that_gave_it(clock: VirtualClock) -> None:
    document = Document(clock)
    outcomes, store = recording(document.flags, clock)
    document.live("k1")
    late = document.flags._flags  # a thread that reads while the next document comes
    document.live("k2")
    late["checkout"]("u", None)
    document.flags.report("u", failed=True)
    outcomes.flush()
    assert [(row.users, row.bad) for row in store.rows("checkout@k1")] == [(1, {"failed": 1})]


def test_a_process_that_reads_no_flags_reports_for_the_rollout(clock: VirtualClock) -> None:
    document = Document(clock)
    shop, store = recording(document.flags, clock)
    other = Document(clock)
    payments, _ = recording(other.flags, clock, store=store)
    for shown in (document, other):
        shown.live("k1")
    document.flags.is_enabled("checkout", "u")
    shop.flush()
    other.flags.report("u", failed=True)
    payments.flush()
    assert store.rows("checkout@k1")[0].bad == {"failed": 1}


def test_another_document_without_the_flag_ends_no_rollout(clock: VirtualClock, flags: Flags) -> None:
    document = Document(clock)
    outcomes, store = recording(document.flags, clock)
    document.live("k1")
    Flags(StaticSource({"unrelated": True}), clock=clock).report_to(outcomes)
    clock.advance(3600)
    document.flags.is_enabled("checkout", "u")
    document.flags.report("u", failed=True)
    outcomes.flush()
    assert store.rows("checkout@k1")[0].bad == {"failed": 1}


def test_names_of_rollouts_that_are_over_are_forgotten(clock: VirtualClock) -> None:
    document = Document(clock)
    outcomes, _ = recording(document.flags, clock)
    for number in range(20):
        document.live(f"k{number}")
        late = document.flags._flags
        clock.advance(601)
        document.flags.report("u", failed=True)
    assert list(outcomes._until) == ["checkout@k19"]
    document.live("")
    clock.advance(601)
    document.flags.report("u", failed=True)
    late["checkout"]("late", None)
    assert list(outcomes._until) == ["checkout", "checkout@k19"]


def test_flags_that_are_no_experiment_are_not_watched(clock: VirtualClock) -> None:
    document = Document(clock)
    recording(document.flags, clock)
    (choice,) = document.flags._engine.watched._choices  # type: ignore[attr-defined]
    assert (choice("checkout") is None, choice("search") is None) == (False, True)


def test_reports_without_the_flags_are_warned_of_once(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    outcomes = Outcomes(MemoryStore(), secret="s", experiments={"checkout"}, flush_interval_s=None, clock=clock)
    for user in range(3):
        outcomes.report(user, failed=True)
    assert caplog.text.count("before flags.report_to") == 1


def test_a_store_that_is_away_loses_nothing_until_the_buffer_is_full(
    flags: Flags, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    away = FailingStore()
    outcomes, _ = recording(flags, clock, store=away, capacity=4)
    for user in range(3):
        flags.is_enabled("checkout", user)
    flags.report(0, failed=True)
    flags.report(1, failed=True)
    assert outcomes.dropped == 1
    with caplog.at_level(logging.WARNING, "flagkit"):
        assert outcomes.flush() == 0
    assert "token" not in caplog.text
    away.is_away = False
    assert outcomes.flush() == 4
    assert [(row.users, row.bad) for row in away.rows("checkout")] == [(2, {"failed": 2})]  # no failure is lost


def test_what_failed_while_others_reported_keeps_its_place_as_far_as_there_is_room(
    flags: Flags, clock: VirtualClock
) -> None:
    class Busy(FailingStore):
        def record(self, exposures: Sequence[Exposed], outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
            flags.is_enabled("checkout", "late")
            return super().record(exposures, outcomes)

    outcomes, _ = recording(flags, clock, store=Busy(), capacity=2)
    flags.is_enabled("checkout", "a")
    flags.report("a", failed=True)
    outcomes.flush()
    assert outcomes.dropped == 1
    assert (len(outcomes._exposed), len(outcomes._happened)) == (1, 1)


def test_reports_never_raise(flags: Flags, clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    class Unprintable:
        def __str__(self) -> str:
            raise RuntimeError("no text")

        def __bool__(self) -> bool:
            raise RuntimeError("neither")

    outcomes, store = recording(flags, clock)
    flags.report(Unprintable(), failed=True)  # type: ignore[arg-type]
    flags.report("u", failed=Unprintable())  # type: ignore[typeddict-item]
    flags.report("u", value="alice@example.com")  # type: ignore[arg-type]
    outcomes.observe(lambda: "u", None, 0.0)  # type: ignore[arg-type]
    flags.is_enabled("checkout", "u")
    flags._flags["checkout"](Unprintable(), None)
    outcomes.observe(lambda: Unprintable().__str__(), 500, 0.0)
    flags.is_enabled("checkout", "nan")
    flags.report("nan", value=float("nan"), metric="orders")
    assert outcomes.dropped == 1
    outcomes.flush()
    assert sum(row.users for row in store.rows("checkout")) == 2
    assert "lost" in caplog.text
    assert "alice" not in caplog.text


def test_errors_and_reads_without_a_user_are_no_exposure(
    flags: Flags, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    outcomes, _ = recording(flags, clock, experiments="checkout")
    for _ in range(2):
        flags.evaluate("checkout")
    assert caplog.text.count("checkout is read without a user id") == 1
    flags.evaluate("no_such_flag", "u")
    assert outcomes.flush() == 0


def test_a_store_never_sees_a_users_id(flags: Flags, clock: VirtualClock) -> None:
    seen: list[object] = []

    class Watching(MemoryStore):
        def record(self, exposures: Sequence[Exposed], outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
            seen.extend((*exposures, *outcomes))
            return super().record(exposures, outcomes)

    outcomes, _ = recording(flags, clock, store=Watching())
    flags.is_enabled("checkout", "alice@example.com")
    flags.report("alice@example.com", failed=True)
    outcomes.flush()
    assert len(seen) == 2
    assert "alice" not in repr(seen)


def test_outcomes_made_up_without_the_secret_and_replays_of_another_rollout_count_for_nobody(
    clock: VirtualClock,
) -> None:
    document = Document(clock)
    outcomes, store = recording(document.flags, clock)
    document.live("k1")
    document.flags.is_enabled("checkout", "u")
    document.flags.report("u", failed=True)
    waiting = [*outcomes._exposed], [event for event, _ in outcomes._happened]
    outcomes.flush()
    document.live("k2")
    document.flags.is_enabled("checkout", "u")
    outcomes.flush()
    forger = Outcomes(
        store, secret="guessed", experiments=lambda key: "checkout@k2", flush_interval_s=None, clock=clock
    )
    forger.follow(None)("checkout")
    forger.report("u", failed=True)
    forger.flush()
    store.record(*waiting)
    assert [(row.users, dict(row.bad)) for name in ("checkout@k1", "checkout@k2") for row in store.rows(name)] == [
        (1, {"failed": 1}),
        (1, {}),
    ]


def test_a_secret_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLAGKIT_OUTCOMES_SECRET", raising=False)
    with pytest.raises(UsageError, match="need a secret"):
        Outcomes(MemoryStore())
    monkeypatch.setenv("FLAGKIT_OUTCOMES_SECRET", "s")
    assert Outcomes(MemoryStore()).dropped == 0


def test_the_thread_sends_and_close_sends_the_rest(flags: Flags) -> None:
    arrived = threading.Event()

    class Arriving(MemoryStore):
        def record(self, exposures: Sequence[Exposed], outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
            arrived.set()
            return super().record(exposures, outcomes)

    store = Arriving()
    outcomes = Outcomes(store, secret="s", experiments={"checkout"}, flush_interval_s=0.01)
    flags.report_to(outcomes)
    flags.is_enabled("checkout", "u")
    assert arrived.wait(5.0)
    flags.report("u", failed=True)
    outcomes.close()
    assert store.rows("checkout")[0].bad == {"failed": 1}
    flags.report("u", slow=True)
    assert outcomes.dropped == 1


def test_what_waits_is_sent_when_the_program_ends(flags: Flags, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "_alive", weakref.WeakSet())
    store, quiet = MemoryStore(), MemoryStore()
    for one, interval_s in ((store, 3600.0), (quiet, None)):
        flags.report_to(Outcomes(one, secret="s", experiments={"checkout"}, flush_interval_s=interval_s))
    flags.is_enabled("checkout", "u")
    recorder._at_exit()
    assert [row.users for row in store.rows("checkout")] == [1]
    assert quiet.rows("checkout") == (), "only `flush` sends"


def test_a_forked_child_sends_nothing_twice(flags: Flags, clock: VirtualClock) -> None:
    outcomes, _ = recording(flags, clock)
    flags.is_enabled("checkout", "u")
    flags.report("u", failed=True)
    outcomes.after_fork()
    assert outcomes.flush() == 0


def test_a_forked_child_has_locks_of_its_own_and_writes_nothing_of_its_parent() -> None:
    stream = io.StringIO()
    store = EmfStore(stream=stream)
    MemoryStore.record(store, [Exposed("checkout", "u", "on", 1e9)], ())
    store._lock.acquire()
    store.after_fork()
    store.record((), ())
    assert stream.getvalue() == ""


def test_openfeature_tracking_is_an_outcome(flags: Flags, clock: VirtualClock) -> None:
    outcomes, store = recording(flags, clock)
    provider = FlagkitProvider(flags)
    user = EvaluationContext(targeting_key="u")
    flags.is_enabled("checkout", "u")
    provider.track("orders", user, TrackingEventDetails(value=9.5))
    provider.track("opened", user)
    provider.track("payment", user, TrackingEventDetails(attributes={"failed": True}))
    provider.track("opened")
    outcomes.flush()
    assert store.rows("checkout") == (
        Row(
            store.rows("checkout")[0].minute,
            "on",
            1,
            {"payment": 1},
            {"orders": 9.5, "opened": 1.0},
            {"orders": 90.25, "opened": 1.0},
        ),
    )


def test_without_a_store_reports_do_nothing() -> None:
    Flags(StaticSource({})).report("u", failed=True)


def test_users_about_whom_the_percentage_does_not_decide_are_not_exposed(clock: VirtualClock) -> None:
    rule = '(or (in $userId ["vip"]) (and (eq $country "US") (split pct::100 by::$userId seed::"checkout")))'
    variants = [{"name": "on", "enabled": True, "rule": rule}, {"name": "off", "enabled": False}]
    source = StaticSource({"version": "1", "flags": {}, "values": {"checkout": {"_variants": variants}}})
    flags = Flags(source, clock=clock)
    outcomes, store = recording(flags, clock)
    for user, country in (("vip", "DE"), ("vip", "US"), ("u", "DE"), ("u", "US")):
        flags.is_enabled("checkout", user, {"country": country})
    flags.is_enabled("checkout", "w", "no context")  # type: ignore[arg-type]
    outcomes.flush()
    assert [(row.arm, row.users) for row in store.rows("checkout")] == [("on", 1)]
