"""The code that the demo deploys: one backend, four versions; it must not know that it is watched.

`backend` returns the source of a whole Lambda module. The versions differ only in how often they fail and how long
they take, as releases do.
"""

from __future__ import annotations

FLAG = "new_attestation_flow"

_SOURCE = '''
"""Backend of CivicForge, release {release}."""
import random
import time

from flagkit import Flags

flags = Flags.connect()  # the address is in the environment variable FLAGKIT_SOURCE


@flags.on_invocation
def handler(event, context):
    user_id = event["queryStringParameters"]["user"]
    flow = "three steps" if flags.is_enabled("{flag}", user_id) else "one page"
    if random.random() < {failing}:
        raise RuntimeError("attestation service refused the signature")
    time.sleep(random.uniform(0.04, 0.12) if random.random() >= {slow} else random.uniform(2.0, 3.55))
    return {{"statusCode": 200, "body": flow, "headers": {{"x-version": context.function_version}}}}
'''


def backend(release: int, *, failing: float, slow: float = 0.0) -> str:
    """Source of the backend's module.

    Args:
        release: number of the release, for the reader.
        failing: share of requests that raise, 0 to 1.
        slow: share of requests that take 2.0 to 3.55 s. At 14 % the 95th percentile is 3.0 s.

    Since 0.1.
    """
    return _SOURCE.format(release=release, flag=FLAG, failing=failing, slow=slow)
