"""Flags as people write them, compiled to AWS's native rules and back. Pure: no files, no clock, no network.

Percentages, lists, segments, prerequisites, weights, exclusion groups, holdouts, schedules and ramps exist only here;
documents contain native rules alone, which AWS's Agent reads too (decision 0001).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagkit.lazy import lazy_names

if TYPE_CHECKING:
    from flagkit.authoring.compiler import compile_document
    from flagkit.authoring.decompiler import decompile
    from flagkit.authoring.editor import apply_source, edit_flag
    from flagkit.authoring.language import read_where, show_where
    from flagkit.authoring.movement import Move, Movement, flag_movement
    from flagkit.authoring.source import (
        AttributeSource,
        AuthoringDocument,
        ElementSource,
        FlagSource,
        HoldoutSource,
        LayerShare,
        LayerSource,
        RampStep,
        RuleSource,
        SegmentSource,
        VariantSource,
    )
    from flagkit.authoring.toml import read_toml, write_toml
    from flagkit.core.documents import FlagDocument, normalise, reduce, serialise
    from flagkit.core.rules.parser import parse_rule

__all__ = [
    "AttributeSource",
    "AuthoringDocument",
    "ElementSource",
    "FlagDocument",
    "FlagSource",
    "HoldoutSource",
    "LayerShare",
    "LayerSource",
    "Move",
    "Movement",
    "RampStep",
    "RuleSource",
    "SegmentSource",
    "VariantSource",
    "apply_source",
    "compile_document",
    "decompile",
    "edit_flag",
    "flag_movement",
    "normalise",
    "parse_rule",
    "read_toml",
    "read_where",
    "reduce",
    "serialise",
    "show_where",
    "write_toml",
]

__getattr__ = lazy_names(
    __name__,
    {
        "flagkit.authoring.compiler": ("compile_document",),
        "flagkit.authoring.decompiler": ("decompile",),
        "flagkit.authoring.editor": ("apply_source", "edit_flag"),
        "flagkit.authoring.language": ("read_where", "show_where"),
        "flagkit.authoring.movement": ("Move", "Movement", "flag_movement"),
        "flagkit.authoring.source": (
            "AttributeSource",
            "AuthoringDocument",
            "ElementSource",
            "FlagSource",
            "HoldoutSource",
            "LayerShare",
            "LayerSource",
            "RampStep",
            "RuleSource",
            "SegmentSource",
            "VariantSource",
        ),
        "flagkit.authoring.toml": ("read_toml", "write_toml"),
        "flagkit.core.documents": ("FlagDocument", "normalise", "reduce", "serialise"),
        "flagkit.core.rules.parser": ("parse_rule",),
    },
)
