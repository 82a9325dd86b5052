"""Who changes flags: the AWS caller, the local user, or a person who signed in to the console.

It must not fail an edit: what can't be found is `unknown`.
"""

from __future__ import annotations

import getpass
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import boto3

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Caller:
    """An AWS caller.

    Attributes:
        arn: e.g. `arn:aws:sts::123456789012:assumed-role/product/alice`; `unknown` if AWS didn't say.
        account: the account's number, `*` if AWS didn't say.
        partition: `aws`, `aws-cn`, `aws-us-gov`.
    """

    arn: str
    account: str = "*"
    partition: str = "aws"


@dataclass(frozen=True, slots=True)
class Person:
    """A person.

    Attributes:
        name: as the history shows it.
        subject: what no other person has; empty where the name is all that is known.
    """

    name: str
    subject: str = ""

    def is_same(self, other: Person) -> bool:
        """Tell whether both could be one person; capitals, spaces and invisible signs don't count.

        Who signed in to AWS or to a machine as `alice` could be `alice@example.com`, who signed in to the console.
        """
        mine, theirs = self._forms(), other._forms()
        if mine & theirs:
            return True
        short = [{form.partition("@")[0] for form in forms} for forms in (mine, theirs)]
        has_address = [any("@" in form for form in forms) for forms in (mine, theirs)]
        return has_address[0] != has_address[1] and not short[0].isdisjoint(short[1])

    def _forms(self) -> set[str]:
        forms = {_folded(part) for part in (self.name, self.subject)} - {""}
        return forms | {form.rpartition("/")[2] for form in forms if form.startswith("arn:")}


def _folded(text: str) -> str:
    """One form for all spellings of a name."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(sign for sign in plain if not sign.isspace() and unicodedata.category(sign) != "Cf")


def aws_caller(session: boto3.Session, region: str | None = None) -> Caller:
    """Ask AWS who the caller is; needs no permission."""
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    config = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 3, "mode": "standard"})
    try:
        answer = session.client("sts", region_name=region, config=config).get_caller_identity()
    except (BotoCoreError, ClientError, ResponseParserError, ValueError):
        return Caller(UNKNOWN)
    arn = answer["Arn"]
    return Caller(arn, answer["Account"], arn.split(":")[1])


def local_user() -> str:
    """Return the name of the local user."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return UNKNOWN
