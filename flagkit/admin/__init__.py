"""Changing flags: pure edits, and the control plane that stores them."""
