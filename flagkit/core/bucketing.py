"""The bucket of a value: the frozen hash of `split`. It must not read flags, rules or the clock.

The bucket of a value is MurmurHash3 x86 32-bit of the UTF-8 text `seed:value`, one of 2**32 equally likely numbers.
A percentage is a threshold on that line, so raising it never removes a user (decision 0003, docs/bucketing.md).
AWS doesn't document the Agent's hash; parity with it is not promised (appconfig.md §2.5).
"""

from __future__ import annotations

from decimal import Decimal, DecimalException

from mmh3 import mmh3_32_uintdigest as _murmur3

BUCKETS = 2**32
"""How many buckets there are: the threshold of 100 %."""


def bucket(seed: str, value: str) -> int:
    """Return the bucket of `value` under `seed`, from 0 to 2**32 - 1.

    Args:
        seed: keeps two experiments independent; by default a flag's key.
        value: the text that identifies the user, or another attribute that the flag splits by.

    Raises:
        UnicodeEncodeError: the text holds a lone surrogate, which has no UTF-8 form.
    """
    # Encoded here because mmh3.hash(str) crashes the process on a lone surrogate (seen with mmh3 5.3.1).
    return _murmur3(f"{seed}:{value}".encode())


def threshold(percent: Decimal | int | str) -> int:
    """Return the bucket below which `percent` of all values fall: floor(percent / 100 * 2**32), exactly.

    Args:
        percent: 0 to 100. 0 selects no value and 100 every value. Decimals are `Decimal` or text, e.g. `"0.0001"`.

    Raises:
        ValueError: not a number from 0 to 100.
    """
    if type(percent) is int and 0 <= percent <= 100:
        return percent * BUCKETS // 100
    try:
        exact = Decimal(percent)
    except DecimalException as error:
        raise ValueError(f"{percent!r} is not a valid percentage") from error
    if not (exact.is_finite() and 0 <= exact <= 100):
        raise ValueError(f"{percent} is not a percentage from 0 to 100")
    if exact.adjusted() < -20:  # below every bucket, and written with a million zeros for all we know
        return 0
    numerator, denominator = exact.as_integer_ratio()
    return numerator * BUCKETS // (denominator * 100)
