"""Who may do what: roles by environment, and who counts as one person."""

from __future__ import annotations

import pytest

from flagkit.admin.identity import Person
from flagkit.console.identity import Grant, Identity, Role, identity_of

GRANTS = [
    Grant(Role.VIEWER),
    Grant(Role.TOGGLER, "product", "staging*"),
    Grant(Role.APPROVER, "leads"),
    Grant(Role.VIEWER, "leads"),
    Grant(Role.ADMIN, "platform", "*"),
]


def test_each_role_contains_those_before_it() -> None:
    ranks = list(Role)
    assert [[own.covers(needed) for needed in ranks] for own in ranks] == [
        [position <= rank for position in range(4)] for rank in range(4)
    ]


@pytest.mark.parametrize(
    ("groups", "environment", "may"),
    [
        ([], "prod", [True, False, False, False]),
        (["product"], "prod", [True, False, False, False]),
        (["product"], "staging-eu", [True, True, False, False]),
        (["leads"], "prod", [True, True, True, False]),
        (["product", "platform"], "prod", [True, True, True, True]),
        (["Platform"], "prod", [True, False, False, False]),
        (["*", "admin", ""], "prod", [True, False, False, False]),
    ],
)
def test_groups_give_roles_by_environment(groups: list[str], environment: str, may: list[bool]) -> None:
    identity = identity_of("alice", "sub-1", groups, GRANTS)
    assert [identity.may(role, environment) for role in Role] == may


def test_without_a_grant_nobody_reads_anything() -> None:
    assert not identity_of("alice", "sub-1", ["platform"], []).may(Role.VIEWER)


def test_an_environment_that_no_pattern_names_is_out_of_reach() -> None:
    identity = Identity("alice", {"staging": Role.ADMIN})
    assert identity.may(Role.ADMIN)
    assert not identity.may(Role.VIEWER, "prod")
    assert not identity.may(Role.VIEWER, "Staging")


@pytest.mark.parametrize(
    ("name", "subject", "is_same"),
    [
        ("alice@example.com", "sub-1", True),
        ("ALICE@Example.com", "sub-2", True),
        (" alice@example.com\u200b", "sub-2", True),
        ("\uff41lice@example.com", "sub-2", True),
        ("bob@example.com", "sub-1", True),
        ("sub-1", "", True),
        ("arn:aws:sts::123456789012:assumed-role/product/alice", "", True),
        ("arn:aws:sts::123456789012:assumed-role/product/Alice@example.com", "", True),
        ("alice", "", True),
        ("alice@example.org", "sub-2", False),
        ("arn:aws:sts::123456789012:assumed-role/alice/bob", "", False),
        ("bob@example.com", "sub-2", False),
        ("", "", False),
    ],
)
def test_one_person_under_two_spellings_is_one_person(name: str, subject: str, is_same: bool) -> None:
    assert Identity("alice@example.com", {}, "sub-1").person.is_same(Person(name, subject)) is is_same
