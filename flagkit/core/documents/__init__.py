"""AWS.AppConfig.FeatureFlags documents as people write them: models, AWS's checks, and the forms AWS makes of them.

Authoring only: importing this package imports pydantic, so the read path never does (decision 0004).
"""

from flagkit.core.documents.constraints import (
    ArrayConstraints,
    BooleanConstraints,
    Constraints,
    NumberConstraints,
    StringConstraints,
)
from flagkit.core.documents.document import MAX_BYTES, FlagDocument, decode_json
from flagkit.core.documents.models import (
    MAX_ATTRIBUTES,
    MAX_RULE_LENGTH,
    MAX_VARIANTS,
    AttributeDefinition,
    Deprecation,
    FlagDeclaration,
    FlagValue,
    Variant,
)
from flagkit.core.documents.saved import normalise, reduce, serialise

__all__ = [
    "MAX_ATTRIBUTES",
    "MAX_BYTES",
    "MAX_RULE_LENGTH",
    "MAX_VARIANTS",
    "ArrayConstraints",
    "AttributeDefinition",
    "BooleanConstraints",
    "Constraints",
    "Deprecation",
    "FlagDeclaration",
    "FlagDocument",
    "FlagValue",
    "NumberConstraints",
    "StringConstraints",
    "Variant",
    "decode_json",
    "normalise",
    "reduce",
    "serialise",
]
