"""Preflight of aliases, versions and records: what Lambda would refuse or silently do wrong later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial

from canary.core.alias import ALL_BP, UNPUBLISHED, AliasState, basis_points
from canary.core.phases import Phase
from canary.core.plan import FunctionRef, StagePlan
from canary.core.record import Record, Shift, decode, room_for_description
from canary.core.recover import fingerprint
from canary.ports import Target
from canary.runner.checks import Check, Level
from canary.runner.retrying import Retrying


def alias_checks(stage: StagePlan, function: FunctionRef, retrying: Retrying) -> Iterator[Check]:
    """The alias stands still on a published version, nobody works on it, and all traffic goes through it."""
    key = function.key
    traffic = retrying.teller.ports.aliases
    alias = retrying.call(f"GetAlias {key}", partial(traffic.read, function))
    yield _check(
        "alias_published",
        alias.version != UNPUBLISHED,
        f"{key} is on version {alias.version}",
        key,
        f"Point alias {function.alias} at a published version.",
    )
    if stage.account is not None:
        text = f"{key} lives in account {alias.account or 'unknown'}, the plan says {stage.account}"
        hint = "Use the credentials of the stage's account, or correct `account` in the plan."
        yield _check("account", alias.account == stage.account, text, key, hint)
    yield _free(alias)
    facts = retrying.call(f"ask about {function.function}", partial(traffic.function_facts, function))
    yield _check(
        "no_unqualified_url",
        not facts.unqualified_url,
        f"{function.function} has {'a' if facts.unqualified_url else 'no'} function URL on {UNPUBLISHED}",
        key,
        f"Requests to it bypass alias {function.alias}: put the URL on the alias.",
    )
    sources = ", ".join(facts.unqualified_sources)
    yield _check(
        "no_unqualified_sources",
        not sources,
        f"{function.function} is called without the alias by {sources}"
        if sources
        else "no event source bypasses the alias",
        key,
        f"Point the event source at alias {function.alias}.",
    )
    for action in facts.unknown:
        yield Check(
            "may_look", Level.WARNING, f"{action} is not permitted, so traffic around the alias can't be seen", key
        )
    if function.alias in facts.provisioned_on:
        text = (
            f"alias {function.alias} has provisioned concurrency: the new version starts cold, and AWS drains the old"
        )
        hint = "Put provisioned concurrency on the versions; its settings can't be changed while weights are set."
        yield Check("provisioned_concurrency", Level.WARNING, text, key, hint)


def version_checks(target: Target, retrying: Retrying) -> Iterator[Check]:
    """Both versions exist, are active, differ, and Lambda lets them share an alias."""
    key = target.function.key
    yield _check(
        "versions_differ",
        target.baseline != target.candidate,
        f"{key} goes from version {target.baseline} to {target.candidate}",
        key,
        "Publish a new version, or name one with --version.",
    )
    read = retrying.teller.ports.aliases.version_facts
    base = retrying.call(f"read version {target.baseline}", partial(read, target.function, target.baseline))
    candidate = retrying.call(f"read version {target.candidate}", partial(read, target.function, target.candidate))
    for facts in (base, candidate):
        yield _check(
            "version_active",
            facts.state == "Active",
            f"version {facts.version} is {facts.state}",
            key,
            "Wait until it is Active; an inactive version is deployed again or invoked once.",
        )
    yield _check(
        "same_role",
        base.role == candidate.role,
        f"execution roles: {base.role} and {candidate.role}",
        key,
        "Lambda shares an alias only between versions with the same execution role.",
    )
    yield _check(
        "same_dead_letter_queue",
        base.dead_letter_arn == candidate.dead_letter_arn,
        f"dead-letter queue: {base.dead_letter_arn or 'none'} and {candidate.dead_letter_arn or 'none'}",
        key,
        "Lambda shares an alias only between versions with the same dead-letter queue.",
    )
    if base.durable or candidate.durable:
        text = "a durable function: executions begun on the new version go on there after a rollback, up to a year"
        yield Check("durable", Level.WARNING, text, key, "Keep the old version; pin long executions to a version.")


def record_checks(stage: StagePlan, targets: Sequence[Target], retrying: Retrying) -> Iterator[Check]:
    """The record must fit into 256 characters at its longest; the operator's text may be cut, and is told so."""
    uneven = [step.weight for step in stage.steps if basis_points(step.weight) != step.weight * 100]
    if uneven:
        text = f"a weight of {uneven[0]} % isn't a whole number of basis points"
        yield Check("weights_whole", Level.FAILED, text, hint="Round the weights of the steps to 0.01 %.")
    read = retrying.teller.ports.aliases.read
    for target in targets:
        alias = retrying.call(f"GetAlias {target.function}", partial(read, target.function))
        record = decode(alias.description)
        text = alias.description if record is None else record.description
        room = room_for_description(_longest(stage, target, retrying))
        if room < 0:
            yield Check(
                "record_fits", Level.FAILED, f"the record of {len(stage.steps)} steps is {-room} characters too long",
                target.function.key, "Use fewer steps: the alias description holds 256 characters.",
            )  # fmt: skip
        elif len(text) > room:
            yield Check(
                "description_fits", Level.WARNING,
                f"the alias description has {len(text)} characters, {room} fit beside the record meanwhile",
                target.function.key, "The journal keeps the whole text and it is restored at the end.",
            )  # fmt: skip


def _longest(stage: StagePlan, target: Target, retrying: Retrying) -> Record:
    now = retrying.teller.ports.clock.now()
    end = now + len(stage.steps) * stage.hold_max + stage.total_bake + stage.post_bake + timedelta(days=7)
    weights = (*(basis_points(step.weight) for step in stage.steps), ALL_BP, ALL_BP, 0)
    return Record(
        canary_id="x" * 8,
        baseline=target.baseline,
        candidate=target.candidate,
        phase=Phase.BAKING,
        started_at=now,
        shifts=tuple(Shift(end, weight) for weight in weights),
        deadline=end,
        fingerprint=fingerprint(stage),
        description="",
        hotfix=True,
    )


def _free(alias: AliasState) -> Check:
    key = alias.function.key
    record = decode(alias.description)
    if record is not None and record.phase is not Phase.STARTING:
        return Check(
            "alias_free", Level.FAILED, f"canary {record.canary_id} is at work on {key}", key, "Wait, or end it."
        )
    if alias.extra_version is not None:
        text = f"{key} already shares its traffic with version {alias.extra_version}"
        return Check(
            "alias_free", Level.FAILED, text, key, "Clear the weights first: somebody else's release may be under way."
        )
    return Check("alias_free", Level.OK, f"nobody is at work on {key}", key)


def _check(name: str, ok: bool, text: str, function: str, hint: str) -> Check:
    return Check(name, Level.OK if ok else Level.FAILED, text, function, "" if ok else hint)
