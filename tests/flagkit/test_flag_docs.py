"""The tables and examples on the pages about buckets, documents and authoring are true (their code runs by itself)."""

import json
import re
from pathlib import Path

import pytest

from flagkit.authoring import FlagSource, compile_document, decompile, read_toml, write_toml
from flagkit.core import documents
from flagkit.core.bucketing import bucket, threshold
from flagkit.core.documents import FlagDocument, constraints
from flagkit.core.snapshot import Snapshot
from flagkit.errors import DocumentError

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page, language):
    return re.findall(
        rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def rows(page, *head):
    """The cells of the table with this head."""
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    start = lines.index("| " + " | ".join(head) + " |") + 2
    found = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    assert found
    return found


def code(cell):
    """What stands between backticks, or nothing."""
    return cell.strip("`").strip() if cell != "``" else ""


def test_the_bucket_tables_are_true():
    for seed, value, expected in rows("bucketing.md", "seed", "value", "bucket"):
        assert bucket(code(seed), code(value)) == int(expected)
    for percent, expected in rows("bucketing.md", "percent", "threshold"):
        assert threshold(percent) == int(expected)


@pytest.mark.parametrize("block", blocks("authoring.md", "toml"))
def test_every_toml_example_compiles_and_comes_back(block):
    source = read_toml(block)
    document = compile_document(source)
    assert Snapshot.from_document(document.to_dict()).check() == {}
    assert compile_document(decompile(document)) == document
    assert read_toml(write_toml(source)) == source


def test_the_native_rules_shown_are_what_the_words_compile_to():
    """Each row: words of a flag, and its first rule."""
    context = """
        [segments.testers]
        users = ["42"]
        [layers.checkout]
        [holdouts.q3]
        percent = 5
        [flags.base]
        percent = 10
    """
    for words, rule in rows("authoring.md", "readable form of the flag `f`", "native rule of its first variant"):
        body = "\n".join(code(part) for part in words.split("<br>"))
        document = compile_document(read_toml(f"{context}\n[flags.f]\n{body}"))
        assert document.values["f"].variants[0].rule == code(rule), words


def test_the_json_examples_are_documents():
    for block in blocks("flag-documents.md", "json"):
        assert FlagDocument.parse(block).values


def test_the_leniencies_are_as_the_table_says():
    for content, stored in rows("flag-documents.md", "you write", "AWS stores"):
        document = FlagDocument.parse(code(content))
        assert document.to_dict() == json.loads(code(stored)), content


def test_the_refusals_are_as_the_table_says():
    for content, constraint, location, reason in rows(
        "flag-documents.md", "you write", "constraint", "location", "reason"
    ):
        with pytest.raises(DocumentError) as caught:
            FlagDocument.parse(code(content).replace("\\|", "|"))
        last = caught.value.violations[-1]
        assert (last.constraint, last.location, last.reason) == (code(constraint), code(location), code(reason)), (
            content
        )


def test_the_limits_are_as_the_table_says():
    """Every number of the table is the one the code holds; that it is upheld is tested beside the code."""
    numbers = {
        part: {int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", limit.replace("a-zA-Z0-9", ""))}
        for part, limit in rows("flag-documents.md", "part", "limit")
    }
    assert numbers["flag key, attribute key"] == {63}
    assert numbers["flag name, variant name"] == {1, 64}
    assert numbers["description, pattern, text value"] == {constraints.MAX_TEXT_LENGTH}
    assert numbers["attributes of a flag"] == {documents.MAX_ATTRIBUTES}
    assert numbers["enum of an attribute"] == {constraints.MAX_ENUM_ITEMS}
    assert numbers["variants of a flag"] == {documents.MAX_VARIANTS}
    assert numbers["rule"] == {documents.MAX_RULE_LENGTH}
    assert numbers["document"] == {documents.MAX_BYTES}


def test_every_word_of_a_flag_is_described():
    described = {
        word.removesuffix(".<key>")
        for cell, _ in rows("authoring.md", "key", "meaning")
        for word in re.findall("`(.+?)`", cell)
    }
    assert described == {field.alias or name for name, field in FlagSource.model_fields.items()}
