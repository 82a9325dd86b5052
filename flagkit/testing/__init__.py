"""An AWS AppConfig stand-in and helpers for tests, on a virtual clock."""
