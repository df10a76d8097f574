"""Nexus: keys that are JWTs, and one thread endpoint."""
