"""Tells journal and observers; whatever goes wrong with telling never stops a canary."""

from __future__ import annotations

from dataclasses import dataclass

from canary.core.events import CallRetried, Event, Noticed
from canary.errors import AwsError
from canary.runner.setup import Ports


@dataclass(frozen=True, slots=True)
class Teller:
    """Speaks about one canary. Since 0.1."""

    ports: Ports
    canary_id: str
    stage: str

    def tell(self, event: Event) -> None:
        """Journal first, then every observer."""
        trouble = self._write_down(event)
        self._say(event)
        if trouble:
            self._say(self._notice(trouble))

    def notice(self, text: str) -> None:
        """Tells something that changes nothing by itself."""
        self.tell(self._notice(text))

    def retried(self, action: str, attempt: int, wait_s: float, error: AwsError) -> None:
        """Tells of an attempt that failed."""
        now = self.ports.clock.now()
        self.tell(CallRetried(self.canary_id, self.stage, now, action, attempt, wait_s, error.message))

    def _notice(self, text: str) -> Noticed:
        return Noticed(self.canary_id, self.stage, self.ports.clock.now(), text)

    def _write_down(self, event: Event) -> str:
        try:
            self.ports.journal.append(event)
        except Exception as error:  # noqa: BLE001  a full disk must not keep a sick version live
            return f"the journal can't be written: {error}"
        return ""

    def _say(self, event: Event) -> None:
        for observer in self.ports.observers:
            try:
                observer.notify(event)
            except Exception as error:  # noqa: BLE001  an observer must not stop a canary
                self._write_down(self._notice(f"{type(observer).__name__} failed: {error}"))
