"""The same work for every engine: 10,000 users, a document of 1,000 flags. Standard library only.

Shapes: a) on/off, b) 25 % by user id, c) an id in a list of 1,000, else country and plan, then 25 %, d) three variants by
user id, e) five clauses: a number, a date, a prefix, a version, then 50 %, f) ten variants of two clauses each. Flags `a`
to `f` are the ones asked for; the others have the shapes a to d. Which users ask matters: c and e are measured with all
kinds of users, with users that pass every clause, and with users that fail the first.
"""

from __future__ import annotations

from dataclasses import dataclass

CASES = {
    "a": "on/off",
    "b": "25 % by user",
    "c": "list of 1,000 ids, else country and plan, then 25 %",
    "c+": "the same, every user passes country and plan",
    "c-": "the same, no user passes country",
    "d": "three variants",
    "e": "number, date, prefix, version, then 50 %",
    "e+": "the same, every user passes the four",
    "f": "ten variants of two clauses",
}
REGIONS = tuple(f"R{number}" for number in range(10))


@dataclass(frozen=True)
class User:
    id: str
    attributes: dict[str, str | int | bool]


@dataclass(frozen=True)
class Workload:
    users: list[User]
    listed: list[str]
    flags: list[tuple[str, str]]  # key, shape

    def asking(self, case: str) -> list[int]:
        """The numbers of the users of a case: as many of them as there are, again and again."""
        kinds = {
            "c+": lambda it: it["country"] == "US" and it["plan"] != "free",
            "c-": lambda it: it["country"] != "US",
            "e+": lambda it: it["age"] >= 18 and it["signed_up"] >= "2024-01-01" and it["version"] >= "2.4",
        }
        wanted = kinds.get(case, lambda _: True)
        found = [number for number, user in enumerate(self.users) if wanted(user.attributes)]
        return [found[number % len(found)] for number in range(len(self.users))]

    def listed_for(self, key: str) -> list[str]:
        """The long list is flag c's; the other flags of its shape list ten, or the document would exceed AppConfig's 2 MB."""
        return self.listed if key == "c" else self.listed[:10]


def make_workload(flags: int = 1000, users: int = 10_000) -> Workload:
    people = []
    for number in range(users):
        mixed = number * 2654435761 % 2**32
        attributes: dict[str, str | int | bool] = {
            "country": "US" if mixed % 10 < 3 else "FR",
            "plan": ("free", "pro", "team")[mixed // 16 % 3],
            "email": f"user{number}@example.org",
            "age": 18 + mixed % 60,
            "beta": mixed % 7 == 0,
            "signed_up": f"{2022 + mixed % 4}-0{1 + mixed % 9}-1{mixed % 8}",
            "version": f"2.{mixed % 8}.1",
            "region": REGIONS[mixed % 10],
        }
        people.append(User(f"user-{number:015d}", attributes))
    keys = [(shape, shape) for shape in "abcdef"]
    keys += [(f"flag_{number:05d}_{'abcd'[number % 4]}", "abcd"[number % 4]) for number in range(6, flags)]
    # 1,000 ids of which a tenth are among the users who ask.
    listed = [person.id for person in people[::100]] + [f"other-{number:014d}" for number in range(900)]
    return Workload(people, listed, keys)
