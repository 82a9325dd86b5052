"""Notifications of a canary's transitions, once each: SNS, EventBridge, Slack, Teams, PagerDuty, any webhook.

They are composed here and sent one after the other from a bounded queue, beside the judging: a receiver that hangs
delays nothing. A notification that can't be delivered is logged and written to the journal. Nothing is decided here.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, assert_never

from canary.adapters.buses import Buses, Topics
from canary.adapters.facts import Standing, facts_of
from canary.adapters.messages import Facts, messages
from canary.core.events import (
    CanaryEnded,
    CanaryStarted,
    Event,
    Judged,
    Noticed,
    PhaseChanged,
    TrafficShifted,
    which_id,
)
from canary.core.phases import Phase
from canary.core.plan import EventBridgeTarget, Notification, SnsTarget, StagePlan, Transition, WebhookTarget
from canary.errors import AwsError, CanaryError, UnavailableError
from canary.ports import Clock, Journal
from flagkit.channels.http import Answer, Http
from flagkit.channels.messages import signed_headers

logger = logging.getLogger("canary.notify")

QUEUE_LIMIT: Final = 200
"""Notifications that wait at most; a canary has far fewer transitions."""

FLUSH_S: Final = 15.0
"""How long the end of a canary, or of the process, waits for what is still to be sent."""

_ATTEMPTS: Final = 4
_TIMEOUT_S: Final = 8.0

_HOLDS: Final = frozenset({Phase.HOLDING, Phase.PAUSED, Phase.INCONCLUSIVE})
_ENDS: Final[Mapping[Phase, Transition]] = {
    Phase.PROMOTED: "promoted",
    Phase.ROLLED_BACK: "rolled_back",
    Phase.CONFLICT: "conflict",
    Phase.ABORTED: "aborted",
}
_ONCE: Final = frozenset[Transition]({"started", "advanced", "promoted", "rolled_back", "aborted"})
"""Transitions that a canary has once, or once for each weight."""


@dataclass(slots=True)
class _Canary(Standing):
    """What is known about the canary that events are about."""

    sent: set[str] = field(default_factory=set)

    def take(self, event: Event) -> tuple[Transition, str] | None:
        """The transition that an event means, and its id; None if it is no new one."""
        transition = transition_of(event, self.weight_bp)
        if isinstance(event, CanaryStarted):
            self.moves = event.functions
        elif isinstance(event, TrafficShifted):
            self.shift(event.weight_bp)
        elif isinstance(event, Judged):
            self.judged = event
            self.shift(event.weight_bp)
        if transition is None:
            return None
        key = _id_of(event, transition, self.weight_bp)
        if key in self.sent:
            return None
        self.sent.add(key)
        return transition, key


def _id_of(event: Event, transition: Transition, weight_bp: int) -> str:
    """What a receiver drops duplicates by: each driver that sends this transition of this canary computes the same.

    Every weight and every hold is a transition of its own; an incident is judged again at each tick.
    """
    if transition in _ONCE:
        which = str(weight_bp)
    elif isinstance(event, Judged) and event.judgement.shared_incident is not None:
        which = event.judgement.shared_incident.since.isoformat()
    else:
        which = f"{event.at.isoformat()} {weight_bp} {getattr(event, 'text', '')}"
    return f"{event.canary_id}-{transition}-{which_id(which)}"


def transition_of(event: Event, weight_bp: int = 0) -> Transition | None:
    """The transition that an event means to people; None for what only the journal keeps.

    Args:
        event: the event.
        weight_bp: the new version's share before the event.
    """
    match event:
        case TrafficShifted(weight_bp=share):
            # Started is what has moved traffic: before that, nothing has happened to users.
            return None if not weight_bp < share < 10_000 else "advanced" if weight_bp else "started"
        case CanaryEnded(outcome=outcome):
            return _ENDS.get(outcome, "failed")
        case PhaseChanged():
            return _of_phase(event)
        case Judged(judgement=judgement):
            return "incident" if judgement.shared_incident is not None else None
        case Noticed(is_alert=True):
            return "alert"
        case _:
            return None


def _of_phase(event: PhaseChanged) -> Transition | None:
    if event.after is Phase.INCONCLUSIVE or (event.after is Phase.PAUSED and event.why.startswith("promote = ")):
        return "decision_needed"
    if event.after in _HOLDS:
        return None if event.before in _HOLDS else "held"
    return "resumed" if event.before in _HOLDS and event.after is Phase.BAKING else None


class Notifier:
    """An observer that sends each transition once to every target of the plan.

    Args:
        targets: the plan's notifications.
        clock: for waits between attempts.
        topics, buses: the AWS side; needed only when the plan names such targets.
        http: makes the requests.
        stage: the plan, for what a message says about a flag and its users.
        environment: where secrets, and who runs the canary, are looked up.
        journal: where a driver that takes over finds the beginning, and failed deliveries are written.
        beside: send from a thread of its own; a virtual clock must see one call after the other.
    """

    def __init__(  # noqa: PLR0913 - what a target doesn't need has a default
        self,
        targets: Sequence[Notification],
        clock: Clock,
        *,
        topics: Topics | None = None,
        buses: Buses | None = None,
        http: Http | None = None,
        stage: StagePlan | None = None,
        environment: Mapping[str, str] | None = None,
        journal: Journal | None = None,
        beside: bool = False,
    ) -> None:
        self._targets = tuple(targets)
        self._clock = clock
        self._topics = topics
        self._buses = buses
        self._http = http or Http()
        self._stage = stage
        self._environment = os.environ if environment is None else environment
        self._journal = journal
        self._canaries: dict[str, _Canary] = {}
        self._queue: queue.Queue[tuple[Notification, Facts]] | None = None
        if beside:
            self._queue = queue.Queue(QUEUE_LIMIT)
            atexit.register(self._flush_at_exit)
        self._worker: threading.Thread | None = None
        self._sending: tuple[Notification, Facts] | None = None
        self._has_given_up = False
        self.failed_sends = 0

    def notify(self, event: Event) -> None:
        """Sends the event if it is a transition that was not sent yet; never raises."""
        canary = self._canaries.get(event.canary_id)
        if canary is None:
            if transition_of(event) is None and not isinstance(event, CanaryStarted):
                return  # a driver that lives for one tick reads the journal only for what it may have to send
            canary = self._canaries[event.canary_id] = self._known(event)
        if (taken := canary.take(event)) is None:
            return
        transition, message_id = taken
        facts = {"id": message_id, **facts_of(event, transition, canary, self._stage, self._environment)}
        for target in self._targets:
            if not target.on or transition in target.on:
                self._send_or_queue(target, facts)

    def flush(self, timeout_s: float = FLUSH_S) -> None:
        """Waits until everything is sent, or the time is over; what is left then is given up."""
        waiting = self._queue
        if waiting is None or self._has_given_up:
            return
        done = threading.Event()

        def wait() -> None:
            waiting.join()
            done.set()

        threading.Thread(target=wait, daemon=True).start()
        if done.wait(timeout_s):
            return
        self._has_given_up = True
        if (sending := self._sending) is not None:  # the receiver may have it
            self._write_down(sending[1], f"{_name_of(*sending)} was not confirmed before the driver ended")
        with suppress(queue.Empty):
            while True:
                target, facts = waiting.get_nowait()
                waiting.task_done()
                self._write_down(facts, f"{_name_of(target, facts)} was not sent before the driver ended")

    def _flush_at_exit(self) -> None:
        with suppress(KeyboardInterrupt):
            self.flush()

    def _known(self, event: Event) -> _Canary:
        """What the journal says about a canary that another driver has begun."""
        canary = _Canary()
        if self._journal is None or isinstance(event, CanaryStarted):
            return canary
        try:
            for earlier in self._journal.events(event.canary_id):
                # The event itself is in the journal already, and so is what the same tick published before it.
                if earlier.at < event.at or (earlier.at == event.at and type(earlier) is not type(event)):
                    canary.take(earlier)
        except (CanaryError, OSError) as error:
            logger.warning("canary %s: its journal can't be read (%s)", event.canary_id, type(error).__name__)
        return canary

    def _send_or_queue(self, target: Notification, facts: Facts) -> None:
        if self._queue is None:
            self._send_or_count(target, facts)
            return
        self._has_given_up = False
        try:
            self._queue.put_nowait((target, facts))
        except queue.Full:
            self._failed(target, facts, "the queue is full")
            return
        if self._worker is None:
            self._worker = threading.Thread(target=self._work, name="canary-notify", daemon=True)
            self._worker.start()

    def _work(self) -> None:
        assert self._queue is not None
        while True:
            self._sending = self._queue.get()
            try:
                self._send_or_count(*self._sending)
            finally:
                self._sending = None
                self._queue.task_done()

    def _send_or_count(self, target: Notification, facts: Facts) -> None:
        try:
            self._send(target, facts)
        except CanaryError as error:
            self._failed(target, facts, error.message)
        except Exception as error:  # noqa: BLE001 - a receiver's answer never ends the thread that sends
            self._failed(target, facts, type(error).__name__)

    def _failed(self, target: Notification, facts: Facts, why: str) -> None:
        self.failed_sends += 1
        self._write_down(facts, f"{_name_of(target, facts)} was not delivered: {why}")

    def _write_down(self, facts: Facts, text: str) -> None:
        logger.warning("canary %s: %s", facts["canary_id"], text)
        if self._journal is None:
            return
        try:
            self._journal.append(Noticed(str(facts["canary_id"]), str(facts["stage"]), self._clock.now(), text))
        except (CanaryError, OSError) as error:
            logger.warning("canary %s: nor could that be journalled (%s)", facts["canary_id"], type(error).__name__)

    def _send(self, target: Notification, facts: Facts) -> None:
        match target:
            case SnsTarget():
                if self._topics is None:
                    raise UnavailableError("no SNS client was given")
                topics, subject = self._topics, f"[{facts['stage']}] {facts['title']}"
                once = {"group": str(facts["canary_id"]), "message_id": str(facts["id"])}
                self._retry(lambda: topics.publish_message(target.topic_arn, subject, json.dumps(facts), **once))
            case EventBridgeTarget():
                if self._buses is None:
                    raise UnavailableError("no EventBridge client was given")
                buses, at = self._buses, datetime.fromisoformat(str(facts["at"]))
                self._retry(lambda: buses.put_event(target.bus, f"Canary {facts['transition']}", json.dumps(facts), at))
            case WebhookTarget():
                for message in messages(target, facts, self._secret(target.secret_env)):
                    self._retry(lambda message=message: self._post(target, message))  # type: ignore[misc]  # mypy can't type a lambda's default
            case _:
                assert_never(target)

    def _post(self, target: WebhookTarget, message: Facts) -> None:
        url = target.url or self._secret(target.url_env)
        if target.kind == "pagerduty":
            url = url or "https://events.pagerduty.com/v2/enqueue"
        body = json.dumps(message).encode()
        headers = {"Content-Type": "application/json"}
        if target.kind == "webhook":
            message_id = str(message["id"])
            headers["webhook-id"] = message_id
            if target.secret_env:
                at_s = int(self._clock.now().timestamp())
                headers |= signed_headers(self._secret(target.secret_env), message_id, at_s, body)
        _check(self._http.request("POST", url, timeout_s=_TIMEOUT_S, content=body, headers=headers))

    def _secret(self, name: str | None) -> str:
        if name is None:
            return ""
        value = self._environment.get(name, "")
        if not value:
            raise AwsError(f"the environment variable {name} is not set")
        return value

    def _retry(self, send: Callable[[], object]) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                send()
            except UnavailableError:
                if attempt == _ATTEMPTS:
                    raise
                self._clock.sleep(2.0 ** (attempt - 1) * 0.5)
            else:
                return


def _check(answer: Answer) -> None:
    """Raises unless the receiver took the message; addresses may hold secrets, so none is named.

    Raises:
        UnavailableError: worth another try.
        AwsError: refused.
    """
    if answer.status is None:
        raise UnavailableError(answer.fault.split(":")[0])
    if answer.status >= 500 or answer.status in {408, 425, 429}:
        raise UnavailableError(f"HTTP status {answer.status}")
    if not 200 <= answer.status < 300:
        raise AwsError(f"HTTP status {answer.status}")


def _name_of(target: Notification, facts: Facts) -> str:
    return f"notification {facts['transition']} to {target.kind}"
