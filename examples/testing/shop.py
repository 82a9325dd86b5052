"""A small shop whose checkout is behind flags: the code under test of this example."""

from __future__ import annotations

from dataclasses import dataclass

from flagkit import Flags


@dataclass
class Shop:
    """Sells things, with or without the new checkout."""

    flags: Flags

    def checkout(self, user_id: str, country: str) -> str:
        """Which page a customer gets, and in which colour its button is."""
        context = {"country": country}
        if not self.flags.is_enabled("new_checkout", user_id, context):
            return "old page"
        colour = self.flags.string("button_colour", user_id, context, default="grey")
        return f"new page, {colour} button"
