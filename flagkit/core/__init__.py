"""The pure half of flagkit: no I/O, no clock, no randomness, no logging."""
