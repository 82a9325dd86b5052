"""The e-processes of statistics.md §4 in pure Python. Numbers in, numbers out; no plan, no verdict."""
