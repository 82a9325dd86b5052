"""Checks the signatures (Signature Version 4) of those who use the sandbox's own keys. Other keys aren't checked.

The time of a signature isn't checked either: a sandbox's clock is another one by design.
"""

from __future__ import annotations

import hmac
import re
from typing import Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from canary.sandbox.http import Request
from canary.sandbox.routing import Refused, Scope

ACCESS_KEY: Final = "sandbox"
SECRET_KEY: Final = "sandbox"  # noqa: S105 - printed for everybody

_MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


def check_signature(request: Request, scope: Scope) -> None:
    """Compares the signature of a request with the right one.

    Raises:
        Refused: it is another one.
    """
    authorization = request.headers.get("authorization", "")
    if scope.access_key != ACCESS_KEY or not authorization.startswith("AWS4-HMAC-SHA256"):
        return
    signed = re.search(r"SignedHeaders=([^,\s]+)", authorization)
    given = re.search(r"Signature=([0-9a-f]+)", authorization)
    names = signed[1].split(";") if signed else []
    headers = {name: request.headers[name] for name in names if name in request.headers}
    if given is None or "x-amz-date" not in headers or len(headers) < len(names):
        raise Refused(
            "IncompleteSignatureException", "Authorization header requires signed 'host' and 'x-amz-date'.", 403
        )
    url = f"http://{request.headers.get('host', '')}{request.target}"
    copy = AWSRequest(method=request.method, url=url, data=request.body, headers=headers)
    copy.context["timestamp"] = headers["x-amz-date"]
    signer = SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), scope.service, scope.region)
    text = signer.string_to_sign(copy, signer.canonical_request(copy))
    if not hmac.compare_digest(signer.signature(text, copy), given[1]):
        raise Refused("InvalidSignatureException", _MISMATCH, 403)
