"""Damaged documents: only the declared errors, nothing slow, and both readers agree on what is no document at all."""

import json
import random

import pytest

from flagkit.authoring import compile_document, decompile
from flagkit.core.documents import FlagDocument
from flagkit.core.snapshot import Snapshot
from flagkit.errors import DocumentError

pytestmark = pytest.mark.sweep

DOCUMENT = {
    "version": "1",
    "flags": {
        "checkout": {
            "name": "Checkout",
            "description": "é 😀",
            "_createdAt": "2026-09-28T11:56:54.984Z",
            "_deprecation": {"status": "planned", "date": "2027-06-30"},
            "attributes": {
                "color": {"constraints": {"type": "string", "required": True, "enum": ["red", "blue"]}},
                "tags": {"constraints": {"type": "array", "elements": {"type": "string", "pattern": "^[a-z]+$"}}},
            },
        },
        "plain": {},
    },
    "values": {
        "checkout": {
            "_variants": [
                {
                    "name": "blue",
                    "enabled": True,
                    "rule": '(or (in $userId ["1", "2"]) (split pct::50 by::$userId seed::"s"))',
                    "attributeValues": {"color": "blue", "tags": ["a"]},
                },
                {"name": "default", "enabled": "false", "attributeValues": {"color": "red"}},
            ]
        },
        "plain": {"enabled": True},
    },
}
BYTES = json.dumps(DOCUMENT, ensure_ascii=False).encode()
TOKENS = (
    *b'{ } [ ] " , : null true false 0 -0 1e999 NaN \\ud800 \\u0000 \\" ( ) ::'.split(),
    *b"_variants enabled rule flags values version attributeValues __class__".split(),
    "é".encode(),
    "😀".encode(),
    b"\xff",
    b"\xed\xa0\x80",
    b"9" * 400,
    b"[" * 300,
    b'{"a":' * 300,
)


def damaged(random_source):
    content = bytearray(BYTES)
    for _ in range(random_source.randrange(1, 4)):
        place = random_source.randrange(len(content))
        match random_source.randrange(5):
            case 0:
                content[place : place + 1] = random_source.choice(TOKENS)
            case 1:
                del content[place : place + random_source.randrange(1, 20)]
            case 2:
                content[place] = random_source.randrange(256)
            case 3:
                start = random_source.randrange(len(content))
                content[place:place] = content[start : start + random_source.randrange(40)]
            case _:
                # Exchange whole JSON strings: stays JSON, so the damage reaches further in.
                texts = content.split(b'"')
                one, other = (random_source.randrange(1, len(texts) - 1) | 1 for _ in range(2))
                if max(one, other) < len(texts):
                    texts[one], texts[other] = texts[other], texts[one]
                content = bytearray(b'"'.join(texts))
    return bytes(content)


def run(count, seed):
    random_source = random.Random(seed)
    counts = {"taken": 0, "refused": 0, "isolated": 0, "unnamed": 0}
    for _ in range(count):
        content = damaged(random_source)
        try:
            document = FlagDocument.parse(content)
        except DocumentError as error:
            counts["unnamed"] += not error.violations
            document = None
        try:
            problems = Snapshot.from_json(content).check()
        except DocumentError:
            assert document is None
            counts["refused"] += 1
        else:
            counts["isolated"] += bool(problems)
            assert document is None or not problems
        if document is not None:
            counts["taken"] += 1
            compile_document(decompile(document))
    return counts


def test_damaged_documents_raise_only_declared_errors():
    counts = run(3_000, seed=1)
    assert counts["taken"] > 50
    assert counts["refused"] > 1_000
    assert counts["isolated"] > 20
    assert counts["unnamed"] == 0
