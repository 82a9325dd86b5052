"""The pure half of canary: no I/O, no clock, no randomness, no logging."""
