"""Changing flags: edits, diffs, merges, stores, deployments, history, flags as code. Never imported by the read path.

Pure (documents in, documents out; `now` is an argument):

    edits.switch_on(document, key) · switch_off · kill
    edits.rollout(document, key, percent, *, by=None, where=None, seed=None)
    edits.target(document, key, *, users=(), groups=(), segments=(), variant=None, remove=False)
    edits.split(document, key, {"red": 50, "blue": 50}, *, by=None, seed=None)
    edits.set_attributes(document, key, {"color": "blue", "size": None}, *, variant=None)
    edits.schedule(document, key, *, starts=None, ends=None, clear=False, now)
    edits.create(document, key, *, name=None, description=None, enabled=False, attributes=None, remove_by=None)
    edits.delete(document, key) · edits.describe(document, key, *, name=None, description=None, remove_by=None)
    edits.put_segment(document, name, *, users=(), groups=(), where=None) · change_segment(…) · delete_segment
    edits.list_segments(document) · edits.restore(document, key, other) · edits.restore_all(document, other)
        each returns a new FlagDocument or raises EditError/UnknownFlagError/DocumentError
    where.read_where("country in US,CA and plan = pro") -> native rule text
    diff.compare(before, after) -> DocumentDiff(flags=(FlagDiff(key, kind, changes, audience), …)).to_text()
    merge.merge(base, ours, theirs) -> FlagDocument, or ConflictError

With effects, behind one Protocol `FlagStore` (stores.base) for files and AppConfig:

    stores.open_store(url=None, *, session=None, clock=None) -> FlagStore
    store.read(version=None, *, missing_ok=False) -> Stored(version: Version, document, content)
    store.save(base, document, note) -> Receipt(version, is_new, document)   # Note(reason="", author=None, edit_id=…)
    store.versions() -> Iterator[Version(number, label, author, reason, at, edit_id)]   # newest first
    store.deployments -> Deployments | None (None: a file, saved is served)
    deployments.status() -> DeploymentStatus(newest, served, running, last, is_pending).to_text()
    deployments.deploy(version, *, pace="guarded"|"immediate"|"<strategy id>",
        when_busy="wait"|"replace"|"queue"|"refuse") -> Deployment, or None where it was queued
    deployments.finish(...) · follow(number) -> Iterator[Deployment] · stop(number) · revert(number)

    history.history(store, key=None, *, limit=None) -> Iterator[Entry(version, diff, problem)]   # newest first
    history.last_changes(store) -> {key: datetime or None}   # for find_stale
    history.revert_document(store, key=None, *, to=None) -> (Stored, FlagDocument)   # to=None: undo the last change
    code.pull(document) -> TOML · code.plan(document, toml) -> Plan(document, diff); apply is
        store.save(base, plan.document, note)
    agent_local.export_agent_local(document, application, environment, profile, *, profile_type) -> {file name: bytes}
    powertools.read_powertools(schema) -> Imported(document, problems)
    stale.scan(path, text) -> References · stale.find_stale(document, references, last_changed, *, now, days=90)
    iam.policy(role, Resources(…)) -> dict · setup.init(url, *, profile_type, bake_minutes, alarms) -> SetupReport
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagkit.lazy import lazy_names

if TYPE_CHECKING:
    from flagkit.admin import code, diff, edits, history, merge, stores

__all__ = ["code", "diff", "edits", "history", "merge", "stores"]

__getattr__ = lazy_names(__name__, {__name__: __all__})
