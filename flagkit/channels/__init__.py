"""Messages to receivers outside: HTTP with a total deadline, and texts escaped for each chat. It knows no flags.

Both packages send through it. Loaded only by what sends: httpx costs a cold start 197 ms (decision 0004).
"""
