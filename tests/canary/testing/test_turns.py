"""The lock whose owner lends its turn."""

from __future__ import annotations

import threading

from flagkit.testing.turns import LentTurn, TurnLock


def in_thread(lock: TurnLock, turn: LentTurn | None, seen: list[str], name: str) -> threading.Thread:
    def work() -> None:
        if turn is not None:
            lock.adopt(turn)
        with lock:
            seen.append(name)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_thread_works_within_a_lent_turn_and_others_wait() -> None:
    lock, seen = TurnLock(), []
    with lock, lock.lend() as turn:
        stranger = in_thread(lock, None, seen, "stranger")
        in_thread(lock, turn, seen, "worker").join()
        with lock:
            seen.append("owner")
    stranger.join()
    assert seen == ["worker", "owner", "stranger"]


def test_after_the_turn_its_threads_wait_as_all_others() -> None:
    lock, seen = TurnLock(), []
    with lock.lend() as turn:
        pass
    with lock:
        late = in_thread(lock, turn, seen, "late")
        seen.append("owner")
    late.join()
    assert seen == ["owner", "late"]
