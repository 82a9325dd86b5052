"""AWS on this machine: the stand-in of `canary.testing` behind HTTP, on a clock that may run faster.

```python
from canary.sandbox import serve

with serve(speed=60) as server:  # server.environ has AWS_ENDPOINT_URL, region and keys for any SDK
    server.aws.lambda_.deploy("api", "def handler(event, context): return {}", alias="live")
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagkit.lazy import lazy_names

if TYPE_CHECKING:
    from canary.sandbox.server import SandboxServer, serve

__all__ = ["SandboxServer", "serve"]

__getattr__ = lazy_names(__name__, {"canary.sandbox.server": ("SandboxServer", "serve")})
