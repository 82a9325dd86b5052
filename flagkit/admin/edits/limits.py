"""What limits a flag beside its rules: prerequisites, holdouts, and a percentage that grows by itself."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from flagkit.admin.edits.targeting import Percent, beside_rules, kept_state, own_variants
from flagkit.authoring import AuthoringDocument, FlagSource, HoldoutSource, RampStep, edit_flag
from flagkit.authoring.conditions import written_prerequisite
from flagkit.authoring.editor import edit_document, holdout_users, unknown_flag
from flagkit.authoring.ranges import STEPS, read_percent
from flagkit.core.definitions import INTERNAL_FLAGS
from flagkit.core.documents import FlagDocument
from flagkit.errors import EditError


def required(others: Sequence[str]) -> tuple[str, ...]:
    """Return prerequisites as a flag keeps them.

    Raises:
        EditError: one is not a flag, `flag = variant` or `flag = off`.
    """
    return tuple(dict.fromkeys(written_prerequisite(other) for other in others))


def require(document: FlagDocument, key: str, others: Sequence[str], *, remove: bool = False) -> FlagDocument:
    """Limit a flag to users for whom other flags are on; or stop doing so.

    Args:
        document: the native document.
        key: the flag.
        others: the flags that must be on (`base`), give a variant (`base = blue`) or be off (`base = off`).
        remove: remove them from the prerequisites instead of adding them.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: flags would require each other, or one that is to be removed isn't required.
    """
    entries = [written_prerequisite(other) for other in others]

    def change(flag: FlagSource) -> FlagSource:
        missing = [entry for entry in dict.fromkeys(entries) if entry not in flag.requires]
        if remove and missing:
            raise EditError(
                f"{key} does not require {', '.join(missing)}", hint=f"`flagkit show {key}` shows what it does."
            )
        kept = tuple(entry for entry in flag.requires if not (remove and entry in entries))
        return _limited(flag, flag.model_copy(update={"requires": kept if remove else (*kept, *missing)}))

    return edit_flag(document, key, change)


def holdout(
    document: FlagDocument, key: str, name: str, *, percent: Percent | None = None, remove: bool = False
) -> FlagDocument:
    """Keep a percentage of the users out of a flag: the same users for all flags with this holdout; or stop doing so.

    Users who are on a list of the flag get it all the same.

    Args:
        document: the native document.
        key: the flag.
        name: the holdout; flags with the same name share it.
        percent: the percentage of users it holds out, for all flags that share it; unchanged where None.
        remove: remove the flag from the holdout.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: a new holdout without a percentage, or the flag is in another holdout or, to remove, not in this one.
    """
    steps = None if percent is None else read_percent(percent)
    if not name.strip() or len(name.splitlines()) > 1 or len(name) > 64:
        raise EditError(f"{name!r} is not a valid name of a holdout: 1 to 64 characters on one line")

    def change(source: AuthoringDocument) -> AuthoringDocument:
        if key not in source.flags:
            raise unknown_flag(key, {*document.flags, *document.values} - INTERNAL_FLAGS)
        flag = source.flags[key]
        if flag.holdout is not None and flag.holdout != name:
            hint = f"Remove it first: flagkit holdout {key} {flag.holdout} --remove"
            raise EditError(f"{key} is in holdout {flag.holdout}", hint=hint)
        if remove and flag.holdout is None:
            raise EditError(f"{key} is not in holdout {name}")
        known = source.holdouts.get(name)
        if known is None and steps is None:
            hint = f"Create it with a percentage: flagkit holdout {key} {name} --percent 5"
            raise EditError(f"there is no holdout {name}", hint=hint)
        held = (known or HoldoutSource(percent=0)).model_copy(update={} if steps is None else {"percent": steps})
        limited = _limited(flag, flag.model_copy(update={"holdout": None if remove else name}))
        flags = {**source.flags, key: limited}
        return source.model_copy(update={"flags": flags, "holdouts": {**source.holdouts, name: held}})

    return edit_document(document, {key, *holdout_users(document, name)}, change)


def _limited(flag: FlagSource, changed: FlagSource) -> FlagSource:
    """Return a flag whose limits changed, on or off as it was."""
    if changed.variants:
        # A variant that only the limit limited needs a weight now: all users.
        *ruled, default = changed.variants
        bare = not (changed.requires or changed.has_share or changed.starts or changed.ends)
        whole = [it.model_copy(update={"weight": STEPS}) if bare and it.is_plain else it for it in ruled]
        return changed.model_copy(update={"variants": (*whole, default)})
    on = changed.is_targeted
    return changed.model_copy(update={"enabled": kept_state(flag) if on else not flag.is_off})


def ramp(document: FlagDocument, key: str, steps: Sequence[tuple[dt.datetime, Percent]]) -> FlagDocument:
    """Let the percentage of a flag grow by itself; `rollout` replaces it. A flag that is off stays off.

    Args:
        document: the native document.
        key: the flag.
        steps: from which time on which percentage; both must grow.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: the steps go back, or the flag has a rule that a percentage can't stand beside.
    """
    read = tuple(
        RampStep.model_construct(at=at.astimezone(dt.UTC), percent=read_percent(percent)) for at, percent in steps
    )

    def change(flag: FlagSource) -> FlagSource:
        if not flag.variants:
            return flag.model_copy(update={"ramp": read, "percent": None, "enabled": kept_state(flag)})
        native = next((variant.name for variant in flag.variants if variant.rule is not None), None)
        if native is not None:
            hint = "Change the flag as code (`flagkit pull`, edit, `flagkit apply`)."
            raise EditError(f"a ramp can't stand beside the native rule of variant {native} of {key}", hint=hint)
        if len(own_variants(flag)) <= 1:
            # The users of a percentage keep it: the ramp grows on the same line of users.
            flag = beside_rules(flag, STEPS).model_copy(update={"percent_seed": flag.seed or key})
        return flag.model_copy(update={"ramp": read, "percent": None})

    return edit_flag(document, key, change)
