"""Messages in the receivers' own formats, with texts escaped for each; nothing is sent here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from string import Template
from typing import Final

from canary.core.plan import Transition, WebhookTarget
from flagkit.channels.messages import for_slack, for_teams, slack_message, teams_message

Facts = Mapping[str, object]

ALERTS: Final = frozenset[Transition]({"decision_needed", "incident", "conflict", "failed"})
"""Transitions that wait for a person: alerts until the canary moves on or ends."""

_DEFAULT_TEXT: Final = Template("[$stage] $title: $summary")
_COLOURS: Final = {
    "promoted": "2EB67D",
    "rolled_back": "E01E5A",
    "conflict": "E01E5A",
    "failed": "E01E5A",
    "incident": "ECB22E",
    "alert": "E01E5A",
    "decision_needed": "ECB22E",
}


def messages(target: WebhookTarget, facts: Facts, secret: str) -> list[dict[str, object]]:
    """The bodies in the receiver's own format, with texts escaped for it; PagerDuty gets none for what isn't news."""
    escape = _ESCAPES.get(target.kind, str)
    template = _DEFAULT_TEXT if target.template is None else Template(target.template)
    values = {name: escape("" if value is None else str(value)) for name, value in facts.items()}
    text = template.safe_substitute(values)
    if target.template is None:
        text += "".join(f" ({values[name]})" for name in ("command", "link") if facts[name])
    if target.kind == "slack":
        return [slack_message(text, _COLOURS.get(str(facts["transition"]), "36C5F0"))]
    if target.kind == "teams":
        return [teams_message(text)]
    if target.kind == "pagerduty":
        return _pagerduty(facts, text, secret)
    return [{**facts, "text": text}]


def _pagerduty(facts: Facts, text: str, secret: str) -> list[dict[str, object]]:
    """An alert for what a person must decide, which the next transition resolves; another one for a rollback."""
    transition = facts["transition"]
    alert = f"canary-{facts['canary_id']}"
    decision = f"{alert}-decision"
    if transition in ALERTS:
        return [_alert(facts, text, secret, decision, "warning" if transition == "incident" else "error")]
    if transition == "alert":  # nothing that the canary does later says that somebody has looked
        return [_alert(facts, text, secret, f"{alert}-alert", "error")]
    if transition == "held":
        return []  # it goes on by itself: nobody has to act
    resolved: dict[str, object] = {"routing_key": secret, "event_action": "resolve", "dedup_key": decision}
    return [resolved, _alert(facts, text, secret, alert, "error")] if transition == "rolled_back" else [resolved]


def _alert(facts: Facts, text: str, secret: str, key: str, severity: str) -> dict[str, object]:
    return {
        "routing_key": secret,
        "event_action": "trigger",
        "dedup_key": key,
        "payload": {
            "summary": text[:1024],
            "source": f"canary/{facts['stage']}",
            "severity": severity,
            "timestamp": facts["at"],
            "custom_details": dict(facts),
        },
        "links": [{"href": facts["link"], "text": "CI job"}] if facts["link"] else [],
    }


_ESCAPES: Final[Mapping[str, Callable[[str], str]]] = {"slack": for_slack, "teams": for_teams}
