"""Which flags the code under test asked for, for whom, and what it was told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flagkit.client import Flags
from flagkit.core.evaluation import Evaluation


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer that was given.

    Attributes:
        flag: the flag's key.
        user_id: for whom.
        enabled: whether the flag was on.
        variant: the variant, if the flag has any.
        error: what was wrong with the question, e.g. FLAG_NOT_FOUND; None if nothing.

    Since 0.1.
    """

    flag: str
    user_id: object
    enabled: bool
    variant: str | None
    error: str | None


@contextmanager
def answers_of(flags: Flags) -> Iterator[list[Answer]]:
    """Collects the answers that are given inside the block.

    ```python
    with answers_of(flags) as answers:
        shop.checkout("42")
    assert [answer.flag for answer in answers] == ["new_checkout"]
    assert not [answer for answer in answers if answer.error]      # no flag that doesn't exist
    ```

    Since 0.1.
    """
    answers: list[Answer] = []

    def note(evaluation: Evaluation, user_id: object) -> None:
        error = None if evaluation.error is None else str(evaluation.error)
        answers.append(Answer(evaluation.key, user_id, evaluation.enabled, evaluation.variant, error))

    stop = flags.watch(note)
    try:
        yield answers
    finally:
        stop()
