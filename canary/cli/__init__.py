"""The command line `canary`."""
