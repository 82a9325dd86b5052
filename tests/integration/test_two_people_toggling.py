"""An hour of two people who toggle ten flags at once, deploy in between, and lose a fifth of all calls.

Acceptance of issue 6: every acknowledged edit is in the final document, none is applied twice, the history is complete.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

import boto3
import pytest

from flagkit import Flags
from flagkit.admin import edits
from flagkit.admin.changes import flag_changes
from flagkit.admin.entries import entries_of
from flagkit.admin.history import history
from flagkit.admin.setup import init
from flagkit.admin.stores import FlagStore, Note, Receipt, Stored, open_store
from flagkit.admin.stores.appconfig import AppConfigStore
from flagkit.admin.stores.disk import Disk
from flagkit.admin.stores.file import FileStore
from flagkit.authoring import decompile
from flagkit.core.snapshot import Snapshot
from flagkit.errors import ConflictError, FlagkitError, SourceUnavailableError

pytestmark = pytest.mark.sweep

EDITS = 500
KEYS = tuple(f"flag_{number}" for number in range(10))
URL = "appconfig://shop/prod/flags"
CREATE = "appconfig.CreateHostedConfigurationVersion"


class FlakyDisk(Disk):
    """Fails a fifth of all writes: before they happen, or after."""

    def __init__(self, seed):
        self._random = random.Random(seed)

    def append(self, path, content, *, at):
        self._flaky(lambda: super(FlakyDisk, self).append(path, content, at=at))

    def replace(self, path, content):
        self._flaky(lambda: super(FlakyDisk, self).replace(path, content))

    def _flaky(self, write):
        drawn = self._random.random()
        if drawn < 0.1:
            raise OSError(5, "input/output error")
        write()
        if drawn < 0.2:
            raise OSError(5, "input/output error")


@dataclass
class Person:
    """Somebody with a store, an edit that is being prepared, and what was acknowledged."""

    name: str
    store: FlagStore
    base: Stored | None = None
    pending: tuple[str, int, Note] | None = None
    acknowledged: list[tuple[str, int, Note, Receipt]] = field(default_factory=list)
    conflicts: int = 0
    failures: int = 0

    def look(self, key, number):
        """Reads the document and decides on an edit; time may pass before it is saved."""
        try:
            self.base = self.store.read()
        except SourceUnavailableError:
            self.failures += 1
            return
        self.pending = (key, number, Note(f"edit {number}", author=self.name))

    def save(self):
        """Saves the edit; after a failure it stays pending, to be repeated with the same note."""
        key, number, note = self.pending
        text = f"edit {number} of {self.name}"
        document = edits.describe(self.base.document, key, description=text, owner=self.name, add_tags=[f"t{number}"])
        tags = decompile(document).flags[key].tags[:-1]
        document = edits.describe(document, key, remove_tags=tags)  # only its own stays
        toggle = edits.switch_off if number % 2 else edits.switch_on
        try:
            receipt = self.store.save(self.base, toggle(document, key), note)
        except ConflictError:
            self.conflicts += 1
        except SourceUnavailableError:
            self.failures += 1
            return
        else:
            self.acknowledged.append((key, number, note, receipt))
        self.pending = None


def play(people, clock, chance, deploy):
    """The hour: whoever's turn it is looks or saves; now and then somebody deploys."""
    number = 0
    while number < EDITS or any(person.pending for person in people):
        clock.advance(3600 / EDITS / 2)
        person = chance.choice(people)
        if person.pending:
            person.save()
        elif number < EDITS:
            number += 1
            person.look(chance.choice(KEYS), number)
        if chance.random() < 0.05:
            deploy(person)


def write_between(aws, carol, chance):
    """Lets a third one look and save in the middle of a save: after its write and before its answer."""
    numbers = iter(range(10_000, 20_000))

    def watcher(record):
        if record.call == CREATE and chance.random() < 0.4:
            aws.wire.watchers.remove(watcher)
            carol.look(chance.choice(KEYS), next(numbers))
            if carol.pending:
                carol.save()
            carol.pending = None
            aws.wire.watchers.append(watcher)

    aws.wire.watchers.append(watcher)


def check(people, store):
    """Every acknowledged edit is there once, and nothing else is."""
    entries = list(reversed(list(history(store))))
    assert all(not entry.problem for entry in entries)
    assert [entry.version.number for entry in entries] == list(range(1, len(entries) + 1))
    ids = Counter(entry.version.edit_id for entry in entries)
    assert set(ids.values()) == {1}
    by_id = {entry.version.edit_id: entry for entry in entries}
    reported = {note.edit_id for person in people for *_, note, _ in person.acknowledged}
    assert reported <= set(by_id)
    for person in people:
        for key, number, note, receipt in person.acknowledged:
            entry = by_id[note.edit_id]
            assert (entry.version.author, entry.version.reason) == (person.name, f"edit {number}")
            assert entry.version.number == receipt.version.number
            # The version changed that flag, and no other.
            assert [flag.key for flag in entry.diff.flags] == [key]
            assert entries_of(store.read(entry.version.number).document)[key][0]["description"] == (
                f"edit {number} of {person.name} [flagkit owner: {person.name}; tags: t{number}]"
            )
            assert entry.version.changes == {key: "changed"}
    changes = flag_changes(store.versions(), KEYS)
    for key in KEYS:
        last = next(entry for entry in reversed(entries) if entry.diff.of(key) is not None)
        assert (changes[key].version, changes[key].changed_by) == (last.version.number, last.version.author)
    # The final document is what the last version of each flag says.
    final = entries_of(store.read().document)
    for key in KEYS:
        last = next(entry for entry in reversed(entries) if entry.diff.of(key) is not None)
        assert final[key] == entries_of(store.read(last.version.number).document)[key]
    return entries


def start(store):
    base = store.read(missing_ok=True)
    document = base.document
    for key in KEYS:
        document = edits.create(document, key)
    store.save(base, document, Note("begin", author="setup"))


@pytest.mark.parametrize("feature_flags", [False, True], ids=["freeform", "flags"])
def test_an_hour_on_appconfig(aws, virtual_clock, feature_flags):
    init(URL, profile_type="feature_flags" if feature_flags else "freeform", clock=virtual_clock, bake_minutes=1)
    chance = random.Random(7)
    stores = [
        AppConfigStore("shop", "prod", "flags", clock=virtual_clock, chance=random.Random(seed).random)
        for seed in range(3)
    ]
    start(stores[2])
    people = [Person("alice", stores[0]), Person("bob", stores[1])]
    deployed = []

    def deploy(person):
        try:
            pace, when = chance.choice(("immediate", "guarded")), chance.choice(("wait", "replace", "queue"))
            if person.acknowledged:
                version = person.acknowledged[-1][3].version.number
                deployed.append(person.store.deployments.deploy(version, pace=pace, when_busy=when))
        except FlagkitError:
            person.failures += 1

    aws.faults.add_mix(0.2, "appconfig.*")
    carol = Person("carol", stores[2])
    write_between(aws, carol, chance)
    play(people, virtual_clock, chance, deploy)
    aws.wire.watchers.clear()
    aws.faults.clear()
    check([*people, carol], stores[2])
    assert len(carol.acknowledged) > 100
    outcomes = Counter(record.outcome for record in aws.wire.calls if record.call.endswith("ConfigurationVersion"))
    assert outcomes["lost_answer"] > 20
    assert outcomes["ConflictException"] > 50
    acknowledged = sum(len(person.acknowledged) for person in people)
    assert acknowledged + sum(person.conflicts for person in people) > EDITS * 0.9
    assert acknowledged > EDITS * 0.7
    # What nobody deployed is noticed, and finished.
    store = stores[2]
    status = store.deployments.status()
    if status.is_pending:
        assert "saved but not deployed" in status.to_text() or status.was_reverted
    store.deployments.finish(pace="immediate", when_busy="replace", again=True)
    assert not store.deployments.status().is_pending
    numbers = [item.number for item in store.deployments._list()]
    assert numbers == sorted(set(numbers), reverse=True)
    # Clients get exactly what the final document says, from both kinds of profile.
    final = Snapshot.from_document(store.read().document.to_dict())
    with Flags.connect(URL, session=boto3.Session(), clock=virtual_clock, refresh="manual") as flags:
        for key in KEYS:
            assert flags.is_enabled(key, "42") == final.evaluate(key, "42").enabled


def test_an_hour_on_a_file(tmp_path, virtual_clock):
    path = tmp_path / "flags.json"
    start(FileStore(path, clock=virtual_clock))
    stores = [FileStore(path, clock=virtual_clock, disk=FlakyDisk(seed)) for seed in range(2)]
    people = [Person("alice", stores[0]), Person("bob", stores[1])]
    play(people, virtual_clock, random.Random(7), lambda _person: None)
    calm = open_store(f"file:{path}", clock=virtual_clock)
    check(people, calm)
    assert sum(person.failures for person in people) > EDITS * 0.2
    assert sum(len(person.acknowledged) for person in people) > EDITS * 0.7
