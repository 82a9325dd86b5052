"""The AppConfig data plane: sessions, single-use tokens, and what a plain client receives."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flagkit.testing.appconfig.store import (
    FEATURE_FLAGS,
    Accounts,
    Application,
    Environment,
    HostedVersion,
    Profile,
    named,
)
from flagkit.testing.wire import CallContext, Service, ServiceError

Answer = dict[str, Any]
DEFAULT_INTERVAL_S = 60  # natively, when the client asked for nothing (appconfig.md §4)
_TOKEN_LIFE = timedelta(hours=24)
_TOKEN_KEPT = 2 * _TOKEN_LIFE  # a stand-in that runs for days forgets what is long too old


@dataclass(slots=True)
class Session:
    """One client's session; its slot decides when a gradual deployment reaches it."""

    application: str
    environment: str
    profile: str
    region: str
    slot_percent: float
    required_interval_s: int | None
    delivered: HostedVersion | None = None
    next_poll_at: datetime | None = None


@dataclass(slots=True)
class Token:
    """One token: good for one call within 24 hours."""

    session: Session
    issued_at: datetime
    used: bool = False


class AppConfigData(Service):
    """boto3's `appconfigdata`: the two operations that applications poll."""

    service = "appconfigdata"

    def __init__(self, accounts: Accounts) -> None:
        self.accounts = accounts
        self._tokens: dict[str, Token] = {}

    def StartConfigurationSession(self, params: Answer, context: CallContext) -> Answer:
        """Opens a session; the names are ids or names (appconfig.md §4)."""
        interval_s = params.get("RequiredMinimumPollIntervalInSeconds")
        if interval_s is not None and not 15 <= interval_s <= 86400:
            raise ServiceError("BadRequestException", "RequiredMinimumPollIntervalInSeconds must be 15 to 86400.")
        session = Session(
            params["ApplicationIdentifier"],
            params["EnvironmentIdentifier"],
            params["ConfigurationProfileIdentifier"],
            context.region,
            self.accounts.random.uniform(0, 100),
            interval_s,
        )
        self._look_up(session)
        return {"InitialConfigurationToken": self._issue(session)}

    def GetLatestConfiguration(self, params: Answer, context: CallContext) -> Answer:  # noqa: ARG002
        """The configuration if it changed for this session, and the next token.

        An `Accept: application/ion` is answered in JSON like any other: AWS's binary Ion needs symbol tables that
        aren't published (appconfig.md §3.2).
        """
        token = self._take(params["ConfigurationToken"])
        session, now = token.session, self.accounts.clock.now()
        _, environment, profile = self._look_up(session)
        environment.last_read_at = profile.last_read_at = now
        version = environment.served(profile, session.slot_percent, now)
        if version is None:
            raise _not_found("Deployment", profile.name)
        token.used = True
        interval_s = session.required_interval_s or DEFAULT_INTERVAL_S
        if session.required_interval_s is not None:
            session.next_poll_at = now + timedelta(seconds=session.required_interval_s)
        answer: Answer = {
            "NextPollConfigurationToken": self._issue(session),
            "NextPollIntervalInSeconds": interval_s,
            "ContentType": version.content_type,
            "Configuration": b"",
        }
        if session.delivered is not version:
            answer["Configuration"] = _delivered(profile, version)
            answer["VersionLabel"] = version.label
            if profile.type == FEATURE_FLAGS:
                answer["ContentType"] = "application/json"
        elif version.label is not None:
            answer["VersionLabel"] = ""  # "empty when unchanged" (appconfig.md §4)
        session.delivered = version
        return answer

    def expire_tokens(self) -> None:
        """Makes every token out there too old, as if 24 hours had passed."""
        for token in self._tokens.values():
            token.issued_at -= _TOKEN_LIFE + timedelta(seconds=1)

    def _issue(self, session: Session) -> str:
        text = f"{self.accounts.random.getrandbits(2480):0620x}"  # about as long as natively
        now = self.accounts.clock.now()
        self._tokens[text] = Token(session, now)
        while now - self._tokens[oldest := next(iter(self._tokens))].issued_at > _TOKEN_KEPT:
            del self._tokens[oldest]
        return text

    def _take(self, text: str) -> Token:
        token = self._tokens.get(text)
        if token is None:
            raise _bad_token("Corrupted")
        now = self.accounts.clock.now()
        # Which problem a token used twice is answered with isn't recorded; Expired is what a client must survive.
        if token.used or now - token.issued_at > _TOKEN_LIFE:
            raise _bad_token("Expired")
        due = token.session.next_poll_at
        if due is not None and now < due:
            raise _bad_token("PollIntervalNotSatisfied")
        return token

    def _look_up(self, session: Session) -> tuple[Application, Environment, Profile]:
        applications = self.accounts.region(session.region).applications
        application = named(applications, session.application)
        if application is None:
            raise _not_found("Application", session.application)
        environment = named(application.environments, session.environment)
        if environment is None:
            raise _not_found("Environment", session.environment)
        profile = named(application.profiles, session.profile)
        if profile is None:
            raise _not_found("ConfigurationProfile", session.profile)
        return application, environment, profile


def _not_found(kind: str, name: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", f"{kind} {name} could not be found.", ResourceType=kind)


def _bad_token(problem: str) -> ServiceError:
    return ServiceError(
        "BadRequestException",
        "Request failed validation",
        Reason="InvalidParameters",
        Details={"InvalidParameters": {"ConfigurationToken": {"Problem": problem}}},
    )


def _delivered(profile: Profile, version: HostedVersion) -> bytes:
    if profile.type != FEATURE_FLAGS:
        return version.content  # verbatim
    from flagkit.core.documents import FlagDocument, reduce, serialise

    return serialise(reduce(FlagDocument.parse(json.loads(version.content))))
