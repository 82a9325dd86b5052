"""Releases in invented worlds: how our judge and other tools' rules decide on the same minutes."""
