"""Readers of strange bytes, fed with strange bytes: `python -m tests.security.fuzz` is the long form."""
