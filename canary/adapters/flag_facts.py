"""What stands in the way of a flag's rollout, or would make its arms differ: values, for the preflight."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from canary.adapters.aws import Api, Session
from canary.core.alias import FunctionFacts, Obstacle
from canary.core.plan import FlagTarget

if TYPE_CHECKING:
    from flagkit.admin.stores import FlagStore
    from flagkit.authoring import FlagSource

IMMEDIATE: Final = "flagkit-immediate"


def flag_facts(target: FlagTarget, store: FlagStore, session: Session | None) -> FunctionFacts:
    """Everything about the flag that its percentage doesn't say."""
    from flagkit.authoring.editor import readable

    newest = store.read()
    flag = readable(newest.document, target.key)
    found = [*_of_flag(target, flag), *_of_approvals(target, store)]
    if store.deployments is not None:
        found += _of_deployments(target, store)
        if session is not None:
            found += _of_strategies(target, session)
    return FunctionFacts(obstacles=tuple(found))


def _of_flag(target: FlagTarget, flag: FlagSource) -> Iterator[Obstacle]:
    key, where = target.key, f"--source {target.source}"
    if flag.archived:
        text = f"{key} is archived, and an archived flag can't be switched on"
        yield Obstacle("flag_archived", text, f"`flagkit archive {key} --undo {where}`.", refuses=True)
    if times := [f"{word} {at:%Y-%m-%d %H:%M} UTC" for word, at in (("from", flag.starts), ("until", flag.ends)) if at]:
        text = (
            f"{key} has a schedule ({' '.join(times)}): outside of it nobody has the flag, whatever its percentage is"
        )
        yield Obstacle(
            "flag_schedule", text, f"Remove it during the rollout: `flagkit schedule {key} --clear {where}`."
        )


def _of_approvals(target: FlagTarget, store: FlagStore) -> Iterator[Obstacle]:
    from flagkit.admin.proposals.guard import approvals_of_rollouts

    if (count := approvals_of_rollouts(store)) > 0:
        people = "another person" if count == 1 else f"{count} other people"
        text = f"each change of {target.source} needs the approval of {people}, and a rollout can't wait for one"
        hint = 'Let rollouts be exempt: exempt = ["guarded_rollouts"] below [[approvals]] in flagkit.toml.'
        yield Obstacle("flag_approvals", text, hint, refuses=True)


def _of_deployments(target: FlagTarget, store: FlagStore) -> Iterator[Obstacle]:
    from flagkit.admin.edits import rollout_record
    from flagkit.admin.entries import changed_keys

    assert store.deployments is not None
    where = f"--source {target.source}"
    status = store.deployments.status()
    if status.is_pending and status.served is not None:
        live, newest = store.read(status.served).document, store.read().document
        changed = changed_keys(live, newest)
        # A driver that ended between save and deployment: the next write decides about it.
        is_of_rollout = rollout_record(live, target.key) != rollout_record(newest, target.key)
        if target.key in changed and not is_of_rollout:
            text = f"{target.key} has a change that is saved but not deployed"
            yield Obstacle(
                "flag_deployed",
                text,
                f"Deploy it (`flagkit deploy {where}`), or undo it (`flagkit revert --last {where}`).",
                True,
            )
        elif others := sorted(changed.keys() - {target.key}):
            text = f"changes of {', '.join(others)} are saved but not deployed: they go live with the first step"
            yield Obstacle("flag_deployed", text, f"Deploy them before (`flagkit deploy {where}`), or undo them.")
    if status.running is not None:
        text = f"deployment {status.running.number} is in progress, and an increase waits until it has ended"
        yield Obstacle("flag_deployment", text, f"Wait for it: `flagkit status {where}`.")


def _of_strategies(target: FlagTarget, session: Session) -> Iterator[Obstacle]:
    names = {str(item.get("Name")) for item in Api(session, "appconfig").pages("ListDeploymentStrategies", "Items")}
    if IMMEDIATE not in names:
        text = (
            f"there is no deployment strategy {IMMEDIATE}: each step is deployed with AppConfig.AllAtOnce, which "
            "occupies the environment for 10 minutes"
        )
        yield Obstacle("flag_strategy", text, f"Create it: `flagkit init --source {target.source}`.")
