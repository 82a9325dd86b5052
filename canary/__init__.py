"""Lambda canaries that judge each step by evidence and come back by themselves."""
