"""The same work for every engine: 10,000 users, a document of 1,000 flags in four shapes. Standard library only.

Cases (flag-peers' usual set): a) on/off, b) 25 % by user id, c) an id in a list of 1,000, else country and plan, then
25 %, d) three variants by user id. Flags `a`, `b`, `c`, `d` are the ones asked for; the other 996 have the same shapes.
"""

from __future__ import annotations

from dataclasses import dataclass

CASES = {
    "a": "on/off",
    "b": "25 % by user",
    "c": "list of 1,000 ids, else country and plan, then 25 %",
    "d": "three variants",
}


@dataclass(frozen=True)
class User:
    id: str
    attributes: dict[str, str | int | bool]


@dataclass(frozen=True)
class Workload:
    users: list[User]
    listed: list[str]
    flags: list[tuple[str, str]]  # key, shape

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
        }
        people.append(User(f"user-{number:015d}", attributes))
    keys = [(shape, shape) for shape in "abcd"]
    keys += [(f"flag_{number:05d}_{'abcd'[number % 4]}", "abcd"[number % 4]) for number in range(4, flags)]
    # 1,000 ids of which a tenth are among the users who ask.
    listed = [person.id for person in people[::100]] + [f"other-{number:014d}" for number in range(900)]
    return Workload(people, listed, keys)
