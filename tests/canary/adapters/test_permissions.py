"""docs/canary/how-it-works.md lists the permission for every operation of AWS that an adapter calls."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
OPERATION = re.compile(
    r"(?:Get|List|Update|Publish|Put|Describe|Create|Delete|Invoke)[A-Z]\w+(?<!Expression)|Invoke|Query|Scan"
)
ACTIONS = {"Invoke": "InvokeFunction"}


def operations() -> set[str]:
    """The operations named in calls of an adapter's API."""
    found: set[str] = set()
    for path in (ROOT / "canary" / "adapters").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and OPERATION.fullmatch(node.value):
                found.add(ACTIONS.get(node.value, node.value))
    return found


def test_every_operation_of_an_adapter_is_listed() -> None:
    page = (ROOT / "docs" / "canary" / "how-it-works.md").read_text("utf-8")
    listed = set(
        re.findall(r"`(?:appconfig|lambda|cloudwatch|sqs|sns|events|dynamodb|scheduler|states|sts):(\w+)`", page)
    )
    assert operations() - listed == set()
    assert {"GetAlias", "UpdateAlias", "GetMetricData"} <= operations()
