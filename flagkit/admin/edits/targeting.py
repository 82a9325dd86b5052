"""Who gets a flag: a share of the users, named users, or variants by weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias

from flagkit.admin.edits.workbench import (
    Words,
    change_flag,
    has_required_attributes,
    is_plain,
    read_words,
    spelt_out,
    with_guard,
    words_of,
)
from flagkit.authoring import FlagSource, VariantSource, read_percent, show_percent
from flagkit.authoring.ranges import STEPS
from flagkit.core.documents import FlagDocument
from flagkit.errors import EditError

Percent: TypeAlias = "Decimal | float | str"

_LISTS = ("users", "groups", "segments")


def rollout(
    document: FlagDocument,
    key: str,
    percent: Percent,
    *,
    by: str | None = None,
    where: str | None = None,
    seed: str | None = None,
) -> FlagDocument:
    """Give a flag to a share of the users. A flag that is off is switched on for them.

    Of a flag with several weighted variants, this is the share of the users that takes part.

    Args:
        document: the native document.
        key: the flag.
        percent: 0 to 100, in steps of 0.0001.
        by: the context key that is drawn by; unchanged where None (at first `userId`).
        where: a native rule that limits the share, "" for none; unchanged where None.
        seed: what is drawn with; unchanged where None (at first the flag's key). Another seed deals everybody anew.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: not a percentage, or the flag has a rule written by hand.

    Since 0.1.
    """
    steps = read_percent(percent)

    def change(flag: FlagSource) -> Words:
        if flag.variants:
            words = _share_of_variants(flag, key, steps, where)
        else:
            words = words_of(flag)
            words.pop("enabled", None)
            words["percent"] = show_percent(steps)
        words.pop("ramp", None)
        _set(words, by=by, where=where, seed=seed)
        if has_required_attributes(flag) and not flag.variants:
            return spelt_out(read_words(key, words))
        return words

    return change_flag(document, key, change, keep_guard=False)


def target(
    document: FlagDocument,
    key: str,
    *,
    users: Sequence[str] = (),
    groups: Sequence[str] = (),
    segments: Sequence[str] = (),
    variant: str | None = None,
    remove: bool = False,
) -> FlagDocument:
    """Add users, groups (`$group`) or segments to those who get a flag whatever the percentages say, or remove them.

    Args:
        document: the native document.
        key: the flag.
        users: user ids.
        groups: values of the context key `group`.
        segments: names of segments.
        variant: which variant they get; needed for flags with several.
        remove: remove instead of add.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: the flag is on for everybody anyway, or somebody who is to be removed isn't on the list.

    Since 0.1.
    """
    lists = {"users": tuple(users), "groups": tuple(groups), "segments": tuple(segments)}
    if not any(lists.values()):
        message = "who? Give users, groups or segments"
        raise EditError(message)

    def change(flag: FlagSource) -> Words:
        if flag.variants:
            words = words_of(flag)
            _change_lists(_variant(words, flag, key, variant), lists, key, remove=remove)
            return words
        if variant not in {None, "on"}:
            message = f"{key} has no variant {variant}"
            raise EditError(message)
        return _target_switch(flag, key, lists, remove=remove)

    return change_flag(document, key, change)


def split(
    document: FlagDocument,
    key: str,
    weights: Mapping[str, Percent],
    *,
    by: str | None = None,
    seed: str | None = None,
) -> FlagDocument:
    """Share the users out among variants; what is left goes to the default variant.

    The variants own disjoint bands, and a change of weights moves as few users as possible (docs/bucketing.md).
    Variants that aren't named go, unless somebody is on their lists or they have a rule written by hand. A flag that
    was rolled out to some users and switched off stays off.

    Args:
        document: the native document.
        key: the flag.
        weights: percent by variant; new variants start with the flag's attribute values. The default variant may be
            named if everything adds up to 100.
        by: the context key that is drawn by; unchanged where None.
        seed: what is drawn with; unchanged where None. Another seed deals everybody anew.

    Raises:
        UnknownFlagError: there is no such flag.
        EditError: the weights are more than 100 %, or nothing.

    Since 0.1.
    """
    steps = {name: read_percent(weight) for name, weight in weights.items()}
    total = sum(steps.values())
    if not 0 < total <= STEPS:
        message = f"the weights add up to {show_percent(total)} %; they must be more than 0 % and at most 100 %"
        raise EditError(message)

    stays_off: list[bool] = []

    def change(flag: FlagSource) -> Words:
        stays_off.append(flag.enabled is False and not is_plain(flag))
        words = _plain_default(flag) if is_plain(flag) else spelt_out(flag, percent_as_weight=False)
        words.pop("ramp", None)
        given = words["variants"]
        assert isinstance(given, list | tuple)
        *ruled, default = given
        wanted = _without_default(steps, str(default["name"]), total)
        present = {str(variant["name"]): variant for variant in ruled}
        for name in wanted:
            if "rule" in present.get(name, {}):
                message = f"variant {name} of {key} has a rule written by hand; a weight would replace it"
                raise EditError(message, hint="Choose another name, or change the flag as code.")
        kept = [_weighted(variant, wanted.get(str(variant["name"]))) for variant in ruled if _stays(variant, wanted)]
        fresh: list[Words] = [
            {"name": name, "values": dict(default.get("values", {})), "weight": show_percent(weight)}
            for name, weight in wanted.items()
            if name not in present
        ]
        words["variants"] = [*kept, *fresh, default]
        _set(words, by=by, seed=seed)
        return words

    changed = change_flag(document, key, change)
    return with_guard(changed, key) if stays_off[0] else changed


def _share_of_variants(flag: FlagSource, key: str, steps: int, where: str | None) -> Words:
    ruled = flag.variants[:-1]
    words = words_of(flag)
    variants = words["variants"]
    assert isinstance(variants, list | tuple)
    written = [variant.name for variant in ruled if variant.rule is not None]
    if len(ruled) == 1 and written and where is not None:
        del variants[0]["rule"]
    elif written:
        message = f"variant {written[0]} of {key} has a rule written by hand, which a percentage would replace"
        raise EditError(message, hint="Give --where to replace it, or change the flag as code.")
    if len(ruled) == 1:
        variants[0].pop("bands", None)
        variants[0]["weight"] = show_percent(steps)
        variants[0]["enabled"] = True
        words.pop("percent", None)
    else:
        words["percent"] = show_percent(steps)
    return words


def _target_switch(flag: FlagSource, key: str, lists: Mapping[str, tuple[str, ...]], *, remove: bool) -> Words:
    words = words_of(flag)
    plain = is_plain(flag)
    if plain and flag.enabled and not remove:
        message = f"{key} is on for everybody; there is nobody to add"
        raise EditError(message, hint=f"To limit it first: flagkit rollout {key} 0")
    if plain:
        words.pop("enabled", None)
    _change_lists(words, lists, key, remove=remove)
    changed = read_words(key, words)
    if not changed.is_targeted:
        return {**words, "enabled": False}
    return spelt_out(changed) if has_required_attributes(flag) else words


def _change_lists(words: Words, lists: Mapping[str, tuple[str, ...]], key: str, *, remove: bool) -> None:
    for name, values in lists.items():
        present = words.get(name, ())
        assert isinstance(present, list | tuple)
        missing = [value for value in values if value not in present]
        if remove and missing:
            message = f"{key} isn't given to {name.removesuffix('s')} {', '.join(missing)}"
            raise EditError(message)
        if remove:
            words[name] = [value for value in present if value not in values]
        else:
            words[name] = [*present, *dict.fromkeys(missing)]
        if not words[name]:
            del words[name]


def _variant(words: Words, flag: FlagSource, key: str, variant: str | None) -> Words:
    ruled = flag.variants[:-1]
    names = [item.name for item in ruled]
    if variant is None and len(names) == 1:
        variant = names[0]
    if variant is None:
        message = f"{key} has the variants {', '.join(names)}: which one is meant?"
        raise EditError(message, hint=f"Say which, e.g. --variant {names[0]}.")
    if variant not in names:
        message = f"{key} has no variant {variant} that could be given to somebody, only {', '.join(names)}"
        raise EditError(message)
    _refuse_rule(ruled[names.index(variant)], key)
    variants = words["variants"]
    assert isinstance(variants, list | tuple)
    place: Words = variants[names.index(variant)]
    return place


def _refuse_rule(variant: VariantSource, key: str) -> None:
    if variant.rule is not None:
        message = f"variant {variant.name} of {key} has a rule written by hand; lists can't be added to it"
        raise EditError(message, hint="Change the flag as code (`flagkit pull`, edit, `flagkit apply`).")


def _plain_default(flag: FlagSource) -> Words:
    words = words_of(flag)
    default = {"name": "default", "enabled": bool(words.pop("enabled", False)), "values": words.pop("values", {})}
    return {**words, "variants": [default]}


def _without_default(steps: Mapping[str, int], default: str, total: int) -> dict[str, int]:
    if default in steps and total != STEPS:
        message = f"{default} is the default variant and gets what is left; the weights add up to less than 100 %"
        raise EditError(message)
    return {name: weight for name, weight in steps.items() if name != default}


def _stays(variant: Words, wanted: Mapping[str, int]) -> bool:
    return str(variant["name"]) in wanted or "rule" in variant or any(variant.get(name) for name in _LISTS)


def _weighted(variant: Words, weight: int | None) -> Words:
    kept = {word: value for word, value in variant.items() if word not in {"weight", "bands"}}
    return kept if weight is None else {**kept, "weight": show_percent(weight)}


def _set(words: Words, **given: str | None) -> None:
    for word, value in given.items():
        if value == "":
            words.pop(word, None)
        elif value is not None:
            words[word] = value
