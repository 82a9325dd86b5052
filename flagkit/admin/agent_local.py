"""Files for the local development mode of AWS's own Agent, from the same document. Pure: names and bytes.

Source of names and shapes: appconfig.md §6 and the samples of AWS's guide: a flag with variants is a list
of pairs of rule and answer, ending in the default's answer. The Agent reads the files once, when it starts.
"""

from __future__ import annotations

import json
from typing import Literal

from flagkit.core.definitions import INTERNAL_FLAGS
from flagkit.core.documents import FlagDocument, FlagValue, reduce
from flagkit.core.rules.parser import parse_rule
from flagkit.core.rules.printer import print_rule

ION_SUFFIX = ".application%ion%type=AWS.AppConfig.FeatureFlags"


def export_agent_local(
    document: FlagDocument,
    application: str,
    environment: str,
    profile: str,
    *,
    profile_type: Literal["feature_flags", "freeform"] = "feature_flags",
) -> dict[str, bytes]:
    """Return the files for the Agent's `LOCAL_DEVELOPMENT_DIRECTORY`, by name.

    Args:
        document: the flags.
        application: the name that clients ask for.
        environment: the name that clients ask for.
        profile: the name that clients ask for.
        profile_type: `feature_flags` to let the Agent evaluate (as Ion text if a flag has variants, otherwise as the
            JSON that it answers with); `freeform` to get the document itself through it.
    """
    name = f"{application}:{environment}:{profile}"
    if profile_type == "freeform":
        return {f"{name}.json": document.to_json()}
    values = {key: value for key, value in sorted(document.values.items()) if key not in INTERNAL_FLAGS}
    if not any(value.variants for value in values.values()):
        answer = {key: entry for key, entry in reduce(document).items() if key in values}
        return {f"{name}.json": (json.dumps(answer, ensure_ascii=False, indent=2) + "\n").encode()}
    flags = [f"{_symbol(key)}::{_flag(value)}" for key, value in values.items()]
    return {f"{name}{ION_SUFFIX}": ("\n".join(flags) + "\n").encode()}


def _flag(value: FlagValue) -> str:
    if not value.variants:
        enabled = bool(value.enabled)
        return _string({"enabled": enabled, **(value.attributes if enabled else {})})
    parts: list[str] = []
    for variant in value.variants:
        attributes = variant.attribute_values if variant.enabled else {}
        answer = _string({"_variant": variant.name, "enabled": variant.enabled, **attributes})
        if variant.rule:
            # Printed anew: comments and white space aside, Ion text is what rules are written in (appconfig.md §2.1).
            answer = f"[{print_rule(parse_rule(variant.rule))}, {answer}]"
        parts.append(answer)
    return "[\n  " + ",\n  ".join(parts) + "\n]"


def _symbol(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _string(answer: dict[str, object]) -> str:
    # JSON's escapes are Ion's; characters beyond ASCII stay, because Ion has no surrogate pairs.
    return json.dumps(json.dumps(answer, ensure_ascii=False), ensure_ascii=False)
