"""Stores that keep flags with their history: a file, or an AppConfig profile."""

from flagkit.admin.stores.base import (
    Deployment,
    DeploymentEvent,
    Deployments,
    DeploymentStatus,
    FlagStore,
    Note,
    Pace,
    Receipt,
    Stored,
    Version,
    WhenBusy,
)
from flagkit.admin.stores.opening import open_store

__all__ = [
    "Deployment",
    "DeploymentEvent",
    "DeploymentStatus",
    "Deployments",
    "FlagStore",
    "Note",
    "Pace",
    "Receipt",
    "Stored",
    "Version",
    "WhenBusy",
    "open_store",
]
