"""Switches feature flags off when a canary is rolled back, through flagkit.admin; it decides nothing about the canary.

The only module of canary's shipped path that imports flagkit, and only when a flag has to be switched.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from canary.adapters.aws import Session
from canary.core.events import Event, PhaseChanged
from canary.core.phases import Phase
from canary.core.plan import FlagSwitch
from canary.errors import FlagsOffError

ROLLBACK_PHASES = frozenset({Phase.ROLLING_BACK, Phase.ROLLED_BACK})
"""Both: a driver that dies after the first leaves the second to the next one, and off twice is off once."""


class FlagsOff:
    """An observer that switches the plan's flags off on a rollback.

    Args:
        switches: which flags, and where they are kept.
        session: the boto3 session, for flags in AppConfig.
    """

    def __init__(self, switches: Sequence[FlagSwitch], session: Session) -> None:
        self._switches = switches
        self._session = session

    def notify(self, event: Event) -> None:
        """Switches every flag off, deployed at once; the aliases have been written before this event.

        Raises:
            FlagsOffError: names the flags that are still as they were; the others are off.
        """
        if not isinstance(event, PhaseChanged) or event.after not in ROLLBACK_PHASES:
            return
        from flagkit.errors import FlagkitError

        failed: list[str] = []
        # Closed when all are off: closing waits for the notices of a change, and no other change waits for these.
        with ExitStack() as opened:
            for switch in self._switches:
                try:
                    self._switch_off(opened, switch, f"canary {event.canary_id} of {event.stage} was rolled back")
                except FlagkitError as error:
                    failed.append(f"{switch.key} in {switch.source}: {error.message}")
        if failed:
            raise FlagsOffError(f"not switched off: {'; '.join(failed)}")

    def _switch_off(self, opened: ExitStack, switch: FlagSwitch, reason: str) -> None:
        from flagkit.admin.edits import switch_off
        from flagkit.admin.stores import Note, open_store

        store = open_store(switch.source, session=self._session)
        opened.callback(store.close)
        base = store.read()
        receipt = store.save(base, switch_off(base.document, switch.key), Note(reason=reason))
        if store.deployments is not None:
            # A flag that is to go off now waits for nobody's bake.
            store.deployments.deploy(receipt.version.number, pace="immediate", when_busy="replace", reason=reason)
