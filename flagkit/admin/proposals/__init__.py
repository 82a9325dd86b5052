"""Change proposals: an edit that waits for another person's approval before it is saved.

`proposal` says what one is, `keeping` where they are kept, `review` what may be done with them, and `guard` refuses
changes that need an approval and have none. `flagkit.admin.stores.open_store` puts the guard in its place.
"""
