"""Amazon EventBridge for what AWS itself sends: matches an event with the rules and calls their targets.

moto keeps the rules; what programs send (PutEvents) is moto's, too.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from canary.testing.firing import Firing, Targets
from flagkit.testing import VirtualClock

Event = Mapping[str, Any]


class AwsEvents:
    """The default bus of one region.

    Args:
        clock: virtual time.
        targets: calls what rules are for, with the retries of their targets.

    Attributes:
        firings: every call of a target, with its outcome.
    """

    def __init__(self, clock: VirtualClock, targets: Targets) -> None:
        self.firings: list[Firing] = []
        self._clock, self._targets = clock, targets

    def send(self, event: Event) -> None:
        """Calls the targets of every enabled rule that matches."""
        moto: Any = sys.modules.get("moto.events.models")  # moto loads a service at its first call
        if moto is None:
            return
        whole: Any = event
        rules = moto.events_backends[event["account"]][event["region"]].event_buses["default"].rules
        for rule in list(rules.values()):
            if rule.state == "ENABLED" and rule.event_pattern.get_pattern() and rule.event_pattern.matches_event(whole):
                for target in list(rule.targets):
                    self._call(rule, target, event)

    def _call(self, rule: Any, target: dict[str, Any], event: Event) -> None:
        # What a rule changes in an event isn't modelled; its target gets the whole event, or a constant Input.
        called = {**target, "Input": target.get("Input", json.dumps(event))}
        firing = Firing(rule.name, "default", rule.arn, called, self._clock.now())
        self.firings.append(firing)
        self._targets.attempt(firing)
