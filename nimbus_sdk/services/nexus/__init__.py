"""Nexus: the client for its agents, and the claims in its keys."""
