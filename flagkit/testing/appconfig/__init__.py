"""The AppConfig part of the stand-in: control plane and data plane over one state."""

from __future__ import annotations

from flagkit.testing.appconfig.control import AppConfig
from flagkit.testing.appconfig.data import AppConfigData
from flagkit.testing.appconfig.store import Accounts, AlarmState

__all__ = ["Accounts", "AlarmState", "AppConfig", "AppConfigData"]
