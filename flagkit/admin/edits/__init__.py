"""One function for each thing people want to do to a flag: a document in, a new document out.

Pure. An edit that makes no sense is refused with an EditError and changes nothing; an edit that changes nothing returns
an equal document. Only the named flag is rewritten, and flags that spell it out as a prerequisite.
"""

from flagkit.admin.edits.attributes import read_value, set_attributes
from flagkit.admin.edits.lifecycle import create, delete, describe, restore, restore_all
from flagkit.admin.edits.scheduling import schedule
from flagkit.admin.edits.segments import change_segment, delete_segment, list_segments, put_segment
from flagkit.admin.edits.switching import kill, switch_off, switch_on
from flagkit.admin.edits.targeting import rollout, split, target
from flagkit.admin.edits.workbench import SEGMENTS_FLAG, visible_keys

__all__ = [
    "SEGMENTS_FLAG",
    "change_segment",
    "create",
    "delete",
    "delete_segment",
    "describe",
    "kill",
    "list_segments",
    "put_segment",
    "read_value",
    "restore",
    "restore_all",
    "rollout",
    "schedule",
    "set_attributes",
    "split",
    "switch_off",
    "switch_on",
    "target",
    "visible_keys",
]
