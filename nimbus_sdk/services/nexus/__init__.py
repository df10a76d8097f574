"""Nexus."""
