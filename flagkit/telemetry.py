"""Evaluations as OpenTelemetry events and counts (extra `otel`), by the current semantic conventions.

Names are those of semantic-conventions v1.44 (release candidate): the event is a log record called
`feature_flag.evaluation`. By default values are left out and users are hashed. It must not decide answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry._logs import Logger, LogRecord, SeverityNumber, get_logger
from opentelemetry.metrics import Meter, get_meter

from flagkit.client import Flags
from flagkit.core.evaluation import Evaluation, Reason
from flagkit.runtime.exposures import Pseudonyms

EVENT = "feature_flag.evaluation"
_NAME = "flagkit"

__all__ = ["instrument"]


def instrument(
    flags: Flags,
    *,
    logger: Logger | None = None,
    meter: Meter | None = None,
    record_value: bool = False,
    record_user: bool = True,
    hash_users: bool = True,
    salt: str | None = None,
) -> Callable[[], None]:
    """Send an event for every answer of `flags`, and count it.

    The event carries key, variant, reason, provider, flag set, version, the hashed user id, and on an error its type
    and message. The counter is called `feature_flag.evaluations`, with the event's attributes but version and user.

    Args:
        flags: the client.
        logger: receives the events; the global logger provider's if None.
        meter: creates the counter; the global meter provider's if None.
        record_value: whether the event carries the value.
        record_user: whether it carries the user.
        hash_users: whether user ids are hashed; the same salt as for exposures gives the same hash.
        salt: of that hash; if None: the environment variable FLAGKIT_SALT, else a random one.

    Returns:
        a function that ends it.
    """
    return flags.watch(
        _Telemetry(
            flags.status().flag_set,
            get_logger(_NAME) if logger is None else logger,
            get_meter(_NAME) if meter is None else meter,
            record_value=record_value,
            pseudonyms=Pseudonyms(salt) if hash_users else None,
            record_user=record_user,
        )
    )


class _Telemetry:
    def __init__(
        self,
        set_id: str | None,
        logger: Logger,
        meter: Meter,
        *,
        record_value: bool,
        pseudonyms: Pseudonyms | None,
        record_user: bool,
    ) -> None:
        self._logger = logger
        self._counter = meter.create_counter(
            "feature_flag.evaluations", unit="{evaluation}", description="Answers given by flagkit."
        )
        self._record_value = record_value
        self._record_user = record_user
        self._pseudonyms = pseudonyms
        self._set_id = set_id

    def __call__(self, evaluation: Evaluation, user_id: object) -> None:
        attributes = self._common(evaluation)
        self._counter.add(1, dict(attributes))  # a copy: some versions of the SDK keep what they are given
        if evaluation.version is not None:
            attributes["feature_flag.version"] = evaluation.version
        if self._record_user and user_id is not None:
            attributes["feature_flag.context.id"] = self._user(str(user_id))
        # "if no variant; else opt-in" in the conventions; here always opt-in: values can be private.
        if self._record_value and isinstance(evaluation.value, bool | int | float | str):
            attributes["feature_flag.result.value"] = evaluation.value
        if evaluation.message:
            attributes["feature_flag.error.message"] = evaluation.message
        record = LogRecord(event_name=EVENT, severity_number=SeverityNumber.INFO, attributes=attributes)
        self._logger.emit(record)

    def _common(self, evaluation: Evaluation) -> dict[str, Any]:
        reason = evaluation.reason
        attributes: dict[str, Any] = {
            "feature_flag.key": evaluation.key,
            "feature_flag.provider.name": _NAME,
            "feature_flag.result.reason": "unknown" if reason is Reason.RULES_UNSEEN else str(reason).lower(),
        }
        if evaluation.variant is not None:
            attributes["feature_flag.result.variant"] = evaluation.variant
        if self._set_id is not None:
            attributes["feature_flag.set.id"] = self._set_id
        if evaluation.error is not None:
            attributes["error.type"] = str(evaluation.error).lower()
        return attributes

    def _user(self, user: str) -> str:
        return user if self._pseudonyms is None else self._pseudonyms.of(user)
