"""Records which flags the code under test reads, for which user, and the answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flagkit.client import Flags
from flagkit.core.evaluation import Evaluation


@dataclass(frozen=True, slots=True)
class Answer:
    """One recorded answer.

    Attributes:
        flag: the flag's key.
        user_id: the user.
        enabled: whether the flag was on.
        variant: the variant, if the flag has any.
        error: the error code, for example FLAG_NOT_FOUND; None without an error.
    """

    flag: str
    user_id: object
    enabled: bool
    variant: str | None
    error: str | None


@contextmanager
def answers_of(flags: Flags) -> Iterator[list[Answer]]:
    """Collect the answers of reads inside the block.

    ```python
    with answers_of(flags) as answers:
        shop.checkout("42")
    assert [answer.flag for answer in answers] == ["new_checkout"]
    assert not [answer for answer in answers if answer.error]      # no flag that doesn't exist
    ```
    """
    answers: list[Answer] = []

    def record(evaluation: Evaluation, user_id: object) -> None:
        error = None if evaluation.error is None else str(evaluation.error)
        answers.append(Answer(evaluation.key, user_id, evaluation.enabled, evaluation.variant, error))

    stop = flags.watch(record)
    try:
        yield answers
    finally:
        stop()
