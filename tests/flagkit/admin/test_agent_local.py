"""Files for the Agent's local development mode: names and shapes as the guide and the captures have them."""

from __future__ import annotations

import json

from flagkit.admin import edits
from flagkit.admin.agent_local import export_agent_local
from flagkit.admin.entries import EMPTY
from flagkit.core.documents import FlagDocument

PLAIN = edits.create(EMPTY, "button", enabled=True, attributes={"color": "orange"})


def test_without_variants_it_is_the_answer_as_json():
    (file,) = export_agent_local(edits.put_segment(PLAIN, "staff", users=["1"]), "shop", "dev", "flags").items()
    assert file[0] == "shop:dev:flags.json"
    assert json.loads(file[1]) == {"button": {"enabled": True, "color": "orange"}}


def test_with_variants_it_is_ion_text():
    """AWS's guide, samples for local development: flagKey::[ [ (rule), "<json>" ], …, "<json of the default>" ]."""
    document = edits.rollout(edits.create(PLAIN, "new-search", enabled=True), "new-search", 10)
    (file,) = export_agent_local(document, "shop", "dev", "flags").items()
    assert file[0] == "shop:dev:flags.application%ion%type=AWS.AppConfig.FeatureFlags"
    assert (
        file[1].decode()
        == r"""'button'::"{\"enabled\": true, \"color\": \"orange\"}"
'new-search'::[
  [(split pct::10 by::$userId seed::"new-search"), "{\"_variant\": \"on\", \"enabled\": true}"],
  "{\"_variant\": \"off\", \"enabled\": false}"
]
"""
    )


def test_names_and_texts_are_escaped_and_comments_go():
    variants = [
        {"name": "it's \\ here", "enabled": True, "rule": "(eq $a 1) // why"},
        {"name": "ü", "enabled": False},
    ]
    document = FlagDocument.parse({"version": "1", "flags": {"f": {}}, "values": {"f": {"_variants": variants}}})
    ((_, content),) = export_agent_local(document, "a", "b", "c").items()
    text = content.decode()
    assert "[(eq $a 1), " in text
    assert "//" not in text
    assert "ü" in text


def test_as_carrier_it_is_the_document():
    ((name, content),) = export_agent_local(PLAIN, "a", "b", "c", profile_type="freeform").items()
    assert name == "a:b:c.json"
    assert FlagDocument.parse(content) == PLAIN
