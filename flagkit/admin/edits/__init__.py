"""One function for each edit of a flag: a document in, a new document out.

Pure. An edit that contradicts itself is refused with an EditError and changes nothing; an edit that changes nothing
returns an equal document. Only the named flag is rewritten, and flags that spell it out as a prerequisite.
"""

from flagkit.admin.edits.attributes import read_value, set_attributes
from flagkit.admin.edits.lifecycle import archive, copy, create, delete, describe, restore, restore_all
from flagkit.admin.edits.limits import holdout, ramp, require, required
from flagkit.admin.edits.rollouts import expose, exposed_percent, put_rollout, rollout_record
from flagkit.admin.edits.rules import RuleView, add_rule, change_rule, list_rules, move_rule, remove_rule
from flagkit.admin.edits.segments import change_segment, delete_segment, list_segments, put_segment
from flagkit.admin.edits.state import kill, schedule, switch_off, switch_on
from flagkit.admin.edits.targeting import rollout, split, target

__all__ = [
    "RuleView",
    "add_rule",
    "archive",
    "change_rule",
    "change_segment",
    "copy",
    "create",
    "delete",
    "delete_segment",
    "describe",
    "expose",
    "exposed_percent",
    "holdout",
    "kill",
    "list_rules",
    "list_segments",
    "move_rule",
    "put_rollout",
    "put_segment",
    "ramp",
    "read_value",
    "remove_rule",
    "require",
    "required",
    "restore",
    "restore_all",
    "rollout",
    "rollout_record",
    "schedule",
    "set_attributes",
    "split",
    "switch_off",
    "switch_on",
    "target",
]
