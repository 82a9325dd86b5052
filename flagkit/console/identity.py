"""Who is signed in, and what they may do. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """What somebody may do in an environment; each role may do what the ones before it may."""

    VIEWER = "viewer"
    TOGGLER = "toggler"
    APPROVER = "approver"
    ADMIN = "admin"


_RANK = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who is signed in.

    Attributes:
        name: who, as it stands in the history.
        roles: the role in each environment; `*` for all others.
    """

    name: str
    roles: Mapping[str, Role] = field(default_factory=dict)

    def may(self, role: Role, environment: str) -> bool:
        """Return whether they have a role, or a higher one, in an environment."""
        has = self.roles.get(environment, self.roles.get("*"))
        return has is not None and _RANK[has] >= _RANK[role]
