"""The command line `flagkit`."""
