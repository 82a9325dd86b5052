"""Notices of flag changes: who is notified of a source (flagkit.toml), what is said, and its delivery.

`flagkit.admin.stores.open_store` finds the settings itself; a store without receivers is left as it is.
"""
