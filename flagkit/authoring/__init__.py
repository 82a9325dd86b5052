"""Flags as people write them, compiled to AWS's native rules and back. Pure: no files, no clock, no network.

Percentages, lists, segments, prerequisites, weights, exclusion groups, holdouts, schedules and ramps exist only here;
documents contain native rules alone, which AWS's Agent reads too (DESIGN.md D1).
"""

from flagkit.authoring.bands import Band, Cut, cut, equal_weights, read_percent, recut, show_percent
from flagkit.authoring.compiler import compile_document
from flagkit.authoring.cuts import Cuts
from flagkit.authoring.decompiler import decompile
from flagkit.authoring.edit import apply_source, edit_flag
from flagkit.authoring.flag_cuts import FlagCut, flag_cut, flag_movement, read_cuts
from flagkit.authoring.movement import Move, Movement, movement
from flagkit.authoring.source import (
    AttributeSource,
    AuthoringDocument,
    ElementSource,
    FlagSource,
    HoldoutSource,
    LayerShare,
    LayerSource,
    RampStep,
    SegmentSource,
    VariantSource,
)
from flagkit.authoring.toml import read_toml, write_toml

__all__ = [
    "AttributeSource",
    "AuthoringDocument",
    "Band",
    "Cut",
    "Cuts",
    "ElementSource",
    "FlagCut",
    "FlagSource",
    "HoldoutSource",
    "LayerShare",
    "LayerSource",
    "Move",
    "Movement",
    "RampStep",
    "SegmentSource",
    "VariantSource",
    "apply_source",
    "compile_document",
    "cut",
    "decompile",
    "edit_flag",
    "equal_weights",
    "flag_cut",
    "flag_movement",
    "movement",
    "read_cuts",
    "read_percent",
    "read_toml",
    "recut",
    "show_percent",
    "write_toml",
]
