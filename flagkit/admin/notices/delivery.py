"""Delivers notices beside the program: to all receivers at once, tried again, and given up when the time is over.

Nothing here raises, and no write waits for it. A redirect is not followed, an answer is not read beyond its limit.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from flagkit.admin.notices.notice import Notice
from flagkit.admin.settings import (
    EventBridgeReceiver,
    HttpReceiver,
    Receiver,
    SnsReceiver,
    SourceSettings,
    url_problem,
)
from flagkit.channels.messages import (
    for_slack,
    for_teams,
    signed_headers,
    slack_message,
    sns_subject,
    teams_message,
)
from flagkit.channels.text import printable
from flagkit.runtime.clock import Clock, machine_clock

if TYPE_CHECKING:
    import boto3

    from flagkit.channels.http import Http

logger = logging.getLogger("flagkit.notices")

LIMIT_S: Final = 6.0
"""How long the delivery of a notice takes at most, with all attempts."""

COMPOSE_LIMIT_S: Final = 5.0
"""How long it may take to read what a deployment changed."""

WAITING_LIMIT: Final = 50
"""Notices on their way at most; one more is reported as not delivered."""

_ATTEMPT_S = 3.0
_ANSWER_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a notice.

    Attributes:
        receiver: the receiver, without its address.
        problem: why it was not delivered; empty if it was.
    """

    receiver: str
    problem: str = ""


class _TryAgainError(Exception):
    """No answer, or one that another attempt may change."""


class _RefusedError(Exception):
    """An answer that another attempt won't change."""


class Delivery:
    """Delivers notices.

    Args:
        settings: who is notified of which source.
        session: for SNS and EventBridge; the usual chain where None.
        environment: where addresses and secrets are looked up.
        http: makes the requests; a client of its own where None.
        clock: waits between attempts and dates signatures.
        limit_s: how long a delivery takes at most.
    """

    def __init__(
        self,
        settings: SourceSettings,
        *,
        session: boto3.Session | None = None,
        environment: Mapping[str, str] | None = None,
        http: Http | None = None,
        clock: Clock | None = None,
        limit_s: float = LIMIT_S,
    ) -> None:
        self._settings = settings
        self._session = session
        self._environment = os.environ if environment is None else environment
        self._http = http
        self._clock = machine_clock() if clock is None else clock
        self._limit_s = limit_s
        self._clients: dict[tuple[str, str | None], Any] = {}
        self._making = threading.Lock()

    def deliver(self, notice: Notice) -> list[Outcome]:
        """Deliver a notice to all receivers of its source at the same time, and wait until that is over."""
        receivers = self._settings.of(notice.names)
        due_s = self._clock.monotonic() + self._limit_s
        found: list[Outcome | None] = [None] * len(receivers)

        def work(index: int, receiver: Receiver) -> None:
            found[index] = Outcome(name_of(receiver, self._environment), self._problem(receiver, notice, due_s))

        threads = [threading.Thread(target=work, args=item, name="flagkit-notice") for item in enumerate(receivers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [outcome for outcome in found if outcome is not None]

    def _problem(self, receiver: Receiver, notice: Notice, due_s: float) -> str:
        """Try to deliver until it is done, refused, or too late; return why it isn't done."""
        failures = 0
        while True:
            left_s = due_s - self._clock.monotonic()
            if left_s <= 0:
                return f"no answer in {self._limit_s:g} s"
            try:
                self._send(receiver, notice, min(left_s, _ATTEMPT_S))
            except _TryAgainError as error:
                problem = str(error)
            except _RefusedError as error:
                return str(error)
            except Exception as error:  # noqa: BLE001 - whatever a receiver or a library does, the change is made
                return type(error).__name__
            else:
                return ""
            pause_s = 0.5 * 2.0**failures
            failures += 1
            if due_s - self._clock.monotonic() <= pause_s:
                return f"{problem} (tried {failures} time{'s' if failures > 1 else ''})"
            self._clock.sleep(pause_s)

    def _send(self, receiver: Receiver, notice: Notice, timeout_s: float) -> None:
        match receiver:
            case HttpReceiver():
                self._post(receiver, notice, timeout_s)
            case SnsReceiver(topic_arn=arn):
                data = notice.to_dict()
                message = json.dumps({"default": json.dumps(data), "email": data["text"], "sms": notice.title()[:140]})
                about = {"TopicArn": arn, "Subject": sns_subject(notice.title()), "MessageStructure": "json"}
                if arn.endswith(".fifo"):
                    about |= {"MessageGroupId": "flagkit", "MessageDeduplicationId": notice.id}
                self._call("sns", arn.split(":")[3], "publish", timeout_s, **about, Message=message)
            case EventBridgeReceiver(bus=bus):
                entry = {
                    "EventBusName": bus,
                    "Source": "flagkit",
                    "DetailType": f"Flags {notice.action.replace('_', ' ')}",
                    "Detail": json.dumps(notice.to_dict()),
                    "Time": notice.at,
                }
                region = bus.split(":")[3] if bus.startswith("arn:") else None
                answer = self._call("events", region, "put_events", timeout_s, Entries=[entry])
                if answer.get("FailedEntryCount"):
                    failed: Mapping[str, object] = next(iter(answer.get("Entries") or ()), {})
                    raise _TryAgainError(f"EventBridge refused the event: {failed.get('ErrorCode')}")

    def _post(self, receiver: HttpReceiver, notice: Notice, timeout_s: float) -> None:
        url = receiver.url or self._secret(receiver.url_env)
        if url_problem(url):
            raise _RefusedError(f"the environment variable {receiver.url_env} holds no valid http or https URL")
        headers = {"Content-Type": "application/json"}
        if receiver.kind == "slack":
            message = slack_message(notice.text(for_slack), notice.colour)
        elif receiver.kind == "teams":
            message = teams_message(notice.text(for_teams))
        else:
            message = notice.to_dict()
        body = json.dumps(message).encode()
        if receiver.secret_env is not None:
            at_s = int(self._clock.now().timestamp())
            headers |= signed_headers(self._secret(receiver.secret_env), notice.id, at_s, body)
        with self._making:
            if self._http is None:
                from flagkit.channels.http import Http

                self._http = Http()
        answer = self._http.request(
            "POST", url, timeout_s=timeout_s, content=body, headers=headers, limit=_ANSWER_BYTES
        )
        if answer.status is None:
            is_late = answer.fault.startswith("no answer within")
            raise _TryAgainError("no answer in time" if is_late else answer.fault.split(":")[0])
        if answer.status >= 500 or answer.status in {408, 425, 429}:
            raise _TryAgainError(f"HTTP status {answer.status}")
        if not 200 <= answer.status < 300:
            raise _RefusedError(f"HTTP status {answer.status}")

    def _secret(self, name: str | None) -> str:
        value = self._environment.get(name or "", "")
        if not value:
            raise _RefusedError(f"the environment variable {name} is not set")
        return value

    def _call(self, service: str, region: str | None, method: str, timeout_s: float, **params: object) -> Any:
        """Call AWS once, within the time: a client's own limits don't count for names that take long to look up."""
        from flagkit.channels.http import DeadlineError, within
        from flagkit.errors import FlagkitError, SourceUnavailableError
        from flagkit.sources.aws import make_client, translate

        def call() -> Any:
            with self._making:
                if (service, region) not in self._clients:
                    self._clients[service, region] = make_client(service, self._session, region)
                client = self._clients[service, region]
            return getattr(client, method)(**params)

        action = f"{service}:{''.join(part.capitalize() for part in method.split('_'))}"
        try:
            return within(timeout_s, call)
        except DeadlineError:
            raise _TryAgainError("no answer in time") from None
        except FlagkitError as error:
            raise _RefusedError(error.message) from None
        except Exception as error:  # noqa: BLE001 - `translate` knows botocore's errors, and takes any other
            found = translate(error, action)
            kind = _TryAgainError if isinstance(found, SourceUnavailableError) else _RefusedError
            raise kind(printable(found.message, 300)) from None


def name_of(receiver: Receiver, environment: Mapping[str, str]) -> str:
    """Return a receiver as it may be shown: a chat's address is a secret, so only its host is."""
    match receiver:
        case SnsReceiver(topic_arn=arn):
            return f"sns ({arn})"
        case EventBridgeReceiver(bus=bus):
            return f"eventbridge ({bus})"
        case HttpReceiver(kind=kind):
            try:
                host = urlsplit(receiver.url or environment.get(receiver.url_env or "", "")).hostname
            except ValueError:
                host = None
            return f"{kind} ({printable(host or str(receiver.url_env))})"


class Outbox:
    """Sends the notices of a store in the background, and knows which are still on their way.

    Args:
        delivery: how.
        warn: called with each problem in `wait`; where None it is logged at once.
    """

    def __init__(self, delivery: Delivery, warn: Callable[[str], object] | None = None) -> None:
        self._delivery = delivery
        self._warn = warn
        self._problems: list[str] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def send(self, compose: Callable[[], Notice | None]) -> None:
        """Compose a notice and deliver it, in a thread that the end of the program waits for."""
        with self._lock:
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            if len(self._threads) >= WAITING_LIMIT:
                self._report(f"a notice was not delivered: {WAITING_LIMIT} others are still on their way")
                return
            thread = threading.Thread(target=self._work, args=(compose,), name="flagkit-notices")
            try:
                thread.start()
            except RuntimeError as error:  # no more threads, or the program ends
                self._report(f"a notice was not delivered: {error}")
            else:
                self._threads.append(thread)  # started: `wait` in another thread may join it

    def wait(self) -> None:
        """Wait until everything is delivered or given up, and report what was given up. It takes seconds at most."""
        with self._lock:
            threads = tuple(self._threads)
        for thread in threads:
            thread.join()
        with self._lock:
            problems, self._problems = self._problems, []
        for problem in problems:
            if self._warn is not None:
                self._warn(f"warning: {problem}")

    def _work(self, compose: Callable[[], Notice | None]) -> None:
        from flagkit.channels.http import DeadlineError, within

        try:
            notice = within(COMPOSE_LIMIT_S, compose)
            outcomes = [] if notice is None else self._delivery.deliver(notice)
        except DeadlineError:
            self._report("a notice was not delivered: the change could not be read in time")
        except Exception as error:  # noqa: BLE001 - the change is made, whatever happens to its notice
            self._report(f"a notice was not delivered: {printable(str(error)) or type(error).__name__}")
        else:
            for outcome in outcomes:
                if outcome.problem:
                    self._report(f"the notice to {outcome.receiver} was not delivered: {outcome.problem}")

    def _report(self, problem: str) -> None:
        if self._warn is None:
            logger.warning("flagkit: %s", problem)
        else:
            self._problems.append(problem)
