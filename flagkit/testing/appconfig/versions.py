"""Hosted configuration versions: the lock, labels, size, and what the service does to flag documents."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from flagkit.errors import DocumentError
from flagkit.testing.appconfig.store import (
    FEATURE_FLAGS,
    Application,
    HostedVersion,
    Operations,
    Profile,
    bad_request,
    find,
    not_found,
    page,
)
from flagkit.testing.wire import CallContext, ServiceError

Answer = dict[str, Any]
LIMIT_BYTES = 2_097_152  # 2 048 KB (appconfig.md §1.1)
# The text that AWS sends (appconfig.md §1.1).
INVALID_CONTENT = "Error invoking extension AppConfig Feature Flags Helper: Invalid 'Content' data"
_FULL_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


class VersionOperations(Operations):
    """The operations on hosted configuration versions."""

    def profile(self, application: Application, params: Answer) -> Profile:
        """The profile a call names by id."""
        return find(application.profiles, params["ConfigurationProfileId"], "ConfigurationProfile")

    def CreateHostedConfigurationVersion(self, params: Answer, context: CallContext) -> Answer:
        """Saves a version; flag documents are checked and normalised, and saving the same again changes nothing."""
        application = self.application(params, context)
        profile = self.profile(application, params)
        content = params.get("Content", b"")
        if profile.location_uri != "hosted":
            raise bad_request("The configuration profile does not have a LocationUri of hosted.")
        _check_size(content)
        _check_lock(profile, params.get("LatestVersionNumber"))
        _check_description(params.get("Description"))
        label = params.get("VersionLabel")
        if profile.type == FEATURE_FLAGS:
            content = self._normalised(profile, content)
            if profile.latest is not None and profile.latest.content == content:
                return _version(application, profile, profile.latest)  # 201 with the existing number, natively
        _check_label(profile, label)
        profile.last_number += 1  # deleted numbers aren't used again (appconfig.md §7)
        version = HostedVersion(
            profile.last_number, content, params["ContentType"], _as_header(params.get("Description")), label
        )
        profile.versions[version.number] = version
        return _version(application, profile, version)

    def GetHostedConfigurationVersion(self, params: Answer, context: CallContext) -> Answer:
        """One version with its content, as saved."""
        application = self.application(params, context)
        profile = self.profile(application, params)
        return _version(application, profile, _by_number(profile, params["VersionNumber"]))

    def ListHostedConfigurationVersions(self, params: Answer, context: CallContext) -> Answer:
        """All versions, newest first; the label filter takes a trailing `*` (appconfig.md §7)."""
        application = self.application(params, context)
        profile = self.profile(application, params)
        wanted = params.get("VersionLabel")
        versions = [item for item in reversed(profile.versions.values()) if _label_matches(item.label, wanted)]
        items = [_version(application, profile, item) | {"Content": None} for item in versions]
        return page(items, params)

    def DeleteHostedConfigurationVersion(self, params: Answer, context: CallContext) -> Answer:
        """Deletes a version; what is deployed of it stays deployed."""
        profile = self.profile(self.application(params, context), params)
        del profile.versions[_by_number(profile, params["VersionNumber"]).number]
        return {}

    def _normalised(self, profile: Profile, content: bytes) -> bytes:
        # Imported here: pydantic is needed by flag profiles only.
        from flagkit.core.documents import FlagDocument, normalise, serialise

        _check_timestamps(content)
        try:
            document = FlagDocument.parse(content)
        except DocumentError as error:
            details = [
                {
                    "Constraint": item.constraint,
                    "Location": item.location,
                    "Type": item.type,
                    "Value": item.value,
                    "Reason": item.reason or None,
                }
                for item in error.violations
            ]
            raise ServiceError(
                "BadRequestException",
                INVALID_CONTENT,
                Reason="InvalidConfiguration",
                Details={"InvalidConfiguration": details},
            ) from None
        previous = None if profile.latest is None else json.loads(profile.latest.content)
        return serialise(normalise(document, previous=previous, now=self.now()))


def resolve_version(profile: Profile, wanted: str) -> HostedVersion:
    """A version by number or label, as StartDeployment and ValidateConfiguration take it."""
    if wanted.isdecimal():
        return _by_number(profile, int(wanted))
    for version in profile.versions.values():
        if version.label == wanted:
            return version
    raise not_found("HostedConfigurationVersion", wanted)


def _by_number(profile: Profile, number: int) -> HostedVersion:
    version = profile.versions.get(number)
    if version is None:
        raise not_found("HostedConfigurationVersion", str(number))
    return version


def _check_size(content: bytes) -> None:
    if not content:
        raise bad_request("Content must not be empty.")
    if len(content) > LIMIT_BYTES:
        # 2 097 153 bytes are answered with Size 2049.0 natively, so kilobytes are rounded up.
        raise ServiceError(
            "PayloadTooLargeException",
            "The configuration content is too large.",
            Measure="KILOBYTES",
            Limit=2048.0,
            Size=float(math.ceil(len(content) / 1024)),
        )


def _check_lock(profile: Profile, expected: int | None) -> None:
    actual = 0 if profile.latest is None else profile.latest.number
    if expected is not None and expected != actual:
        # The native text (appconfig.md §7).
        message = f"Expected latest version {expected} does not match actual latest version {actual}"
        raise ServiceError("ConflictException", message)


def _as_header(description: str | None) -> str | None:
    """Return a description as it arrives: a header loses the white space around its value (RFC 9110 §5.5)."""
    return None if description is None else description.strip(" \t")


def _check_description(description: str | None) -> None:
    # The description travels in an HTTP header (appconfig.md §7).
    if description is not None and not (description.isascii() and len(description) <= 1024):
        raise bad_request("Description supports only ASCII characters.")


def _check_label(profile: Profile, label: str | None) -> None:
    if label is None:
        return
    if label.isdigit() or not 1 <= len(label) <= 64:
        raise bad_request("VersionLabel must have 1 to 64 characters, at least one of them not a digit.")
    if any(version.label == label for version in profile.versions.values()):
        raise bad_request(f"Version label {label} already exists.")


def _check_timestamps(content: bytes) -> None:
    # A client-supplied _createdAt that isn't a full ISO timestamp: 500 with an empty message, natively (§1.1).
    try:
        document = json.loads(content)
    except ValueError:
        return  # for the document's own check
    sides = [document.get(side) for side in ("flags", "values")] if isinstance(document, dict) else []
    for entries in sides:
        for entry in entries.values() if isinstance(entries, dict) else ():
            created = entry.get("_createdAt") if isinstance(entry, dict) else None
            if created is not None and not (isinstance(created, str) and _FULL_TIMESTAMP.fullmatch(created)):
                raise ServiceError("InternalServerException", "")


def _label_matches(label: str | None, wanted: str | None) -> bool:
    if wanted is None:
        return True
    if wanted.endswith("*"):
        return label is not None and label.startswith(wanted[:-1])
    return label == wanted


def _version(application: Application, profile: Profile, version: HostedVersion) -> Answer:
    return {
        "ApplicationId": application.id,
        "ConfigurationProfileId": profile.id,
        "VersionNumber": version.number,
        "Description": version.description,
        "Content": version.content,
        "ContentType": version.content_type,
        "VersionLabel": version.label,
    }
