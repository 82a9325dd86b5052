"""Who is signed in, and what that person may do in which environment. Pure: values only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from flagkit.admin.identity import Person


class Role(StrEnum):
    """What a person may do; each role contains those before it.

    `viewer` reads. `toggler` changes flags, or proposes changes where an approval is needed. `approver` approves the
    proposals of others. `admin` does everything, deployments included.
    """

    VIEWER = "viewer"
    TOGGLER = "toggler"
    APPROVER = "approver"
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        """Tell whether whoever has this role has the other one, too."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(needed)


@dataclass(frozen=True, slots=True)
class Grant:
    """A role for everybody in a group.

    Attributes:
        role: what they may do.
        group: a value of the groups claim; `*` for everybody who is signed in.
        environments: a pattern of environment names.
    """

    role: Role
    group: str = "*"
    environments: str = "*"


@dataclass(frozen=True, slots=True)
class Identity:
    """A signed-in person.

    Attributes:
        name: as the history shows it.
        roles: roles by pattern of environment names; what no pattern names can't even be read.
        subject: what the name may share with nobody; the name where the sign-in knows nothing better.
    """

    name: str
    roles: Mapping[str, Role] = field(default_factory=dict, hash=False)
    subject: str = ""

    def may(self, role: Role, environment: str | None = None) -> bool:
        """Tell whether the person has a role in an environment; in any of them where None."""
        return any(
            own.covers(role)
            for pattern, own in self.roles.items()
            if environment is None or fnmatchcase(environment, pattern)
        )

    @property
    def person(self) -> Person:
        """The person alone, without what they may do."""
        return Person(self.name, self.subject)


def identity_of(name: str, subject: str, groups: Iterable[str], grants: Iterable[Grant]) -> Identity:
    """Return a person with the highest role that the groups give in each pattern of environments."""
    member = {*groups, "*"}
    roles: dict[str, Role] = {}
    for grant in grants:
        held = roles.get(grant.environments)
        if grant.group in member and (held is None or grant.role.covers(held)):
            roles[grant.environments] = grant.role
    return Identity(name, roles, subject or name)
