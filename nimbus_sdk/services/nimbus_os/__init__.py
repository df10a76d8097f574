"""Nimbus OS."""
