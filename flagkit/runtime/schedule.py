"""When to fetch next; pure arithmetic on numbers that the caller gives. It must not read a clock or draw a number."""

from __future__ import annotations

JITTER_RATIO = 0.1
BACKOFF_BASE_S = 1.0


def delay_after_success(interval_s: float, chance_ratio: float) -> float:
    """Seconds until the next fetch when all is well: never less than the interval, up to a tenth more.

    The spread keeps a fleet that started together from polling together. AppConfig refuses a poll that comes early
    (appconfig.md §4), so the jitter only adds.

    Args:
        interval_s: what the source asks for.
        chance_ratio: a random number, 0 to below 1.
    """
    return interval_s * (1 + JITTER_RATIO * chance_ratio)


def delay_after_failure(
    failures: int, interval_s: float, chance_ratio: float, *, retry_after_s: float | None = None
) -> float:
    """Seconds until the next try after so many failures in a row: exponential backoff with full jitter.

    Args:
        failures: 1 for the first.
        interval_s: the usual interval; half of it caps the backoff, so that news come soon after an outage. An outage
            costs about four times the usual requests.
        chance_ratio: a random number, 0 to below 1.
        retry_after_s: what the other side asked for; obeyed.
    """
    if retry_after_s is not None:
        return delay_after_success(retry_after_s, chance_ratio)
    ceiling_s = min(interval_s / 2, BACKOFF_BASE_S * 2.0 ** min(failures - 1, 30))
    return ceiling_s * chance_ratio
