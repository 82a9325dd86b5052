"""flagkit behind OpenFeature's API (extra `openfeature`). It translates; it must not evaluate or fetch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEventDetails
from openfeature.exception import ErrorCode, GeneralError, ProviderFatalError
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType, Reason
from openfeature.hook import Hook
from openfeature.provider import AbstractProvider, Metadata
from openfeature.track import TrackingEventDetails

from flagkit.client import Flags
from flagkit.core.evaluation import ErrorCode as FlagkitCode
from flagkit.core.evaluation import Evaluation, ValueType
from flagkit.core.evaluation import Reason as FlagkitReason
from flagkit.runtime.status import State, Status

Details = TypeVar("Details")
Structure = Sequence[FlagValueType] | Mapping[str, FlagValueType]
Tracker = Callable[[str, str | None, Mapping[str, Any], float | None], object]
"""`(event, targeting_key, attributes, value)`."""

__all__ = ["FlagkitProvider"]


class FlagkitProvider(AbstractProvider):
    """An OpenFeature provider over flagkit.

    ```python
    api.set_provider_and_wait(FlagkitProvider(Flags.connect("appconfig://shop/production/flags")))
    ```

    The targeting key is `$userId` (or what the client's `user_key` names) and `$targetingKey` in rules. Values come
    from the attribute `value`, objects without it from all attributes; the other attributes are flag metadata, besides
    `flagSetId` (`application/environment/profile`) and `version`.

    Args:
        flags: the client; closed with the provider.
        ready_timeout_s: how long `initialize` waits for the first document.
        tracker: called with tracking events: `(event, targeting_key, attributes, value)`.
        hooks: provider hooks of OpenFeature.
    """

    def __init__(
        self,
        flags: Flags,
        *,
        ready_timeout_s: float = 5.0,
        tracker: Tracker | None = None,
        hooks: Sequence[Hook] = (),
    ) -> None:
        super().__init__()
        self._flags = flags
        self._ready_timeout_s = ready_timeout_s
        self._tracker = tracker
        self._hooks = list(hooks)
        self._unsubscribe: list[Callable[[], None]] = []
        self._set_id = flags.status().flag_set

    def get_metadata(self) -> Metadata:
        """The provider's name."""
        return Metadata("flagkit")

    def get_provider_hooks(self) -> list[Hook]:
        """The hooks given at the start."""
        return self._hooks

    def initialize(self, evaluation_context: EvaluationContext) -> None:  # noqa: ARG002  (the interface's)
        """Wait for a document.

        Raises:
            ProviderFatalError: the client was closed before.
            GeneralError: there was no document in time, nor a cached one or a fallback. A later one makes the provider
                ready.
        """
        if self._flags.closed:
            raise ProviderFatalError("the client was closed")
        if not self._unsubscribe:
            self._unsubscribe = [self._flags.on_change(self._changed), self._flags.on_state(self._state_changed)]
        if not self._flags.wait_until_ready(self._ready_timeout_s):
            status = self._flags.status()
            if status.version is None:
                raise GeneralError(
                    "no flag document has been loaded yet" if status.error is None else status.error.message
                )

    def shutdown(self) -> None:
        """Close the client; can be repeated."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._unsubscribe = []
        if not self._flags.closed:
            self._flags.close()

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """The flag as a boolean: its attribute `value`, or whether it is on."""
        return self._resolve(ValueType.BOOLEAN, flag_key, default_value, evaluation_context)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """The flag's attribute `value` as text."""
        return self._resolve(ValueType.STRING, flag_key, default_value, evaluation_context)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """The flag's attribute `value` as a whole number."""
        return self._resolve(ValueType.INTEGER, flag_key, default_value, evaluation_context)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """The flag's attribute `value` as a number."""
        details: FlagResolutionDetails[Any] = self._resolve(
            ValueType.NUMBER, flag_key, default_value, evaluation_context
        )
        if isinstance(details.value, int):
            details.value = float(details.value)  # the SDK insists on the type
        return details

    def resolve_object_details(
        self, flag_key: str, default_value: Structure, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[Structure]:
        """The flag's attribute `value` if it is a list or object, otherwise all its attributes."""
        return self._resolve(ValueType.OBJECT, flag_key, default_value, evaluation_context)

    async def resolve_boolean_details_async(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """Like `resolve_boolean_details`, without blocking the event loop."""
        return await self._free(self.resolve_boolean_details, flag_key, default_value, evaluation_context)

    async def resolve_string_details_async(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """Like `resolve_string_details`, without blocking the event loop."""
        return await self._free(self.resolve_string_details, flag_key, default_value, evaluation_context)

    async def resolve_integer_details_async(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """Like `resolve_integer_details`, without blocking the event loop."""
        return await self._free(self.resolve_integer_details, flag_key, default_value, evaluation_context)

    async def resolve_float_details_async(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """Like `resolve_float_details`, without blocking the event loop."""
        return await self._free(self.resolve_float_details, flag_key, default_value, evaluation_context)

    async def resolve_object_details_async(
        self, flag_key: str, default_value: Structure, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[Structure]:
        """Like `resolve_object_details`, without blocking the event loop."""
        return await self._free(self.resolve_object_details, flag_key, default_value, evaluation_context)

    def track(
        self,
        tracking_event_name: str,
        evaluation_context: EvaluationContext | None = None,
        tracking_event_details: TrackingEventDetails | None = None,
    ) -> None:
        """Report the event as an outcome, and pass it to the tracker, if there is one.

        The event's name is the metric. With an attribute `failed` that is true it counts as bad; otherwise as its
        value, or 1 without one.
        """
        key = None if evaluation_context is None else evaluation_context.targeting_key
        details = tracking_event_details or TrackingEventDetails()
        if details.attributes.get("failed") is True:
            self._flags.report(key, failed=True, metric=tracking_event_name)
        else:
            value = 1.0 if details.value is None else details.value
            self._flags.report(key, value=value, metric=tracking_event_name)
        if self._tracker is None:
            return
        self._tracker(tracking_event_name, key, details.attributes, details.value)

    async def _free(self, resolve: Callable[..., Details], *args: object) -> Details:
        # Evaluation takes microseconds; a read waits only for the Agent as evaluator.
        return await asyncio.to_thread(resolve, *args) if self._flags.may_wait else resolve(*args)

    def _resolve(
        self, wanted: ValueType, flag_key: str, default_value: Any, evaluation_context: EvaluationContext | None
    ) -> FlagResolutionDetails[Any]:
        targeting_key, context = _split(evaluation_context)
        answer = self._flags.resolve(wanted, flag_key, targeting_key, context, default=default_value)
        if (
            wanted is ValueType.BOOLEAN
            and answer.error is None
            and not isinstance(answer.attributes.get("value", True), bool)
        ):
            # OpenFeature requires a mismatch error; flagkit's own API answers whether the flag is on (decision 0021).
            return FlagResolutionDetails(
                default_value,
                ErrorCode.TYPE_MISMATCH,
                f"flag {flag_key!r} does not have a boolean value",
                Reason.ERROR,
                flag_metadata=self._metadata(answer, wanted),
            )
        return FlagResolutionDetails(
            answer.value,
            None if answer.error is None else _code(answer.error),
            answer.message or None,
            Reason.UNKNOWN if answer.reason is FlagkitReason.RULES_UNSEEN else Reason(answer.reason),
            answer.variant,
            self._metadata(answer, wanted),
        )

    def _metadata(self, answer: Evaluation, wanted: ValueType) -> Mapping[str, bool | int | float | str]:
        found: dict[str, bool | int | float | str] = {}
        if wanted is not ValueType.OBJECT or "value" in answer.attributes:
            found.update(
                (name, value)
                for name, value in answer.attributes.items()
                if name != "value" and isinstance(value, bool | int | float | str)
            )
        if self._set_id is not None:
            found["flagSetId"] = self._set_id
        if answer.version is not None and not answer.version.startswith("content-"):  # a hash is not a version
            found["version"] = answer.version
        return MappingProxyType(found)

    def _changed(self, keys: frozenset[str]) -> None:
        self.emit_provider_configuration_changed(ProviderEventDetails(flags_changed=sorted(keys)))

    def _state_changed(self, status: Status) -> None:
        message = None if status.error is None else status.error.message
        details = ProviderEventDetails(message=message)
        if status.state is State.READY:
            self.emit_provider_ready(details)
        elif status.state is State.STALE:
            self.emit_provider_stale(details)
        else:
            self.emit_provider_error(ProviderEventDetails(message=message, error_code=ErrorCode.GENERAL))


def _split(context: EvaluationContext | None) -> tuple[str | None, dict[str, Any]]:
    if context is None:
        return None, {}
    attributes: dict[str, Any] = dict(context.attributes)
    if context.targeting_key is not None:
        attributes["targetingKey"] = context.targeting_key
    return context.targeting_key, attributes


def _code(error: FlagkitCode) -> ErrorCode:
    return ErrorCode(str(error))
