"""A change that needs an approval waits for another person, and is saved only as that person saw it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from flagkit.admin import edits
from flagkit.admin.diff import compare
from flagkit.admin.identity import Person
from flagkit.admin.notices.notice import Notice
from flagkit.admin.proposals.guard import GuardedStore, approvals_of_rollouts
from flagkit.admin.proposals.proposal import KEPT_CLOSED, Approval, Proposal, decode, encode
from flagkit.admin.proposals.review import Proposals, is_exempt
from flagkit.admin.stores import Note, open_store
from flagkit.admin.stores.opening import open_plain_store
from flagkit.core.documents import FlagDocument
from flagkit.errors import (
    AccessDeniedError,
    ApprovalRequiredError,
    ConflictError,
    EditError,
    RefusedError,
    SourceError,
    SourceNotFoundError,
)
from flagkit.testing import AppConfigFlags, AwsStandIn, VirtualClock

ALICE, BOB, CAROL = Person("alice", "s-1"), Person("bob", "s-2"), Person("carol", "s-3")
DOCUMENT = {
    "version": "1",
    "flags": {key: {"name": key} for key in ("a", "b", "c")},
    "values": {"a": {"enabled": True}, "b": {"enabled": True}, "c": {"enabled": False}},
}


class Place:
    """Flags whose changes need an approval."""

    def __init__(self, url: str, clock: VirtualClock, session: Any = None) -> None:
        self.url, self.clock, self._session = url, clock, session
        self.store = self.opened()

    def opened(self) -> GuardedStore:
        store = open_store(self.url, clock=self.clock, session=self._session)
        assert isinstance(store, GuardedStore)
        return store

    @property
    def proposals(self) -> Proposals:
        return self.store.proposals

    def plain(self) -> Any:
        return open_plain_store(self.url, session=self._session, clock=self.clock)

    def propose(self, key: str = "a", percent: int = 25, author: Person = ALICE) -> Proposal:
        base = self.store.read()
        return self.proposals.propose(author, base, edits.rollout(base.document, key, percent), "first users")

    def approve(self, proposal: Proposal, by: Person = BOB) -> None:
        self.proposals.approve(by, proposal.id, self.proposals.review(proposal.id).seen)


@pytest.fixture
def _asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLAGKIT_CONFIG", raising=False)
    Path("flagkit.toml").write_text("[[approvals]]\n")


@pytest.fixture
def place(_asked: None) -> Place:
    """A file."""
    Path("flags.json").write_text(json.dumps(DOCUMENT))
    return Place("file:flags.json", VirtualClock())


@pytest.fixture
def on_aws(_asked: None) -> Iterator[Place]:
    """A profile, deployed."""
    with AwsStandIn() as aws:
        profile = AppConfigFlags(aws.session(), environment="prod")
        for name in ("flagkit-immediate", "flagkit-guarded"):
            profile.client.create_deployment_strategy(
                Name=name, DeploymentDurationInMinutes=0, GrowthFactor=100, FinalBakeTimeInMinutes=0, ReplicateTo="NONE"
            )
        profile.deploy(DOCUMENT)
        aws.clock.advance(700)
        yield Place(profile.url, aws.clock, aws.session())


@pytest.fixture(params=["place", "on_aws"])
def either(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


def test_a_change_without_approval_is_refused_whatever_makes_it(either: Place) -> None:
    base = either.store.read()
    for change in (
        edits.switch_on(base.document, "c"),
        edits.delete(base.document, "a"),
        edits.create(base.document, "d"),
    ):
        with pytest.raises(ApprovalRequiredError, match="another person"):
            either.store.save(base, change, Note("x", edit_id="mine"))
    assert either.store.read().version == base.version


def test_switching_off_needs_no_approval(either: Place) -> None:
    base = either.store.read()
    receipt = either.store.save(base, edits.kill(base.document, "a"), Note("harm"))
    if either.store.deployments is not None:
        deployment = either.store.deployments.deploy(receipt.version.number, pace="immediate")
        assert deployment is not None
        assert deployment.version == receipt.version.number
    assert either.store.read().document.values["a"].enabled is False


def test_no_edit_takes_the_id_of_a_proposal(place: Place) -> None:
    """It would count as saved then, and the proposal never were."""
    proposal, base = place.propose(), place.store.read()
    for number in (proposal.id, f"proposal-{proposal.id}"):
        with suppress(EditError):
            place.store.save(base, edits.kill(base.document, "b"), Note("x", edit_id=number))
    place.approve(proposal)
    receipt, _ = place.proposals.save(proposal.id)
    assert [flag.key for flag in compare(base.document, receipt.document).flags] == ["a", "b"]


def test_an_approved_proposal_is_saved_once_under_its_authors_name(either: Place) -> None:
    proposal = either.propose()
    review = either.proposals.review(proposal.id)
    assert (review.is_approved, [flag.key for flag in review.diff.flags]) == (False, ["a"])
    with pytest.raises(RefusedError, match="0 of 1"):
        either.proposals.save(proposal.id)
    either.approve(proposal)
    receipt, applied = either.proposals.save(proposal.id)
    assert (receipt.version.author, receipt.version.reason) == ("alice", "first users (approved by bob)")
    assert (receipt.version.edit_id, applied.status, applied.version) == (
        f"proposal-{proposal.id}",
        "applied",
        receipt.version.number,
    )
    assert either.store.read().version.number == receipt.version.number
    with pytest.raises(RefusedError, match="is applied"):
        either.proposals.save(proposal.id)
    if either.store.deployments is not None:
        assert either.store.deployments.finish() is not None
        assert either.store.deployments.finish() is None


@pytest.mark.parametrize(
    "by", [ALICE, Person("ALICE "), Person("Alice", "s-9"), Person("mallory", "S-1"), Person("s-1")]
)
def test_an_author_approves_nothing_of_their_own(place: Place, by: Person) -> None:
    proposal = place.propose()
    with pytest.raises(RefusedError, match="another person"):
        place.approve(proposal, by)
    assert not place.proposals.get(proposal.id).approvals


def test_one_person_approves_once(place: Place) -> None:
    proposal = place.propose()
    place.approve(proposal)
    place.approve(proposal, Person("BOB", "s-2"))
    assert len(place.proposals.get(proposal.id).approvals) == 1


def test_edits_of_other_flags_are_merged_and_shown_again(either: Place) -> None:
    proposal, other = either.propose("a"), either.propose("b", author=BOB)
    seen = either.proposals.review(proposal.id).seen
    either.approve(other, ALICE)
    either.proposals.save(other.id)
    if either.store.deployments is not None:  # what is saved and not live goes live with it, so it is shown
        with pytest.raises(ConflictError, match="no longer what was shown"):
            either.proposals.approve(BOB, proposal.id, seen)
    either.approve(proposal)
    receipt, _ = either.proposals.save(proposal.id)
    live = FlagDocument.parse(DOCUMENT)
    assert {flag.key for flag in compare(live, receipt.document).flags} == {"a", "b"}


def test_an_approval_of_another_change_does_not_count(on_aws: Place) -> None:
    proposal, other = on_aws.propose("a"), on_aws.propose("b", author=BOB)
    on_aws.approve(proposal)
    on_aws.approve(other, CAROL)
    on_aws.proposals.save(other.id)  # saved, not deployed: it would go live with the first one
    review = on_aws.proposals.review(proposal.id)
    assert (review.is_approved, review.approvals) == (False, ())
    with pytest.raises(RefusedError, match="0 of 1"):
        on_aws.proposals.save(proposal.id)


def test_a_conflict_is_found_before_anybody_approves(place: Place) -> None:
    proposal, other = place.propose("a", 25), place.propose("a", 50, author=BOB)
    place.approve(other, ALICE)
    place.proposals.save(other.id)
    review = place.proposals.review(proposal.id)
    assert review.document is None
    assert review.problem == "somebody else changed flag a since it was proposed"
    assert [flag.key for flag in review.diff.flags] == ["a"]
    with pytest.raises(ConflictError, match="can't be approved"):
        place.approve(proposal)
    with pytest.raises(ConflictError, match="can't be saved"):
        place.proposals.save(proposal.id)


def test_a_proposal_that_came_true_another_way_says_so(place: Place) -> None:
    first, second = place.propose(), place.propose(author=CAROL)
    place.approve(first)
    place.proposals.save(first.id)
    assert place.proposals.review(second.id).problem == "the flags are already as proposed"


@pytest.mark.parametrize("how", ["rejected", "withdrawn"])
def test_a_closed_proposal_stays_closed(place: Place, how: str) -> None:
    proposal = place.propose()
    place.approve(proposal)
    if how == "rejected":
        with pytest.raises(EditError, match="reason"):
            place.proposals.reject(BOB, proposal.id, " ")
        closed = place.proposals.reject(BOB, proposal.id, "not before Monday")
        assert (closed.closed_by, closed.remark) == (BOB, "not before Monday")
    else:
        with pytest.raises(RefusedError, match="by its author"):
            place.proposals.withdraw(BOB, proposal.id)
        place.proposals.withdraw(ALICE, proposal.id)
    for attempt in (
        lambda: place.approve(proposal, CAROL),
        lambda: place.proposals.save(proposal.id),
        lambda: place.proposals.withdraw(ALICE, proposal.id),
        lambda: place.proposals.reject(BOB, proposal.id, "again"),
    ):
        with pytest.raises(RefusedError, match=f"is {how}"):
            attempt()
    assert [flag.key for flag in place.proposals.review(proposal.id).diff.flags] == ["a"]
    assert (place.proposals.all("open"), [item.id for item in place.proposals.all()]) == ([], [proposal.id])


def test_a_proposal_says_why_and_changes_something(place: Place) -> None:
    base = place.store.read()
    with pytest.raises(EditError, match="nothing to propose"):
        place.proposals.propose(ALICE, base, base.document, "x")
    with pytest.raises(EditError, match="needs a reason"):
        place.proposals.propose(ALICE, base, edits.switch_on(base.document, "c"), " ")
    with pytest.raises(SourceNotFoundError, match="no proposal nope"):
        place.proposals.review("nope")
    with pytest.raises(SourceNotFoundError, match="no proposal nope"):
        place.proposals.reject(BOB, "nope", "x")


def test_proposing_twice_under_one_id_proposes_once(place: Place) -> None:
    base = place.store.read()
    document = edits.switch_on(base.document, "c")
    for _ in range(2):
        place.proposals.propose(ALICE, base, document, "x", number="0123456789ab")
    assert len(place.proposals.all()) == 1
    for number in ("..", "0123456789AB", "x" * 12, ""):
        with pytest.raises(EditError, match="not a valid id"):
            place.proposals.propose(ALICE, base, document, "x", number=number)


def test_who_is_notified_of_changes_is_notified_of_a_proposal(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Notice] = []
    monkeypatch.setattr("flagkit.admin.notices.delivery.Delivery.deliver", lambda _, notice: sent.append(notice) or [])
    Path("flagkit.toml").write_text('[[approvals]]\n[[notices]]\nkind = "slack"\nurl_env = "URL"\n')
    noticed = Place(place.url, place.clock)
    base = noticed.store.read()
    for _ in range(2):
        document = edits.rollout(base.document, "a", 25)
        noticed.proposals.propose(ALICE, base, document, "first users", number="0123456789ab")
        place.clock.advance(1)
    noticed.store.close()
    (notice,) = sent
    assert (notice.action, notice.author, notice.proposal) == ("proposed", "alice", "0123456789ab")
    assert "proposal 0123456789ab waits for approval" in notice.text()
    assert notice.to_dict()["proposal"] == "0123456789ab"


def test_two_writers_lose_no_proposal(either: Place) -> None:
    other = either.opened()
    base = either.store.read()
    mine = either.propose("a")
    theirs = other.proposals.propose(BOB, base, edits.rollout(base.document, "b", 10), "x")
    assert {item.id for item in either.proposals.all()} == {mine.id, theirs.id}
    other.close()
    either.store.close()


def test_two_approvals_are_by_two_people(place: Place) -> None:
    Path("flagkit.toml").write_text("[[approvals]]\ncount = 2\n")
    two = Place(place.url, place.clock, place._session)
    proposal = two.propose()
    two.approve(proposal)
    with pytest.raises(RefusedError, match="1 of 2"):
        two.proposals.save(proposal.id)
    two.approve(proposal, CAROL)
    assert two.proposals.save(proposal.id)[0].version.reason == "first users (approved by bob, carol)"


def test_the_base_of_a_proposal_may_be_gone(place: Place) -> None:
    proposal = place.propose()
    plain = place.plain()
    newest = plain.read()
    document = edits.switch_on(edits.rollout(newest.document, "b", 10), "c")
    plain.save(newest, document, Note("outside"))
    place.proposals._kept.change(lambda kept: tuple(replace(item, base=77) for item in kept))
    review = place.proposals.review(proposal.id)
    assert review.document is not None
    assert review.document.values["c"].enabled is True


def test_a_version_that_was_saved_elsewhere_is_not_deployed(on_aws: Place) -> None:
    plain = on_aws.plain()
    newest = plain.read()
    saved = plain.save(newest, edits.switch_on(newest.document, "c"), Note("outside"))
    for deploy in (
        lambda: on_aws.store.deployments.deploy(saved.version.number),
        on_aws.store.deployments.finish,
    ):
        with pytest.raises(ApprovalRequiredError, match=f"version {saved.version.number} of"):
            deploy()
    assert on_aws.store.deployments.status().served == 1


def test_what_is_live_already_may_be_deployed_again(on_aws: Place) -> None:
    """A canary that switches a flag off that is off deploys the version that is live."""
    base = on_aws.store.read()
    assert on_aws.store.deployments is not None
    receipt = on_aws.store.save(base, edits.kill(base.document, "c"), Note("x"))
    assert not receipt.is_new
    deployment = on_aws.store.deployments.deploy(receipt.version.number, pace="immediate", when_busy="replace")
    assert deployment is not None
    assert not deployment.is_new


def test_rolling_back_needs_no_approval(on_aws: Place) -> None:
    proposal = on_aws.propose()
    on_aws.approve(proposal)
    on_aws.proposals.save(proposal.id)
    on_aws.store.deployments.check_pace("guarded")
    deployment = on_aws.store.deployments.finish()
    assert deployment is not None
    assert [step.state for step in on_aws.store.deployments.follow(deployment.number)][-1] == "COMPLETE"
    on_aws.store.deployments.revert()
    assert on_aws.store.deployments.status().served == 1
    assert [version.number for version in on_aws.store.versions()] == [2, 1]


def test_sources_that_the_settings_do_not_name_are_free(place: Place) -> None:
    Path("flagkit.toml").write_text('[[approvals]]\nsource = "appconfig://other/*"\n')
    free = Place(place.url, place.clock, place._session)
    base = free.store.read()
    assert free.store.save(base, edits.switch_on(base.document, "c"), Note("x")).is_new


def test_a_source_given_by_ids_is_the_same_source(on_aws: Place) -> None:
    names = on_aws.plain().control.known_names()
    Path("flagkit.toml").write_text(f'[[approvals]]\nsource = "appconfig://{"/".join(names)}"\n')
    control = on_aws.plain().control
    ids = control.environment() | control.profile()
    url = "appconfig://{ApplicationId}/{EnvironmentId}/{ConfigurationProfileId}".format(**ids)
    by_id = Place(url, on_aws.clock, on_aws._session)
    base = by_id.store.read()
    with pytest.raises(ApprovalRequiredError):
        by_id.store.save(base, edits.switch_on(base.document, "c"), Note("x"))


# What needs no approval

RECORD = "canary1 k3f9a2c1 1>2 b tn1f0a 25@0,50 - 9f3a2b1c|"


def rolled_out(percent: int, record: str | None = RECORD) -> FlagDocument:
    """The flags with `a` at this percentage of users, in a guarded rollout."""
    document = edits.expose(FlagDocument.parse(DOCUMENT), "a", Decimal(percent))
    return edits.put_rollout(document, "a", record)


@pytest.mark.parametrize(
    ("change", "is_free"),
    [
        (lambda it: edits.switch_off(it, "a"), True),
        (lambda it: edits.kill(edits.kill(it, "a"), "b"), True),
        (lambda it: edits.rollout(edits.kill(it, "a"), "a", 50), False),
        (lambda it: edits.switch_on(edits.kill(it, "a"), "c"), False),
        (lambda it: edits.delete(it, "a"), False),
        (lambda it: edits.rollout(it, "a", 0), True),
        (lambda it: edits.rollout(it, "a", 0, by="country"), False),
        (lambda it: edits.rollout(it, "a", 60), False),
        (lambda it: edits.put_rollout(it, "a", RECORD), False),
        (lambda it: it, True),
    ],
)
def test_only_what_stops_harm_needs_no_approval(change: Any, is_free: bool) -> None:
    before = FlagDocument.parse(DOCUMENT)
    assert is_exempt(before, change(before)) is is_free


@pytest.mark.parametrize(
    ("after", "is_free", "is_free_if_exempt"),
    [
        (rolled_out(50, RECORD.replace("50 ", "50@a ")), False, True),
        (rolled_out(25, RECORD.replace(" b ", " u ")), True, True),
        (rolled_out(5, RECORD.replace(" b ", " r ")), True, True),
        (rolled_out(0, None), True, True),
        (rolled_out(50, None), False, False),
        (edits.switch_on(rolled_out(50), "c"), False, False),
        (edits.target(rolled_out(25), "a", users=["42"]), False, False),
    ],
)
def test_a_rollout_under_way_lowers_freely_and_raises_where_that_is_exempt(
    after: FlagDocument, is_free: bool, is_free_if_exempt: bool
) -> None:
    before = rolled_out(25)
    assert (is_exempt(before, after), is_exempt(before, after, rollouts=True)) == (is_free, is_free_if_exempt)


def test_a_rollout_begins_only_where_rollouts_are_exempt() -> None:
    before, after = rolled_out(0, None), rolled_out(0)
    assert (is_exempt(before, after), is_exempt(before, after, rollouts=True)) == (False, True)


@pytest.mark.parametrize(
    ("tables", "count"),
    [
        ("[[approvals]]\n", 1),
        ('[[approvals]]\nexempt = ["guarded_rollouts"]\n', 0),
        ('[[approvals]]\nexempt = ["guarded_rollouts"]\n[[approvals]]\ncount = 2\n', 2),
    ],
)
def test_rollouts_are_exempt_where_every_table_says_so(place: Place, tables: str, count: int) -> None:
    Path("flagkit.toml").write_text(tables)
    assert approvals_of_rollouts(place.opened()) == count


# How they are written down


def test_proposals_are_read_as_they_were_written(place: Place) -> None:
    proposal = place.propose()
    at = place.clock.now()
    full = replace(
        proposal,
        approvals=(Approval(BOB, at, "f"),),
        status="rejected",
        closed_by=CAROL,
        closed_at=at,
        remark="no",
        version=7,
        environment="prod",
        before={"a": None, "b": ({"name": "b"}, None)},
    )
    assert decode(encode([proposal, full])) == (proposal, full)


def test_open_proposals_are_kept_and_old_closed_ones_dropped(place: Place) -> None:
    made = place.propose()
    closed = [replace(made, id=str(number), status="withdrawn") for number in range(KEPT_CLOSED + 5)]
    kept = decode(encode([made, *closed]))
    assert (kept[0], len(kept), kept[1].id) == (made, KEPT_CLOSED + 1, "5")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"version": 2}',
        b'{"version": 1, "proposals": [{}]}',
        b"[" * 100_000,
        b'{"version":1,"proposals":[{"status":"approved"}]}',
    ],
)
def test_damaged_proposals_are_an_error_not_an_empty_list(content: bytes) -> None:
    with pytest.raises(SourceError):
        decode(content)


def test_proposals_have_a_limit_together(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flagkit.admin.proposals.keeping.MAX_BYTES", 100)
    with pytest.raises(EditError, match="at most 100 are kept"):
        place.propose()


def test_a_file_that_cannot_be_written_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("flagkit.admin.stores.disk.Disk.replace", refuse)
    with pytest.raises(AccessDeniedError, match=r"flags.json.proposals.json can't be changed: permission denied"):
        place.propose()
