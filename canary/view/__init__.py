"""One view model of a canary, several renderers: terminal, JSON, HTML."""
