"""Flags as people write them, compiled to AWS's native rules and back. Pure: no files, no clock, no network.

Percentages, lists, segments, prerequisites, weights, exclusion groups, holdouts, schedules and ramps exist only here;
documents contain native rules alone, which AWS's Agent reads too (decision 0001).
"""

from flagkit.authoring.compiler import compile_document
from flagkit.authoring.decompiler import decompile
from flagkit.authoring.edit import apply_source, edit_flag
from flagkit.authoring.movement import (
    FlagAllocation,
    Move,
    Movement,
    flag_allocation,
    flag_movement,
    movement,
    read_allocations,
)
from flagkit.authoring.ranges import (
    Allocation,
    Allocations,
    BucketRange,
    allocate,
    equal_weights,
    read_percent,
    reallocate,
    show_percent,
)
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
    "Allocation",
    "Allocations",
    "AttributeSource",
    "AuthoringDocument",
    "BucketRange",
    "ElementSource",
    "FlagAllocation",
    "FlagSource",
    "HoldoutSource",
    "LayerShare",
    "LayerSource",
    "Move",
    "Movement",
    "RampStep",
    "SegmentSource",
    "VariantSource",
    "allocate",
    "apply_source",
    "compile_document",
    "decompile",
    "edit_flag",
    "equal_weights",
    "flag_allocation",
    "flag_movement",
    "movement",
    "read_allocations",
    "read_percent",
    "read_toml",
    "reallocate",
    "show_percent",
    "write_toml",
]
