"""What programs may do with any error."""

from __future__ import annotations

import pickle

import pytest

from flagkit.errors import DocumentError, FlagkitError, RuleError, SourceUnavailableError, Violation


@pytest.mark.parametrize(
    "error",
    [
        FlagkitError("no", hint="try again"),
        DocumentError("no", violations=(Violation("Required", "values.a"),), hint="look"),
        RuleError("no", reason="BadToken", position=3, rule="(eq", path="eq", hint="close it"),
        SourceUnavailableError("no", retry_after_s=2.5),
    ],
    ids=lambda error: error.code,
)
def test_an_error_can_be_handed_to_another_process(error):
    other = pickle.loads(pickle.dumps(error))
    assert type(other) is type(error)
    assert (str(other), vars(other)) == (str(error), vars(error))
