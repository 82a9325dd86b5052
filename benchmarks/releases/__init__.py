"""Releases with synthetic traffic: how canary's judge and other tools' rules decide on the same minutes."""
