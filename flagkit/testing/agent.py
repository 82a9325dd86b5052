"""AWS's AppConfig Agent for tests: the same requests and answers, evaluated by flagkit, with or without HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flagkit.core.snapshot import Snapshot
from flagkit.sources.local_http import Headers, Reply
from flagkit.sources.static import short_form


class AgentStandIn:
    """Answers like the Agent on localhost:2772; pass it to `AgentSource(…, ask=agent)`.

    Its buckets are flagkit's, not those of AWS's Agent (decision 0003).

    Args:
        document: whole or in short form.
        feature_flags: whether the profile has AWS's type for flags: then it answers for the given context instead of
            delivering the document.
        token: what callers must send as `Authorization: Bearer`; not required if None.
    """

    def __init__(
        self, document: Mapping[str, object], *, feature_flags: bool = False, token: str | None = None
    ) -> None:
        self.failure: OSError | Reply | None = None
        self.asked: list[Headers] = []
        self._feature_flags = feature_flags
        self._token = token
        self.replace(document)

    def replace(self, document: Mapping[str, object]) -> None:
        """Replace the document."""
        whole = document if "version" in document and "values" in document else short_form(document)
        self._content = json.dumps(whole).encode()
        self._snapshot = Snapshot.from_json(self._content)

    def __call__(self, path: str, headers: Headers, timeout_s: float) -> Reply:  # noqa: ARG002
        """Answer one GET."""
        self.asked.append(headers)
        if isinstance(self.failure, OSError):
            raise self.failure
        if self.failure is not None:
            return self.failure
        if self._token is not None and ("Authorization", f"Bearer {self._token}") not in headers:
            return Reply(401, b"unauthorized", {})
        parts = path.split("?", 1)[0].strip("/").split("/")
        if parts[::2] != ["applications", "environments", "configurations"]:
            return Reply(404, b"not found", {})
        body = self._answers(headers) if self._feature_flags else self._content
        return Reply(200, body, {"content-type": "application/json"})

    def _answers(self, headers: Headers) -> bytes:
        context = dict(value.split("=", 1) for name, value in headers if name.lower() == "context")
        return json.dumps(agent_answers(self._snapshot, context)).encode()


def agent_answers(snapshot: Snapshot, context: Mapping[str, object]) -> dict[str, Any]:
    """What the Agent answers for a context: every flag with its attributes, `enabled` and, with rules, `_variant`."""
    answers: dict[str, Any] = {}
    for key in snapshot.flags:
        answer = snapshot.evaluate(key, None, context)
        answers[key] = {**answer.attributes, "enabled": answer.enabled}
        if answer.variant is not None:
            answers[key]["_variant"] = answer.variant
    return answers
