"""Nexus: keys that are JWTs, and threads with an agent."""
