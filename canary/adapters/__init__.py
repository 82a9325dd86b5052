"""The edges of canary: each adapter fulfils one port and holds no policy."""
