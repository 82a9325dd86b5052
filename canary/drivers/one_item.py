"""How the state machines roll back one alias, or lower one flag: the states of one item, as data.

What is around them is in `canary.drivers.stepfunctions`.
"""

from __future__ import annotations

from typing import Final

from canary.core.engines import tries_of
from canary.core.plan import StagePlan
from canary.core.record import MARK

TICK_S: Final = 900
"""A Lambda function runs no longer."""

State = dict[str, object]
ALL: Final = ["States.ALL"]

_PAIR: Final = "$split($split($description, ' ')[2], '>')"
_UNTOUCHED: Final = f"""(
$words := $split($description, ' ');
$pair := {_PAIR};
$last := $filter($split($words[5], ','), function($step) {{ $contains($step, '@') }})[-1];
$bp := $exists($last) ? $round($number($substringBefore($last, '@')) * 100) : 0;
$words[1] = $canary_id and (
$substring($words[3], 0, 1) in ['r', 'a'] ? $version in $pair and $extra in ['', $pair[0], $pair[1]]
: $bp = 10000 ? $version = $pair[1] and $extra in ['', $pair[0]]
: $version = $pair[0] and ($bp = 0 ? $extra = '' : $extra = $pair[1] and $extra_bp = $bp)))"""
"""The record is this canary's, and the alias routes as it says (`canary.core.recover`): nobody has moved it since."""


ONLY_OURS: Final = " and $split($description, ' ')[1] = $canary_id"
UNTOUCHED_OR_ANY: Final = f" and ($canary_id = '' or ({_UNTOUCHED}))"


def invoke_tick(tick_arn: str, event: State | None = None) -> State:
    """A task that calls the tick function; with a tick where no event is given."""
    tick = {"action": "tick", "stage": "{% $stage %}", "canary_id": "{% $canary_id %}"}
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "TimeoutSeconds": TICK_S + 60,
        "Arguments": {"FunctionName": tick_arn, "Payload": event or tick},
        "Output": {},
    }


def one_flag(stage: StagePlan, tick_arn: str) -> dict[str, object]:
    """Lets the tick function lower the flag, again and again until it answers that no rollout is under way."""
    event: dict[str, object] = {
        "action": "rollback", "stage": stage.name, "canary_id": "{% $canary_id %}", "flag": "{% $flag %}",
    }  # fmt: skip
    return {
        "Flag": {
            "Type": "Pass",
            "Assign": {"flag": "{% $states.input.flag %}", "answer": {}, **_ONE},
            "Next": "Lower",
        },
        "Lower": {
            **invoke_tick(tick_arn, event),
            "Assign": {"answer": "{% $states.result.Payload %}"},
            "Catch": _FAILED,
            "Next": "Lowered",
        },
        "Lowered": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $type($answer.done) = 'boolean' and $answer.done %}", "Next": "Left"}],
            "Default": "Again",
        },
        **_again("Lower", tries_of(stage)),
    }


def one_alias(stage: StagePlan, mine: str) -> dict[str, object]:
    """Rolls one alias back, and reads it again until it has no record: whatever fails, the others go on.

    It gives up what can't succeed (a version that was deleted), and anything else after so many tries.
    """
    weights = "$states.result.RoutingConfig.AdditionalVersionWeights"
    # Whoever has moved the alias to a third version and left the description keeps it.
    known = f"$version in {_PAIR} and ($extra = '' or $extra in {_PAIR})"
    is_ours = f"$contains($description, /^{MARK}[^ ]+ [0-9]+>[0-9]+ [^|~]*[|~]/) and {known}{mine}"
    # The letter f: promoted, and only the operator's description is still to be restored (canary.core.record).
    letter = "$substring($split($description, ' ')[3], 0, 1)"
    index = f"{letter} = 'f' or ($is_promoted and {letter} = 'o') ? 1 : 0"
    return {
        "Alias": {
            "Type": "Pass",
            "Assign": {**_ONE, "description": "", "revision": "", "version": "", "extra": "", "extra_bp": 0},
            "Next": "Read",
        },
        "Read": {
            **call_lambda("getAlias", {}),
            "Assign": {
                "description": "{% $exists($states.result.Description) ? $states.result.Description : '' %}",
                "revision": "{% $states.result.RevisionId %}",
                "version": "{% $states.result.FunctionVersion %}",
                "extra": f"{{% $exists($keys({weights})) ? $keys({weights})[0] : '' %}}",
                "extra_bp": f"{{% $exists($keys({weights})) ? "
                f"$round($lookup({weights}, $keys({weights})[0]) * 10000) : 0 %}}",
            },
            "Catch": [{"ErrorEquals": ["Lambda.ResourceNotFoundException"], "Next": "Left"}, *_FAILED],
            "Next": "Ours",
        },
        "Ours": {
            "Type": "Choice",
            "Choices": [{"Condition": f"{{% {is_ours} %}}", "Next": "Update"}],
            "Default": "Left",
        },
        "Update": {
            **call_lambda(
                "updateAlias",
                {
                    "FunctionVersion": f"{{% {_PAIR}[{index}] %}}",
                    "RoutingConfig": {"AdditionalVersionWeights": {}},
                    "Description": "{% $replace($description, /^[^|~]*[|~]/, '') %}",
                    "RevisionId": "{% $revision %}",
                },
            ),
            "Catch": [{**_FAILED[0], "ErrorEquals": _FINAL, "Next": "Stuck"}, *_FAILED],
            "Next": "Moved",
        },
        # Only the description of a promoted alias was restored where the index is 1.
        "Moved": {
            "Type": "Pass",
            "Output": f"{{% ({index}) = 1 ? {{}} : {{'moved': $split($description, ' ')[1]}} %}}",
            "End": True,
        },
        **_again("Read", tries_of(stage)),
    }


_ONE: Final = {
    "function": "{% $states.input.function %}", "alias": "{% $states.input.alias %}",
    "pause_s": 5, "tries": 1, "error": "",
}  # fmt: skip


def _again(first: str, tries: int) -> dict[str, object]:
    """Tries from the first state again, with longer and longer pauses; and the two ends."""
    return {
        "Again": {
            "Type": "Choice",
            "Choices": [{"Condition": f"{{% $tries >= {tries} %}}", "Next": "Stuck"}],
            "Default": "Pause",
        },
        "Pause": {
            "Type": "Wait",
            "Seconds": "{% $pause_s %}",
            "Assign": {"pause_s": "{% $min([300, $pause_s * 2]) %}", "tries": "{% $tries + 1 %}"},
            "Next": first,
        },
        "Stuck": {
            "Type": "Pass",
            "Output": {"stuck": "{% $function & ':' & $alias & ' (' & $error & ')' %}"},
            "End": True,
        },
        "Left": {"Type": "Pass", "Output": {}, "End": True},
    }


_FINAL: Final = ["Lambda.ResourceNotFoundException", "Lambda.InvalidParameterValueException"]
"""A version that was deleted, or that can't be served: no other try ends otherwise."""

_FAILED: Final[list[dict[str, object]]] = [
    {"ErrorEquals": ALL, "Assign": {"error": "{% $states.errorOutput.Error %}"}, "Output": {}, "Next": "Again"}
]


def call_lambda(action: str, more: dict[str, object]) -> State:
    """A task that calls Lambda's own API for the alias of the item."""
    return {
        "Type": "Task",
        "Resource": f"arn:aws:states:::aws-sdk:lambda:{action}",
        "TimeoutSeconds": 60,
        "Arguments": {"FunctionName": "{% $function %}", "Name": "{% $alias %}", **more},
        "Output": {},
    }
